//! The tests of receivers that misbehave, and of the deliveries that the API shows. Each case is an
//! endpoint of the running application, gets one event, and must leave exactly one delivery that says what
//! happened.
//!
//! The cases of a table run at the same time. [`run`] checks what holds for all of them: one delivery and
//! no second one, its fields, when it ended, how many requests the receiver got, and that a healthy
//! endpoint of the same application is served meanwhile and afterwards.

use std::time::Duration;

use serde_json::{Value, json};

use self::script::Scripted;
use super::fixture::TestApp;
use super::receiver::Receiver;

mod answers;
mod deadlines;
mod heads;
mod limits;
mod pooled;
mod resets;
mod script;
mod tls;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// No second attempt comes while a test runs, and no endpoint is disabled.
const ONE_ATTEMPT: [&str; 4] = ["--retry-schedule", "30d", "--disable-after", "0"];

/// An attempt ends by its deadline; the rest is what a busy machine may add.
const SLACK: Duration = Duration::from_secs(8);

/// The `response` that a delivery must have.
enum Says {
    Nothing,
    Exactly(String),
    /// For text that is partly another's, or has a time in it.
    With(&'static str),
}

/// The fields that the one delivery of a case must have.
struct Expected {
    code: Option<u16>,
    /// One, or those between which a race decides; none if `error` is to be null.
    errors: Vec<&'static str>,
    response: Says,
}

/// A receiver and what is to be recorded of it.
struct Case {
    name: &'static str,
    url: String,
    receiver: Scripted,
    expected: Expected,
    /// Whole requests that the receiver is to see.
    requests: usize,
    /// The most it may get rid of, if that is limited.
    sends_at_most: Option<u64>,
    /// The data that is published; large if the case is about sending.
    data: Value,
}

impl Case {
    fn new(name: &'static str, receiver: Scripted, expected: Expected) -> Self {
        Self {
            name,
            url: format!("http://{}/hook", receiver.addr),
            receiver,
            expected,
            requests: 1,
            sends_at_most: None,
            data: json!(1),
        }
    }

    /// The receiver answers every request with the same bytes.
    fn answer(name: &'static str, answer: impl Into<Vec<u8>>, expected: Expected) -> Self {
        Self::new(name, Scripted::answering(answer), expected)
    }

    /// The receiver reads the request, sends this, and closes.
    fn last_words(name: &'static str, words: &'static str, expected: Expected) -> Self {
        let receiver = Scripted::start(move |talk| {
            talk.request();
            talk.send(words);
        });
        Self::new(name, receiver, expected)
    }

    /// No request can be read whole.
    fn unasked(mut self) -> Self {
        self.requests = 0;
        self
    }

    fn over_tls(mut self) -> Self {
        self.url = self.url.replacen("http:", "https:", 1);
        self
    }
}

fn answered(code: u16, response: Says) -> Expected {
    Expected {
        code: Some(code),
        errors: Vec::new(),
        response,
    }
}

fn failed(error: &'static str, response: Says) -> Expected {
    Expected {
        code: None,
        errors: vec![error],
        response,
    }
}

fn failed_either(errors: [&'static str; 2], response: Says) -> Expected {
    Expected {
        code: None,
        errors: errors.to_vec(),
        response,
    }
}

fn exactly(text: &str) -> Says {
    Says::Exactly(text.to_owned())
}

/// Sends each case its event, and checks what is recorded. All problems are told at once.
#[track_caller]
fn run(app: &TestApp, cases: &[Case], ends_within: Duration) {
    let healthy = Receiver::start();
    app.endpoint_for(&healthy.url("/healthy"), "raw", &["healthy"]);
    let endpoints: Vec<Value> = cases
        .iter()
        .map(|case| app.endpoint_for(&case.url, "raw", &[case.name]))
        .collect();
    for case in cases {
        app.publish(case.name, &case.data);
    }
    app.publish("healthy", &json!(1));
    healthy.wait("/healthy", 1);
    let paths: Vec<String> = endpoints
        .iter()
        .map(|endpoint| {
            let id = endpoint["id"].as_str().unwrap();
            format!("/api/webhooks/deliveries?endpoint_id={id}")
        })
        .collect();
    for path in &paths {
        app.wait_for(path, |list| list["meta"]["total"] != 0);
    }
    // All are served, and those that served them are free again.
    let message = app.publish("healthy", &json!(2));
    let event = message["events"][0]["id"].as_str().unwrap();
    let path = format!("/api/webhooks/events/{event}");
    app.wait_for(&path, |event| event["succeeded"] == true);
    let mut problems = Vec::new();
    for (case, path) in cases.iter().zip(&paths) {
        let list = app.get(path).expect(200);
        if let Err(problem) = check(case, &list, ends_within) {
            problems.push(format!("{}: {problem}\n    {}", case.name, list["data"]));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn check(case: &Case, list: &Value, ends_within: Duration) -> Result<(), String> {
    let Expected {
        code,
        errors,
        response,
    } = &case.expected;
    let delivery = &list["data"][0];
    let succeeded = code.is_some_and(|code| code / 100 == 2);
    let fields = [
        ("deliveries", &list["meta"]["total"], json!(1)),
        ("succeeded", &delivery["succeeded"], json!(succeeded)),
        ("http_code", &delivery["http_code"], json!(code)),
        ("attempt", &delivery["attempt"], json!(1)),
        // A failed one is to be tried again.
        (
            "the event's succeeded",
            &delivery["webhook_event"]["succeeded"],
            if succeeded { json!(true) } else { Value::Null },
        ),
    ];
    for (name, is, should) in fields {
        if *is != should {
            return Err(format!("{name} is {is} and should be {should}"));
        }
    }
    let error = delivery["error"].as_str();
    if error.map_or(!errors.is_empty(), |error| !errors.contains(&error)) {
        return Err(format!("error is {error:?} and should be {errors:?}"));
    }
    let told = delivery["response"].as_str();
    let right = match response {
        Says::Nothing => delivery["response"].is_null(),
        Says::Exactly(text) => told == Some(text),
        Says::With(part) => told.is_some_and(|told| told.contains(part)),
    };
    if !right {
        return Err(format!("the response is {told:?}"));
    }
    let took = Duration::from_millis(delivery["duration_ms"].as_u64().unwrap());
    // Time-outs of sockets are in whole milliseconds.
    let too_early = error == Some("timeout") && took + Duration::from_millis(20) < ends_within;
    if too_early || took > ends_within + SLACK {
        return Err(format!("it took {took:?}"));
    }
    let requests = case.receiver.requests();
    if requests.len() != case.requests {
        return Err(format!("{} requests arrived", requests.len()));
    }
    if case.receiver.connections() > 1 {
        return Err(format!("{} connections", case.receiver.connections()));
    }
    if let Some(most) = case.sends_at_most {
        case.receiver.wait_for_told(1);
        if case.receiver.sent() > most {
            return Err(format!("{} bytes were taken", case.receiver.sent()));
        }
    }
    Ok(())
}
