//! The tests of walking through a list while it changes, as docs/API.md shows it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::ids;
use crate::fixture::TestApp;
use crate::receiver::Receiver;

/// Walks through a list of events from the newest to the oldest, and calls `between` with each page. Returns
/// the ids of all rows.
fn walk(app: &TestApp, filter: &str, mut between: impl FnMut(&Value)) -> Vec<String> {
    let mut walked = Vec::new();
    let mut end = String::new();
    loop {
        let page = app.get(&format!("/api/webhooks/events?limit=7{filter}{end}"));
        let page = page.expect(200);
        let Some(last) = page["data"].as_array().unwrap().last() else {
            return walked;
        };
        end = format!("&end_timestamp={}", last["created_at"].as_str().unwrap());
        walked.extend(ids(&page));
        between(&page);
    }
}

#[test]
fn a_walk_by_time_meets_each_row_once_whatever_is_published_meanwhile() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    // One message makes several events: no two rows may have the same time.
    for at in 0..3 {
        app.endpoint(&receiver.url(&format!("/{at}")));
    }
    for at in 0..20 {
        app.publish("a", &json!(at));
    }
    let before = app.get("/api/webhooks/events?limit=100").expect(200);
    let before = ids(&before);
    assert_eq!(before.len(), 60);
    let walked = walk(&app, "", |_| {
        app.publish("a", &json!("meanwhile"));
    });
    assert_eq!(walked, before, "newer rows are not met");
}

#[test]
fn a_walk_by_time_redelivers_all_of_a_list_from_which_rows_go() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint("http://127.0.0.1:1/");
    let endpoint = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    for at in 0..25 {
        app.publish("a", &json!(at));
    }
    app.patch(&endpoint, &json!({"enabled": false})).expect(200);
    let back = json!({"enabled": true, "url": receiver.url("/a")});
    app.patch(&endpoint, &back).expect(200);
    app.wait_for("/api/webhooks/events?status=skipped", |list| {
        list["meta"]["total"] == 25
    });
    let walked = walk(&app, "&status=skipped", |page| {
        for id in ids(page) {
            let path = format!("/api/webhooks/events/{id}/redeliver");
            app.post(&path, &app.token, &Value::Null).expect(202);
        }
        app.publish("a", &json!("meanwhile"));
    });
    assert_eq!(walked.len(), 25);
    app.wait_for_events("succeeded", 25 + 4);
    let received: BTreeSet<String> = receiver
        .at("/a")
        .iter()
        .map(|request| request.header("webhook-id").to_owned())
        .collect();
    assert!(walked.iter().all(|id| received.contains(id)));
    let left = app.get("/api/webhooks/events?status=skipped").expect(200);
    assert_eq!(left["meta"]["total"], 0);
}
