//! The tests of deletion: deleted and replaced values leave the database file, and history stays in lists.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::fixture::{PATIENCE, TestApp};
use super::receiver::Receiver;

const MINUTE: Duration = Duration::from_mins(1);

/// Endpoints of the workspace that is deleted, in turn of each format.
const ENDPOINTS: usize = 12;

/// Messages to them. Some have bodies that take pages of their own.
const MESSAGES: usize = 60;

/// Messages of which a part may be left in the file; docs/SECURITY.md says why.
const PARTS_LEFT: usize = 2;

/// Texts that must not be in the file at the end; each begins with this, so that one search tells what is
/// left.
const MARK: &str = "to-be-erased-";

fn mark(what: &str, number: usize) -> String {
    // Parts of it are to be found as well: SQLite moves cells of a page about.
    format!("{MARK}{what}-{number:04}-{MARK}{what}-{number:04}")
}

fn number(app: &TestApp, sql: &str) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(app.database(), flags).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Waits until a query gives 0.
#[track_caller]
fn wait_for_none(app: &TestApp, sql: &str) {
    let end = Instant::now() + PATIENCE;
    while number(app, sql) > 0 {
        assert!(Instant::now() < end, "{sql}");
        std::thread::yield_now();
    }
}

/// The marked texts that are left in the database, once it is stopped and its log is empty.
fn left(app: &mut TestApp) -> Vec<String> {
    app.stop();
    let mut bytes = Vec::new();
    for end in ["", "-wal", "-shm"] {
        bytes.extend(std::fs::read(format!("{}{end}", app.database())).unwrap_or_default());
    }
    assert!(bytes.len() > 100_000);
    let text = String::from_utf8_lossy(&bytes);
    let found = text.match_indices(MARK);
    let around = |(at, _)| text[at..].chars().take(40).collect();
    found.map(around).collect()
}

/// An object of the API that was made.
#[track_caller]
fn made(app: &TestApp, path: &str, body: &Value) -> Value {
    app.post(path, &app.admin, body).expect(201)
}

/// Makes a workspace with endpoints and publishes to it; answers its id.
fn used_workspace(app: &TestApp, receiver: &Receiver) -> String {
    let name = json!({"name": mark("name", 1)});
    let workspace = made(app, "/api/workspaces", &name)["id"].clone();
    for number in 0..ENDPOINTS {
        let url = receiver.url(&format!("/{}", mark("url", number)));
        let format = ["raw", "slack", "discord"][number % 3];
        let endpoint = json!({"workspace_id": workspace, "url": url, "events": ["*"],
            "format": format, "secret": mark("secret", number), "metadata": {"a": mark("metadata", number)},
            "headers": {"X-Key": mark("header", number)}});
        made(app, "/api/webhooks/endpoints", &endpoint);
    }
    let bearer = format!("Bearer {}", app.admin);
    for number in 0..MESSAGES {
        let key = mark("key", number);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key.as_str()),
        ];
        let repeat = if number % 10 == 0 { 500 } else { 1 };
        let data = json!({"id": mark("payload", number).repeat(repeat)});
        let message = json!({"workspace_id": workspace, "type": "a", "data": data}).to_string();
        let path = "/api/webhooks/events";
        app.request("POST", path, &headers, Some(message.as_bytes()))
            .expect(202);
    }
    workspace.as_str().unwrap().to_owned()
}

#[test]
fn of_a_deleted_workspace_nothing_is_left_but_what_happened_when() {
    let mut app = TestApp::with_manual_clock(&["--max-body-bytes", "100000"]);
    let receiver = Receiver::start();
    let workspace = used_workspace(&app, &receiver);
    let events = format!("/api/webhooks/events?limit=1&workspace_id={workspace}");
    let total = (ENDPOINTS * MESSAGES) as u64;
    let all = format!("{events}&status=succeeded");
    let end = Instant::now() + PATIENCE;
    while app.get_as(&app.admin, &all).expect(200)["meta"]["total"] != total {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
    assert!(number(&app, "SELECT count(response) FROM delivery") > 0);
    // One attempt is under way.
    let held = format!("/{}", mark("url", 0));
    receiver.hold(&held);
    let message =
        json!({"workspace_id": workspace, "type": "a", "data": mark("payload", MESSAGES)});
    app.post("/api/webhooks/events", &app.admin, &message)
        .expect(202);
    let total = total + ENDPOINTS as u64;
    receiver.wait(&held, MESSAGES + 1);
    let bearer = format!("Bearer {}", app.admin);
    let path = format!("/api/workspaces/{workspace}");
    app.request("DELETE", &path, &[("authorization", &bearer)], None)
        .expect(204);
    assert_eq!(
        number(&app, "SELECT count(*) FROM endpoint WHERE secret <> ''"),
        0
    );
    // The janitor looks every minute.
    app.advance(MINUTE);
    wait_for_none(&app, "SELECT count(*) FROM meta WHERE key GLOB 'erase *'");
    let attempts = number(&app, "SELECT count(*) FROM delivery");
    receiver.let_go(&held);
    wait_for_none(
        &app,
        &format!("SELECT {attempts} = (SELECT count(*) FROM delivery)"),
    );
    assert_eq!(number(&app, "SELECT count(response) FROM delivery"), 0);
    let listed = app.get_as(&app.admin, &events).expect(200);
    assert_eq!(listed["meta"]["total"], total);
    assert_eq!(listed["data"][0]["payload"], json!(null));
    assert_eq!(listed["data"][0]["is_archived"], true);
    assert_eq!(number(&app, "SELECT count(body) FROM message"), 0);
    assert_eq!(number(&app, "SELECT count(body) FROM event"), 0);
    // The rows are blank. In the file SQLite may leave a part of one where it moved rows from page to page
    // while they were delivered; with a rendered body the workspace's name is in it.
    let left = left(&mut app);
    let of = |what: &'static str| {
        left.iter()
            .filter(move |text| text[MARK.len()..].starts_with(what))
    };
    let payloads: BTreeSet<&str> = of("payload")
        .map(|text| &text[..mark("payload", 0).len() / 2])
        .collect();
    assert!(payloads.len() <= PARTS_LEFT, "{left:?}");
    // A body that is left has the name as often as the payload; a part of one may have the name alone, which
    // is two marked texts.
    let without_payload = of("name").count().saturating_sub(of("payload").count());
    assert!(without_payload <= 2 * PARTS_LEFT, "{left:?}");
    let others = left.len() - of("payload").count() - of("name").count();
    assert_eq!(others, 0, "{left:?}");
}

#[test]
fn of_a_deleted_endpoint_its_url_and_secrets_are_gone_and_its_events_stay() {
    let mut app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    let url = |number| receiver.url(&format!("/{}", mark("url", number)));
    let endpoints: Vec<String> = (0..40)
        .map(|number| {
            let body = json!({"url": url(number), "format": "raw", "events": ["a"],
                "secret": mark("secret", number), "headers": {"X-Key": mark("header", number)}});
            let made = app.post("/api/webhooks/endpoints", &app.token, &body);
            made.expect(201)["id"].as_str().unwrap().to_owned()
        })
        .collect();
    app.publish("a", &json!("it stays"));
    app.wait_for_events("succeeded", 40);
    for (number, endpoint) in endpoints.iter().enumerate() {
        let path = format!("/api/webhooks/endpoints/{endpoint}");
        match number % 4 {
            // Deleted while an old secret signs, and after both were changed.
            0 => {
                let own = json!({"secret": mark("secret", 200 + number)});
                app.patch(&format!("{path}/secret"), &own).expect(200);
            }
            1 => {
                let other =
                    json!({"url": url(100 + number), "secret": mark("secret", 100 + number)});
                app.patch(&path, &other).expect(200);
            }
            // Living, with another URL and another secret.
            2 => {
                app.patch(&path, &json!({"url": receiver.url("/other")}))
                    .expect(200);
                // With an overlap, which is ended, and without one.
                let random = app.patch(&format!("{path}/secret"), &json!({}));
                let random = random.expect(200)["secret"].clone();
                let end = json!({"secret": random, "overlap": 0});
                app.patch(&format!("{path}/secret"), &end).expect(200);
                let own = json!({"secret": mark("secret", 300 + number), "headers": {}});
                app.patch(&path, &own).expect(200);
                let now = json!({"overlap": 0});
                app.patch(&format!("{path}/secret"), &now).expect(200);
                continue;
            }
            _ => {
                let other = json!({"url": receiver.url("/other"), "secret": "o".repeat(32),
                    "headers": {"X-Key": "another"}});
                app.patch(&path, &other).expect(200);
                continue;
            }
        }
        app.delete(&path).expect(204);
        app.get(&path).expect(404);
    }
    let kept = app
        .get("/api/webhooks/endpoints?limit=100&url=other")
        .expect(200);
    assert_eq!(kept["meta"]["total"], 20);
    let gone = app
        .get(&format!("/api/webhooks/endpoints?url={MARK}"))
        .expect(200);
    assert_eq!(gone["meta"]["total"], 0);
    for list in ["events", "deliveries"] {
        let of_one = format!("/api/webhooks/{list}?endpoint_id={}", endpoints[0]);
        let listed = app.get(&of_one).expect(200);
        assert_eq!(listed["meta"]["total"], 1, "{list}");
    }
    let event = app.get(&format!(
        "/api/webhooks/events?endpoint_id={}",
        endpoints[1]
    ));
    let event = event.expect(200)["data"][0].clone();
    assert!(event["payload"].as_str().unwrap().contains("it stays"));
    let again = format!(
        "/api/webhooks/events/{}/redeliver",
        event["id"].as_str().unwrap()
    );
    app.post(&again, &app.token, &json!({})).expect(404);
    assert_eq!(left(&mut app), Vec::<String>::new());
}
