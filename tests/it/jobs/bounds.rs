//! The limits of jobs: their rate, what they have let go, how many run.

use serde_json::{Value, json};

use super::{A_WHILE, ended, finished, make};
use crate::fixture::TestApp;
use crate::metrics::wait_for;
use crate::receiver::Receiver;

fn with_succeeded(app: &TestApp, receiver: &Receiver, path: &str, count: usize) -> Value {
    let endpoint = app.endpoint(&receiver.url(path));
    for number in 0..count {
        app.publish("a", &json!(number));
    }
    receiver.wait(path, count);
    app.wait_for_events("succeeded", count as u64);
    endpoint
}

fn again(endpoint: &Value) -> Value {
    json!({"action": "redeliver", "filter": {
        "endpoint_id": [endpoint["id"]], "status": ["succeeded"],
    }})
}

#[test]
fn a_job_waits_for_an_endpoint_that_hangs_and_cancelling_stops_it_there() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = with_succeeded(&app, &receiver, "/a", 250);
    receiver.hold("/a");
    let job = make(&app, &again(&endpoint));
    let path = format!("/api/webhooks/jobs/{}", job["id"].as_str().unwrap());
    // Those that are under way count as attempted only when their attempts have ended.
    let held = app.wait_for(&path, |job| job["done"].as_u64() >= Some(100));
    assert_eq!(held["done"], 100);
    let cancelled = app
        .post(&format!("{path}/cancel"), &app.token, &json!({}))
        .expect(200);
    assert_eq!(
        (&cancelled["state"], &cancelled["done"]),
        (&json!("cancelled"), &json!(100))
    );
    receiver.let_go("/a");
    receiver.wait("/a", 350);
    app.wait_for_events("succeeded", 250);
    std::thread::park_timeout(A_WHILE);
    assert_eq!(
        receiver.at("/a").len(),
        350,
        "nothing is let go after the answer"
    );
    assert_eq!(app.get(&path).expect(200)["done"], 100);
}

#[test]
fn one_endpoint_that_hangs_does_not_hold_up_the_others_of_a_job() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/slow"));
    app.endpoint(&receiver.url("/fast"));
    for number in 0..200 {
        app.publish("a", &json!(number));
    }
    app.wait_for_events("succeeded", 400);
    receiver.hold("/slow");
    let body =
        json!({"action": "redeliver", "filter": {"event_type": ["a"], "status": ["succeeded"]}});
    let job = make(&app, &body);
    receiver.wait("/fast", 400);
    receiver.let_go("/slow");
    assert_eq!(ended(&app, &job)["done"], 400);
    receiver.wait("/slow", 400);
}

#[test]
fn a_live_event_does_not_wait_for_the_events_of_a_job() {
    // So few senders make one attempt of an endpoint at a time, so that events arrive in the order of their starts.
    let app = TestApp::with_flags(&["--max-threads", "8"]);
    let receiver = Receiver::start();
    let endpoint = with_succeeded(&app, &receiver, "/a", 150);
    receiver.hold("/a");
    let job = make(&app, &again(&endpoint));
    let path = format!("/api/webhooks/jobs/{}", job["id"].as_str().unwrap());
    app.wait_for(&path, |job| job["done"].as_u64() >= Some(100));
    app.publish("a", &json!("live"));
    receiver.let_go("/a");
    let received = receiver.wait("/a", 301);
    let place = super::data(&received)
        .iter()
        .position(|it| it == "live")
        .unwrap();
    // One of the job was under way, and one has its turn after each few fresh ones.
    assert!(place <= 150 + 2, "{place}");
}

#[test]
fn a_rate_lets_so_many_go_and_no_more() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = with_succeeded(&app, &receiver, "/a", 40);
    let mut slow = again(&endpoint);
    slow["rate"] = json!(1200);
    let began = std::time::Instant::now();
    assert_eq!(finished(&app, &slow)["done"], 40);
    // The first goes at once, the other 39 at twenty a second.
    assert!(began.elapsed().as_secs_f64() > 1.9, "{:?}", began.elapsed());
}

#[test]
fn ten_jobs_of_a_workspace_run_and_no_more() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = with_succeeded(&app, &receiver, "/a", 30);
    let mut slow = again(&endpoint);
    slow["rate"] = json!(1);
    let jobs: Vec<Value> = (0..10).map(|_| make(&app, &slow)).collect();
    let refused = app
        .post("/api/webhooks/jobs", &app.token, &slow)
        .expect(409);
    assert_eq!(refused["error"], "TooManyJobs");
    let cancel = format!(
        "/api/webhooks/jobs/{}/cancel",
        jobs[3]["id"].as_str().unwrap()
    );
    app.post(&cancel, &app.token, &json!({})).expect(200);
    make(&app, &slow);
}

#[test]
fn a_job_goes_on_after_a_restart() {
    let mut app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = with_succeeded(&app, &receiver, "/a", 60);
    let mut slow = again(&endpoint);
    slow["rate"] = json!(600);
    let job = make(&app, &slow);
    let path = format!("/api/webhooks/jobs/{}", job["id"].as_str().unwrap());
    app.wait_for(&path, |job| job["done"].as_u64() >= Some(5));
    app.restart();
    let job = ended(&app, &job);
    assert_eq!(
        (&job["state"], &job["done"]),
        (&json!("finished"), &json!(60))
    );
    receiver.wait("/a", 120);
    app.wait_for_events("succeeded", 60);
    assert_eq!(receiver.at("/a").len(), 120);
}

#[test]
fn running_jobs_and_their_events_show_in_the_metrics() {
    let app = TestApp::with_flags(&["--metrics-listen", "127.0.0.1:0"]);
    let receiver = Receiver::start();
    let endpoint = with_succeeded(&app, &receiver, "/a", 3);
    let done = "hookpost_job_events_total{action=\"redeliver\",result=\"done\"}";
    let left_out = "hookpost_job_events_total{action=\"redeliver\",result=\"left_out\"}";
    wait_for(&app, "hookpost_jobs_running", 0.0);
    wait_for(&app, done, 0.0);
    let mut slow = again(&endpoint);
    slow["rate"] = json!(1);
    let job = make(&app, &slow);
    wait_for(&app, done, 1.0);
    wait_for(&app, "hookpost_jobs_running", 1.0);
    app.set_enabled(&endpoint, false);
    assert_eq!(ended(&app, &job)["left_out"]["endpoint_disabled"], 2);
    wait_for(&app, left_out, 2.0);
    wait_for(&app, "hookpost_jobs_running", 0.0);
}
