//! The tests of a wall clock that jumps an hour forward and back.

use std::time::Duration;

use hookpost::domain::clock::{Clock, Timestamp};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::fixture::{START, TestApp, wait_until};
use crate::receiver::Receiver;

const HOUR: Duration = Duration::from_hours(1);

/// The first wait of the usual schedule is five seconds, a fifth less or more; and a little.
const SHORTEST: Duration = Duration::from_millis(3_900);
const LONGEST: Duration = Duration::from_millis(6_100);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn step(app: &TestApp, to: Timestamp) {
    app.clock.as_ref().unwrap().step_wall_clock(to);
}

fn event_path(message: &Value) -> String {
    let id = message["events"][0]["id"].as_str().unwrap();
    format!("/api/webhooks/events/{id}")
}

fn due(event: &Value) -> Timestamp {
    Timestamp::parse(event["next_attempt_at"].as_str().unwrap()).unwrap()
}

/// An application with one event that failed once and waits for its second attempt.
fn with_a_retry(flags: &[&str]) -> (TestApp, Receiver, String) {
    let app = TestApp::with_manual_clock(flags);
    let receiver = Receiver::start();
    receiver.reply("/a", 404, "");
    app.endpoint_for(&receiver.url("/a"), "raw", &["a"]);
    app.endpoint_for(&receiver.url("/other"), "raw", &["other"]);
    let path = event_path(&app.publish("a", &json!(1)));
    app.wait_for(&path, |event| event["attempts"] == 1);
    receiver.reply("/a", 200, "");
    (app, receiver, path)
}

/// Whatever the engine starts because of what happened so far, it has started once this comes back.
fn let_the_engine_look(app: &TestApp) {
    let path = event_path(&app.publish("other", &json!(1)));
    app.wait_for(&path, |event| event["succeeded"] == true);
}

/// The retry comes when it was to come, by the clock on the wall as it is now.
fn assert_waits_seconds(app: &TestApp, receiver: &Receiver, path: &str, now: Timestamp) {
    let event = app.wait_for(path, |event| due(event) <= now.after(LONGEST));
    assert!(due(&event) >= now.after(SHORTEST), "{event}");
    app.advance(SHORTEST);
    let_the_engine_look(app);
    assert_eq!(receiver.count("/a"), 1, "too early");
    app.advance(LONGEST.checked_sub(SHORTEST).unwrap());
    let received = receiver.wait("/a", 2);
    let ids: Vec<&str> = received
        .iter()
        .map(|one| one.header("webhook-id"))
        .collect();
    assert_eq!(ids[0], ids[1]);
    app.wait_for(path, |event| event["succeeded"] == true);
}

#[test]
fn set_back_an_hour_a_retry_waits_its_seconds_and_not_the_hour() {
    let (app, receiver, path) = with_a_retry(&[]);
    let now = START.before(HOUR);
    step(&app, now);
    assert_waits_seconds(&app, &receiver, &path, now);
}

#[test]
fn set_back_while_the_server_was_down_a_retry_waits_its_seconds_and_not_the_hour() {
    let (mut app, receiver, path) = with_a_retry(&[]);
    app.stop();
    let now = START.before(HOUR);
    step(&app, now);
    app.restart();
    assert_waits_seconds(&app, &receiver, &path, now);
}

#[test]
fn set_forward_an_hour_a_retry_is_early_by_no_more_than_the_hour() {
    // Due after 96 to 144 minutes, and then after seconds.
    let (app, receiver, path) = with_a_retry(&["--retry-schedule", "2h,5s"]);
    step(&app, START.after(HOUR));
    let_the_engine_look(&app);
    assert_eq!(
        receiver.count("/a"),
        1,
        "it waits for 36 minutes more at least"
    );
    app.advance(seconds(35 * 60));
    let_the_engine_look(&app);
    assert_eq!(
        receiver.count("/a"),
        1,
        "it waits for 1 minute more at least"
    );
    app.advance(seconds(50 * 60));
    receiver.wait("/a", 2);
    app.wait_for(&path, |event| event["succeeded"] == true);
}

#[test]
fn set_forward_and_back_under_load_everything_arrives_once_and_lists_hold() {
    const EVENTS: u64 = 60;
    let app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    receiver.reply("/a", 404, "");
    app.endpoint(&receiver.url("/a"));
    let mut wall = START;
    for n in 0..EVENTS {
        app.publish("a", &json!(n));
        if n % 10 == 9 {
            app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
                list["meta"]["total"].as_u64() > Some(n)
            });
            let forward = (n / 10) % 2 == 0;
            wall = if forward {
                wall.after(HOUR)
            } else {
                wall.before(HOUR)
            };
            step(&app, wall);
        }
    }
    receiver.reply("/a", 200, "");
    let_the_step_be_noticed(&app);
    // However often the clock jumped, nothing waits longer than the longest wait it may have begun.
    for wait in [7, 40, 150, 750, 2200] {
        app.advance(seconds(wait));
        let_all_due_go(&app, &receiver);
    }
    app.wait_for("/api/webhooks/events?status=succeeded&limit=1", |list| {
        list["meta"]["total"] == EVENTS
    });
    for total in ["events", "deliveries"] {
        let all = app
            .get(&format!("/api/webhooks/{total}?limit=1"))
            .expect(200);
        let from = format!(
            "/api/webhooks/{total}?limit=1&start_timestamp={}",
            START.before(HOUR + HOUR)
        );
        assert_eq!(
            app.get(&from).expect(200)["meta"]["total"],
            all["meta"]["total"]
        );
    }
}

/// Waits until no retry counts its wait from a time that is still to come. Until then the clock must not
/// go on: waits that begin anew do so when the step back is noticed.
fn let_the_step_be_noticed(app: &TestApp) {
    let recorded = |event: &Value| event["modified_at"].as_str().map(str::to_owned);
    app.wait_for("/api/webhooks/events?status=pending&limit=100", |list| {
        let now = app.clock.as_ref().unwrap().now();
        let mut recorded = list["data"].as_array().unwrap().iter().filter_map(recorded);
        recorded.all(|at| Timestamp::parse(&at).unwrap() <= now)
    });
}

/// Waits until what is due has been sent.
fn let_all_due_go(app: &TestApp, receiver: &Receiver) {
    let due_now = |list: &Value| {
        let now = app.clock.as_ref().unwrap().now();
        let events = list["data"].as_array().unwrap();
        events.iter().filter(|event| due(event) <= now).count()
    };
    app.wait_for("/api/webhooks/events?status=pending&limit=100", |list| {
        due_now(list) == 0
    });
    assert!(receiver.count("/a") > 0);
}

/// The messages, by number, for which a query holds.
fn messages(app: &TestApp, sql: &str) -> Vec<i64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(app.database(), flags).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_publish_ahead_of_time_keeps_its_own_payload_and_key_longer_and_nobody_elses() {
    const BODIES: &str = "SELECT seq FROM message WHERE body IS NOT NULL";
    const KEYS: &str = "SELECT message FROM idempotency";
    let app = TestApp::with_manual_clock(&["--archive-after", "1h"]);
    let bearer = format!("Bearer {}", app.token);
    let publish = |key: &str| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let body: &[u8] = br#"{"type": "a", "data": 1}"#;
        app.request("POST", "/api/webhooks/events", &headers, Some(body))
            .expect(202);
    };
    // No endpoint wants them: nothing but the messages' own times tells of the step.
    step(&app, START.after(100 * HOUR));
    publish("1");
    publish("2");
    step(&app, START);
    publish("3");
    app.advance(2 * HOUR);
    wait_until("the archive", || messages(&app, BODIES) == [1, 2]);
    publish("4");
    app.advance(2 * HOUR);
    wait_until("the archive", || messages(&app, BODIES) == [1, 2]);
    assert_eq!(messages(&app, KEYS), [1, 2, 3, 4]);
    app.advance(25 * HOUR);
    wait_until("the keys", || messages(&app, KEYS) == [1, 2]);
    app.advance(73 * HOUR);
    wait_until("the archive", || messages(&app, BODIES).is_empty());
    assert_eq!(messages(&app, KEYS), [1, 2]);
    app.advance(24 * HOUR);
    wait_until("the keys", || messages(&app, KEYS).is_empty());
    app.advance(HOUR);
    let left = "SELECT value FROM meta WHERE key GLOB 'archived *'";
    wait_until("the marks", || messages(&app, left).is_empty());
}

/// By a clock that is days ahead every run is over. Each gets an attempt nevertheless, and an endpoint that
/// does not answer just then is not charged for it.
#[test]
fn days_ahead_for_a_moment_no_run_ends_unattempted_and_no_endpoint_is_disabled() {
    let app = TestApp::with_manual_clock(&["--disable-after", "3"]);
    let receiver = Receiver::start();
    receiver.reply("/a", 503, "");
    let endpoint = app.endpoint_for(&receiver.url("/a"), "raw", &["a"]);
    app.endpoint_for(&receiver.url("/other"), "raw", &["other"]);
    for n in 0..120 {
        app.publish("a", &json!(n));
    }
    // Three were attempted, the others wait for the endpoint's rest to end.
    app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
        list["meta"]["total"] == 3
    });
    step(&app, START.after(Duration::from_hours(96)));
    let_the_engine_look(&app);
    // By this clock the rest has ended as well. The probe failed when its run was over.
    app.wait_for_events("failed", 1);
    let_the_engine_look(&app);
    step(&app, START);
    receiver.reply("/a", 200, "");
    let_the_step_be_noticed(&app);
    app.advance(seconds(40));
    let_all_due_go(&app, &receiver);
    app.advance(seconds(10));
    app.wait_for_events("pending", 0);
    app.wait_for_events("failed", 1);
    let path = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    assert_eq!(app.get(&path).expect(200)["enabled"], true);
}

#[test]
fn a_jump_of_the_clock_makes_no_thread_loop() {
    const REQUESTS: u64 = 500;
    let (app, ..) = with_a_retry(&["--retry-schedule", "2h"]);
    let clock = app.clock.clone().unwrap();
    for wall in [START.after(HOUR), START, START.before(HOUR), START] {
        step(&app, wall);
        let_the_engine_look(&app);
        let before = clock.looks();
        for _ in 0..REQUESTS {
            assert_eq!(app.get("/healthz").status, 200);
        }
        // Who turns in circles looks hundreds of times in each of these requests.
        let looks = clock.looks() - before;
        assert!(looks < REQUESTS, "{looks}");
    }
}
