//! The tests of operational events: who is told of what, how often, and what is in the messages.

use std::time::Duration;

use hookpost::domain::access::Scopes;
use hookpost::domain::clock::Timestamp;
use serde_json::{Value, json};

use super::fixture::{START, TestApp, endpoint_path, wait_until};
use super::receiver::Receiver;

/// One retry, after a second, a fifth less or more.
const ONE_RETRY: [&str; 2] = ["--retry-schedule", "1s"];
const RETRIED: Duration = Duration::from_millis(1300);

/// A part of the URLs of endpoints that no message may have.
const PATH: &str = "/services/T000/hidden";

/// An application with a workspace for the operator, whose endpoint gets everything of the server.
struct Operated {
    app: TestApp,
    receiver: Receiver,
    operator: String,
}

impl Operated {
    fn with(flags: &[&str]) -> Self {
        let flags = [&["--operator-workspace", "operations"], flags].concat();
        let app = TestApp::with_manual_clock(&flags);
        let receiver = Receiver::start();
        let workspaces = app.get_as(&app.admin, "/api/workspaces").expect(200);
        let workspaces = workspaces["data"].as_array().unwrap();
        let operations = workspaces.iter().find(|it| it["name"] == "operations");
        let id = operations.unwrap()["id"].as_str().unwrap();
        let operator = app.make_token(Some(id), Scopes::all());
        let it = Self {
            app,
            receiver,
            operator,
        };
        it.operators_endpoint("/ops", &["hookpost.*"]);
        it
    }

    fn operators_endpoint(&self, path: &str, events: &[&str]) -> Value {
        let new = json!({"url": self.receiver.url(path), "format": "raw", "events": events});
        let made = self
            .app
            .post("/api/webhooks/endpoints", &self.operator, &new);
        made.expect(201)
    }

    /// Makes an endpoint for `a`, whose receiver answers with `status`; returns the path of its object.
    fn failing(&self, status: u16, events: &[&str]) -> String {
        self.receiver.reply(PATH, status, "");
        let endpoint = self
            .app
            .endpoint_for(&self.receiver.url(PATH), "raw", events);
        endpoint_path(&endpoint)
    }

    /// Publishes so many messages, and lets their only retries fail.
    fn fail(&self, events: u64, failed: u64) {
        for n in 0..events {
            self.app.publish("a", &json!(n));
        }
        let tried = "/api/webhooks/events?status=pending";
        self.app.wait_for(tried, |list| {
            let waiting = list["data"].as_array().unwrap();
            list["meta"]["total"] == events && waiting.iter().all(|it| it["attempts"] == 1)
        });
        self.app.advance(RETRIED);
        self.app.wait_for_events("failed", failed);
    }

    /// Waits until a path of the receiver has got so many messages; returns their types and data.
    #[track_caller]
    fn told_at(&self, path: &str, count: usize) -> Vec<(String, Value)> {
        let received = self.receiver.wait(path, count);
        assert_eq!(received.len(), count);
        let read = |text: &str| {
            for secret in ["hidden", "whsec_", "whsk_"] {
                assert!(!text.contains(secret), "{text}");
            }
            let message: Value = serde_json::from_str(text).unwrap();
            let kind = message["type"].as_str().unwrap().to_owned();
            (kind, message["data"].clone())
        };
        received.iter().map(|it| read(it.text())).collect()
    }

    #[track_caller]
    fn told(&self, count: usize) -> Vec<(String, Value)> {
        self.told_at("/ops", count)
    }

    /// Returns the number of messages in the workspace of a token.
    #[track_caller]
    fn messages(&self, token: &str) -> u64 {
        let list = self.app.get_as(token, "/api/webhooks/messages?limit=1");
        list.expect(200)["meta"]["total"].as_u64().unwrap()
    }
}

fn kinds(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(kind, _)| kind.as_str()).collect()
}

#[test]
fn a_failing_endpoint_is_a_warning_a_failed_event_and_then_a_disabled_endpoint() {
    let it = Operated::with(&[&ONE_RETRY[..], &["--disable-after", "4"]].concat());
    // Not a failure of health: there is no rest in between.
    let path = it.failing(404, &["a"]);
    it.fail(1, 1);
    assert_eq!(kinds(&it.told(1)), ["hookpost.event.failed"]);
    it.fail(1, 2);
    let told = it.told(2);
    assert_eq!(kinds(&told)[1], "hookpost.endpoint.failing");
    let failing = &told[1].1;
    assert_eq!(
        failing["workspace"],
        json!({"id": it.app.workspace, "name": "test"})
    );
    assert_eq!(
        (&failing["reason"], &failing["failures"]),
        (&json!("failures"), &json!(2))
    );
    assert_eq!(failing["disable_after"], 4);
    assert_eq!(failing["last"]["http_code"], 404);
    let origin = failing["endpoint"]["origin"].as_str().unwrap();
    assert_eq!(format!("{origin}{PATH}"), it.receiver.url(PATH));
    it.fail(2, 4);
    let told = it.told(3);
    assert_eq!(kinds(&told)[2], "hookpost.endpoint.disabled");
    let disabled = &told[2].1;
    assert_eq!(
        (&disabled["reason"], &disabled["failures"]),
        (&json!("failing"), &json!(4))
    );
    assert_eq!(it.app.get(&path).expect(200)["disabled_reason"], "failing");
    // A user who disables it knows.
    it.app.patch(&path, &json!({"enabled": true})).expect(200);
    it.app.patch(&path, &json!({"enabled": false})).expect(200);
    // The first 2xx after the warning.
    it.app.patch(&path, &json!({"enabled": true})).expect(200);
    it.receiver.reply(PATH, 200, "");
    it.app.publish("a", &json!(1));
    let told = it.told(4);
    assert_eq!(kinds(&told)[3], "hookpost.endpoint.recovered");
    assert!(told[3].1["failing_since"].is_string());
    // It is not told again of what has not changed.
    it.app.publish("a", &json!(1));
    it.app.wait_for_events("succeeded", 2);
    assert_eq!(it.messages(&it.operator), 4);
}

#[test]
fn a_receiver_that_is_gone_is_told_with_the_number_of_events_that_are_skipped() {
    let it = Operated::with(&["--retry-schedule", "30s"]);
    it.failing(503, &["a"]);
    for n in 0..6 {
        it.app.publish("a", &json!(n));
    }
    it.app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
        list["meta"]["total"] == 3
    });
    it.receiver.reply(PATH, 410, "");
    it.app.advance(Duration::from_secs(37));
    let told = it.told(2);
    assert_eq!(
        kinds(&told),
        ["hookpost.endpoint.disabled", "hookpost.event.failed"]
    );
    let gone = &told[0].1;
    assert_eq!(
        (&gone["reason"], &gone["skipped"]),
        (&json!("gone"), &json!(5))
    );
    assert_eq!(gone["last"]["http_code"], 410);
}

#[test]
fn the_owner_of_a_workspace_is_told_of_its_endpoints_but_no_endpoint_of_itself() {
    let it = Operated::with(&[&ONE_RETRY[..], &["--disable-after", "2"]].concat());
    it.failing(404, &["a", "hookpost.*"]);
    it.app
        .endpoint_for(&it.receiver.url("/watch"), "raw", &["hookpost.endpoint.*"]);
    let workspace = format!("/api/workspaces/{}", it.app.workspace);
    let own = it
        .app
        .patch(&workspace, &json!({"operational_events": true}))
        .expect(200);
    assert_eq!(own["operational_events"], true);
    it.fail(1, 1);
    let told = it.told_at("/watch", 1);
    assert_eq!(kinds(&told), ["hookpost.endpoint.failing"]);
    assert_eq!(told[0].1.get("workspace"), None);
    assert!(told[0].1["endpoint"]["id"].is_string());
    let of_itself = it.receiver.at(PATH);
    assert!(of_itself.iter().all(|it| !it.text().contains("hookpost.")));
    it.app
        .patch(&workspace, &json!({"operational_events": false}))
        .expect(200);
    let before = it.messages(&it.app.token);
    it.fail(1, 2);
    assert_eq!(it.messages(&it.app.token), before + 1, "that of the test");
    it.told(3);
}

#[test]
fn what_happens_to_the_operators_endpoints_is_no_message() {
    let it = Operated::with(&[&ONE_RETRY[..], &["--disable-after", "2"]].concat());
    it.receiver.reply("/broken", 404, "");
    // It gets operational events, and those fail as well.
    let broken = it.operators_endpoint("/broken", &["a", "hookpost.*"]);
    let path = endpoint_path(&broken);
    it.failing(404, &["a"]);
    it.fail(1, 1);
    it.told(2);
    // Two messages for each of the operator's two endpoints.
    let attempts = || {
        let list = it
            .app
            .get_as(&it.operator, "/api/webhooks/deliveries?limit=1");
        list.expect(200)["meta"]["total"].as_u64().unwrap()
    };
    wait_until("four attempts", || attempts() == 4);
    it.app.advance(RETRIED);
    it.receiver.wait("/broken", 4);
    wait_until("the endpoint is disabled", || {
        let endpoint = it.app.get_as(&it.operator, &path).expect(200);
        endpoint["disabled_reason"] == "failing"
    });
    // A message of another endpoint comes after all that there could be of this one.
    it.fail(1, 2);
    let told = it.told(3);
    let about = |(_, data): &(String, Value)| data["endpoint"]["id"] == broken["id"];
    assert!(!told.iter().any(about), "{told:?}");
}

#[test]
fn an_old_backlog_is_told_and_that_it_is_cleared() {
    let it = Operated::with(&["--retry-schedule", "30m"]);
    it.failing(503, &["a"]);
    for n in 0..4 {
        it.app.publish("a", &json!(n));
    }
    it.app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
        list["meta"]["total"] == 3
    });
    it.app.advance(Duration::from_mins(16));
    let told = it.told(1);
    assert_eq!(kinds(&told), ["hookpost.backlog.old"]);
    let due = Timestamp::parse(told[0].1["due_since"].as_str().unwrap()).unwrap();
    assert!(due.since(START) < Duration::from_secs(1));
    assert_eq!(told[0].1["waited_seconds"], 16 * 60 - 1);
    // A moment later nothing is told again.
    it.app.advance(Duration::from_mins(2));
    it.receiver.reply(PATH, 200, "");
    it.app.advance(Duration::from_mins(20));
    it.app.wait_for_events("succeeded", 4);
    it.app.advance(Duration::from_secs(1));
    let told = it.told(2);
    assert_eq!(kinds(&told)[1], "hookpost.backlog.cleared");
}

#[test]
fn a_disk_that_is_nearly_full_is_told_to_the_operator() {
    let mut it = Operated::with(&["--alert-disk", "1024TiB", "--retry-schedule", "30m"]);
    // The first look may come before there is an endpoint.
    wait_until("the first look", || it.messages(&it.operator) == 1);
    it.operators_endpoint("/later", &["hookpost.*"]);
    it.app.restart();
    let told = it.told_at("/later", 1);
    assert_eq!(kinds(&told), ["hookpost.disk.low"]);
    assert_eq!(told[0].1["threshold_bytes"], 1_u64 << 50);
    assert!(told[0].1["free_bytes"].as_u64().unwrap() > 0);
    // A later look tells of a backlog. It has looked at the disk before.
    it.failing(503, &["a"]);
    for n in 0..4 {
        it.app.publish("a", &json!(n));
    }
    it.app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
        list["meta"]["total"] == 3
    });
    it.app.advance(Duration::from_mins(16));
    let told = it.told_at("/later", 2);
    assert_eq!(kinds(&told), ["hookpost.disk.low", "hookpost.backlog.old"]);
    assert_eq!(it.messages(&it.operator), 3);
}

#[test]
fn the_end_of_a_job_is_told_unless_it_was_cancelled_or_had_nothing_to_do() {
    let it = Operated::with(&[]);
    let endpoint = it.app.endpoint_for(&it.receiver.url("/a"), "raw", &["a"]);
    let make = |rate: Option<u32>, filter: Value| {
        let job = json!({"action": "redeliver", "rate": rate, "filter": filter});
        let made = it.app.post("/api/webhooks/jobs", &it.app.token, &job);
        let made = made.expect(202);
        let path = format!("/api/webhooks/jobs/{}", made["id"].as_str().unwrap());
        (made, path)
    };
    let finish = |path: &str| it.app.wait_for(path, |job| job["state"] == "finished");
    let succeeded = json!({"endpoint_id": [endpoint["id"]], "status": ["succeeded"]});
    it.app.publish("a", &json!(1));
    it.app.wait_for_events("succeeded", 1);
    let (job, path) = make(None, succeeded.clone());
    finish(&path);
    let told = it.told(1);
    assert_eq!(kinds(&told), ["hookpost.job.finished"]);
    let expected = json!({
        "id": job["id"], "action": "redeliver", "matched": 1, "done": 1, "left_out": {
            "archived": 0, "endpoint_disabled": 0, "endpoint_deleted": 0, "changed": 0,
        },
    });
    assert_eq!(told[0].1["job"], expected);
    assert_eq!(
        told[0].1["workspace"],
        json!({"id": it.app.workspace, "name": "test"})
    );

    it.app.publish("a", &json!(2));
    it.app.wait_for_events("succeeded", 2);
    let (_, path) = make(Some(1), succeeded);
    let cancel = format!("{path}/cancel");
    let cancelled = it.app.post(&cancel, &it.app.token, &json!({})).expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    for nothing in [
        json!({"event_type": ["nothing"]}),
        json!({
            "endpoint_id": [endpoint["id"]], "status": ["missing"],
            "start_timestamp": "2001-01-01T00:00:00Z",
        }),
    ] {
        let (_, path) = make(None, nothing);
        assert_eq!(finish(&path)["matched"], 0);
    }
    assert_eq!(it.messages(&it.operator), 1);
}

#[test]
fn only_the_server_publishes_its_types_and_everybody_may_subscribe_to_them() {
    let app = TestApp::start();
    for name in ["hookpost.endpoint.failing", "hookpost.x"] {
        let body = json!({"type": name, "data": 1});
        let refused = app
            .post("/api/webhooks/events", &app.token, &body)
            .expect(422);
        assert_eq!(refused["detail"][0]["type"], "string_pattern_mismatch");
        let pattern = refused["detail"][0]["ctx"]["pattern"].as_str().unwrap();
        assert!(pattern.contains("(?!hookpost"), "{pattern}");
    }
    for name in ["hookpost", "hookposts.x", "Hookpost.x", "a.hookpost.x"] {
        app.publish(name, &json!(1));
    }
    app.endpoint_for(
        "http://127.0.0.1:1/",
        "raw",
        &["hookpost.*", "hookpost.disk.low"],
    );
}

#[test]
fn without_an_operator_and_without_a_wish_nothing_is_published() {
    let app = TestApp::with_manual_clock(&[&ONE_RETRY[..], &["--disable-after", "2"]].concat());
    let receiver = Receiver::start();
    receiver.reply("/a", 404, "");
    app.endpoint(&receiver.url("/a"));
    app.endpoint(&receiver.url("/all"));
    app.publish("a", &json!(1));
    app.publish("a", &json!(1));
    app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
        list["meta"]["total"] == 4
    });
    app.advance(RETRIED);
    app.wait_for_events("failed", 2);
    app.publish("b", &json!(1));
    receiver.wait("/all", 3);
    assert_eq!(receiver.count("/all"), 3);
}
