//! The tests of redelivery: when its runs start, and how their attempts are numbered.

use super::*;

#[test]
fn redelivery_runs_the_schedule_again_from_every_state() {
    let app = TestApp::with_manual_clock(&["--retry-schedule", "10s"]);
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    let path = event_path(&app.publish("a", &json!(1)));
    let redeliver = || app.post(&format!("{path}/redeliver"), &app.token, &json!(null));
    // Succeeded, and then answered otherwise: the last run decides.
    app.wait_for(&path, |event| event["succeeded"] == true);
    receiver.reply("/a", 404, "");
    let accepted = redeliver();
    assert_eq!((accepted.status, accepted.text.as_str()), (202, "null"));
    app.wait_for(&path, |event| {
        event["attempts"] == 2 && event["succeeded"] == json!(null)
    });
    // Pending.
    assert_eq!(redeliver().status, 202);
    app.wait_for(&path, |event| event["attempts"] == 3);
    app.advance(seconds(13));
    // Failed.
    app.wait_for(&path, |event| {
        event["attempts"] == 4 && event["succeeded"] == false
    });
    receiver.reply("/a", 200, "");
    redeliver();
    app.wait_for(&path, |event| {
        event["attempts"] == 5 && event["succeeded"] == true
    });
    let deliveries = app.get("/api/webhooks/deliveries").expect(200);
    let attempts: Vec<u64> = deliveries["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["attempt"].as_u64().unwrap())
        .collect();
    assert_eq!(attempts, [5, 4, 3, 2, 1]);
    let ids: Vec<String> = receiver
        .at("/a")
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    assert!(ids.iter().all(|id| path.ends_with(id.as_str())));
}

#[test]
fn a_redelivery_during_an_attempt_starts_after_it_unless_it_succeeds() {
    let app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    for (code, attempts) in [(200, 1), (404, 2)] {
        receiver.reply("/a", code, "");
        let before = receiver.at("/a").len();
        receiver.hold("/a");
        let path = event_path(&app.publish("a", &json!(1)));
        receiver.wait("/a", before + 1);
        app.post(&format!("{path}/redeliver"), &app.token, &json!(null))
            .expect(202);
        receiver.let_go("/a");
        app.wait_for(&path, |event| {
            event["attempts"] == attempts && event["last_http_code"] == code
        });
        assert_eq!(receiver.at("/a").len(), before + attempts);
    }
}

/// The event is redelivered during its first attempt, once with the endpoint disabled and enabled in between.
#[test]
fn attempts_are_numbered_from_one_whatever_is_redelivered_during_them() {
    let app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    receiver.reply("/a", 404, "");
    let endpoint = app.endpoint(&receiver.url("/a"));
    let endpoint = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    for is_disabled_meanwhile in [false, true] {
        let before = receiver.count("/a");
        receiver.hold("/a");
        let path = event_path(&app.publish("a", &json!(1)));
        receiver.wait("/a", before + 1);
        if is_disabled_meanwhile {
            for enabled in [false, true] {
                app.patch(&endpoint, &json!({"enabled": enabled}))
                    .expect(200);
            }
        }
        for _ in 0..2 {
            app.post(&format!("{path}/redeliver"), &app.token, &json!(null))
                .expect(202);
        }
        receiver.let_go("/a");
        app.wait_for(&path, |event| event["attempts"] == 2);
        let deliveries = app.get("/api/webhooks/deliveries?limit=2").expect(200);
        let [newer, older] = &deliveries["data"].as_array().unwrap()[..] else {
            panic!("not two deliveries: {deliveries}");
        };
        for (delivery, number) in [(older, 1), (newer, 2)] {
            assert_eq!(delivery["attempt"], number, "{deliveries}");
            let id = delivery["webhook_event"]["id"].as_str().unwrap();
            assert!(path.ends_with(id), "{deliveries}");
        }
    }
}
