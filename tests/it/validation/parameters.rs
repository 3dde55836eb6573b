//! The tests of parameters that are not as they should be, but whose meaning is clear.

use serde_json::{Value, json};

use super::*;

#[test]
fn unix_times_mean_the_same_as_rfc_3339() {
    let app = TestApp::with_manual_clock(&[]);
    app.endpoint("http://127.0.0.1:1/");
    let message = app.publish("a", &json!(1));
    let event = format!("/api/webhooks/events/{}", text(&message["events"][0], "id"));
    let at = app.get(&event).expect(200)["created_at"].clone();
    let at = time_of(&at);
    let total = |query: &str| {
        let list = app.get(&format!("/api/webhooks/events?{query}"));
        list.expect(200)["meta"]["total"].clone()
    };
    let (whole, fraction) = (at / 1_000_000, at % 1_000_000);
    for (time, is_before) in [
        (format!("{}", whole - 1), true),
        (format!("{}", whole + 1), false),
        (format!("{whole}.{fraction:06}"), false),
        (format!("{}000", whole - 1), true),
        (format!("{}000.5", whole + 1), false),
    ] {
        assert_eq!(
            total(&format!("start_timestamp={time}")),
            u64::from(is_before),
            "{time}"
        );
    }
    assert_eq!(total(&format!("end_timestamp={whole}.{fraction:06}")), 0);
    assert_eq!(total(&format!("end_timestamp={}", whole + 1)), 1);
}

/// A time of the API, in microseconds since 1970.
fn time_of(time: &Value) -> i64 {
    let time = hookpost::domain::clock::Timestamp::parse(time.as_str().unwrap());
    time.unwrap().micros()
}
