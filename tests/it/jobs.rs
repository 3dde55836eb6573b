//! The tests of jobs: what they redeliver and skip, in which order, and what they leave alone.

mod bounds;
mod filters;
mod missing_set;
mod recovery;

use std::time::Duration;

use hookpost::domain::clock::Timestamp;
use serde_json::{Value, json};

use super::fixture::TestApp;
use super::receiver::Received;

/// A time before everything that a test does.
fn long_ago() -> Value {
    json!(Timestamp::from_micros(1_000_000_000_000_000).to_string())
}

/// Makes a job, and returns it.
fn make(app: &TestApp, job: &Value) -> Value {
    app.post("/api/webhooks/jobs", &app.token, job).expect(202)
}

/// Returns the number of events that a job would have.
fn counted(app: &TestApp, job: &Value) -> Value {
    let mut job = job.clone();
    job["dry_run"] = json!(true);
    app.post("/api/webhooks/jobs", &app.token, &job).expect(200)
}

/// Waits until a job is over, and returns it.
fn ended(app: &TestApp, job: &Value) -> Value {
    let path = format!("/api/webhooks/jobs/{}", job["id"].as_str().unwrap());
    app.wait_for(&path, |job| job["state"] != "running")
}

/// Makes a job, waits until it is finished, and returns it.
fn finished(app: &TestApp, job: &Value) -> Value {
    let job = ended(app, &make(app, job));
    assert_eq!(job["state"], "finished");
    let left_out = job["left_out"].as_object().unwrap().values();
    let left_out: u64 = left_out.map(|count| count.as_u64().unwrap()).sum();
    let done = job["done"].as_u64().unwrap();
    assert_eq!(json!(done + left_out), job["matched"], "{job}");
    job
}

/// Returns the data that a receiver got.
fn data(received: &[Received]) -> Vec<Value> {
    let body = |one: &Received| serde_json::from_slice::<Value>(&one.body).unwrap();
    received
        .iter()
        .map(|one| body(one)["data"].clone())
        .collect()
}

/// A time to wait for something that must not happen.
const A_WHILE: Duration = Duration::from_millis(300);
