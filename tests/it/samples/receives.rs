//! The programs that receive: they accept what Hookpost signed, and nothing else.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use standardwebhooks::Webhook;

use super::guide::{self, RECEIVING};
use super::language::{Language, Program};
use crate::fixture::{PATIENCE, TestApp};

/// The id of the webhooks that the tests sign.
const ID: &str = "msg_1";

/// Spaces and a letter outside of ASCII: only the raw body has this signature.
const BODY: &str = r#"{ "type": "order.paid",  "data": {"name": "Zoë", "total": 19.90} }"#;

/// More than the five minutes that all programs allow.
const TOO_LONG_SECONDS: i64 = 6 * 60;

pub(crate) fn check(language: &Language) {
    let code = guide::program(RECEIVING, language);
    let Some(program) = language.receiver(code) else {
        return;
    };
    let app = TestApp::start();
    let port = Program::free_port();
    let url = format!("http://127.0.0.1:{port}/");
    let endpoint = app.endpoint(&url);
    let secret = endpoint["secret"].as_str().unwrap();
    let _serving = program.serve(port, secret);

    app.publish("order.paid", &json!({"name": "Zoë", "total": 19.90}));
    let list = app.wait_for("/api/webhooks/deliveries", |list| {
        list["meta"]["total"] == 1
    });
    assert_eq!(list["data"][0]["http_code"], 204, "{list}");

    for (what, webhook, status) in cases(secret) {
        assert_eq!(webhook.send(&url), status, "{}: {what}", language.heading);
    }
}

/// A webhook, genuine or not.
#[derive(Clone)]
struct Forged {
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Forged {
    fn signed(secret: &str, at: i64) -> Self {
        let webhook = Webhook::new(secret).unwrap();
        let signature = webhook.sign(ID, at, BODY.as_bytes()).unwrap();
        Self {
            headers: vec![
                ("webhook-id", ID.to_owned()),
                ("webhook-timestamp", at.to_string()),
                ("webhook-signature", signature),
            ],
            body: BODY.to_owned(),
        }
    }

    /// With another value of a header.
    fn with(&self, name: &str, change: impl Fn(&str) -> String) -> Self {
        let mut changed = self.clone();
        let header = changed.headers.iter_mut().find(|(own, _)| *own == name);
        let (_, value) = header.unwrap();
        *value = change(value);
        changed
    }

    fn without(&self, name: &str) -> Self {
        let mut changed = self.clone();
        changed.headers.retain(|(own, _)| *own != name);
        changed
    }

    /// Returns the status of the answer.
    fn send(&self, url: &str) -> u16 {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .build()
            .into();
        let mut request = agent.post(url).header("content-type", "application/json");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.send(&self.body).unwrap().status().as_u16()
    }
}

/// The request that is sent, and the status that must follow.
fn cases(secret: &str) -> Vec<(&'static str, Forged, u16)> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(since.as_secs()).unwrap();
    let good = Forged::signed(secret, now);
    let mut tampered = good.clone();
    tampered.body = BODY.replace("19.90", "10.90");
    let other_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    vec![
        ("as signed", good.clone(), 204),
        (
            "one of several signatures",
            good.with("webhook-signature", |own| format!("v1,AAAA v2,x {own}")),
            204,
        ),
        ("a tampered body", tampered, 401),
        (
            "an old timestamp",
            Forged::signed(secret, now - TOO_LONG_SECONDS),
            401,
        ),
        (
            "a timestamp in the future",
            Forged::signed(secret, now + TOO_LONG_SECONDS),
            401,
        ),
        ("a wrong secret", Forged::signed(other_secret, now), 401),
        (
            "another id",
            good.with("webhook-id", |_| "msg_2".to_owned()),
            401,
        ),
        (
            "another timestamp",
            good.with("webhook-timestamp", |_| (now - 1).to_string()),
            401,
        ),
        (
            "a timestamp in words",
            good.with("webhook-timestamp", |_| "soon".to_owned()),
            401,
        ),
        (
            "a huge timestamp",
            good.with("webhook-timestamp", |_| "9".repeat(30)),
            401,
        ),
        (
            "a signature without a version",
            good.with("webhook-signature", |own| own.replace("v1,", "")),
            401,
        ),
        (
            "a signature of another version",
            good.with("webhook-signature", |own| own.replace("v1,", "v2,")),
            401,
        ),
        (
            "an empty signature",
            good.with("webhook-signature", |_| "v1,".to_owned()),
            401,
        ),
        ("no id", good.without("webhook-id"), 401),
        ("no timestamp", good.without("webhook-timestamp"), 401),
        ("no signature", good.without("webhook-signature"), 401),
        ("as signed, afterwards", good, 204),
    ]
}
