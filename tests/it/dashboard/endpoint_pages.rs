//! The pages of endpoints and their form.

use hookpost::domain::access::Scope;
use serde_json::{Value, json};

use super::{Page, Visitor};
use crate::fixture::TestApp;

/// A form that makes an endpoint.
const NEW: [(&str, &str); 4] = [
    ("url", "https://example.com/hooks"),
    ("format", ""),
    ("event", "*"),
    ("name", "Orders"),
];

fn endpoint(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/webhooks/endpoints/{id}"))
        .expect(200)
}

/// Makes an endpoint in the form, and returns its id.
#[track_caller]
fn made(visitor: &Visitor<'_>, form: &[(&str, &str)]) -> String {
    let answer = visitor.post("/endpoints/new", form);
    let id = answer.leads_to().strip_prefix("/endpoints/");
    id.expect("the page of the endpoint").to_owned()
}

#[test]
fn an_endpoint_is_made_changed_and_deleted() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let id = made(&visitor, &NEW);
    let stored = endpoint(&app, &id);
    assert_eq!(stored["name"], "Orders");
    assert_eq!(stored["events"], json!(["*"]));
    assert_eq!(stored["format"], "raw");

    let page = visitor.get(&format!("/endpoints/{id}"));
    assert!(page.expect(200).contains("Endpoint created."));
    let again = visitor.get(&format!("/endpoints/{id}"));
    assert!(!again.expect(200).contains("Endpoint created."));
    assert!(visitor.get("/endpoints").expect(200).contains("Orders"));

    let edit = format!("/endpoints/{id}/edit");
    let form = visitor.get(&edit);
    assert!(
        form.expect(200)
            .contains("value=\"https://example.com/hooks\"")
    );
    let changed = visitor.post(
        &edit,
        &[
            ("url", "https://example.org/new"),
            ("format", "raw"),
            ("events", "order.*\r\ncustomer.created"),
            ("description", "two\r\nlines"),
            ("enabled", "true"),
            ("was_enabled", "true"),
        ],
    );
    assert_eq!(changed.leads_to(), format!("/endpoints/{id}"));
    let stored = endpoint(&app, &id);
    assert_eq!(stored["url"], "https://example.org/new");
    assert_eq!(stored["events"], json!(["order.*", "customer.created"]));
    assert_eq!(stored["name"], "");
    assert_eq!(stored["description"], "two\nlines");

    let deleted = visitor.post(&format!("/endpoints/{id}/delete"), &[]);
    assert_eq!(deleted.leads_to(), "/endpoints");
    visitor.get(&format!("/endpoints/{id}")).expect(404);
    let list = visitor.get("/endpoints");
    assert!(
        list.expect(200)
            .contains("The endpoint example.org/new was deleted")
    );
    assert!(list.text.contains("No endpoint yet"));
}

#[test]
fn problems_are_beside_their_fields_and_values_stay() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let answer = visitor.post(
        "/endpoints/new",
        &[
            ("url", "ftp://<b>.example"),
            ("event", "order.paid"),
            ("events", "a b..c"),
            ("name", "N<i>"),
            ("secret", "short"),
        ],
    );
    let text = answer.expect(422);
    for part in [
        "id=\"url-problem\"",
        "aria-describedby=\"url-problem url-hint\"",
        "“b..c” is no event type",
        "id=\"secret-problem\"",
        "value=\"ftp://&#60;b&#62;.example\"",
        "value=\"N&#60;i&#62;\"",
        "order.paid",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let listed = app.get("/api/webhooks/endpoints").expect(200);
    assert_eq!(listed["meta"]["total"], 0);

    let empty = visitor.post("/endpoints/new", &[]);
    for part in ["The URL is missing", "Choose an event type"] {
        assert!(empty.expect(422).contains(part), "no {part}");
    }
}

#[test]
fn an_admin_chooses_the_workspace() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.admin);
    let form = visitor.get("/endpoints/new");
    assert!(form.expect(200).contains("id=\"workspace_id\""));
    let without = visitor.post("/endpoints/new", &NEW);
    assert!(without.expect(422).contains("Choose the workspace"));
    let mut fields = NEW.to_vec();
    fields.push(("workspace_id", &app.workspace));
    let id = made(&visitor, &fields);
    assert_eq!(endpoint(&app, &id)["workspace_id"], app.workspace.as_str());

    let chosen = visitor.post("/workspace", &[("workspace", &app.workspace)]);
    chosen.leads_to();
    let form = visitor.get("/endpoints/new");
    assert!(!form.expect(200).contains("id=\"workspace_id\""));
    made(&visitor, &NEW);
}

#[test]
fn a_webhook_url_of_slack_picks_the_format() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let slack = [
        ("url", "https://hooks.slack.com/services/T/B/s"),
        ("format", ""),
        ("event", "*"),
    ];
    let id = made(&visitor, &slack);
    assert_eq!(endpoint(&app, &id)["format"], "slack");
    let page = visitor.get(&format!("/endpoints/{id}"));
    assert!(page.expect(200).contains("as slack messages"));
    assert!(
        !page.text.contains("WEBHOOK_SECRET"),
        "Slack verifies nothing"
    );
}

#[test]
fn disabling_and_enabling() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let id = made(&visitor, &NEW);
    let path = |what: &str| format!("/endpoints/{id}{what}");
    visitor.post(&path("/disable"), &[]).leads_to();
    assert_eq!(endpoint(&app, &id)["disabled_reason"], "manual");
    let page = visitor.get(&path(""));
    assert!(page.expect(200).contains("Somebody disabled this endpoint"));
    assert!(page.text.contains(&path("/enable")));
    assert!(!page.text.contains(&path("/disable")));
    visitor.post(&path("/enable"), &[]).leads_to();
    assert_eq!(endpoint(&app, &id)["enabled"], true);

    // The box of the form.
    let mut form = vec![
        ("url", "https://example.com/hooks"),
        ("format", "raw"),
        ("event", "*"),
    ];
    form.push(("was_enabled", "true"));
    visitor.post(&path("/edit"), &form).leads_to();
    assert_eq!(endpoint(&app, &id)["enabled"], false);
}

#[test]
fn the_secret_is_replaced_by_a_random_or_an_own_one() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let id = made(&visitor, &NEW);
    let (page, replace) = (
        format!("/endpoints/{id}"),
        format!("/endpoints/{id}/secret"),
    );
    let secret = || endpoint(&app, &id)["secret"].as_str().unwrap().to_owned();
    let first = secret();
    let shown: Page = visitor.get(&page);
    assert!(shown.expect(200).contains(&first));
    assert!(
        shown
            .text
            .contains(&format!("export WEBHOOK_SECRET=&#39;{first}&#39;"))
    );

    visitor.post(&replace, &[]).leads_to();
    let second = secret();
    assert_ne!(first, second);
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
    visitor.post(&replace, &[("secret", own)]).leads_to();
    assert_eq!(secret(), own);
    let refused = visitor.post(
        &replace,
        &[("secret", "WHSEC_too-short-and-nearly-a-secret")],
    );
    assert!(refused.expect(422).contains("id=\"secret-problem\""));
    assert_eq!(secret(), own);
}

#[test]
fn a_rotation_overlaps_as_chosen_and_the_overlap_is_ended() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let id = made(&visitor, &NEW);
    let (page, rotate) = (
        format!("/endpoints/{id}"),
        format!("/endpoints/{id}/secret"),
    );
    let ends_at = || endpoint(&app, &id)["secret_overlap_ends_at"].clone();
    let old = endpoint(&app, &id)["secret"].as_str().unwrap().to_owned();
    let end = "End the overlap now";
    assert!(!visitor.get(&page).expect(200).contains(end));

    visitor.post(&rotate, &[("overlap", "3600")]).leads_to();
    assert!(ends_at().is_string());
    let shown = visitor.get(&page);
    assert!(shown.expect(200).contains(end));
    assert!(shown.text.contains("The secret was rotated."));
    assert!(!shown.text.contains(&old), "an old secret is not shown");
    let present = endpoint(&app, &id)["secret"].clone();
    visitor.post(&rotate, &[("end_overlap", "true")]).leads_to();
    assert_eq!(ends_at(), Value::Null);
    assert_eq!(
        endpoint(&app, &id)["secret"],
        present,
        "only the overlap ended"
    );
    assert!(!visitor.get(&page).expect(200).contains(end));

    visitor.post(&rotate, &[("overlap", "0")]).leads_to();
    assert_eq!(ends_at(), Value::Null);
    assert_ne!(endpoint(&app, &id)["secret"], present);
    let refused = visitor.post(&rotate, &[("overlap", "604801"), ("secret", "")]);
    assert!(refused.expect(422).contains("id=\"overlap-problem\""));
}

#[test]
fn an_endpoint_with_a_key_pair_shows_its_public_key_and_programs_for_it() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let mut new = NEW.to_vec();
    new.extend([("secret", ""), ("secret_type", "ed25519")]);
    let id = made(&visitor, &new);
    let stored = endpoint(&app, &id);
    assert_eq!(stored["secret_type"], "ed25519");
    let public = stored["secret"].as_str().unwrap();
    let (page, rotate) = (
        format!("/endpoints/{id}"),
        format!("/endpoints/{id}/secret"),
    );
    let shown = visitor.get(&page);
    let text = shown.expect(200);
    assert!(text.contains("Show the public key") && text.contains(public));
    assert!(text.contains("export WEBHOOK_PUBLIC_KEY=") && !text.contains("WEBHOOK_SECRET"));
    // Base64 of the private key would follow this.
    assert_eq!(text.matches("whsk_").count(), 0);

    // The type of a random secret is the present one at first, and is chosen.
    assert!(text.contains("<option value=\"ed25519\" selected>"));
    visitor
        .post(&rotate, &[("secret", ""), ("secret_type", "hmac")])
        .leads_to();
    let stored = endpoint(&app, &id);
    assert_eq!(stored["secret_type"], "hmac");
    let refused = visitor.post(&rotate, &[("secret", public)]);
    assert!(refused.expect(422).contains("id=\"secret-problem\""));
    assert_eq!(endpoint(&app, &id), stored);
}

#[test]
fn a_token_that_only_reads_is_offered_no_change() {
    let app = TestApp::start();
    let writer = Visitor::signed_in(&app, &app.token);
    let id = made(&writer, &NEW);
    let token = app.make_token(
        Some(&app.workspace),
        [Scope::WebhooksRead].into_iter().collect(),
    );
    let reader = Visitor::signed_in(&app, &token);
    let page = reader.get(&format!("/endpoints/{id}"));
    let text = page.expect(200);
    for offer in ["/edit", "/delete", "/disable", "/secret\""] {
        assert!(
            !text.contains(&format!("/endpoints/{id}{offer}")),
            "{offer}"
        );
    }
    assert!(text.contains("Show the secret"));
    assert!(
        !reader
            .get("/endpoints")
            .expect(200)
            .contains("/endpoints/new")
    );
    reader.get("/endpoints/new").expect(403);
}

#[test]
fn the_list_is_searched_and_has_pages() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    for number in 0..30 {
        let url = format!("https://{number}.example.com/hook");
        app.endpoint(&url);
    }
    let first = visitor.get("/endpoints");
    assert!(first.expect(200).contains("1–25 of 30"));
    let second = visitor.get("/endpoints?page=2");
    assert!(second.expect(200).contains("26–30 of 30"));
    let found = visitor.get("/endpoints?url=17.EXAMPLE");
    assert!(found.expect(200).contains("1–1 of 1"));
    assert!(found.text.contains("<b>17.example.com</b>"));
    let none = visitor.get("/endpoints?url=%3Cb%3E");
    assert!(none.expect(200).contains("No URL contains “&#60;b&#62;”"));
}
