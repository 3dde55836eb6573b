//! The test of a log whose reader stalls: what only informs must not hold up what works.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};

use super::server::Server;
use crate::fixture::PATIENCE;
use crate::receiver::Receiver;

/// More requests than the queue and the pipe together hold lines.
const MANY: usize = 10_000;

/// The requests on one connection.
const AT_ONCE: usize = 200;

/// Makes requests, each of which is a line of the log.
fn ask(server: &Server, count: usize) {
    let request = format!(
        "GET /api/webhooks/endpoints HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        server.token
    );
    for _ in 0..count / AT_ONCE {
        let mut stream = TcpStream::connect(&server.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut writing = stream.try_clone().unwrap();
        let requests = request.repeat(AT_ONCE);
        let sender = std::thread::spawn(move || {
            writing.write_all(requests.as_bytes()).unwrap();
            writing.shutdown(Shutdown::Write).unwrap();
        });
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        sender.join().unwrap();
        assert_eq!(text.matches("HTTP/1.1 200").count(), AT_ONCE);
    }
}

#[test]
fn a_reader_that_stalls_holds_up_no_request_and_no_attempt_and_is_told_what_it_missed() {
    let receiver = Receiver::start();
    let mut server = Server::start_with(&[], true);
    server.endpoint(&receiver.url("/a"));
    ask(&server, MANY);
    for n in 0..100 {
        server.publish(&json!(n), &[]);
    }
    receiver.wait("/a", 100);
    drop(server.gate.take());
    let line = server.wait_for("lines of the log are missing here");
    let line: Value = serde_json::from_str(&line).unwrap();
    let missing = line["lines"].as_u64().unwrap();
    assert!(missing > 0, "{line}");
    // From then on all lines come again.
    let published = server.publish(&json!("after"), &[]);
    // The attempt may be over before the line of the request is written.
    let ids = [&published["id"], &published["events"][0]["id"]];
    server.wait_for_all(&ids.map(|id| id.as_str().unwrap()));
    server.stop();
}
