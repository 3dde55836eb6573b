//! The listener: its answers, its limits, and that a fault of one request is no fault of the next.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::listener::{ListenerLimits, MetricsListener};

/// The time for which a test waits for an answer that must come.
const PATIENCE: Duration = Duration::from_secs(20);

const LIMITS: ListenerLimits = ListenerLimits {
    connections: 2,
    time: PATIENCE.saturating_mul(2),
};

fn start(
    limits: ListenerLimits,
    text: impl Fn() -> String + Send + Sync + 'static,
) -> MetricsListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    MetricsListener::start_within(listener, limits, text).unwrap()
}

fn connect(listener: &MetricsListener) -> TcpStream {
    let stream = TcpStream::connect(listener.addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads what is sent up to the end of the connection, which may be a reset.
fn rest(mut stream: TcpStream) -> String {
    let mut received = Vec::new();
    if let Err(error) = stream.read_to_end(&mut received) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "no end came");
    }
    String::from_utf8(received).unwrap()
}

fn ask(listener: &MetricsListener, request: &str) -> String {
    let mut stream = connect(listener);
    stream.write_all(request.as_bytes()).unwrap();
    rest(stream)
}

#[test]
fn only_the_metrics_are_served_and_nothing_is_changed() {
    let listener = start(LIMITS, || "# EOF\n".to_owned());
    let cases = [
        (
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "200 OK",
            "# EOF\n",
        ),
        ("GET /metrics?a=b HTTP/1.0\r\n\r\n", "200 OK", "# EOF\n"),
        ("HEAD /metrics HTTP/1.1\r\n\r\n", "200 OK", ""),
        (
            "GET / HTTP/1.1\r\n\r\n",
            "404 Not Found",
            "The metrics are at /metrics.\n",
        ),
        (
            "GET /metrics/ HTTP/1.1\r\n\r\n",
            "404 Not Found",
            "The metrics are at /metrics.\n",
        ),
        (
            "POST /metrics HTTP/1.1\r\n\r\n",
            "405 Method Not Allowed",
            "",
        ),
        ("GET /metrics HTTP/2.0\r\n\r\n", "400 Bad Request", ""),
        ("\r\n\r\n", "400 Bad Request", ""),
    ];
    for (request, status, body) in cases {
        let answer = ask(&listener, request);
        let (head, found) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{request}: {answer}"
        );
        assert_eq!(found, body, "{request}");
        assert!(head.contains("\r\nConnection: close"), "{answer}");
    }
    let answer = ask(&listener, "HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(answer.contains("Content-Length: 6\r\n"), "{answer}");
    let content_type =
        "\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(answer.contains(content_type), "{answer}");
    listener.stop();
}

#[test]
fn a_web_page_cannot_read_the_metrics_but_a_person_can() {
    let listener = start(LIMITS, || "text".to_owned());
    let status = |header: &str| {
        let request = format!("GET /metrics HTTP/1.1\r\n{header}\r\n");
        ask(&listener, &request)[9..12].to_owned()
    };
    for (header, expected) in [
        ("Origin: http://evil.example\r\n", "403"),
        ("sec-fetch-site: same-origin\r\n", "403"),
        ("Sec-Fetch-Site: cross-site\r\n", "403"),
        ("Sec-Fetch-Site: none\r\n", "200"),
        ("Host: evil.example\r\n", "403"),
        ("host: 127.0.0.1.evil.example:9464\r\n", "403"),
        ("Host: localhost:9464\r\n", "200"),
        ("Host: 127.0.0.1:9464\r\n", "200"),
        ("Host: [::1]\r\n", "200"),
        // A name that was made to lead to this machine: the browser then sends no origin.
        ("Host: evil.example\r\n", "403"),
        ("host: 127.0.0.1.evil.example:9464\r\n", "403"),
        ("Host: localhost:9464\r\n", "200"),
        ("Host: 127.0.0.1:9464\r\n", "200"),
        ("Host: [::1]\r\n", "200"),
        ("User-Agent: Prometheus/2.42.0\r\n", "200"),
        ("X-Note: origin: x\r\n", "200"),
    ] {
        assert_eq!(status(header), expected, "{header}");
    }
    listener.stop();
}

#[test]
fn a_head_without_end_is_refused() {
    let listener = start(LIMITS, String::new);
    let mut stream = connect(&listener);
    // The server may close before all of it is written.
    let _ = stream.write_all(&vec![b'x'; 64 << 10]);
    assert_eq!(rest(stream), "");
    listener.stop();
}

#[test]
fn a_client_that_sends_no_request_is_cut_off() {
    let limits = ListenerLimits {
        time: Duration::from_millis(50),
        ..LIMITS
    };
    let listener = start(limits, String::new);
    let mut stream = connect(&listener);
    stream.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    assert_eq!(rest(stream), "");
    listener.stop();
}

#[test]
fn connections_beyond_the_limit_are_closed_and_others_follow_them() {
    let listener = start(LIMITS, || "text".to_owned());
    let held: Vec<TcpStream> = (0..LIMITS.connections)
        .map(|_| connect(&listener))
        .collect();
    assert_eq!(rest(connect(&listener)), "", "it is closed at once");
    drop(held);
    let end = std::time::Instant::now() + PATIENCE;
    while ask(&listener, "GET /metrics HTTP/1.1\r\n\r\n").is_empty() {
        assert!(std::time::Instant::now() < end, "no connection is free");
    }
    listener.stop();
}

#[test]
fn a_panic_ends_its_own_request_only() {
    let panics = Arc::new(AtomicBool::new(true));
    let panics_now = panics.clone();
    let listener = start(LIMITS, move || {
        assert!(!panics_now.load(Ordering::SeqCst), "as the test wants");
        "text".to_owned()
    });
    for _ in 0..2 * LIMITS.connections {
        assert_eq!(ask(&listener, "GET /metrics HTTP/1.1\r\n\r\n"), "");
    }
    panics.store(false, Ordering::SeqCst);
    let answer = ask(&listener, "GET /metrics HTTP/1.1\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\ntext"), "{answer}");
    listener.stop();
}

#[test]
fn after_the_stop_nobody_listens() {
    let listener = start(LIMITS, String::new);
    let addr = listener.addr();
    listener.stop();
    TcpListener::bind(addr).expect("the port is free again");
}
