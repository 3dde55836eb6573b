//! The tests that no text of a caller or of the database can end a line of a request, or the request.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hookpost::delivery::http_client::{HttpClient, HttpClientSettings, Request};
use hookpost::delivery::resolver::SystemLookup;
use hookpost::domain::attempt_failure::AttemptFailure;
use hookpost::domain::network_policy::NetworkPolicy;
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::json;

use super::{Untouched, create, deliveries, ip};
use crate::fixture::{PATIENCE, TestApp};

/// The headers of a request; Hookpost writes every byte of them.
const EXPECTED_HEADERS: [&str; 8] = [
    "accept",
    "content-length",
    "content-type",
    "host",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// A receiver that keeps every byte of a connection and answers once, whatever comes.
struct Recorder {
    addr: SocketAddr,
    bytes: Receiver<Vec<u8>>,
}

impl Recorder {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (tell, bytes) = channel();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut got = Vec::new();
                let mut chunk = [0; 4096];
                // Every body here is `{}`-like and ends with a brace, and no head does.
                while !got.ends_with(b"}") {
                    match stream.read(&mut chunk) {
                        Ok(0) | Err(_) => break,
                        Ok(read) => got.extend_from_slice(&chunk[..read]),
                    }
                }
                let _ = stream.write_all(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n");
                // What comes after would be a second request.
                let _ = stream.read_to_end(&mut got);
                if tell.send(got).is_err() {
                    break;
                }
            }
        });
        Self { addr, bytes }
    }

    #[track_caller]
    fn next(&self) -> Vec<u8> {
        self.bytes.recv_timeout(PATIENCE).unwrap()
    }
}

/// A request as a strict receiver reads it: request target, header names in order, values, body.
fn read_strictly(bytes: &[u8]) -> (String, Vec<(String, String)>, String) {
    let text = std::str::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let request: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let [method, target, version] = request[..] else {
        panic!("{request:?}");
    };
    assert_eq!((method, version), ("POST", "HTTP/1.1"));
    let mut headers: Vec<(String, String)> = lines
        .map(|line| {
            assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect();
    headers.sort();
    (target.to_owned(), headers, body.to_owned())
}

const ODD: &[&str] = &[
    "/a b",
    "/a\r\nx: y",
    "/a%0d%0ax:%20y",
    "/a HTTP/1.1\r\nhost: other\r\n\r\nGET /b",
    "/a%20HTTP/1.1%0D%0A",
    "/a\u{0}b",
    "/a%00b",
    "/\r\n\r\n",
    "/a\tb",
    "/a\u{b}b\u{c}",
    "/a\u{85}b\u{2028}c",
    "/a\u{10a}\u{10d}b",
    "/嘊嘍x:y",
    "?a b",
    "?a\r\nx: y",
    "?a=%0d%0a%0d%0aGET%20/",
    "#a\r\nx: y",
    "\\a\\..\\b c",
    "/a\"b<c>d`e{f}g|h^i",
    "/a'b(c)d*e",
    "/%",
    "/%zz%2",
    "/..%2f..%5c..",
];

#[test]
fn no_url_and_no_secret_splits_a_request() {
    let flags = ["--allow-http", "--allow-network", "127.0.0.0/8"];
    let app = TestApp::with_default_policy(&flags);
    let recorder = Recorder::start();
    let secrets = [
        "a secret with spaces and more of them",
        "line\r\nx-injected: yes\r\n\r\nGET / HTTP/1.1\r\n",
        "nul\u{0}nul\u{0}nul\u{0}nul\u{0}nul\u{0}nul\u{0}nul\u{0}nul\u{0}nul",
        "嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍嘊嘍",
    ];
    for (at, odd) in ODD.iter().enumerate() {
        let body = json!({
            "url": format!("http://{}{odd}", recorder.addr),
            "format": "raw",
            "events": [format!("t{at}")],
            "secret": secrets[at % secrets.len()],
        });
        let endpoint = app.post("/api/webhooks/endpoints", &app.token, &body);
        let endpoint = endpoint.expect(201);
        let stored = url::Url::parse(endpoint["url"].as_str().unwrap()).unwrap();
        app.publish(&format!("t{at}"), &json!({"a": {}}));
        let bytes = recorder.next();
        let (target, headers, body) = read_strictly(&bytes);
        let stored = &stored[url::Position::BeforePath..url::Position::AfterQuery];
        // RFC 3986 forbids these two; all others in the stored form are sent as they are.
        let encoded = stored.replace('|', "%7C").replace('^', "%5E");
        assert_eq!(target, encoded);
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, EXPECTED_HEADERS, "{odd:?}");
        assert_eq!(headers[1].1, body.len().to_string());
        assert_eq!(headers[3].1, recorder.addr.to_string());
        assert!(body.ends_with("\"data\":{\"a\":{}}}"), "{body}");
    }
    app.wait_for_events("succeeded", u64::try_from(ODD.len()).unwrap());
}

/// A URL that only another program can have written to the database.
#[test]
fn a_stored_url_that_would_split_a_request_is_not_requested() {
    let flags = ["--allow-http", "--allow-network", "127.0.0.0/8"];
    let target = Untouched::on(&[ip("127.0.0.1")]);
    let base = format!("http://127.0.0.1:{}", target.port());
    let urls = [
        format!("{base}/ HTTP/1.1\r\nx: y\r\n\r\n"),
        format!("{base}/a\nb"),
        format!("{base}/a\0b"),
        format!("{base}\r\nx: y/"),
        format!("{base} /"),
        format!("{base}/?a b"),
        format!("http://127.0.0.1:{}\u{0}/", target.port()),
        "/hook".to_owned(),
        String::new(),
    ];
    for url in urls {
        let mut app = TestApp::with_default_policy(&flags);
        let endpoint = create(&app, "http://127.0.0.1:1/").expect(201);
        app.stop();
        let database = Connection::open(app.database()).unwrap();
        assert_eq!(
            database.execute("UPDATE endpoint SET url = ?1", [&url]),
            Ok(1)
        );
        drop(database);
        app.restart();
        app.publish("order.created", &json!({"id": 1}));
        let delivery = &deliveries(&app, &endpoint, 1)[0];
        assert_eq!(delivery["error"], "internal", "{url:?}: {delivery}");
    }
    target.assert_untouched();
}

fn client(timeout: Duration) -> HttpClient {
    let settings = HttpClientSettings {
        request_timeout: timeout,
        ca_file: None,
        certificate: None,
        proxy: None,
        max_threads: 4,
        policy: NetworkPolicy {
            allow_http: true,
            allow: vec!["127.0.0.0/8".parse().unwrap()],
        },
    };
    HttpClient::new(settings, Arc::new(SystemLookup)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The client by itself, whatever its callers make of their promises: a header either arrives as
    /// one line with this value, or the request is refused without a connection.
    #[test]
    fn a_header_arrives_as_it_is_or_not_at_all(
        value in "[!-~]{1,4}(\\r\\n|\\n|\\r|[\\x00-\\x1f\\x7f]| |ä|\u{10a}|x){1,2}[!-~]{1,4}",
        tail in "[a-z0-9/?=%]{0,12}|[a-z0-9/?=%]{0,6}[\\r\\n\\x00 ]{1,2}[a-z/ :]{0,6}",
    ) {
        let recorder = Recorder::start();
        let url = format!("http://{}/{tail}", recorder.addr);
        let request = Request {
            url: &url,
            headers: &[("webhook-id", &value)],
            body: b"{}",
            timeout: None,
        };
        let attempt = client(PATIENCE).post(&request);
        match attempt.result {
            Ok(_) => {
                let (target, headers, body) = read_strictly(&recorder.next());
                prop_assert_eq!(target, format!("/{tail}"));
                let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
                prop_assert_eq!(&names[..], &EXPECTED_HEADERS[..6]);
                prop_assert_eq!(&headers[5].1, &value);
                prop_assert_eq!(body, "{}");
            }
            Err(failure) => {
                prop_assert_eq!(failure.kind, AttemptFailure::Internal, "{:?}", failure);
                let plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
                    && tail.bytes().all(|byte| byte.is_ascii_graphic());
                prop_assert!(!plain, "{:?} {:?} is refused for no reason", value, tail);
            }
        }
    }
}
