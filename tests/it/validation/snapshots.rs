//! The exact words of every kind of refusal, and the test that none of them has a secret in it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hookpost::domain::access::{Scope, Token, TokenKind};
use insta::assert_snapshot;
use serde_json::json;

use super::super::fixture::PATIENCE;
use super::*;

/// An answer as a client sees it: status, the headers that say something, the body.
fn shown(answer: &Answer) -> String {
    let mut lines = vec![answer.status.to_string()];
    for name in ["www-authenticate", "allow", "retry-after"] {
        lines.extend(answer.header(name).map(|value| format!("{name}: {value}")));
    }
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-request-id").map(str::len), Some(16));
    // A problem a line.
    let text = answer.text.replace(r#""detail":[{"#, "\"detail\":[\n{");
    lines.push(text.replace("},{", "},\n{"));
    lines.join("\n")
}

#[test]
fn refusals_of_heads_have_these_words() {
    let app = TestApp::start();
    let events = "/api/webhooks/events";
    let anonymous = app.request("GET", events, &[], None);
    assert_snapshot!(shown(&anonymous), @r#"
    401
    www-authenticate: Bearer realm="hookpost"
    {"detail":"Unauthorized","error":"Unauthorized"}
    "#);
    let unknown = Token::generate(TokenKind::Admin);
    let stranger = shown(&app.get_as(unknown.reveal(), events));
    assert_snapshot!(stranger, @r#"
    401
    www-authenticate: Bearer realm="hookpost", error="invalid_token", error_description="The access token is unknown, expired or revoked"
    {"error":"invalid_token","error_description":"The access token is unknown, expired or revoked"}
    "#);
    assert_eq!(shown(&app.get_as("nonsense", events)), stranger);
    let weak = app.make_token(
        Some(&app.workspace),
        [Scope::WorkspacesWrite].into_iter().collect(),
    );
    assert_snapshot!(shown(&app.get_as(&weak, events)), @r#"
    403
    www-authenticate: Bearer realm="hookpost", error="insufficient_scope", error_description="The access token lacks the scope that this needs", scope="webhooks:read webhooks:write webhooks:view"
    {"error":"insufficient_scope","error_description":"The access token lacks the scope that this needs"}
    "#);
    let publish = app.post(events, &weak, &json!({}));
    assert_snapshot!(shown(&publish), @r#"
    403
    www-authenticate: Bearer realm="hookpost", error="insufficient_scope", error_description="The access token lacks the scope that this needs", scope="webhooks:publish"
    {"error":"insufficient_scope","error_description":"The access token lacks the scope that this needs"}
    "#);
    let workspace = app.post("/api/workspaces", &weak, &json!({}));
    assert_snapshot!(shown(&workspace), @r#"
    403
    www-authenticate: Bearer realm="hookpost", error="insufficient_scope", error_description="Only an admin token (hookpost_adm_...) may do this"
    {"error":"insufficient_scope","error_description":"Only an admin token (hookpost_adm_...) may do this"}
    "#);
    let more = json!({"comment": "", "scopes": ["webhooks:read", "workspaces:read"]});
    let narrow = app.make_token(
        Some(&app.workspace),
        [Scope::TokensWrite].into_iter().collect(),
    );
    let greedy = app.post("/api/workspace-access-tokens", &narrow, &more);
    assert_snapshot!(shown(&greedy), @r#"
    403
    www-authenticate: Bearer realm="hookpost", error="insufficient_scope", error_description="The access token lacks the scope that this needs", scope="webhooks:read workspaces:read"
    {"error":"insufficient_scope","error_description":"The access token lacks the scope that this needs"}
    "#);
    let nowhere = shown(&app.get("/api/nowhere"));
    assert_snapshot!(nowhere, @r#"
    404
    {"detail":"Not found","error":"ResourceNotFound"}
    "#);
    for path in [
        "//",
        "/v1/webhooks/endpoints/x/y",
        &format!("/api/webhooks/events/{NOBODY}"),
        &format!("/api/workspaces/{NOBODY}/"),
    ] {
        assert_eq!(shown(&app.get(path)), nowhere, "{path}");
    }
    for (path, allow) in [
        ("/api/webhooks/endpoints", "POST, GET, HEAD"),
        ("/api/webhooks/endpoints/x", "GET, HEAD, PATCH, DELETE"),
        ("/api/webhooks/endpoints/x/secret", "PATCH"),
        ("/api/webhooks/endpoints/x/test", "POST"),
        ("/api/webhooks/deliveries", "GET, HEAD"),
        ("/api/webhooks/events", "POST, GET, HEAD"),
        ("/api/webhooks/events/x", "GET, HEAD"),
        ("/api/webhooks/events/x/redeliver", "POST"),
        ("/v1/workspaces", "POST, GET, HEAD"),
        ("/v1/workspaces/x", "GET, HEAD, PATCH, DELETE"),
        ("/v1/workspace-access-tokens", "POST, GET, HEAD"),
        ("/v1/workspace-access-tokens/x/", "PATCH, DELETE"),
        ("/healthz", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
        ("/", "GET, HEAD"),
        ("/docs/", "GET, HEAD"),
        ("/v1/openapi.json", "GET, HEAD"),
    ] {
        let answer = app.request("PUT", path, &[], Some(b"{}"));
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
    let wrong = app.request("OPTIONS", "/api/webhooks/events/x", &[], None);
    assert_snapshot!(shown(&wrong), @r#"
    405
    allow: GET, HEAD
    {"detail":"Method Not Allowed","error":"MethodNotAllowed"}
    "#);
    let long = app.request("GET", events, &[("x-long", &"x".repeat(66_000))], None);
    assert_snapshot!(shown(&long), @r#"
    431
    {"detail":"The path, query string and headers are too long","error":"RequestHeaderFieldsTooLarge"}
    "#);
}

#[test]
fn refusals_of_bodies_have_these_words() {
    let app = TestApp::with_flags(&["--max-body-bytes", "1024"]);
    let bearer = format!("Bearer {}", app.token);
    let post = |header: (&str, &str), body: &[u8]| {
        let headers = [("authorization", bearer.as_str()), header];
        shown(&app.request("POST", "/api/webhooks/events", &headers, Some(body)))
    };
    let json = ("content-type", "application/json");
    let form = ("content-type", "application/x-www-form-urlencoded");
    assert_snapshot!(post(form, b"type=a"), @r#"
    415
    {"detail":"The body must be JSON (content-type: application/json)","error":"UnsupportedMediaType"}
    "#);
    assert_snapshot!(post(json, &[b' '; 1025]), @r#"
    413
    {"detail":"The body may have at most 1024 bytes","error":"PayloadTooLarge"}
    "#);
    assert_snapshot!(post(json, b"{\"type\":\"\xe9\"}"), @r#"
    400
    {"detail":"The body is not encoded as UTF-8","error":"BadRequest"}
    "#);
    assert_snapshot!(post(("content-encoding", "gzip"), b"\x1f\x8b"), @r#"
    400
    {"detail":"The body must be sent without a content-encoding","error":"BadRequest"}
    "#);
    assert_snapshot!(post(json, b""), @r#"
    422
    {"detail":[
    {"input":null,"loc":["body"],"msg":"Field required","type":"missing"}],"error":"RequestValidationError"}
    "#);
    assert_snapshot!(post(json, b"[1]"), @r#"
    422
    {"detail":[
    {"input":[1],"loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","type":"model_attributes_type"}],"error":"RequestValidationError"}
    "#);
    assert_snapshot!(post(json, b"{\"type\": 'a'}"), @r#"
    422
    {"detail":[
    {"ctx":{"error":"Expecting value"},"input":{},"loc":["body",9],"msg":"JSON decode error","type":"json_invalid"}],"error":"RequestValidationError"}
    "#);
    assert_snapshot!(post(json, b"{\"secret\":\"s\",\"timestamp\":\"2026-01-31\",\"workspace_id\":7}"), @r#"
    422
    {"detail":[
    {"input":{"secret":"**********","timestamp":"2026-01-31","workspace_id":7},"loc":["body","type"],"msg":"Field required","type":"missing"},
    {"input":{"secret":"**********","timestamp":"2026-01-31","workspace_id":7},"loc":["body","data"],"msg":"Field required","type":"missing"},
    {"input":"2026-01-31","loc":["body","timestamp"],"msg":"Input should have timezone info","type":"timezone_aware"},
    {"input":7,"loc":["body","workspace_id"],"msg":"UUID input should be a string, bytes or UUID object","type":"uuid_type"}],"error":"RequestValidationError"}
    "#);
    assert_snapshot!(post(("idempotency-key", "not a key"), b"{\"type\":\"a\",\"data\":1}"), @r#"
    422
    {"detail":"Idempotency-Key must be one header of 1 to 255 visible ASCII characters","error":"idempotency_key_invalid"}
    "#);
    let key = ("idempotency-key", "key");
    app.request(
        "POST",
        "/api/webhooks/events",
        &[("authorization", &bearer), key],
        Some(b"{\"type\":\"a\",\"data\":1}"),
    )
    .expect(202);
    assert_snapshot!(post(key, b"{\"type\":\"a\",\"data\":2}"), @r#"
    422
    {"detail":"The Idempotency-Key was used with another body: use a new one","error":"idempotency_key_reused"}
    "#);
}

#[test]
fn refusals_for_several_reasons_have_these_words() {
    let app = TestApp::with_default_policy(&["--max-endpoints", "1"]);
    let url = "/api/webhooks/endpoints";
    let body = json!({
        "url": "http://a.example", "format": 5, "events": ["*", "a b"], "secret": "my secret",
        "enabled": [],
    });
    let path = format!("{url}/x");
    assert_snapshot!(shown(&app.patch(&path, &body)), @r#"
    422
    {"detail":[
    {"ctx":{"error":"invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found `x` at 1"},"input":"x","loc":["path","id"],"msg":"Input should be a valid UUID, invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found `x` at 1","type":"uuid_parsing"},
    {"ctx":{"expected_schemes":"'https'","setting":"--allow-http"},"input":"http://a.example","loc":["body","url"],"msg":"URL scheme should be 'https'","type":"url_scheme"},
    {"ctx":{"min_length":32},"input":"**********","loc":["body","secret"],"msg":"String should have at least 32 characters","type":"string_too_short"},
    {"ctx":{"expected":"'raw', 'discord' or 'slack'"},"input":5,"loc":["body","format"],"msg":"Input should be 'raw', 'discord' or 'slack'","type":"enum"},
    {"ctx":{"pattern":"^(?=.{1,128}$)(\\*|[a-zA-Z0-9_-]+(\\.[a-zA-Z0-9_-]+)*(\\.\\*)?)$"},"input":"a b","loc":["body","events",1],"msg":"String should match pattern '^(?=.{1,128}$)(\\*|[a-zA-Z0-9_-]+(\\.[a-zA-Z0-9_-]+)*(\\.\\*)?)$'","type":"string_pattern_mismatch"},
    {"input":[],"loc":["body","enabled"],"msg":"Input should be a valid boolean","type":"bool_type"}],"error":"RequestValidationError"}
    "#);
    let query = "page=0&limit=x&http_code_class=200&end_timestamp=2026-01-31T12:00&endpoint_id=1&endpoint_id=2";
    assert_snapshot!(shown(&app.get(&format!("/api/webhooks/deliveries?{query}"))), @r#"
    422
    {"detail":[
    {"ctx":{"gt":0},"input":"0","loc":["query","page"],"msg":"Input should be greater than 0","type":"greater_than"},
    {"input":"x","loc":["query","limit"],"msg":"Input should be a valid integer, unable to parse string as an integer","type":"int_parsing"},
    {"ctx":{"error":"invalid length: expected length 32 for simple format, found 1"},"input":"1","loc":["query","endpoint_id",0],"msg":"Input should be a valid UUID, invalid length: expected length 32 for simple format, found 1","type":"uuid_parsing"},
    {"ctx":{"error":"invalid length: expected length 32 for simple format, found 1"},"input":"2","loc":["query","endpoint_id",1],"msg":"Input should be a valid UUID, invalid length: expected length 32 for simple format, found 1","type":"uuid_parsing"},
    {"input":"2026-01-31T12:00","loc":["query","end_timestamp"],"msg":"Input should have timezone info","type":"timezone_aware"},
    {"ctx":{"expected":"'2xx', '3xx', '4xx' or '5xx'"},"input":"200","loc":["query","http_code_class"],"msg":"Input should be '2xx', '3xx', '4xx' or '5xx'","type":"literal_error"}],"error":"RequestValidationError"}
    "#);
    let mut body = json!({
        "url": "https://a.example", "format": "raw", "events": [], "workspace_id": NOBODY,
    });
    assert_snapshot!(shown(&app.post(url, &app.token, &body)), @r#"
    422
    {"detail":[
    {"input":"0190a000-0000-4000-8000-000000000000","loc":["body","workspace_id"],"msg":"A workspace token acts for its own workspace only: leave workspace_id out","type":"workspace_token"}],"error":"RequestValidationError"}
    "#);
    assert_snapshot!(shown(&app.post(url, &app.admin, &body)), @r#"
    422
    {"detail":[
    {"ctx":{"error":"there is no such workspace: send the id of one"},"input":"0190a000-0000-4000-8000-000000000000","loc":["body","workspace_id"],"msg":"Value error, there is no such workspace: send the id of one","type":"value_error"}],"error":"RequestValidationError"}
    "#);
    body["workspace_id"] = json!(app.workspace);
    app.post(url, &app.admin, &body).expect(201);
    assert_snapshot!(shown(&app.post(url, &app.admin, &body)), @r#"
    422
    {"detail":[
    {"ctx":{"error":"a workspace can have at most 1 endpoints: delete one first"},"input":null,"loc":["body"],"msg":"Value error, a workspace can have at most 1 endpoints: delete one first","type":"value_error"}],"error":"RequestValidationError"}
    "#);
    body["url"] = json!("https://u:p@169.254.169.254/latest");
    assert_snapshot!(shown(&app.post(url, &app.admin, &body)), @r#"
    422
    {"detail":[
    {"ctx":{"error":"URL should not contain a user name or password; for basic auth, set the header `Authorization` in `headers`"},"input":"https://u:p@169.254.169.254/latest","loc":["body","url"],"msg":"Value error, URL should not contain a user name or password; for basic auth, set the header `Authorization` in `headers`","type":"value_error"}],"error":"RequestValidationError"}
    "#);
    body["url"] = json!("https://169.254.169.254/latest");
    assert_snapshot!(shown(&app.post(url, &app.admin, &body)), @r#"
    422
    {"detail":[
    {"ctx":{"error":"the address 169.254.169.254 is not allowed: cloud metadata service; use a public address, or have the operator allow this network","setting":"--allow-network"},"input":"https://169.254.169.254/latest","loc":["body","url"],"msg":"Value error, the address 169.254.169.254 is not allowed: cloud metadata service; use a public address, or have the operator allow this network","type":"value_error"}],"error":"RequestValidationError"}
    "#);
}

#[test]
fn refusals_by_the_state_of_objects_have_these_words() {
    let app = TestApp::with_manual_clock(&["--archive-after", "1h"]);
    let receiver = super::super::receiver::Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let event = app.publish("a", &json!(1))["events"][0]["id"].clone();
    app.wait_for_events("succeeded", 1);
    let taken = app.post("/api/workspaces", &app.admin, &json!({"name": "test"}));
    assert_snapshot!(shown(&taken), @r#"
    409
    {"detail":"Another workspace has this name","error":"NameTaken"}
    "#);
    let path = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    app.patch(&path, &json!({"enabled": false})).expect(200);
    let event = format!("/api/webhooks/events/{}", event.as_str().unwrap());
    let again = || app.post(&format!("{event}/redeliver"), &app.token, &json!(null));
    assert_snapshot!(shown(&again()), @r#"
    409
    {"detail":"The endpoint is disabled: enable it with PATCH, then redeliver","error":"EndpointDisabled"}
    "#);
    app.patch(&path, &json!({"enabled": true})).expect(200);
    app.advance(Duration::from_secs(3700));
    app.wait_for(&event, |event| event["is_archived"] == true);
    assert_snapshot!(shown(&again()), @r#"
    409
    {"detail":"The event is archived: its payload is gone, so it cannot be sent again","error":"EventArchived"}
    "#);
}

#[test]
fn a_publish_that_comes_while_the_server_stops_is_not_stored() {
    let mut app = TestApp::start();
    app.endpoint("http://127.0.0.1:1/");
    let body = "{\"type\":\"a\",\"data\":1}";
    let head = format!(
        "POST /api/webhooks/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         authorization: Bearer {}\r\ncontent-length: {}\r\n",
        app.token,
        body.len()
    );
    // The head is under way when the stop begins, and ends after it has.
    let mut stream = TcpStream::connect(app.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    app.get("/readyz").expect(200);
    let addr = app.addr;
    let stopping = std::thread::spawn(move || {
        app.stop();
        app
    });
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(addr).is_ok() && !stopping.is_finished() {
        assert!(Instant::now() < end, "new connections are refused");
        std::thread::yield_now();
    }
    // The server may have hung up by now.
    let _ = stream.write_all(format!("\r\n{body}").as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    let mut app = stopping.join().unwrap();
    let refused = answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"Unavailable\"");
    assert!(answer.is_empty() || refused, "{answer}");
    app.restart();
    assert_eq!(
        app.get("/api/webhooks/events").expect(200)["meta"]["total"],
        0
    );
}

/// Stands in every body below where a secret can stand.
const SECRET: &str = "5ecret-that-nobody-may-see";

#[test]
fn no_answer_holds_the_secret_that_it_refuses() {
    let app = TestApp::with_default_policy(&[]);
    let endpoint = app.endpoint("https://a.example/");
    let endpoint = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    let object = json!({"secret": SECRET}).to_string();
    let long = SECRET.repeat(20);
    let bodies = [
        object.clone(),
        json!({"secret": [SECRET]}).to_string(),
        json!({"secret": {"value": SECRET}}).to_string(),
        json!({"secret": long}).to_string(),
        json!({"secret": format!("whsec_{SECRET}-------------")}).to_string(),
        json!({"events": [{"secret": SECRET}], "url": {"a": {"secret": SECRET}}}).to_string(),
        json!({"data": {"secret": SECRET}, "timestamp": {"secret": SECRET}}).to_string(),
        json!({"name": {"secret": SECRET}, "comment": [{"secret": [SECRET]}]}).to_string(),
        json!({"enabled": {"secret": SECRET}, "format": [[{"secret": SECRET}]]}).to_string(),
        json!([{"secret": SECRET}]).to_string(),
        format!("{{\"s\\u0065cret\":\"{SECRET}\"}}"),
        format!("{{\"secret\":\"{SECRET}\",\"secret\":1}}"),
        format!("{{\"secret\":1,\"secret\":\"{SECRET}\"}}"),
        format!("{{\"secret\":\"{SECRET}\\ud800\"}}"),
        format!("{{\"secret\":\"{SECRET}\",}}"),
        format!("{{\"secret\":\"{SECRET}"),
        format!("{{\"secret\":{SECRET}}}"),
        json!(object).to_string(),
        format!("secret={SECRET}"),
    ];
    let id = format!("/api/workspaces/{}", app.workspace);
    let mut refused = 0;
    for body in &bodies {
        for (method, path) in [
            ("POST", "/api/webhooks/endpoints"),
            ("PATCH", &endpoint),
            ("POST", "/api/webhooks/events"),
            ("POST", "/api/workspaces"),
            ("PATCH", &id),
            ("POST", "/api/workspace-access-tokens"),
        ] {
            let answer = send(&app, &app.admin, method, path, Some(body.as_bytes()));
            if answer.status >= 400 {
                refused += 1;
                let text = &answer.text;
                assert!(!text.contains("5ecret"), "{method} {path} {body}: {text}");
            }
        }
    }
    assert!(refused > 90, "{refused}");
}
