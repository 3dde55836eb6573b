//! The fields for headers, limits and retries in the form of an endpoint, and its pause.

use serde_json::{Value, json};

use super::Visitor;
use crate::fixture::TestApp;

fn get(app: &TestApp, path: &str) -> Value {
    app.get(&format!("/api/webhooks{path}")).expect(200)
}

/// The fields that the form of a new endpoint always sends.
const NEW: [(&str, &str); 3] = [
    ("url", "https://example.com/hooks"),
    ("format", "raw"),
    ("event", "*"),
];

#[test]
fn headers_limits_and_retries_are_set_shown_and_kept() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let mut fields = NEW.to_vec();
    fields.extend([
        ("headers", "Authorization: Basic a:b=\r\nX-Team: x"),
        ("metadata", "plan=gold"),
        ("key", "shop:1"),
        ("retry_schedule", "90s, 1h"),
        ("expire_after", "3d"),
        ("timeout", "10s"),
        ("rate_limit", "60"),
        ("max_concurrency", "2"),
        ("disable_after", "0"),
    ]);
    let path = visitor
        .post("/endpoints/new", &fields)
        .leads_to()
        .to_owned();
    let made = get(&app, &path);
    assert_eq!(
        made["headers"],
        json!({"Authorization": "***", "X-Team": "***"})
    );
    assert_eq!(
        (&made["key"], &made["metadata"]),
        (&json!("shop:1"), &json!({"plan": "gold"}))
    );
    let policy = json!({
        "retry_schedule": [90, 3600], "expire_after": 259_200, "timeout": 10, "rate_limit": 60, "max_concurrency": 2,
        "disable_after": 0,
    });
    assert_eq!(made["policy"], policy);
    let page = visitor.get(&path);
    for part in [
        "<code>Authorization</code>",
        "90s, 1h",
        "3d",
        "shop:1",
        "<code>plan</code> gold",
    ] {
        assert!(page.expect(200).contains(part), "no {part}");
    }
    // The form shows all but the values of headers, and changes nothing when it is sent back.
    let edit = format!("{path}/edit");
    let form = visitor.get(&edit);
    let text = form.expect(200);
    for part in [
        "Authorization: ***",
        "value=\"90s, 1h\"",
        "value=\"60\"",
        "plan=gold",
        "<details open>",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    assert!(!text.contains("Basic a"), "{text}");
    let mut sent = fields.clone();
    sent.retain(|(name, _)| *name != "headers");
    sent.extend([
        ("headers", "Authorization: ***\r\nX-Team: ***\r\n"),
        ("was_enabled", "true"),
        ("enabled", "true"),
    ]);
    visitor.post(&edit, &sent).leads_to();
    assert_eq!(get(&app, &path), made);
    // What is emptied is as the server has it again.
    let mut bare = NEW.to_vec();
    bare.extend([("was_enabled", "true"), ("enabled", "true")]);
    visitor.post(&edit, &bare).leads_to();
    let changed = get(&app, &path);
    for (field, value) in [
        ("headers", json!({})),
        ("metadata", json!({})),
        ("key", json!("")),
        ("policy", json!({})),
    ] {
        assert_eq!(changed[field], value, "{field}");
    }
}

#[test]
fn a_setting_that_cannot_be_is_explained_beside_its_field() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    app.post(
        "/api/webhooks/endpoints",
        &app.token,
        &json!({"url": "https://a.example/", "format": "raw", "events": ["*"], "key": "taken"}),
    )
    .expect(201);
    for (field, value, says) in [
        ("headers", "Host: x", "Host: This header cannot be set"),
        (
            "headers",
            "X-Key: ***",
            "X-Key: No value is stored for this header",
        ),
        ("rate_limit", "many", "valid integer"),
        ("timeout", "3 weeks", "Write a time such as 10s"),
        ("timeout", "5m", "Write a time such as 10s"),
        ("retry_schedule", "5s, soon", "Write times such as 5s"),
        ("expire_after", "1500ms", "Write a time such as 12h"),
        ("key", "a b", "match pattern"),
        (
            "key",
            "taken",
            "Another endpoint of the workspace has this key",
        ),
    ] {
        let mut fields = NEW.to_vec();
        fields.push((field, value));
        let answer = visitor.post("/endpoints/new", &fields);
        let text = answer.expect(422);
        let problem = format!("id=\"{field}-problem\">");
        let start = text
            .find(&problem)
            .unwrap_or_else(|| panic!("{field} {value}: {text}"));
        let shown = text[start..].split("</p>").next().unwrap();
        assert!(shown.contains(says), "{field} {value}: {shown}");
        assert!(text.contains("<details open>"), "the fields are seen");
    }
    assert_eq!(get(&app, "/endpoints")["meta"]["total"], 1);
}

#[test]
fn an_endpoint_is_paused_and_resumed_on_its_page() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let path = visitor.post("/endpoints/new", &NEW).leads_to().to_owned();
    visitor.post(&format!("{path}/pause"), &[]).leads_to();
    assert_eq!(get(&app, &path)["state"], "paused");
    app.publish("a", &json!(1));
    let page = visitor.get(&path);
    for part in [
        "It is paused: events are made and wait",
        &format!("{path}/resume"),
        "paused</span>",
    ] {
        assert!(
            page.expect(200).contains(part),
            "no {part} in {}",
            page.text
        );
    }
    assert!(
        !page.text.contains(&format!("{path}/pause")),
        "it is paused already"
    );
    let event = app.wait_for_events("pending", 1)["data"][0]["id"].clone();
    let event = visitor.get(&format!("/events/{}", event.as_str().unwrap()));
    assert!(event.expect(200).contains("Its endpoint is paused"));
    let message = [("type", "a"), ("data", "1"), ("action", "preview")];
    let preview = visitor.post("/publish", &message);
    assert!(preview.expect(200).contains("when its pause ends"));
    assert!(
        visitor
            .get("/endpoints?state=paused")
            .expect(200)
            .contains("example.com/hooks")
    );
    visitor.post(&format!("{path}/resume"), &[]).leads_to();
    assert_eq!(get(&app, &path)["state"], "active");
}
