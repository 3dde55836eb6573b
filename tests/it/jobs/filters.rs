//! The sets of jobs.

use hookpost::domain::access::Scopes;
use hookpost::domain::workspace::WorkspaceName;
use serde_json::{Value, json};

use super::{counted, ended, finished, make, set_enabled};
use crate::fixture::TestApp;
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
    let random = redeliver(&json!({"endpoint_id": ["00000000-0000-4000-8000-000000000000"]}));
    let unknown = app
        .post("/api/webhooks/jobs", &stranger, &random)
        .expect(202);
    for job in [&theirs, &unknown] {
        assert_eq!(
            (&job["matched"], &job["state"]),
            (&json!(0), &json!("finished")),
            "{job}"
        );
    }
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
    set_enabled(&app, &first, false);
    let gone = format!("/api/webhooks/endpoints/{}", second["id"].as_str().unwrap());
    app.delete(&gone).expect(204);
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
fn a_filter_that_selects_everything_is_refused_and_so_is_one_that_cannot_be() {
    let app = TestApp::start();
    let refused = |body: &Value| {
        let answer = app.post("/api/webhooks/jobs", &app.token, body).expect(422);
        let problem = &answer["detail"][0];
        (
            problem["loc"].clone(),
            problem["type"].as_str().unwrap().to_owned(),
        )
    };
    let id = "00000000-0000-4000-8000-000000000000";
    let filter = |filter: Value| json!({"action": "redeliver", "filter": filter});
    let at = |rest: &[&str]| {
        let mut loc = vec![json!("body"), json!("filter")];
        loc.extend(
            rest.iter()
                .map(|it| it.parse::<u64>().map_or(json!(it), |at| json!(at))),
        );
        json!(loc)
    };
    for (body, loc, kind) in [
        (json!({"action": "redeliver"}), at(&[]), "missing"),
        (filter(json!({})), at(&[]), "missing"),
        (filter(json!({"workspace_id": id})), at(&[]), "missing"),
        (filter(json!([])), at(&[]), "model_attributes_type"),
        (
            filter(json!({"status": ["missing"]})),
            at(&[]),
            "value_error",
        ),
        (
            filter(json!({"status": ["missing"], "endpoint_id": [id]})),
            at(&[]),
            "value_error",
        ),
        (
            filter(json!({"status": ["pending"]})),
            at(&["status", "0"]),
            "enum",
        ),
        (
            filter(json!({"endpoint_id": ["x"]})),
            at(&["endpoint_id", "0"]),
            "uuid_parsing",
        ),
        (
            filter(json!({"endpoint_id": id})),
            at(&["endpoint_id"]),
            "list_type",
        ),
        (
            filter(json!({"start_timestamp": "soon"})),
            at(&["start_timestamp"]),
            "datetime_from_date_parsing",
        ),
        (
            filter(json!({"event_type": vec!["a"; 101]})),
            at(&["event_type"]),
            "value_error",
        ),
        (
            filter(json!({"event_ids": vec![id; 1001]})),
            at(&["event_ids"]),
            "value_error",
        ),
        (
            filter(json!({"http_code_class": "9xx"})),
            at(&["http_code_class"]),
            "literal_error",
        ),
    ] {
        assert_eq!(refused(&body), (loc, kind.to_owned()), "{body}");
    }
    let valid = json!({"endpoint_id": [id]});
    for (body, field) in [
        (json!({"action": "dance", "filter": valid}), "action"),
        (
            json!({"action": "skip", "filter": valid, "rate": 60_001}),
            "rate",
        ),
        (
            json!({"action": "skip", "filter": valid, "dry_run": "maybe"}),
            "dry_run",
        ),
    ] {
        assert_eq!(refused(&body).0, json!(["body", field]));
    }
    assert_eq!(
        app.get("/api/webhooks/jobs").expect(200)["meta"]["total"],
        0
    );
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
