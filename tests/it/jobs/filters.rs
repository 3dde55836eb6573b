//! The sets of jobs.

use hookpost::domain::access::Scopes;
use hookpost::domain::workspace::WorkspaceName;
use serde_json::{Value, json};

use super::{counted, ended, finished, make};
use crate::fixture::{TestApp, endpoint_path};
use crate::receiver::Receiver;

/// An application with an endpoint whose events have failed, of two types and two codes.
fn with_failures() -> (TestApp, Receiver, Value) {
    let app = TestApp::with_flags(&["--expire-after", "1s", "--disable-after", "0"]);
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    for (kind, status) in [("x", 500), ("x", 404), ("y", 500), ("y", 200), ("y", 404)] {
        receiver.reply("/a", status, "");
        app.publish(kind, &json!(status));
        let ended = |event: &Value| !event["data"][0]["succeeded"].is_null();
        app.wait_for("/api/webhooks/events?limit=1", ended);
    }
    receiver.reply("/a", 200, "");
    (app, receiver, endpoint)
}

fn redeliver(filter: &Value) -> Value {
    json!({"action": "redeliver", "filter": filter})
}

#[test]
fn a_job_takes_what_a_list_with_the_same_filter_shows() {
    let (app, receiver, endpoint) = with_failures();
    let id = &endpoint["id"];
    let one = app.get("/api/webhooks/events?limit=1").expect(200)["data"][0]["id"].clone();
    let nobody = "00000000-0000-4000-8000-000000000000";
    let cases = [
        (json!({"endpoint_id": [id]}), 4),
        (json!({"endpoint_id": [id], "status": ["succeeded"]}), 1),
        (
            json!({"endpoint_id": [id], "status": ["succeeded", "failed"]}),
            5,
        ),
        (json!({"event_type": ["x"]}), 2),
        (json!({"http_code_class": "5xx"}), 2),
        (json!({"http_code_class": "4xx", "event_type": ["y"]}), 1),
        (
            json!({"http_code_class": "2xx", "status": ["succeeded"]}),
            1,
        ),
        (json!({"event_ids": [one, nobody]}), 1),
        (json!({"event_ids": [one], "event_type": ["x"]}), 0),
        (json!({"endpoint_id": [nobody]}), 0),
        (json!({"end_timestamp": "2001-01-01T00:00:00Z"}), 0),
        (json!({"start_timestamp": "2001-01-01T00:00:00Z"}), 4),
    ];
    for (filter, expected) in &cases {
        let count = counted(&app, &redeliver(filter));
        assert_eq!(
            count,
            json!({"matched": expected, "complete": true}),
            "{filter}"
        );
        if filter.get("event_ids").is_none() {
            let mut query = String::from("/api/webhooks/events?limit=1");
            for (name, value) in filter.as_object().unwrap() {
                let values = value.as_array().cloned().unwrap_or(vec![value.clone()]);
                for value in values {
                    query.extend(["&", name, "=", value.as_str().unwrap()]);
                }
            }
            if filter.get("status").is_none() {
                query.push_str("&status=failed&status=skipped");
            }
            assert_eq!(
                app.get(&query).expect(200)["meta"]["total"],
                *expected,
                "{query}"
            );
        }
    }
    let before = receiver.at("/a").len();
    let job = finished(&app, &redeliver(&json!({"http_code_class": "5xx"})));
    assert_eq!(job["done"], 2);
    receiver.wait("/a", before + 2);
    app.wait_for_events("succeeded", 3);
    let job = finished(&app, &redeliver(&json!({"event_ids": [one]})));
    assert_eq!(job["done"], 1);
    app.wait_for_events("succeeded", 4);
}

#[test]
fn a_job_of_a_workspace_touches_no_other() {
    let (app, receiver, endpoint) = with_failures();
    let before = receiver.at("/a").len();
    let name = WorkspaceName::parse("stranger").unwrap();
    let workspace = app.store.create_workspace(name).wait().unwrap().id;
    let stranger = app.make_token(Some(&workspace.to_string()), Scopes::webhooks());
    let body = redeliver(&json!({"endpoint_id": [endpoint["id"]]}));
    let theirs = app.post("/api/webhooks/jobs", &stranger, &body).expect(202);
    assert_eq!(
        (&theirs["matched"], &theirs["state"]),
        (&json!(0), &json!("finished")),
        "{theirs}"
    );
    let path = format!("/api/webhooks/jobs/{}", theirs["id"].as_str().unwrap());
    assert_eq!(app.get(&path).status, 404);
    let cancel = format!("{path}/cancel");
    assert_eq!(app.post(&cancel, &app.token, &json!({})).status, 404);
    assert_eq!(
        app.get("/api/webhooks/jobs").expect(200)["meta"]["total"],
        0
    );
    let event = app.get("/api/webhooks/events?limit=1").expect(200)["data"][0]["id"].clone();
    let skip = format!("/api/webhooks/events/{}/skip", event.as_str().unwrap());
    assert_eq!(app.post(&skip, &stranger, &json!({})).status, 404);
    assert_eq!(receiver.at("/a").len(), before);
}

#[test]
fn an_endpoint_of_another_workspace_is_like_one_that_does_not_exist() {
    let (app, _receiver, endpoint) = with_failures();
    app.publish("z", &json!(1));
    app.wait_for_events("succeeded", 2);
    let later = app.endpoint("http://127.0.0.1:1/");
    let name = WorkspaceName::parse("stranger").unwrap();
    let workspace = app.store.create_workspace(name).wait().unwrap().id;
    let stranger = app.make_token(Some(&workspace.to_string()), Scopes::webhooks());
    let answer = |filter: &Value, id: &Value, dry_run: bool| {
        let mut body = redeliver(filter);
        body["filter"]["endpoint_id"] = json!([id]);
        body["dry_run"] = json!(dry_run);
        let answer = app.post("/api/webhooks/jobs", &stranger, &body);
        let mut shown = answer.json();
        if let Some(job) = shown.as_object_mut() {
            for own in ["id", "created_at", "modified_at", "finished_at"] {
                job.remove(own);
            }
        }
        if shown["filter"].is_object() {
            assert_eq!(shown["filter"]["endpoint_id"].take(), json!([id]));
        }
        (answer.status, shown)
    };
    let random = json!("00000000-0000-4000-8000-000000000000");
    let since = "2001-01-01T00:00:00Z";
    for enabled in [true, false] {
        for theirs in [&endpoint, &later] {
            app.set_enabled(theirs, enabled);
            for filter in [
                json!({}),
                json!({"status": ["succeeded"]}),
                json!({"status": ["missing"], "start_timestamp": since}),
                json!({"status": ["failed", "missing"], "start_timestamp": since}),
            ] {
                for dry_run in [true, false] {
                    let found = answer(&filter, &theirs["id"], dry_run);
                    assert_eq!(found, answer(&filter, &random, dry_run), "{filter}");
                    assert_eq!(found.1["matched"], 0, "{filter}");
                }
            }
        }
    }
}

#[test]
fn skipping_ends_what_is_pending_and_a_finished_event_is_no_conflict_for_a_job() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    receiver.reply("/a", 500, "");
    let endpoint = app.endpoint(&receiver.url("/a"));
    for number in 0..30 {
        app.publish("a", &json!(number));
    }
    receiver.wait("/a", 3);
    let skip = json!({"action": "skip", "filter": {"endpoint_id": [endpoint["id"]]}});
    let job = finished(&app, &skip);
    assert_eq!((&job["matched"], &job["done"]), (&json!(30), &json!(30)));
    app.wait_for_events("skipped", 30);
    let one = app.get("/api/webhooks/events?limit=1").expect(200)["data"][0].clone();
    assert_eq!(one["next_attempt_at"], json!(null));
    let path = format!("/api/webhooks/events/{}/skip", one["id"].as_str().unwrap());
    let refused = app.post(&path, &app.token, &json!({})).expect(409);
    assert_eq!(refused["error"], "NotPending");
    assert_eq!(finished(&app, &skip)["matched"], 0);
}

#[test]
fn events_are_left_out_whose_endpoint_is_gone_or_disabled_when_their_turn_comes() {
    let (app, receiver, first) = with_failures();
    let second = app.endpoint(&receiver.url("/b"));
    receiver.reply("/b", 500, "");
    app.publish("z", &json!(1));
    app.wait_for_events("failed", 5);
    app.set_enabled(&first, false);
    app.delete(&endpoint_path(&second)).expect(204);
    let job = finished(
        &app,
        &redeliver(&json!({"start_timestamp": "2001-01-01T00:00:00Z"})),
    );
    assert_eq!((&job["matched"], &job["done"]), (&json!(5), &json!(0)));
    let left_out = json!({
        "archived": 0, "endpoint_disabled": 4, "endpoint_deleted": 1, "changed": 0,
    });
    assert_eq!(job["left_out"], left_out);
}

#[test]
fn the_jobs_of_a_deleted_workspace_are_cancelled() {
    let app = TestApp::with_flags(&["--retry-schedule", "1h"]);
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    for number in 0..300 {
        app.publish("a", &json!(number));
    }
    app.wait_for_events("succeeded", 300);
    let slow = json!({"action": "redeliver", "rate": 60, "filter": {
        "endpoint_id": [endpoint["id"]], "status": ["succeeded"],
    }});
    let job = make(&app, &slow);
    let workspace = endpoint["workspace_id"].as_str().unwrap();
    let path = format!("/api/workspaces/{workspace}");
    let bearer = format!("Bearer {}", app.admin);
    let deleted = app.request("DELETE", &path, &[("authorization", bearer.as_str())], None);
    assert_eq!(deleted.status, 204);
    let path = format!("/api/webhooks/jobs/{}", job["id"].as_str().unwrap());
    let job = app.get_as(&app.admin, &path).expect(200);
    assert_eq!(job["state"], "cancelled");
    assert!(job["done"].as_u64().unwrap() < 300);
    assert!(job["finished_at"].is_string());
}

#[test]
fn jobs_are_listed_newest_first_and_by_state_and_action() {
    let (app, _receiver, endpoint) = with_failures();
    let by = |query: &str| {
        let listed = app.get(&format!("/api/webhooks/jobs{query}")).expect(200);
        let jobs = listed["data"].as_array().unwrap().clone();
        assert_eq!(listed["meta"]["total"], jobs.len());
        jobs.into_iter()
            .map(|job| job["id"].clone())
            .collect::<Vec<Value>>()
    };
    let filter = json!({"endpoint_id": [endpoint["id"]]});
    let skip = finished(&app, &json!({"action": "skip", "filter": filter}));
    let slow = make(
        &app,
        &json!({"action": "redeliver", "filter": filter, "rate": 1}),
    );
    assert_eq!(by(""), [slow["id"].clone(), skip["id"].clone()]);
    assert_eq!(by("?state=running"), [slow["id"].clone()]);
    assert_eq!(by("?state=finished&state=cancelled"), [skip["id"].clone()]);
    assert_eq!(by("?action=skip"), [skip["id"].clone()]);
    let cancel = format!("/api/webhooks/jobs/{}/cancel", slow["id"].as_str().unwrap());
    let cancelled = app.post(&cancel, &app.token, &json!({})).expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(
        app.post(&cancel, &app.token, &json!({})).expect(200),
        cancelled
    );
    assert_eq!(by("?state=cancelled"), [slow["id"].clone()]);
    assert_eq!(ended(&app, &slow), cancelled);
}
