//! The tests of framing, that is where one request ends and the next begins. If two servers see different
//! ends, a client can smuggle a request past one of them. The server refuses ambiguous requests and closes
//! the connection.

use std::io::{Read, Write};
use std::net::Shutdown;

use super::wire::{connect, exchange, text};
use crate::fixture::TestApp;

/// Stands behind a request whose end is in doubt; answered with 200 if it is taken for a request.
const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

#[test]
fn a_request_with_an_ambiguous_end_is_refused_and_ends_the_connection() {
    let app = TestApp::start();
    for fields in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        "content-length: 4\r\ncontent-length: 4\r\n",
        "content-length: 4\r\ncontent-length: 5\r\n",
        "content-length: 4, 4\r\n",
        "content-length: +4\r\n",
        "content-length: -4\r\n",
        "content-length: 0x4\r\n",
        "content-length: 4 4\r\n",
        "content-length: \r\n",
        "content-length: 4.0\r\n",
        "content-length: 18446744073709551616\r\n",
        "content-length : 4\r\n",
        "content-length\r\n: 4\r\n",
        "content-length:\r\n 4\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: identity\r\ncontent-length: 4\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: \"chunked\"\r\n",
        "transfer-encoding: \u{b}chunked\r\n",
        "transfer-encoding : chunked\r\n",
        "transfer-encoding:\r\n chunked\r\n",
        "x: y\r\n folded: z\r\n",
        "x: y\rtransfer-encoding: chunked\r\n",
        "x: y\0z\r\n",
        "host: second\r\n",
    ] {
        let request = format!(
            "POST /api/webhooks/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{fields}\r\n\
             0\r\n\r\n{SMUGGLED}",
            app.token
        );
        let replies = exchange(app.addr, request.as_bytes()).unwrap();
        let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [400], "{fields:?}");
        assert_eq!(replies[0].header("connection"), Some("close"), "{fields:?}");
    }
    for line in [
        "POST /api/webhooks/events HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /api/webhooks/events HTTP/1.1\r\n\r\n",
        "POST /api/webhooks/events\r\n\r\n",
        "POST  /api/webhooks/events HTTP/1.1\r\nhost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\0\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}\r\n\r\n",
    ] {
        let replies = exchange(app.addr, format!("{line}{SMUGGLED}").as_bytes()).unwrap();
        let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [400], "{line:?}");
    }
}

#[test]
fn malformed_chunks_are_refused() {
    let app = TestApp::start();
    let message = r#"{"type":"a","data":1}"#;
    let length = message.len();
    for chunks in [
        format!("-{length:x}\r\n{message}\r\n0\r\n\r\n"),
        format!("0x{length:x}\r\n{message}\r\n0\r\n\r\n"),
        format!("{length:x}_\r\n{message}\r\n0\r\n\r\n"),
        format!("\r\n{message}\r\n0\r\n\r\n"),
        format!("{length:x}\n{message}\r\n0\r\n\r\n"),
        format!("{length:x}\r\n{message}0\r\n\r\n"),
        format!("1{length:016x}\r\n{message}\r\n0\r\n\r\n"),
        format!("{length:x};a\nb\r\n{message}\r\n0\r\n\r\n"),
        format!("{length:x}\r\n{message}\r\n"),
    ] {
        let request = format!(
            "POST /api/webhooks/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             transfer-encoding: chunked\r\n\r\n{chunks}",
            app.token
        );
        for reply in exchange(app.addr, request.as_bytes()).unwrap() {
            assert_eq!(reply.status, 400, "{chunks:?}");
        }
    }
}

#[test]
fn a_body_of_a_hundred_megabytes_is_refused_before_it_has_arrived() {
    let app = TestApp::start();
    for (path, status) in [
        ("/api/webhooks/events", 413),
        ("/api/webhooks/endpoints", 413),
        ("/api/nowhere", 404),
    ] {
        for framing in ["content-length: 104857600", "transfer-encoding: chunked"] {
            let mut stream = connect(app.addr);
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{framing}\r\n\r\n",
                app.token
            );
            stream.write_all(head.as_bytes()).unwrap();
            let mut reading = stream.try_clone().unwrap();
            // Four of the hundred, and no more: the answer cannot have waited for the end.
            let sending = std::thread::spawn(move || {
                let chunk = format!("100000\r\n{}\r\n", " ".repeat(1 << 20));
                (0..4).all(|_| stream.write_all(chunk.as_bytes()).is_ok())
            });
            let mut start = [0; 12];
            reading.read_exact(&mut start).unwrap();
            assert_eq!(text(&start), format!("HTTP/1.1 {status}"), "{framing}");
            let _ = reading.shutdown(Shutdown::Both);
            sending.join().unwrap();
        }
    }
    app.get("/readyz").expect(200);
}
