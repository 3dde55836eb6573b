//! The tests that no query string, path, header or method gives a 5xx. Some requests are sent as bytes on a
//! socket, since no client library would send them.

use std::io::{Read, Write};
use std::net::TcpStream;

use hookpost::api;
use serde_json::json;

use super::super::fixture::{PATIENCE, QUERY_NAMES};
use super::hostile::{ERROR_MAX_BYTES, assert_harmless, path, start};
use super::*;

/// Sends bytes and reads until the server closes.
fn exchange(app: &TestApp, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(app.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server that has read enough may close before the end of what is sent.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no answer to {:?}: {text:?}", start(request))),
        headers: Vec::new(),
        text: body.to_owned(),
    }
}

/// A request as bytes, on a connection of its own.
fn spelt(app: &TestApp, method: &str, target: &[u8], more: &[u8], body: &[u8]) -> Vec<u8> {
    let token = &app.token;
    let mut bytes = format!("{method} ").into_bytes();
    bytes.extend_from_slice(target);
    let head = format!(
        " HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-length: {}\r\n",
        body.len()
    );
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(more);
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// Texts for the query string, not encoded.
const QUERY_TEXTS: [&[u8]; 30] = [
    b"",
    b" ",
    b"\0",
    b"a\0b",
    b"\xff",
    b"\xed\xa0\x80",
    b"%",
    b"_",
    b"%%%",
    b"[a-z]*",
    b"\\",
    b"'; DROP TABLE event; --",
    b"' OR 1=1 --",
    b"\"",
    b"*",
    b"NEAR(",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"-1",
    b"NaN",
    b"inf",
    b"1e400",
    b"0x1",
    b"{}",
    b"0001-01-01T00:00:00Z",
    b"9999-12-31T23:59:59-23:59",
    b"2026-01-31T12:00:60Z",
    b"0190a000-0000-4000-8000-000000000000",
    "\u{feff}é😀\u{202e}".as_bytes(),
];

#[test]
fn no_query_harms_any_route() {
    let app = TestApp::start();
    app.endpoint("http://127.0.0.1:1/%25_'");
    app.publish("a", &json!("'"));
    let names = QUERY_NAMES.into_iter().chain(["x"]);
    let mut texts: Vec<Vec<u8>> = QUERY_TEXTS.map(<[u8]>::to_vec).to_vec();
    texts.push(b"9".repeat(5000));
    texts.push(b"%".repeat(2048));
    texts.push(b"a".repeat(20_000));
    let encode = |text: &[u8]| -> String { url::form_urlencoded::byte_serialize(text).collect() };
    for route in api::table().filter(|route| route.method == "GET" && !route.path.contains('{')) {
        for name in names.clone() {
            for text in &texts {
                let target = format!("{}?{name}={}", path(&route, ""), encode(text));
                assert_harmless(&app.get(&target), &target);
            }
        }
    }
    let with = |name: &str, text: &str| {
        let target = format!("/api/webhooks/endpoints?{name}={}", encode(text.as_bytes()));
        app.get(&target).expect(200)["meta"]["total"].clone()
    };
    for literal in ["%25", "%25_'", "_", "'"] {
        assert_eq!(with("url", literal), 1, "{literal}");
    }
    for absent in ["%_", "1%:1", "_____", "'--", "%25\0"] {
        assert_eq!(with("url", absent), 0, "{absent}");
    }
    app.get("/readyz").expect(200);
}

#[test]
fn no_target_harms_the_server() {
    let app = TestApp::start();
    let long = "a".repeat(60_000);
    let longer = "a".repeat(100_000);
    let longest = "a".repeat(1_000_000);
    let mut targets: Vec<Vec<u8>> = Vec::new();
    for id in [
        "%2F", "..%2F..", "%2e%2e", "%00", "%ff", "%zz", "%", "%25", ";x", "a%20b", "'--", "{}",
        "a?b", "*", "%c0%af", "\u{e9}", &long, &longer, &longest,
    ] {
        for route in api::table() {
            targets.push(path(&route, id).into_bytes());
        }
        targets.push(format!("/{id}").into_bytes());
        targets.push(format!("/api/webhooks/events?{id}").into_bytes());
        targets.push(format!("/api/webhooks/endpoints?url={id}&{id}=").into_bytes());
    }
    for odd in [
        &b"*"[..],
        b"/",
        b"//",
        b"///api//webhooks/events",
        b"/api/../api/webhooks/events",
        b"/api/./webhooks/events",
        b"/API/webhooks/events",
        b"http://x/api/webhooks/events",
        b"http://y:99999/",
        b"api",
        b"?",
        b"/\xff",
        b"/api/webhooks/events?\xff\xfe",
        b"/api/webhooks/events?&&==&=&%",
        b"/api/webhooks/events#x",
        b"/a b",
    ] {
        targets.push(odd.to_vec());
    }
    targets.push(
        ["/api/webhooks/events?", &"status=failed&".repeat(5000)]
            .concat()
            .into_bytes(),
    );
    targets.push(
        ["/api/webhooks/events?", &"page=1&".repeat(8000)]
            .concat()
            .into_bytes(),
    );
    targets.sort();
    targets.dedup();
    for target in &targets {
        for method in ["GET", "PATCH", "OPTIONS"] {
            let answer = exchange(&app, &spelt(&app, method, target, b"", b"{}"));
            let about = format!("{method} {}", start(target));
            let status = answer.status;
            assert!(
                (200..500).contains(&status),
                "{about}: {status} {:.300}",
                answer.text
            );
            assert!(
                status < 400 || answer.text.len() < ERROR_MAX_BYTES,
                "{about}"
            );
        }
    }
    app.get("/readyz").expect(200);
}

#[test]
fn no_header_or_method_harms_the_server() {
    let app = TestApp::start();
    let huge = [b"x-long: ", &b"a".repeat(500_000)[..], b"\r\n"].concat();
    for header in [
        &b"authorization: Bearer \xff\r\n"[..],
        b"authorization: Bearer\r\n",
        b"content-type: application/json; charset=utf-16\r\n",
        b"content-type: application/json; charset=\xff\r\n",
        b"content-type: application/x-www-form-urlencoded\r\n",
        b"content-type: multipart/form-data\r\n",
        b"content-type: \r\n",
        b"content-type: \xff\r\n",
        b"content-type: a\r\ncontent-type: b\r\n",
        b"content-encoding: gzip\r\n",
        b"content-encoding: br, gzip, x\r\n",
        b"content-length: -1\r\n",
        b"content-length: 99999999999999999999999\r\n",
        b"transfer-encoding: chunked\r\n",
        b"transfer-encoding: x\r\n",
        b"expect: 100-continue\r\n",
        b"expect: x\r\n",
        b"upgrade: h2c\r\nconnection: upgrade, http2-settings\r\n",
        b"idempotency-key: \xff\r\n",
        b"idempotency-key: a\r\nidempotency-key: b\r\n",
        b"origin: \xff\r\n",
        b"origin: null\r\naccess-control-request-method: \r\n",
        b"x\r\n",
        b": x\r\n",
        b"x y: z\r\n",
        b"x: \0\r\n",
        b" folded\r\n",
        &huge,
    ] {
        for (method, target) in [
            ("POST", "/api/webhooks/events"),
            ("GET", "/api/webhooks/events"),
            ("OPTIONS", "/api/webhooks/events"),
            ("GET", "/healthz"),
        ] {
            let answer = exchange(&app, &spelt(&app, method, target.as_bytes(), header, b"{}"));
            let about = format!("{method} {target} {}", start(header));
            let status = answer.status;
            assert!(
                (100..500).contains(&status),
                "{about}: {status} {:.300}",
                answer.text
            );
            assert!(answer.text.len() < ERROR_MAX_BYTES, "{about}");
        }
    }
    for method in [
        "G\0T",
        "get",
        "PUT",
        "TRACE",
        "CONNECT",
        "\u{e9}",
        &"X".repeat(5000),
        "",
    ] {
        let answer = exchange(
            &app,
            &spelt(&app, method, b"/api/webhooks/events", b"", b""),
        );
        let status = answer.status;
        assert!((400..500).contains(&status), "{method:.20}: {status}");
    }
    app.get("/readyz").expect(200);
}

#[test]
fn a_query_with_hundreds_of_problems_has_an_answer_of_bounded_length() {
    let app = TestApp::start();
    let bad =
        ["endpoint_id", "workspace_id", "status"].map(|name| format!("{name}=zz&").repeat(100));
    let answer = app.get(&format!("/api/webhooks/events?{}", bad.concat()));
    assert_eq!(detail(&answer).len(), 300, "every problem is there");
    assert!(
        answer.text.len() < 2 * ERROR_MAX_BYTES,
        "{}",
        answer.text.len()
    );
}
