//! The tests of every field of every body, with all values that are refused.

use serde_json::{Value, json};

use super::fields::*;
use super::*;

/// A route with a body, and its fields; `true`: it must be sent.
struct Form {
    method: &'static str,
    path: String,
    token: String,
    good: Value,
    fields: Vec<(&'static str, bool, Field)>,
}

/// The fields of a rotation.
const ROTATION: [(&str, bool, Field); 3] = [
    ("overlap", false, overlap),
    ("secret", false, given_secret),
    ("secret_type", false, secret_type),
];

/// The fields of a test.
const TESTED: [(&str, bool, Field); 2] = [("type", false, event_type), ("data", false, data)];

/// The ends of the paths of the routes that need no body.
const ROTATE: &str = "/secret";
const TEST: &str = "/test";

/// Every route with a body, as an admin and as a workspace sends it.
fn forms(app: &TestApp) -> Vec<Form> {
    let endpoint = app.endpoint("https://a.example/")["id"].clone();
    let tokens = app.get("/api/workspace-access-tokens").expect(200);
    let endpoint = format!("/api/webhooks/endpoints/{}", endpoint.as_str().unwrap());
    let token = tokens["data"][0]["id"].as_str().unwrap().to_owned();
    let (admin, own, workspace) = (&app.admin, &app.token, &app.workspace);
    let new_endpoint = json!({"url": "https://a.example/", "format": "raw", "events": ["*"]});
    let message = json!({"type": "a", "data": 1});
    let new_token = json!({"comment": "", "scopes": ["webhooks:read"]});
    let endpoint_fields: Vec<(_, bool, Field)> = vec![
        ("url", true, url),
        ("format", true, format),
        ("events", true, events),
        ("secret", false, new_secret),
        ("secret_type", false, secret_type),
        ("name", false, endpoint_name),
        ("description", false, description),
        ("filter", false, filter),
    ];
    let message_fields: Vec<(_, bool, Field)> = vec![
        ("type", true, event_type),
        ("data", true, data),
        ("timestamp", false, timestamp),
        ("endpoint_ids", false, endpoint_ids),
        ("tags", false, tags),
    ];
    let token_fields: Vec<(_, bool, Field)> = vec![
        ("comment", true, comment),
        ("scopes", true, scopes),
        ("expires_in", false, expires_in),
    ];
    let mut forms = Vec::new();
    for (path, good, fields) in [
        ("/api/webhooks/endpoints", new_endpoint, endpoint_fields),
        ("/api/webhooks/events", message, message_fields),
        ("/api/workspace-access-tokens", new_token, token_fields),
    ] {
        let mut form = |token: &String, good, field: (_, bool, Field)| {
            let mut fields = fields.clone();
            fields.push(field);
            forms.push(Form {
                method: "POST",
                path: path.to_owned(),
                token: token.clone(),
                good,
                fields,
            });
        };
        let mut named = good.clone();
        named["workspace_id"] = json!(workspace);
        form(own, good, ("workspace_id", false, own_workspace_id));
        form(admin, named, ("workspace_id", true, workspace_id));
    }
    let mut form = |method, path: String, token: &String, good, fields: &[(_, bool, Field)]| {
        forms.push(Form {
            method,
            path,
            token: token.clone(),
            good,
            fields: fields.to_vec(),
        });
    };
    let patch: &[(_, bool, Field)] = &[
        ("url", false, url),
        ("secret", false, given_secret),
        ("format", false, format),
        ("events", false, events),
        ("name", false, endpoint_name),
        ("description", false, description),
        ("filter", false, filter),
        ("enabled", false, enabled),
    ];
    form("PATCH", endpoint.clone(), own, json!({}), patch);
    let (rotate, test) = (format!("{endpoint}{ROTATE}"), format!("{endpoint}{TEST}"));
    form("PATCH", rotate, own, json!({}), &ROTATION);
    form("POST", test, own, json!({}), &TESTED);
    let named = json!({"name": "n"});
    let (all, one) = ("/api/workspaces", format!("/api/workspaces/{workspace}"));
    form(
        "POST",
        all.to_owned(),
        admin,
        named,
        &[
            ("name", true, name),
            ("archive_after", false, archive_after),
            ("delete_after", false, delete_after),
        ],
    );
    let patch: &[(_, bool, Field)] = &[
        ("name", false, name),
        ("archive_after", false, archive_after),
        ("delete_after", false, delete_after),
    ];
    form("PATCH", one, own, json!({}), patch);
    let token = format!("/api/workspace-access-tokens/{token}");
    let patch: &[(_, bool, Field)] = &[("comment", false, comment), ("scopes", false, scopes)];
    form("PATCH", token, admin, json!({}), patch);
    forms.push(job_form(own));
    forms.push(preview_form(own));
    forms
}

fn preview_form(token: &str) -> Form {
    Form {
        method: "POST",
        path: "/api/webhooks/preview".to_owned(),
        token: token.to_owned(),
        good: json!({"endpoint": {}, "message": {"type": "a", "data": 1}}),
        fields: vec![
            ("endpoint_id", false, previewed_id),
            ("endpoint", true, draft),
            ("message", true, draft),
        ],
    }
}

fn job_form(token: &str) -> Form {
    Form {
        method: "POST",
        path: "/api/webhooks/jobs".to_owned(),
        token: token.to_owned(),
        good: json!({"action": "redeliver", "filter": {"endpoint_id": [NOBODY]}, "dry_run": true}),
        fields: vec![
            ("action", true, job_action),
            ("filter", true, job_filter),
            ("rate", false, rate),
            ("dry_run", false, enabled),
        ],
    }
}

impl Form {
    /// The body that would do, with `json` in place of one field.
    fn body_with(&self, field: &str, json: &str) -> String {
        let mut members: Vec<String> = self
            .good
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| *name != field)
            .map(|(name, value)| format!("{}:{value}", quoted(name)))
            .collect();
        members.push(format!("{}:{json}", quoted(field)));
        format!("{{{}}}", members.join(","))
    }

    fn send(&self, app: &TestApp, body: &str) -> Answer {
        send(
            app,
            &self.token,
            self.method,
            &self.path,
            Some(body.as_bytes()),
        )
    }
}

/// A value as a problem shows it again: long texts and deep nesting are cut, what is no Unicode or
/// no double is shown as text.
fn echo(field: &str, json: &str, item: Option<usize>) -> Value {
    if field == "secret" {
        return json!("**********");
    }
    if json.starts_with("[[[") {
        return json!([[[[["…"]]]]]);
    }
    let lossy = json.replace(r"\ud800", "\u{fffd}");
    let lossy = lossy.replace(r"\udfff", "\u{fffd}");
    let value = serde_json::from_str(&lossy).unwrap_or_else(|_| json!(json));
    let shown = match (item, value) {
        (Some(at), Value::Array(items)) => items[at].clone(),
        (_, value) => value,
    };
    match &shown {
        Value::String(text) if text.chars().count() > 256 => {
            json!(text.chars().take(256).chain(['…']).collect::<String>())
        }
        _ => shown,
    }
}

#[test]
fn every_field_of_every_body_says_what_is_wrong_with_it() {
    let app = TestApp::with_default_policy(&[]);
    let mut checked = 0;
    for form in forms(&app) {
        for (field, required, rows) in &form.fields {
            for (json, violation, item) in rows() {
                if json == "null" && !required {
                    continue; // The same as absent.
                }
                let about = format!("{} {} {field}: {json:.200}", form.method, form.path);
                let mut loc = vec![json!("body"), json!(field)];
                loc.extend(item.map(|at| json!(at)));
                let input = echo(field, &json, item);
                let answer = form.send(&app, &form.body_with(field, &json));
                let expected = problem(&violation, json!(loc), input);
                assert_problems(&answer, &[expected], &about);
                checked += 1;
            }
            if *required {
                let mut body = form.good.clone();
                body.as_object_mut().unwrap().remove(*field);
                let answer = form.send(&app, &body.to_string());
                let expected = problem(&missing(), json!(["body", field]), body);
                assert_problems(&answer, &[expected], &form.path);
                checked += 1;
            }
        }
        // Nothing of all that was stored, and what the rows vary is good itself.
        let status = form.send(&app, &form.good.to_string()).status;
        assert!(matches!(status, 200..=202), "{} {status}", form.path);
    }
    assert!(checked > 350, "{checked}");
}

#[test]
fn a_body_that_is_not_an_object_has_one_problem() {
    let app = TestApp::with_default_policy(&[]);
    let not_an_object = plain(
        "model_attributes_type",
        "Input should be a valid dictionary or object to extract fields from",
    );
    for form in forms(&app) {
        let refused = |body: &[u8], expected: &Value| {
            let answer = send(&app, &form.token, form.method, &form.path, Some(body));
            let about = format!("{} {:.100}", form.path, String::from_utf8_lossy(body));
            assert_problems(&answer, std::slice::from_ref(expected), &about);
        };
        let needs_body = ![ROTATE, TEST].iter().any(|end| form.path.ends_with(end));
        if needs_body {
            let nothing = problem(&missing(), json!(["body"]), Value::Null);
            refused(b"", &nothing);
            refused("\u{feff}".as_bytes(), &nothing);
            let answer = send(&app, &form.token, form.method, &form.path, None);
            assert_problems(&answer, std::slice::from_ref(&nothing), "no body at all");
            refused(b" null\n", &nothing);
        }
        for other in ["true", "12.5", "\"text\"", "[]", "[{}]"] {
            let input: Value = serde_json::from_str(other).unwrap();
            refused(
                format!(" {other}\n").as_bytes(),
                &problem(&not_an_object, json!(["body"]), input),
            );
        }
        for (text, at, why) in [
            (" ", 1, "Expecting value"),
            ("{", 1, "Expecting property name enclosed in double quotes"),
            (
                "{'a':1}",
                1,
                "Expecting property name enclosed in double quotes",
            ),
            (
                "{\"é\":1,}",
                7,
                "Expecting property name enclosed in double quotes",
            ),
            ("{\"a\" 1}", 5, "Expecting ':' delimiter"),
            ("{\"a\":1 2}", 7, "Expecting ',' delimiter"),
            ("{} x", 3, "Extra data"),
            ("{\"a\":NaN}", 5, "Expecting value"),
            ("{\"a\":Infinity}", 5, "Expecting value"),
            ("{\"a\":-Infinity}", 5, "Expecting value"),
            ("{\"a\":01}", 6, "Expecting ',' delimiter"),
            ("{\"a\":\"b", 5, "Unterminated string starting at"),
            ("{\"a\":\"\n\"}", 6, "Invalid control character at"),
            ("{\"a\":\"\0\"}", 6, "Invalid control character at"),
            ("{\"a\":\"\\x\"}", 6, "Invalid \\escape"),
            ("{\"a\":\"\\u12g4\"}", 6, "Invalid \\uXXXX escape"),
        ] {
            let violation = with_ctx(
                "json_invalid",
                "JSON decode error".to_owned(),
                json!({ "error": why }),
            );
            if text == " " && !needs_body {
                continue;
            }
            refused(
                text.as_bytes(),
                &problem(&violation, json!(["body", at]), json!({})),
            );
        }
    }
}

#[test]
fn the_problem_of_a_forbidden_address_says_how_to_allow_it() {
    let app = TestApp::with_default_policy(&[]);
    for (url, address) in FORBIDDEN {
        let body = json!({"url": url, "format": "raw", "events": []});
        let answer = app.post("/api/webhooks/endpoints", &app.token, &body);
        let problems = detail(&answer);
        let [problem] = problems.as_slice() else {
            panic!("{url}: {problems:?}");
        };
        assert_eq!(problem["type"], "value_error", "{url}");
        assert_eq!(problem["loc"], json!(["body", "url"]), "{url}");
        assert_eq!(problem["input"], url);
        let msg = problem["msg"].as_str().unwrap();
        let start = format!("Value error, the address {address} is not allowed: ");
        let end = "; use a public address, or have the operator allow this network";
        assert!(msg.starts_with(&start) && msg.ends_with(end), "{msg}");
        assert_eq!(problem["ctx"]["setting"], "--allow-network");
    }
}

#[test]
fn the_problem_of_a_scheme_names_the_schemes_that_the_operator_allows() {
    let app = TestApp::start();
    let body = json!({"url": "ftp://a.example", "format": "raw", "events": []});
    let answer = app.post("/api/webhooks/endpoints", &app.token, &body);
    let violation = url_scheme("'http' or 'https'");
    let expected = problem(&violation, json!(["body", "url"]), json!("ftp://a.example"));
    assert_problems(&answer, &[expected], "ftp");
}

#[test]
fn a_workspace_cannot_have_more_endpoints_than_the_limit() {
    let app = TestApp::with_default_policy(&["--max-endpoints", "2"]);
    let first = app.endpoint("https://a.example/");
    app.endpoint("https://a.example/");
    let body = json!({"url": "https://a.example/", "format": "raw", "events": []});
    let answer = app.post("/api/webhooks/endpoints", &app.token, &body);
    let violation = value_error("a workspace can have at most 2 endpoints: delete one first");
    let expected = problem(&violation, json!(["body"]), Value::Null);
    assert_problems(&answer, &[expected], "the third");
    let first = format!("/api/webhooks/endpoints/{}", first["id"].as_str().unwrap());
    app.delete(&first).expect(204);
    app.endpoint("https://a.example/");
}

#[test]
fn every_spelling_of_a_boolean_enables_or_disables() {
    let app = TestApp::with_default_policy(&[]);
    let endpoint = app.endpoint("https://a.example/");
    let path = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    for (yes, no) in [
        (json!(true), json!(false)),
        (json!(1), json!(0)),
        (json!(1.0), json!(0.0)),
        (json!("true"), json!("FALSE")),
        (json!("T"), json!("f")),
        (json!("yes"), json!("No")),
        (json!("y"), json!("n")),
        (json!("on"), json!("off")),
        (json!("1"), json!("0")),
    ] {
        for (value, enabled) in [(no, false), (yes, true)] {
            let answer = app.patch(&path, &json!({ "enabled": value })).expect(200);
            assert_eq!(answer["enabled"], enabled, "{value}");
        }
    }
}
