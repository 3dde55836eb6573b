//! The tests of the members of a job's filter: the problem of each says where it is.

use serde_json::{Value, json};

use super::several::listed;
use super::*;

const JOBS: &str = "/api/webhooks/jobs";

#[test]
fn every_member_of_a_filter_says_what_is_wrong_with_it() {
    let app = TestApp::start();
    let ids = |count: usize| json!(vec![NOBODY; count]);
    let many_ids = json!(vec![NOBODY; 101]);
    let cases = [
        (
            "endpoint_id",
            json!(NOBODY),
            "list_type body.filter.endpoint_id",
        ),
        (
            "endpoint_id",
            json!({}),
            "list_type body.filter.endpoint_id",
        ),
        (
            "endpoint_id",
            many_ids,
            "value_error body.filter.endpoint_id",
        ),
        (
            "endpoint_id",
            json!(["abc"]),
            "uuid_parsing body.filter.endpoint_id.0",
        ),
        (
            "endpoint_id",
            json!([NOBODY, null]),
            "uuid_type body.filter.endpoint_id.1",
        ),
        ("event_type", json!("a"), "list_type body.filter.event_type"),
        (
            "event_type",
            json!(vec!["a"; 101]),
            "value_error body.filter.event_type",
        ),
        (
            "event_type",
            json!(["a", 7]),
            "string_type body.filter.event_type.1",
        ),
        (
            "event_type",
            json!(["a".repeat(2049)]),
            "string_too_long body.filter.event_type.0",
        ),
        ("status", json!("failed"), "list_type body.filter.status"),
        ("status", json!(["done"]), "enum body.filter.status.0"),
        (
            "status",
            json!(["failed", "pending"]),
            "enum body.filter.status.1",
        ),
        (
            "start_timestamp",
            json!("2026-01-31"),
            "timezone_aware body.filter.start_timestamp",
        ),
        (
            "start_timestamp",
            json!(1_700_000_000),
            "datetime_type body.filter.start_timestamp",
        ),
        (
            "end_timestamp",
            json!("yesterday at noon"),
            "datetime_from_date_parsing body.filter.end_timestamp",
        ),
        (
            "http_code_class",
            json!("200"),
            "literal_error body.filter.http_code_class",
        ),
        (
            "http_code_class",
            json!("9xx"),
            "literal_error body.filter.http_code_class",
        ),
        ("event_ids", ids(1001), "value_error body.filter.event_ids"),
        (
            "event_ids",
            json!(["x"]),
            "uuid_parsing body.filter.event_ids.0",
        ),
        (
            "workspace_id",
            json!("default"),
            "uuid_parsing body.filter.workspace_id",
        ),
    ];
    for (member, value, expected) in cases {
        let body = json!({"action": "redeliver", "filter": {(member): value}});
        for token in [&app.token, &app.admin] {
            let answer = app.post(JOBS, token, &body);
            assert_eq!(listed(&answer), [expected], "{member}: {value:.100}");
        }
    }
    let most = json!({"action": "redeliver", "filter": {"event_ids": ids(1000)}, "dry_run": true});
    app.post(JOBS, &app.token, &most).expect(200);
    let total = &app.get(JOBS).expect(200)["meta"]["total"];
    assert_eq!(*total, 0, "nothing was stored");
}

#[test]
fn a_misspelt_member_is_refused_because_the_job_would_do_more_than_was_meant() {
    let app = TestApp::start();
    let filter = json!({"event_type": ["a"]});
    for (body, expected) in [
        (
            json!({"action": "redeliver", "filter": filter, "dryRun": true}),
            "value_error body.dryRun",
        ),
        (
            json!({"action": "redeliver", "filter": filter, "workspace_id": NOBODY}),
            "value_error body.workspace_id",
        ),
        (
            json!({"action": "skip", "filter": {"event_type": ["a"], "endpointId": [NOBODY]}}),
            "value_error body.filter.endpointId",
        ),
        (
            json!({"action": "skip", "filter": {"more": 1}}),
            "value_error body.filter.more",
        ),
    ] {
        for token in [&app.token, &app.admin] {
            assert_eq!(listed(&app.post(JOBS, token, &body)), [expected], "{body}");
        }
    }
    let answer = app.post(
        JOBS,
        &app.token,
        &json!({"action": "skip", "filter": filter, "dryRun": true}),
    );
    let problem = &answer.expect(422)["detail"][0];
    let text = "Value error, there is no such member: use action, filter, rate, dry_run";
    assert_eq!(problem["msg"], text);
    let mut many = json!({"action": "skip", "filter": filter});
    for number in 0..1000 {
        many[format!("more{number}")] = json!(number);
    }
    let problems = listed(&app.post(JOBS, &app.token, &many));
    assert_eq!(problems.len(), 100);
    assert_eq!(app.get(JOBS).expect(200)["meta"]["total"], 0);
}

#[test]
fn a_filter_selects_something_that_its_action_can_do() {
    let app = TestApp::start();
    let endpoint = app.endpoint("http://127.0.0.1:9/");
    let endpoint = endpoint["id"].as_str().unwrap();
    let listed = |action: &str, filter: &Value| {
        let body = json!({"action": action, "filter": filter});
        listed(&app.post(JOBS, &app.token, &body)).join(" ")
    };
    for empty in [
        json!({}),
        json!({"workspace_id": app.workspace}),
        json!({"status": [], "endpoint_id": [], "http_code_class": null}),
    ] {
        assert_eq!(
            listed("redeliver", &empty),
            "missing body.filter",
            "{empty}"
        );
    }
    let since = "2026-01-31T12:00:00Z";
    let missing = |more: Value| {
        let mut filter = more;
        filter["status"] = json!(["missing"]);
        listed("redeliver", &filter)
    };
    for bad in [
        json!({"start_timestamp": since}),
        json!({"endpoint_id": [endpoint]}),
        json!({"endpoint_id": [endpoint, NOBODY], "start_timestamp": since}),
        json!({"endpoint_id": [endpoint], "start_timestamp": since, "http_code_class": "5xx"}),
        json!({"endpoint_id": [endpoint], "start_timestamp": since, "event_ids": [NOBODY]}),
    ] {
        assert_eq!(missing(bad.clone()), "value_error body.filter", "{bad}");
    }
    for status in ["failed", "skipped", "succeeded", "missing"] {
        let filter = json!({"status": [status], "event_type": ["a"]});
        assert_eq!(listed("skip", &filter), "enum body.filter.status.0");
    }
    // All problems at once, in the order of the fields.
    let body =
        json!({"action": "delete", "filter": {"status": ["done"], "event_ids": [7]}, "rate": 0});
    assert_eq!(
        super::several::listed(&app.post(JOBS, &app.token, &body)),
        [
            "enum body.action",
            "enum body.filter.status.0",
            "uuid_type body.filter.event_ids.0",
            "greater_than body.rate",
        ]
    );
    // A workspace that is not there is found later.
    let body = json!({"action": "skip", "filter": {"event_type": ["a"], "workspace_id": NOBODY}});
    assert_eq!(
        super::several::listed(&app.post(JOBS, &app.admin, &body)),
        ["value_error body.filter.workspace_id"]
    );
    assert_eq!(app.get_as(&app.admin, JOBS).expect(200)["meta"]["total"], 0);
}
