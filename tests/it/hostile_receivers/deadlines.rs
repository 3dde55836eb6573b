//! The tests of slow receivers: an attempt ends by its deadline, at every stage and whatever still arrives.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};
use serde_json::json;
use socket2::{Domain, SockAddr, Socket, Type};

use super::script::{Scripted, Talk};
use super::tls::Authority;
use super::{Case, Expected, ONE_ATTEMPT, exactly, failed, run};
use crate::fixture::TestApp;

const DEADLINE: Duration = Duration::from_secs(1);
const NOTHING: &str = "no complete answer within 1s";
const ONLY_STATUS: &str = "no complete answer within 1s (status 200 had arrived)";
const NO_HANDSHAKE: &str =
    "the receiver accepted the connection, but did not finish the TLS handshake in time";

fn app(more: &[&str]) -> TestApp {
    let flags = [&ONE_ATTEMPT[..], &["--request-timeout", "1s"], more].concat();
    TestApp::with_flags(&flags)
}

fn in_time(text: &str) -> Expected {
    failed("timeout", exactly(text))
}

/// The receiver reads the request, sends a start, and then nothing.
fn hanging(name: &'static str, start: &'static str, says: &str) -> Case {
    let receiver = Scripted::start(move |talk| {
        talk.request();
        talk.send(start);
        talk.hang();
    });
    Case::new(name, receiver, in_time(says))
}

/// The receiver reads the request, sends a start, and then the same bytes again and again, slowly.
fn dripping(name: &'static str, start: &'static str, drops: &'static str, says: &str) -> Case {
    let receiver = Scripted::start(move |talk| {
        talk.request();
        talk.send(start);
        talk.drip(drops.as_bytes());
    });
    Case::new(name, receiver, in_time(says))
}

#[test]
fn attempts_end_by_their_deadline() {
    let cases = [
        Case::new(
            "hangs-at-once",
            Scripted::start(Talk::hang),
            in_time(NOTHING),
        )
        .unasked(),
        hanging("hangs-after-the-request", "", NOTHING),
        hanging("hangs-in-the-status", "HTTP/1.1 2", NOTHING),
        hanging("hangs-in-the-head", "HTTP/1.1 200 OK\r\na: b\r\n", NOTHING),
        hanging(
            "hangs-after-interim",
            "HTTP/1.1 100 Continue\r\n\r\n",
            NOTHING,
        ),
        hanging(
            "hangs-after-the-head",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
            ONLY_STATUS,
        ),
        hanging(
            "hangs-in-the-body",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no",
            ONLY_STATUS,
        ),
        hanging(
            "hangs-before-the-last-chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
            ONLY_STATUS,
        ),
        // Without a length the body ends with the connection, and this one does not end.
        hanging(
            "no-length-and-stays",
            "HTTP/1.1 200 OK\r\n\r\nok",
            ONLY_STATUS,
        ),
        dripping("drips-the-status", "HTTP/1.1 200 ", "O", NOTHING),
        dripping("drips-the-head", "HTTP/1.1 200 OK\r\na: ", "b", NOTHING),
        dripping(
            "drips-interim",
            "",
            "HTTP/1.1 102 Processing\r\n\r\n",
            NOTHING,
        ),
        dripping(
            "drips-by-length",
            "HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n",
            "x",
            ONLY_STATUS,
        ),
        dripping(
            "drips-by-chunks",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
            ONLY_STATUS,
        ),
        dripping(
            "drips-without-length",
            "HTTP/1.1 200 OK\r\n\r\n",
            "x",
            ONLY_STATUS,
        ),
        dripping(
            "drips-trailers",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
            "a: b\r\n",
            ONLY_STATUS,
        ),
    ];
    // Fewer threads than cases: those that were held up go on.
    run(&app(&["--max-threads", "16"]), &cases, DEADLINE);
}

#[test]
fn handshakes_end_by_the_deadline_too() {
    let authority = Authority::new();
    let config = authority.config(&Authority::leaf());
    let (halved, dripping, silent) = (config.clone(), config.clone(), config.clone());
    let cases = [
        Case::new(
            "tls-hangs-at-once",
            Scripted::start(Talk::hang),
            in_time(NO_HANDSHAKE),
        )
        .unasked(),
        Case::new(
            "tls-hangs-in-the-handshake",
            Scripted::start(move |talk| {
                let flight = first_flight(&halved, &mut talk.socket);
                talk.send(&flight[..flight.len() / 2]);
                talk.hang();
            }),
            in_time(NO_HANDSHAKE),
        )
        .unasked(),
        Case::new(
            "tls-drips-the-handshake",
            Scripted::start(move |talk| {
                let flight = first_flight(&dripping, &mut talk.socket);
                talk.trickle(&flight);
            }),
            in_time(NO_HANDSHAKE),
        )
        .unasked(),
        Case::new(
            "tls-hangs-after-the-handshake",
            Scripted::tls(silent, |talk| {
                talk.shake_hands();
                talk.hang();
            }),
            in_time(NOTHING),
        )
        .unasked(),
        // The whole answer is in one record, which is of no use until it is complete.
        Case::new(
            "tls-drips-a-record",
            Scripted::tls(config, |talk| {
                talk.request();
                let answer = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(8192));
                let records = talk.encrypted(answer.as_bytes());
                talk.trickle(&records);
            }),
            in_time(NOTHING),
        ),
    ]
    .map(Case::over_tls);
    let file = authority.file();
    let app = app(&["--ca-file", file.path().to_str().unwrap()]);
    run(&app, &cases, DEADLINE);
}

/// Returns the first bytes of a TLS server, its answer to the sender's hello.
fn first_flight(config: &Arc<ServerConfig>, socket: &mut TcpStream) -> Vec<u8> {
    let mut server = ServerConnection::new(config.clone()).unwrap();
    let mut flight = Vec::new();
    while !server.wants_write() {
        assert!(server.read_tls(socket).unwrap() > 0, "the hello is whole");
        server.process_new_packets().unwrap();
    }
    while server.wants_write() {
        server.write_tls(&mut flight).unwrap();
    }
    flight
}

/// A request that does not fit into the buffers on its way.
#[test]
fn receivers_that_read_slowly_or_not_at_all_end_by_the_deadline() {
    let cases = [
        Case::new(
            "takes-nothing",
            Scripted::start(Talk::take_nothing),
            in_time(NOTHING),
        ),
        Case::new("sips", Scripted::start(Talk::sip), in_time(NOTHING)),
    ]
    .map(|case| Case {
        data: json!("x".repeat(4_000_000)),
        ..case.unasked()
    });
    run(&app(&["--max-body-bytes", "4194304"]), &cases, DEADLINE);
}

/// The kernel takes no more connections for a listener that does not accept them.
#[test]
fn connections_that_are_not_accepted_end_by_the_deadline() {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&SockAddr::from(any)).unwrap();
    listener.listen(0).unwrap();
    let addr = listener.local_addr().unwrap().as_socket().unwrap();
    // One fits into a queue of length 0; when another is not completed, it is full.
    let mut waiting = Vec::new();
    while let Ok(one) = TcpStream::connect_timeout(&addr, Duration::from_millis(100)) {
        waiting.push(one);
        assert!(waiting.len() < 100, "the queue has a length");
    }
    let case = Case {
        url: format!("http://{addr}/hook"),
        ..Case::new(
            "not-accepted",
            Scripted::start(|_| {}),
            in_time("the receiver didn't accept a connection in time"),
        )
    };
    run(&app(&[]), &[case.unasked()], DEADLINE);
    drop(waiting);
}
