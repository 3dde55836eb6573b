//! A publisher: publishes one message to Hookpost, and tries again with the same key if that fails.
//!
//! In a clone of Hookpost: `API=http://127.0.0.1:8080/api TOKEN=hookpost_wat_... cargo run --example publisher`.
//! In a project of your own: `cargo add ureq serde_json`, then `API=... TOKEN=... cargo run`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "short to read and to copy"
)]

use std::env;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

const TRIES: u32 = 5;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes a message. Returns the answer's JSON, or the error's text.
fn publish(kind: &str, data: &Value, key: &str) -> Result<String, String> {
    let variable = |name| env::var(name).map_err(|error| format!("{name}: {error}"));
    let url = variable("API")? + "/webhooks/events";
    let authorization = format!("Bearer {}", variable("TOKEN")?);
    let body = json!({"type": kind, "data": data}).to_string();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false) // an error's body says what is wrong
        .build()
        .into();
    let mut problem = String::new();
    for attempt in 0..TRIES {
        let mut retry_after = Duration::ZERO;
        let answer = agent
            .post(&url)
            .header("Authorization", &authorization)
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", key)
            .send(&body)
            .and_then(|mut answer| Ok((answer.body_mut().read_to_string()?, answer)));
        match answer {
            Ok((text, answer)) => {
                let status = answer.status().as_u16();
                if status == 202 {
                    return Ok(text);
                }
                problem = format!("{status} {text}");
                if status != 429 && status < 500 {
                    break; // another try would get the same answer
                }
                let header = answer.headers().get("Retry-After");
                let seconds = header.and_then(|value| value.to_str().ok()?.parse().ok());
                retry_after = seconds.map_or(retry_after, Duration::from_secs);
            }
            Err(error) => problem = error.to_string(), // no answer: the message may be published or not
        }
        if attempt + 1 < TRIES {
            let backoff = Duration::from_secs(1 << attempt).mul_f64(0.5 + jitter() / 2.0);
            sleep(retry_after.max(backoff));
        }
    }
    Err(format!("publish failed: {problem}"))
}

/// Returns a number from 0 to 1, so that many publishers do not try again at the same moment.
fn jitter() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    f64::from(since.map_or(0, |time| time.subsec_micros()) % 1000) / 1000.0
}

fn main() -> ExitCode {
    let order = json!({"id": "order_1", "total": 19.90});
    match publish("order.paid", &order, "order-1-paid") {
        Ok(message) => {
            println!("{message}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
