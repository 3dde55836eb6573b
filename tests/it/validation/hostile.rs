//! The tests that no input gives a 5xx, or a response as long as the client likes.

use hookpost::api::{self, Access, RouteInfo};
use hookpost::domain::access::Scopes;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::*;

/// The longest answer to input that will not do.
pub(super) const ERROR_MAX_BYTES: usize = 64 * 1024;

/// Asserts what holds for every answer.
#[track_caller]
pub(super) fn assert_harmless(answer: &Answer, about: &str) {
    let (status, length) = (answer.status, answer.text.len());
    assert!(
        (200..500).contains(&status),
        "{about:.300}: {status} {:.300}",
        answer.text
    );
    if status >= 400 {
        assert!(length < ERROR_MAX_BYTES, "{about:.300}: {length} bytes");
        assert!(
            answer.json()["error"].is_string(),
            "{about:.300}: {}",
            answer.text
        );
    }
}

pub(super) fn start(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned()
}

pub(super) fn path(route: &RouteInfo, id: &str) -> String {
    let base = if route.access == Access::Public {
        ""
    } else {
        "/api"
    };
    format!("{base}{}", route.path.replace("{id}", id))
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

/// Values of JSON that have broken a parser, a database or an editor somewhere.
fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "null",
        "true",
        "[]",
        "{}",
        "0",
        "-0",
        "1e400",
        "-1e400",
        "1e-400",
        "1E999999999",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "0x10",
        "1_000",
        "undefined",
        r#""\u0000""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud83d""#,
        r#""\uffff\ufffe""#,
        r#""'; DROP TABLE endpoint; --""#,
        r#""' OR '1'='1""#,
        r#""\" OR 1=1 --""#,
        r#""%""#,
        r#""_""#,
        r#""%_%\\%""#,
        r#""a\u0000b""#,
        r#""${jndi:ldap://x}""#,
        r#""../../etc/passwd""#,
        r#""https://a.example/%00%ff""#,
        r#""https://a.example/\u0000""#,
        r#""https://\ud800/""#,
        r#""https://a.example:0/""#,
        r#""https://[::]/""#,
        r#""https://。/""#,
        r#""data:,x""#,
        r#""2026-01-31T12:00:60Z""#,
        r#""9999-12-31T23:59:59.999999999-23:59""#,
        r#""0000-01-01T00:00:00+23:59""#,
        r#""-0001-01-01T00:00:00Z""#,
        r#""+2026-01-31T12:00:00Z""#,
        r#""2026-01-31T12:00:00+é0:00""#,
        r#""whsec_""#,
        r#""whsec_====""#,
        r#"[null,[],{},"\u0000","*.*",1e400]"#,
        r#"{"secret":{"secret":"\ud800"}}"#,
    ]
    .map(str::to_owned)
    .to_vec();
    values.push("9".repeat(5000));
    values.push(format!("-0.{}e-{}", "3".repeat(2000), "9".repeat(3000)));
    values.push(nested(100_000));
    values.push("{\"a\":".repeat(40_000) + "1" + &"}".repeat(40_000));
    values.push(format!("\"{}\"", "x".repeat(250_000)));
    values.push(format!("\"{}\"", r"\u0001".repeat(40_000)));
    values.push(format!("\"{}\"", "😀".repeat(60_000)));
    values.push(format!("\"https://a.example/{}\"", "a/".repeat(100_000)));
    values.push(format!("[{}0]", "0,".repeat(100_000)));
    values.push(format!(
        "[{}{{}}]",
        "{\"a\":\"bbbbbbbbbb\"},".repeat(10_000)
    ));
    values
}

/// The names of all fields of all bodies.
const FIELDS: [&str; 16] = [
    "url",
    "format",
    "events",
    "secret",
    "enabled",
    "workspace_id",
    "type",
    "data",
    "timestamp",
    "name",
    "archive_after",
    "delete_after",
    "comment",
    "scopes",
    "expires_in",
    "",
];

/// Bodies that are strange as a whole.
fn bodies() -> Vec<Vec<u8>> {
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        let units = text.encode_utf16();
        units
            .flat_map(|unit| {
                if big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            })
            .collect()
    };
    let object = r#"{"name":"x","type":"a","data":1,"url":"https://a.example/","format":"raw"}"#;
    let keys = |one: &dyn Fn(usize) -> String| {
        let keys: Vec<_> = (0..10_000).map(one).collect();
        format!("{{{}}}", keys.join(",")).into_bytes()
    };
    let mut bodies = vec![
        Vec::new(),
        b" ".to_vec(),
        b"\0".to_vec(),
        vec![0; 10_000],
        b"{".to_vec(),
        b"}".to_vec(),
        b"[{".repeat(50_000),
        b"{\"a\":".repeat(50_000),
        b"\"".to_vec(),
        b"\\".to_vec(),
        b"\xff\xfe".to_vec(),
        b"{\"data\":\"\xed\xa0\x80\"}".to_vec(),
        b"{\"data\":\"\xc0\xaf\"}".to_vec(),
        format!("\u{feff}{object}").into_bytes(),
        format!("\u{feff}\u{feff}{object}").into_bytes(),
        utf16(object, true),
        utf16(object, false),
        utf16(&format!("\u{feff}{object}"), true),
        utf16(&format!("\u{feff}{object}"), false),
        format!("/* */ {object}").into_bytes(),
        format!("{object}{object}").into_bytes(),
        format!("{object}\0").into_bytes(),
        json!(object).to_string().into_bytes(),
        b"name=x&type=a&data=1".to_vec(),
        b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///x\">]>".to_vec(),
        b"--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--".to_vec(),
        vec![b' '; 262_144],
        vec![b'['; 262_145],
        vec![b'x'; 1_000_000],
        keys(&|at| format!("\"key{at}\":{at}")),
        keys(&|_| "\"secret\":\"s\"".to_owned()),
        keys(&|at| format!("\"url\":{at}")),
        (0..=255).collect(),
    ];
    bodies.extend(values().into_iter().map(String::into_bytes));
    bodies
}

#[test]
fn no_body_harms_any_route() {
    let app = TestApp::start();
    let bodies = bodies();
    let mut sent = 0;
    for route in api::table() {
        for (at, body) in bodies.iter().enumerate() {
            let id = if route.path.contains("redeliver") {
                "x"
            } else {
                NOBODY
            };
            let token = if at % 2 == 0 { &app.token } else { &app.admin };
            let path = path(&route, id);
            let answer = send(&app, token, route.method.as_str(), &path, Some(body));
            assert_harmless(&answer, &format!("{} {path} {}", route.method, start(body)));
            sent += 1;
        }
    }
    assert!(sent > 1000, "{sent}");
    app.get("/readyz").expect(200);
}

#[test]
fn no_value_of_any_field_harms_any_route() {
    let app = TestApp::start();
    let endpoint = app.endpoint("https://a.example/")["id"].clone();
    app.make_token(Some(&app.workspace), Scopes::all()); // Another one than all this is sent with.
    let tokens = app.get("/api/workspace-access-tokens").expect(200);
    let good = json!({
        "url": "https://a.example/", "format": "raw", "events": [], "type": "a", "data": 1,
        "comment": "", "scopes": ["webhooks:read"],
    });
    let values = values();
    let (mut sent, mut taken) = (0, 0);
    for (method, path, fields) in [
        ("POST", "/api/webhooks/endpoints".to_owned(), &FIELDS[..6]),
        ("POST", "/api/webhooks/events".to_owned(), &FIELDS[5..9]),
        (
            "POST",
            "/api/workspace-access-tokens".to_owned(),
            &FIELDS[12..],
        ),
        (
            "PATCH",
            format!("/api/webhooks/endpoints/{}", endpoint.as_str().unwrap()),
            &FIELDS[..5],
        ),
        (
            "PATCH",
            format!("/api/workspaces/{}", app.workspace),
            &FIELDS[9..12],
        ),
        (
            "PATCH",
            format!(
                "/api/workspace-access-tokens/{}",
                tokens["data"][0]["id"].as_str().unwrap()
            ),
            &FIELDS[12..14],
        ),
    ] {
        for field in fields {
            let mut rest = good.clone();
            rest.as_object_mut().unwrap().remove(*field);
            let rest = rest.to_string();
            for value in &values {
                let body = format!("{},\"{field}\":{value}}}", &rest[..rest.len() - 1]);
                let answer = send(&app, &app.token, method, &path, Some(body.as_bytes()));
                assert_harmless(&answer, &format!("{method} {path} {field}: {value}"));
                sent += 1;
                taken += usize::from(answer.status < 300);
            }
        }
    }
    assert!(sent > 1000 && taken > 100, "{sent} {taken}");
    // What was taken can be read again.
    for list in [
        "webhooks/endpoints",
        "webhooks/events",
        "workspaces",
        "workspace-access-tokens",
    ] {
        app.get(&format!("/api/{list}?limit=100")).expect(200);
    }
}

/// A value of JSON, more or less.
fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        prop::sample::select(values()).prop_filter("small", |value| value.len() < 5000),
        "\\PC{0,20}".prop_map(|text| json!(text).to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        "[-+0-9.eE]{1,12}",
        "[ -~]{0,8}",
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            "[a-z]{0,4}",
            prop::sample::select(FIELDS.to_vec()).prop_map(str::to_owned)
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|all| format!("[{}]", all.join(","))),
            prop::collection::vec((key, inner), 0..8).prop_map(|all| {
                let all: Vec<_> = all
                    .iter()
                    .map(|(key, value)| format!("\"{key}\":{value}"))
                    .collect();
                format!("{{{}}}", all.join(","))
            }),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let members = prop::collection::vec((prop::sample::select(FIELDS.to_vec()), value()), 0..8);
    let object = members.prop_map(|all| {
        let all: Vec<_> = all
            .iter()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", all.join(",")).into_bytes()
    });
    prop_oneof![
        6 => object,
        1 => value().prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..64),
    ]
}

#[test]
fn no_request_of_any_form_harms_the_server() {
    let app = TestApp::start();
    let routes: Vec<RouteInfo> = api::table()
        .filter(|route| route.method != "DELETE")
        .collect();
    let strategy = (
        prop::sample::select(routes),
        prop_oneof![Just(NOBODY.to_owned()), "[!-.0-~]{1,12}"],
        "([a-z_]{1,12}=[ -\"$-~]{0,12}&?){0,4}",
        body(),
        any::<bool>(),
    );
    let config = ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..Default::default()
    };
    let run = TestRunner::new(config).run(&strategy, |(route, id, query, body, admin)| {
        let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        let query = query.replace([' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}'], "%");
        let target = format!("{}?{query}", path(&route, &id));
        let token = if admin { &app.admin } else { &app.token };
        let answer = send(&app, token, route.method.as_str(), &target, Some(&body));
        prop_assert!(
            (200..500).contains(&answer.status),
            "{} {}",
            answer.status,
            answer.text
        );
        let bounded = answer.status < 400 || answer.text.len() < ERROR_MAX_BYTES;
        prop_assert!(bounded, "{} bytes", answer.text.len());
        if !answer.text.is_empty() {
            prop_assert!(
                serde_json::from_str::<Value>(&answer.text).is_ok(),
                "{}",
                answer.text
            );
        }
        Ok(())
    });
    run.unwrap();
}

#[test]
fn a_refusal_does_not_grow_with_what_it_refuses() {
    let app = TestApp::start();
    // A hundred items, each long and each refused.
    let item = format!("[{}1]", "\"aaaaaaaa\",".repeat(220));
    let list = format!("[{}{item}]", format!("{item},").repeat(99));
    for (path, field, count) in [
        ("/api/webhooks/endpoints", "events", 102),
        ("/api/workspace-access-tokens", "scopes", 101),
    ] {
        let body = format!("{{\"{field}\":{list}}}");
        let answer = send(&app, &app.token, "POST", path, Some(body.as_bytes()));
        assert_harmless(&answer, path);
        assert!(answer.text.len() < body.len() / 2, "{}", answer.text.len());
        let problems = detail(&answer);
        assert_eq!(problems.len(), count, "every problem is there");
        assert_eq!(problems[count - 1]["input"], "…", "but not every input");
    }
}
