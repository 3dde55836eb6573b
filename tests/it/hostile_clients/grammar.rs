//! The test of generated requests: any method to any route, under any base, with any id, query, headers,
//! framing and body. Each part is drawn from texts that have broken some server before, and valid requests
//! follow on the same connection.
//!
//! For every input, the responses are well-formed HTTP with JSON of bounded length, and none is a 5xx. No
//! response belongs to another request: the valid requests are answered in order or not at all, each with
//! or without a body as it asks, and no text in a body is taken for a request.
//!
//! `HOOKPOST_FUZZ_CASES=100000 cargo test --test it -- hostile_clients::grammar` runs more cases than
//! usual.

mod words;

use std::fmt;

use hookpost::api::{self, Access, RouteInfo};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::json;

use self::words::{BASES, BODIES, FIELDS, HOSTS, IDS, METHODS, ODD_NAMES, TEXTS, TOKENS, VERSIONS};
use super::wire::{Reply, exchange, exchange_ahead, text};
use crate::fixture::{QUERY_NAMES, TestApp};

/// Cases of a normal run: a few seconds.
const CASES: u32 = 3000;

/// The ways to delimit a body; only the first four have one meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// With its length.
    Length,
    /// In one chunk.
    Chunked,
    /// In chunks of a byte, with extensions and trailers.
    ManyChunks,
    /// Not at all: there is no body.
    None,
    /// With a greater length; what follows fills it up, or nothing does.
    TooLong,
    /// With a smaller length: the rest stands where a request should.
    TooShort,
    /// With both a length and chunks.
    Both,
    /// With two lengths.
    Two,
    /// With chunks that break off or have no size.
    BadChunks,
}

impl Framing {
    fn head(self, length: usize) -> String {
        match self {
            Self::None => String::new(),
            Self::Length => format!("content-length: {length}\r\n"),
            Self::TooLong => format!("content-length: {}\r\n", length + 10),
            Self::TooShort => format!("content-length: {}\r\n", length / 2),
            Self::Two => format!("content-length: {length}\r\ncontent-length: 0\r\n"),
            Self::Both => format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
            Self::Chunked | Self::ManyChunks | Self::BadChunks => {
                "transfer-encoding: chunked\r\n".to_owned()
            }
        }
    }

    fn body(self, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::None => {}
            Self::Length | Self::TooLong | Self::TooShort | Self::Two => out = body.to_vec(),
            Self::Chunked | Self::Both => {
                if !body.is_empty() {
                    out = format!("{:x}\r\n", body.len()).into_bytes();
                    out.extend_from_slice(body);
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(b"0\r\n\r\n");
            }
            Self::ManyChunks => {
                for byte in body {
                    out.extend_from_slice(b"0001;name=\"value\"\r\n");
                    out.push(*byte);
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(b"0\r\ncontent-length: 5\r\n\r\n");
            }
            Self::BadChunks => {
                out = b"ffffffffffffffff1\r\n".to_vec();
                out.extend_from_slice(body);
            }
        }
        out
    }
}

/// A request, less the tokens and ids that only a running application has.
#[derive(Clone)]
struct Case {
    method: &'static str,
    target: String,
    version: &'static str,
    host: &'static str,
    token: &'static str,
    fields: Vec<&'static str>,
    framing: Framing,
    body: Vec<u8>,
    /// The good requests behind it.
    behind: &'static [&'static str],
}

/// Methods of good requests.
const BEHIND: [&[&str]; 5] = [
    &["GET"],
    &["HEAD"],
    &["HEAD", "GET"],
    &["GET", "HEAD"],
    &["HEAD", "HEAD", "GET"],
];

impl Case {
    /// The methods of the good requests: where the next request begins at a place that this one chose,
    /// nobody could tell which answer is to a HEAD.
    fn behind(&self) -> &'static [&'static str] {
        match self.framing {
            Framing::TooLong | Framing::TooShort => BEHIND[0],
            _ => self.behind,
        }
    }

    /// The request; `fill` puts names in for those that stand for them.
    fn bytes(&self, fill: impl Fn(&str) -> String) -> Vec<u8> {
        let body = match std::str::from_utf8(&self.body) {
            Ok(text) => fill(text).into_bytes(),
            Err(_) => self.body.clone(),
        };
        let mut lines = vec![format!("{} {} {}", self.method, self.target, self.version)];
        lines.extend(self.fields.iter().map(|&field| field.to_owned()));
        if self.token != "none" {
            lines.push(format!("authorization: Bearer {}", self.token));
        }
        let head = lines.join("\r\n");
        let framing = self.framing.head(body.len());
        let head = format!("{}\r\n{}{framing}\r\n", fill(&head), self.host);
        [head.into_bytes(), self.framing.body(&body)].concat()
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", text(&self.bytes(str::to_owned)))
    }
}

/// A route's target, with its own method or another one.
fn line() -> impl Strategy<Value = (&'static str, String)> {
    let routes: Vec<RouteInfo> = api::table().collect();
    let names = [&QUERY_NAMES[..], &ODD_NAMES].concat();
    let parameter =
        (select(names), select(TEXTS.to_vec())).prop_map(|(name, text)| format!("{name}={text}"));
    let query = prop::collection::vec(parameter, 0..5).prop_map(|all| all.join("&"));
    let base = prop_oneof![3 => select(BASES[..2].to_vec()), 1 => select(BASES.to_vec())];
    let id = prop_oneof![1 => select(IDS[..2].to_vec()), 2 => select(IDS.to_vec())];
    let odd = select(vec!["/", "//", "/.", "%20", "#x", "\u{e9}"]);
    let end = prop_oneof![6 => Just(""), 1 => odd];
    let method = prop_oneof![3 => Just(None), 1 => select(METHODS.to_vec()).prop_map(Some)];
    (select(routes), base, id, end, query, method).prop_map(
        |(route, base, id, end, query, method)| {
            let base = if route.access == Access::Public {
                ""
            } else {
                base
            };
            let path = route.path.replace("{id}", id);
            let mark = if query.is_empty() { "" } else { "?" };
            let own = METHODS.into_iter().find(|own| route.method == *own);
            let method = method.or(own).unwrap_or("GET");
            (method, format!("{base}{path}{end}{mark}{query}"))
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    use Framing::{BadChunks, Both, Chunked, Length, ManyChunks, None, TooLong, TooShort, Two};
    let framing = prop_oneof![
        3 => select(vec![Length, Chunked, ManyChunks, None]),
        1 => select(vec![TooLong, TooShort, Both, Two, BadChunks]),
    ];
    let invented = "\\PC{0,40}".prop_map(|text| json!({ "type": text, "name": text }).to_string());
    let body = prop_oneof![
        6 => select(BODIES.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..64),
        1 => invented.prop_map(String::into_bytes),
    ];
    let token = prop_oneof![3 => Just("OWN"), 2 => select(TOKENS.to_vec())];
    let version = prop_oneof![9 => Just("HTTP/1.1"), 1 => select(VERSIONS.to_vec())];
    let host = prop_oneof![4 => Just(HOSTS[0]), 1 => select(HOSTS.to_vec())];
    let fields = prop_oneof![
        1 => Just(Vec::new()),
        1 => prop::collection::vec(select(FIELDS.to_vec()), 1..3),
    ];
    let behind = select(BEHIND.to_vec());
    (line(), version, host, token, fields, framing, body, behind).prop_map(
        |((method, target), version, host, token, fields, framing, body, behind)| Case {
            method,
            target,
            version,
            host,
            token,
            fields,
            framing,
            body,
            behind,
        },
    )
}

/// Returns the reason why the responses to a case and the valid requests behind it are wrong, if they are.
fn fault(case: &Case, replies: &[Reply], good: &[u8]) -> Option<&'static str> {
    let is_good = |reply: &Reply| reply.status == 200 && reply.body == good;
    let is_good_head = |reply: &Reply| {
        let length = reply.header("content-length").map(str::parse);
        reply.status == 200 && reply.body.is_empty() && length == Some(Ok(good.len()))
    };
    let (first, later) = match replies {
        // The framework takes whoever sends such chunks for somebody who has hung up.
        [] if case.framing == Framing::BadChunks => return None,
        [] => return Some("no answer"),
        [first, later @ ..] => (first, later),
    };
    if is_good(first) {
        return Some("the second answer came first");
    }
    match case.framing {
        Framing::Both | Framing::Two if first.status != 400 => Some("two lengths were taken"),
        // Nobody can tell where the next request begins.
        Framing::Both | Framing::Two | Framing::BadChunks if !later.is_empty() => {
            Some("it went on after a body without an end")
        }
        // The next request begins at a place that this one chose, and as such it is none.
        Framing::TooLong | Framing::TooShort => None,
        _ if later.is_empty() => None,
        _ if later.len() < case.behind().len() => Some("it did not go on"),
        _ if later.len() > case.behind().len() => Some("more answers than requests"),
        _ => {
            let mut pairs = case.behind().iter().zip(later);
            let own = pairs.all(|(method, reply)| match *method {
                "HEAD" => is_good_head(reply),
                _ => is_good(reply),
            });
            (!own).then_some("a good request got another's answer")
        }
    }
}

#[test]
fn every_response_is_well_formed_bounded_and_to_its_own_request() {
    let app = TestApp::start();
    let id = |kind: &str| {
        let body =
            json!({"url": format!("https://{kind}.example/"), "format": "raw", "events": []});
        let made = app.post("/api/webhooks/endpoints", &app.token, &body);
        made.expect(201)["id"].as_str().unwrap().to_owned()
    };
    let (mine, endpoint) = (id("mine"), id("any"));
    let rest = format!(
        " /api/webhooks/endpoints/{mine} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        app.token
    );
    let good = format!("GET{rest}");
    let replies = exchange(app.addr, good.as_bytes()).unwrap();
    let expected = replies[0].body.clone();
    assert_eq!((replies.len(), replies[0].status), (1, 200));
    let fill = |text: &str| {
        text.replace("OWN", &app.token)
            .replace("ADMIN", &app.admin)
            .replace("ENDPOINT", &endpoint)
    };
    let asked = std::env::var("HOOKPOST_FUZZ_CASES").ok();
    let cases = asked.map_or(CASES, |cases| cases.parse().unwrap());
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..Default::default()
    };
    let seen = std::cell::RefCell::new(std::collections::BTreeMap::<u16, u32>::new());
    let in_turn = std::cell::Cell::new(0);
    let run = TestRunner::new(config).run(&case(), |case| {
        let behind = case.behind().iter().map(|method| format!("{method}{rest}"));
        let bytes = [case.bytes(fill), behind.collect::<String>().into_bytes()].concat();
        let methods = [&[case.method], case.behind()].concat();
        let heads: Vec<_> = methods.iter().map(|method| *method == "HEAD").collect();
        let replies = exchange_ahead(app.addr, &bytes, &heads).map_err(TestCaseError::fail)?;
        if let Some(fault) = fault(&case, &replies, &expected) {
            return Err(TestCaseError::fail(format!("{fault}: {replies:#?}")));
        }
        let status = replies.first().map_or(0, |reply| reply.status);
        *seen.borrow_mut().entry(status).or_default() += 1;
        in_turn.set(in_turn.get() + u32::from(replies.len() > 1));
        let again = exchange(app.addr, good.as_bytes()).map_err(TestCaseError::fail)?;
        let unharmed = again.len() == 1 && again[0].body == expected;
        prop_assert!(unharmed, "the next client: {again:#?}");
        Ok(())
    });
    run.unwrap();
    // What was made up is neither all good nor all bad.
    let seen = seen.into_inner();
    for status in [200, 400, 401, 403, 404, 405, 415, 422] {
        assert!(seen.contains_key(&status), "{status} is not in {seen:?}");
    }
    assert!(in_turn.get() > cases / 4, "{} of {cases}", in_turn.get());
    app.get("/readyz").expect(200);
}
