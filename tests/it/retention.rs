//! The tests of retention as clients and operators see it: times of workspaces, the largest size of the database, and
//! what a start says of growth.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::fixture::{TestApp, wait_until};
use super::metrics::{scrape, wait_for};
use super::receiver::Receiver;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A workspace with an endpoint, and the path of an event of it that was delivered.
struct Tenant {
    path: String,
    event: String,
}

impl Tenant {
    fn new(app: &TestApp, receiver: &Receiver, new: &Value) -> Self {
        let made = app.post("/api/workspaces", &app.admin, new).expect(201);
        for (field, value) in new.as_object().unwrap() {
            assert_eq!(&made[field], value);
        }
        let id = made["id"].as_str().unwrap();
        let endpoint = json!({"workspace_id": id, "url": receiver.url("/ok"), "format": "raw", "events": ["*"]});
        app.post("/api/webhooks/endpoints", &app.admin, &endpoint)
            .expect(201);
        let message = json!({"workspace_id": id, "type": "a", "data": 1});
        let message = app.post("/api/webhooks/events", &app.admin, &message);
        let event = message.expect(202)["events"][0]["id"].clone();
        let tenant = Self {
            path: format!("/api/workspaces/{id}"),
            event: format!("/api/webhooks/events/{}", event.as_str().unwrap()),
        };
        tenant.wait_for(app, |event| event["succeeded"] == true);
        tenant
    }

    #[track_caller]
    fn wait_for(&self, app: &TestApp, condition: impl Fn(&Value) -> bool) {
        wait_until(&self.event, || {
            condition(&app.get_as(&app.admin, &self.event).json())
        });
    }

    fn is_archived(&self, app: &TestApp) -> Value {
        app.get_as(&app.admin, &self.event).expect(200)["is_archived"].clone()
    }

    #[track_caller]
    fn wait_until_deleted(&self, app: &TestApp) {
        wait_until(&self.event, || {
            app.get_as(&app.admin, &self.event).status == 404
        });
    }
}

#[test]
fn the_shorter_of_a_workspaces_time_and_the_servers_holds() {
    let flags = ["--archive-after", "10d", "--delete-after", "20d"];
    let app = TestApp::with_manual_clock(&flags);
    let receiver = Receiver::start();
    let tenant = |new| Tenant::new(&app, &receiver, &new);
    let servers = tenant(json!({"name": "servers"}));
    let short = tenant(json!({"name": "short", "archive_after": 3600, "delete_after": 86_400}));
    let long = tenant(
        json!({"name": "long", "archive_after": 3_153_600_000_u64, "delete_after": 3_153_600_000_u64}),
    );
    let later = tenant(json!({"name": "later"}));
    app.advance(2 * HOUR);
    short.wait_for(&app, |event| event["is_archived"] == true);
    for other in [&servers, &long, &later] {
        assert_eq!(other.is_archived(&app), false);
    }
    let again = app.post(
        &format!("{}/redeliver", short.event),
        &app.admin,
        &json!({}),
    );
    assert_eq!(again.expect(409)["error"], "EventArchived");
    app.advance(DAY);
    short.wait_until_deleted(&app);
    let list = "/api/webhooks/events?status=succeeded";
    wait_until("the list", || {
        app.get_as(&app.admin, list).expect(200)["meta"]["total"] == 3
    });
    // A new time holds for what is there already, from the next look on; 0 gives it up.
    let times = json!({"archive_after": 3600, "delete_after": 86_400});
    for patch in [times, json!({"archive_after": 0, "delete_after": null})] {
        let bearer = ("authorization", format!("Bearer {}", app.admin));
        let headers = [(bearer.0, &*bearer.1), ("content-type", "application/json")];
        let body = patch.to_string();
        app.request("PATCH", &later.path, &headers, Some(body.as_bytes()))
            .expect(200);
    }
    app.advance(HOUR);
    later.wait_until_deleted(&app);
    app.advance(10 * DAY);
    for other in [&servers, &long] {
        other.wait_for(&app, |event| event["is_archived"] == true);
    }
    app.advance(10 * DAY);
    servers.wait_until_deleted(&app);
    long.wait_until_deleted(&app);
    let none = app.get_as(&app.admin, "/api/webhooks/deliveries");
    assert_eq!(none.expect(200)["meta"]["total"], 0);
}

#[test]
fn what_retention_drops_and_deletes_is_counted() {
    let flags = [
        "--archive-after",
        "1h",
        "--delete-after",
        "1d",
        "--metrics-listen",
        "127.0.0.1:0",
    ];
    let app = TestApp::with_manual_clock(&flags);
    let receiver = Receiver::start();
    let tenant = Tenant::new(&app, &receiver, &json!({"name": "counted"}));
    let before = scrape(&app);
    for series in [
        "hookpost_retention_archived_messages_total",
        "hookpost_retention_deleted_rows_total",
    ] {
        assert!(before.value(series).abs() < 1e-9, "{series}");
    }
    app.advance(2 * HOUR);
    wait_for(&app, "hookpost_retention_archived_messages_total", 1.0);
    app.advance(DAY);
    tenant.wait_until_deleted(&app);
    // The message, its event and its delivery.
    wait_for(&app, "hookpost_retention_deleted_rows_total", 3.0);
    wait_for(&app, "hookpost_retention_archived_messages_total", 1.0);
}

/// Publishes until there is no more room; returns the answer.
fn fill(app: &TestApp) -> super::fixture::Answer {
    let data = "x".repeat(200 << 10);
    for _ in 0..1000 {
        let message = json!({"type": "a", "data": data});
        let answer = app.post("/api/webhooks/events", &app.token, &message);
        if answer.status != 202 {
            return answer;
        }
    }
    panic!("there is room for 200 MB");
}

#[test]
fn at_the_largest_size_publishes_get_507_and_all_else_goes_on() {
    let app = TestApp::with_flags(&[
        "--max-database-size",
        "16MiB",
        "--retry-schedule",
        "30d",
        "--metrics-listen",
        "127.0.0.1:0",
    ]);
    let limit = 16.0 * 1024.0 * 1024.0;
    let read = scrape(&app);
    assert!((read.value("hookpost_database_limit_bytes") - limit).abs() < 1.0);
    assert!(read.value("hookpost_database_limit_reached").abs() < 1e-9);
    let receiver = Receiver::start();
    receiver.reply("/a", 503, "");
    app.endpoint(&receiver.url("/a"));
    let refused = fill(&app);
    assert_eq!(refused.expect(507)["error"], "InsufficientStorage");
    let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds > 0);
    let reason = "the database has reached its largest size";
    let ready = app.get("/readyz");
    let body = ready.expect(503);
    assert_eq!(body["detail"], reason);
    let checks = body["checks"].as_array().unwrap();
    for check in checks {
        let is_database = check["name"] == "database";
        assert_eq!(check["ok"], !is_database, "{check}");
        let expected = if is_database {
            json!(reason)
        } else {
            Value::Null
        };
        assert_eq!(check["reason"], expected);
    }
    wait_for(&app, "hookpost_database_limit_reached", 1.0);
    let refusals = r#"hookpost_publishes_total{outcome="unavailable"}"#;
    assert!((scrape(&app).value(refusals) - 1.0).abs() < 1e-9);

    // Reads, redeliveries and attempts go on.
    let pending = app.get("/api/webhooks/events?status=pending&limit=1");
    let event = pending.expect(200)["data"][0].clone();
    let event = format!("/api/webhooks/events/{}", event["id"].as_str().unwrap());
    receiver.reply("/a", 200, "");
    app.post(&format!("{event}/redeliver"), &app.token, &Value::Null)
        .expect(202);
    app.wait_for(&event, |event| event["succeeded"] == true);

    // What is delivered may go, so that there is room again.
    let page = |number| {
        let list = format!("/api/webhooks/events?status=pending&limit=20&page={number}");
        app.get(&list).expect(200)
    };
    let pages = page(1)["meta"]["pages"].as_u64().unwrap();
    let pending: Vec<Value> = (1..=pages)
        .flat_map(|number| page(number)["data"].as_array().unwrap().clone())
        .collect();
    for event in pending {
        let path = format!("/api/webhooks/events/{}", event["id"].as_str().unwrap());
        app.post(&format!("{path}/redeliver"), &app.token, &Value::Null)
            .expect(202);
    }
    wait_until("room", || app.get("/readyz").status == 200);
    app.publish("a", &json!("x"));
    wait_for(&app, "hookpost_database_limit_reached", 0.0);
}

/// Starts a server with these flags, and returns the line that says how the database grows.
fn growth_line(app: &TestApp, flags: &[&str]) -> Value {
    let mut server = Command::new(env!("CARGO_BIN_EXE_hookpost"))
        .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .args(["--database", app.database()])
        .args(flags)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stderr.take().unwrap()).lines();
    let mut found = None;
    for line in lines.map_while(Result::ok) {
        if line.contains("the database has ") {
            found = Some(serde_json::from_str(&line).unwrap());
        }
        if line.contains("\"started\"") {
            break;
        }
    }
    server.kill().unwrap();
    server.wait().unwrap();
    found.expect("a line about growth, before the server has started")
}

#[test]
fn a_start_says_how_the_database_grows_and_whether_its_room_will_do() {
    let mut app = TestApp::start();
    app.endpoint("http://127.0.0.1:1/");
    for n in 0..48 {
        app.publish("a", &json!(n));
    }
    app.stop();
    let early = growth_line(&app, &[]);
    assert_eq!(early["level"], "INFO");
    let words = early["message"].as_str().unwrap();
    assert!(
        words.ends_with("; it is too early to say how it grows"),
        "{words}"
    );
    assert!(early["database_bytes"].as_u64().unwrap() > 0);
    assert!(early["disk_free_bytes"].as_u64().unwrap() > 0);
    // As if one had come in each hour for two days.
    let connection = Connection::open(app.database()).unwrap();
    let aged = "UPDATE message SET created_at = (unixepoch() - (49 - seq) * 3600) * 1000000 - 1";
    assert_eq!(connection.execute(aged, []).unwrap(), 48);
    drop(connection);
    let keep = ["--archive-after", "0", "--delete-after"];
    let line = growth_line(&app, &[&keep[..], &["90d"]].concat());
    assert_eq!(line["level"], "INFO", "{line}");
    let daily = line["messages_per_day"].as_u64().unwrap();
    assert!((23..=24).contains(&daily), "{line}");
    let bytes = line["bytes_per_message"].as_u64().unwrap();
    let level = line["level_bytes"].as_u64().unwrap();
    let expected = 90 * 24 * bytes;
    assert!(level.abs_diff(expected) < expected / 10, "{line}");
    assert_eq!(line["days_left"], Value::Null);
    let words = line["message"].as_str().unwrap();
    assert!(words.contains("it levels off at about "), "{words}");
    // The level is above the largest size.
    let limited = growth_line(
        &app,
        &[&keep[..], &["36500d", "--max-database-size", "16MiB"]].concat(),
    );
    assert_eq!(limited["level"], "WARN", "{limited}");
    let words = limited["message"].as_str().unwrap();
    assert!(
        words.contains("will reach --max-database-size in "),
        "{words}"
    );
    assert!(limited["days_left"].as_u64().unwrap() > 0);
    // Without an end the disk fills up, but not soon.
    let endless = growth_line(&app, &[&keep[..], &["0"]].concat());
    assert_eq!(endless["level"], "INFO", "{endless}");
    assert_eq!(endless["level_bytes"], Value::Null);
    let words = endless["message"].as_str().unwrap();
    assert!(
        words.contains("at this rate the disk will do for "),
        "{words}"
    );
}
