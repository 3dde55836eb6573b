//! The tests of jobs on the pages: an outage is recovered, a list is redelivered, a job is cancelled.

use hookpost::domain::access::{Scope, Scopes};
use serde_json::{Value, json};

use super::{Visitor, encoded};
use crate::fixture::{TestApp, wait_until};
use crate::receiver::Receiver;

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// An application whose endpoint missed three messages while it was disabled, and is enabled again.
fn after_an_outage() -> (TestApp, Receiver, Value) {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/hook"));
    app.set_enabled(&endpoint, false);
    for number in 0..3 {
        app.publish("order.paid", &json!(number));
    }
    app.set_enabled(&endpoint, true);
    (app, receiver, endpoint)
}

/// Returns the fields of a recovery, as the form on the page of the endpoint sends them.
fn recovery(endpoint: &Value) -> Vec<(&'static str, String)> {
    let own = |text: &str| text.to_owned();
    vec![
        ("job", own("redeliver")),
        ("endpoint_id", own(id(endpoint))),
        ("status", own("failed")),
        ("status", own("skipped")),
        ("status", own("missing")),
        ("start_timestamp", own("2001-01-01T00:00:00")),
        ("rate", String::new()),
    ]
}

fn query(fields: &[(&str, String)]) -> String {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn post(visitor: &Visitor<'_>, path: &str, fields: &[(&'static str, String)]) -> super::Page {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    visitor.post(path, &fields)
}

#[test]
fn an_endpoint_gets_what_it_missed_after_a_count_and_a_yes() {
    let (app, receiver, endpoint) = after_an_outage();
    let visitor = Visitor::signed_in(&app, &app.token);
    let page = visitor.get(&format!("/endpoints/{}", id(&endpoint)));
    let page = page.expect(200);
    assert!(page.contains("action=\"/jobs/new\""), "{page}");
    let fields = recovery(&endpoint);

    // The count makes nothing, and names the number.
    let asked = visitor.get(&format!("/jobs/new?{}", query(&fields)));
    assert!(
        asked.expect(200).contains("3 events match"),
        "{}",
        asked.text
    );
    assert!(asked.text.contains("Redeliver 3 events"));
    let passed_on = "name=\"status\" value=\"missing\"";
    assert!(asked.text.contains(passed_on), "{}", asked.text);
    assert_eq!(
        app.get("/api/webhooks/jobs").expect(200)["meta"]["total"],
        0
    );
    assert!(receiver.at("/hook").is_empty());

    let made = post(&visitor, "/jobs", &fields);
    let path = made.leads_to().to_owned();
    receiver.wait("/hook", 3);
    app.wait_for(&format!("/api/webhooks{path}"), |job| {
        job["state"] == "finished"
    });
    let page = visitor.get(&path);
    assert!(
        page.expect(200)
            .contains("3 done and 0 left out, of 3 events"),
        "{}",
        page.text
    );
    assert!(page.text.contains("finished"));
    assert!(page.text.contains(&format!("/endpoints/{}", id(&endpoint))));
    let list = visitor.get("/jobs?state=finished&action=redeliver");
    assert!(list.expect(200).contains(&path));
    let others = visitor.get("/jobs?state=running");
    assert!(!others.expect(200).contains(&path));

    // Nothing is left.
    let again = visitor.get(&format!("/jobs/new?{}", query(&fields)));
    assert!(again.expect(200).contains("Nothing matches"));
}

#[test]
fn a_job_that_cannot_be_made_is_explained_beside_the_form() {
    let (app, receiver, endpoint) = after_an_outage();
    let visitor = Visitor::signed_in(&app, &app.token);
    app.set_enabled(&endpoint, false);
    let page = visitor.get(&format!("/endpoints/{}", id(&endpoint)));
    assert!(!page.expect(200).contains("action=\"/jobs/new\""));
    let fields = recovery(&endpoint);
    for answer in [
        visitor.get(&format!("/jobs/new?{}", query(&fields))),
        post(&visitor, "/jobs", &fields),
    ] {
        assert!(
            answer.expect(422).contains("enable it first"),
            "{}",
            answer.text
        );
    }
    for (bad, words) in [
        ("job=redeliver&status=missing", "exactly one endpoint_id"),
        ("job=redeliver", "Field required"),
        ("job=redeliver&event_type=a&rate=x", "valid integer"),
        ("job=redeliver&status=pending", "should be"),
        ("start_timestamp=soon", "valid datetime"),
        ("endpoint_id=x", "valid UUID"),
    ] {
        let answer = visitor.get(&format!("/jobs/new?{bad}"));
        assert!(answer.expect(422).contains(words), "{bad}: {}", answer.text);
    }
    assert_eq!(
        app.get("/api/webhooks/jobs").expect(200)["meta"]["total"],
        0
    );
    assert!(receiver.at("/hook").is_empty());
}

#[test]
fn all_events_of_a_list_are_one_job() {
    let app = TestApp::with_flags(&["--retry-schedule", "50ms", "--disable-after", "0"]);
    let receiver = Receiver::start();
    receiver.reply("/hook", 404, "");
    let endpoint = app.endpoint(&receiver.url("/hook"));
    for number in 0..4 {
        app.publish(if number < 3 { "a" } else { "b" }, &json!(number));
    }
    app.wait_for_events("failed", 4);
    receiver.reply("/hook", 200, "");
    let visitor = Visitor::signed_in(&app, &app.token);
    let list = format!(
        "/deliveries?view=events&endpoint_id={}&event_type=a&status=failed&http_code_class=4xx",
        id(&endpoint)
    );
    let page = visitor.get(&list);
    assert!(
        page.expect(200).contains("Redeliver all 3…"),
        "{}",
        page.text
    );
    let link = page.value_after("id=\"bulk\"", "href").unwrap();
    let link = link.replace("&amp;", "&").replace("&#38;", "&");
    let asked = visitor.get(&link);
    assert!(
        asked.expect(200).contains("3 events match"),
        "{}",
        asked.text
    );
    let fields: Vec<_> = link.split_once('?').unwrap().1.split('&').collect();
    let fields: Vec<_> = fields
        .iter()
        .map(|it| it.split_once('=').unwrap())
        .collect();
    let path = visitor.post("/jobs", &fields).leads_to().to_owned();
    app.wait_for_events("succeeded", 3);
    app.wait_for(&format!("/api/webhooks{path}"), |job| job["done"] == 3);

    // A text search is no filter of a job, and a reader makes none.
    let page = visitor.get("/deliveries?view=events&query=404");
    assert!(!page.expect(200).contains("id=\"bulk\""));
    let reader: Scopes = [Scope::WebhooksView].into_iter().collect();
    let reader = app.make_token(Some(&app.workspace), reader);
    let reader = Visitor::signed_in(&app, &reader);
    assert!(!reader.get(&list).expect(200).contains("id=\"bulk\""));
    assert!(!reader.get(&path).expect(200).contains("/cancel"));
}

#[test]
fn a_running_job_is_cancelled_and_says_so() {
    let (app, _receiver, endpoint) = after_an_outage();
    let visitor = Visitor::signed_in(&app, &app.token);
    let mut fields = recovery(&endpoint);
    fields.retain(|(name, _)| *name != "rate");
    fields.push(("rate", "1".to_owned()));
    let path = post(&visitor, "/jobs", &fields).leads_to().to_owned();
    let page = visitor.get(&path);
    assert!(page.expect(200).contains("data-live"), "{}", page.text);
    assert!(page.text.contains("at most 1 a minute"));
    let cancel = format!("{path}/cancel");
    assert!(page.text.contains(&cancel));
    assert_eq!(visitor.post(&cancel, &[]).leads_to(), path);
    let page = visitor.get(&path);
    assert!(
        page.expect(200).contains("The job is cancelled"),
        "{}",
        page.text
    );
    assert!(!page.text.contains(&cancel));
}

#[test]
fn a_pending_event_is_skipped_once() {
    let app = TestApp::with_flags(&["--retry-schedule", "1h"]);
    let receiver = Receiver::start();
    receiver.reply("/hook", 500, "");
    app.endpoint(&receiver.url("/hook"));
    let published = app.publish("a", &json!(1));
    app.wait_for("/api/webhooks/events", |list| {
        list["data"][0]["attempts"] == 1
    });
    let visitor = Visitor::signed_in(&app, &app.token);
    let path = format!("/events/{}", id(&published["events"][0]));
    let skip = format!("{path}/skip");
    assert!(visitor.get(&path).expect(200).contains(&skip));
    assert_eq!(visitor.post(&skip, &[]).leads_to(), path);
    let page = visitor.get(&path);
    assert!(
        page.expect(200).contains("The event is skipped"),
        "{}",
        page.text
    );
    assert!(!page.text.contains(&skip));
    visitor.post(&skip, &[]).leads_to();
    assert!(
        visitor
            .get(&path)
            .expect(200)
            .contains("not pending any more")
    );
    app.wait_for_events("skipped", 1);
}

#[test]
fn an_admin_makes_a_job_in_the_workspace_of_the_endpoint_and_not_in_the_chosen_one() {
    let (app, receiver, endpoint) = after_an_outage();
    let made = app.post("/api/workspaces", &app.admin, &json!({"name": "other"}));
    let other = id(&made.expect(201)).to_owned();
    let visitor = Visitor::signed_in(&app, &app.admin);
    visitor
        .post("/workspace", &[("workspace", &other), ("next", "/")])
        .leads_to();
    let page = visitor.get(&format!("/endpoints/{}", id(&endpoint)));
    let workspace = endpoint["workspace_id"].as_str().unwrap();
    let hidden = format!("name=\"workspace_id\" value=\"{workspace}\"");
    assert!(page.expect(200).contains(&hidden), "{}", page.text);
    let mut fields = recovery(&endpoint);
    fields.push(("workspace_id", workspace.to_owned()));
    let path = post(&visitor, "/jobs", &fields).leads_to().to_owned();
    receiver.wait("/hook", 3);
    let job = app.get(&format!("/api/webhooks{path}")).expect(200);
    assert_eq!(job["workspace_id"], workspace);
    // The list shows the jobs of the chosen workspace.
    assert!(!visitor.get("/jobs").expect(200).contains(&path));
}

#[test]
fn a_job_on_all_endpoints_is_of_the_workspace_that_an_admin_has_chosen() {
    let app = TestApp::with_flags(&["--retry-schedule", "50ms", "--disable-after", "0"]);
    let receiver = Receiver::start();
    receiver.reply("/own", 404, "");
    receiver.reply("/other", 404, "");
    app.endpoint(&receiver.url("/own"));
    app.publish("a", &json!(1));
    let made = app.post("/api/workspaces", &app.admin, &json!({"name": "other"}));
    let other = id(&made.expect(201)).to_owned();
    let scopes = [Scope::WebhooksWrite, Scope::WebhooksPublish];
    let token = app.make_token(Some(&other), scopes.into_iter().collect());
    let endpoint = json!({"url": receiver.url("/other"), "format": "raw", "events": ["*"]});
    app.post("/api/webhooks/endpoints", &token, &endpoint)
        .expect(201);
    let message = json!({"type": "a", "data": 1});
    app.post("/api/webhooks/events", &token, &message)
        .expect(202);
    app.wait_for_events("failed", 1);
    let failed = "/api/webhooks/events?status=failed";
    wait_until("the other event", || {
        app.get_as(&token, failed).expect(200)["meta"]["total"] == 1
    });
    receiver.reply("/own", 200, "");
    receiver.reply("/other", 200, "");

    let visitor = Visitor::signed_in(&app, &app.admin);
    visitor
        .post("/workspace", &[("workspace", &other), ("next", "/")])
        .leads_to();
    // As the form sends it.
    let fields = [
        ("job", "redeliver"),
        ("endpoint_id", ""),
        ("event_type", "a"),
    ];
    let asked = visitor.get("/jobs/new?job=redeliver&endpoint_id=&event_type=a");
    let page = asked.expect(200);
    assert!(page.contains("1 event matches"), "{page}");
    let passed_on = format!("name=\"workspace_id\" value=\"{other}\"");
    assert_eq!(page.matches(&passed_on).count(), 2, "{page}");
    let path = visitor.post("/jobs", &fields).leads_to().to_owned();
    receiver.wait("/other", 3);
    let job = format!("/api/webhooks{path}");
    let job = app.get_as(&app.admin, &job).expect(200);
    assert_eq!(
        (&job["workspace_id"], &job["matched"]),
        (&json!(other), &json!(1))
    );
    assert_eq!(receiver.count("/own"), 2, "its attempt and retry");
    app.wait_for_events("failed", 1);
}
