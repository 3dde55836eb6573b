//! Tests of the limits on connections: a stalled client is disconnected, and when there are too many
//! connections, the oldest are closed.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::TestApi;
use super::socket::Served;
use crate::server::connection::ConnectionLimits;
use crate::server::listen::LIMITS;

const SOON: Duration = Duration::from_millis(200);
const NEVER: Duration = Duration::from_hours(1);
const PATIENCE: Duration = Duration::from_secs(8);

/// Limits that no test reaches.
const NONE: ConnectionLimits = ConnectionLimits {
    idle: NEVER,
    request: NEVER,
    response: NEVER,
    taken: 1,
    connections: 1000,
    bytes: usize::MAX,
    period: Duration::from_millis(20),
};

const PROBE: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// Sends bytes and reads a response, which must come.
fn ask(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut answer = [0; 1000];
    let read = stream.read(&mut answer).unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 "), "{answer:?}");
}

/// Reports whether the server closes the connection, and sends nothing, while `meanwhile` runs on it.
fn ends(stream: &mut TcpStream, mut meanwhile: impl FnMut(&mut TcpStream)) -> bool {
    let since = Instant::now();
    stream
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    while since.elapsed() < PATIENCE {
        meanwhile(stream);
        match stream.read(&mut [0; 1000]) {
            Ok(0) => return true,
            Ok(_) => return false,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {}
                _ => return true,
            },
        }
    }
    false
}

fn drip(stream: &mut TcpStream) {
    let _ = stream.write_all(b"x");
}

#[test]
fn a_later_head_has_a_time_limit_like_the_first() {
    let api = TestApi::new();
    let served = Served::within(
        &api,
        ConnectionLimits {
            request: SOON,
            ..NONE
        },
    );
    let mut stream = served.connect();
    ask(&mut stream, PROBE);
    stream.write_all(b"GET /").unwrap();
    assert!(ends(&mut stream, drip));
    // The rest of a body whose request has its response is limited as well.
    let mut stream = served.connect();
    let head = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    ask(&mut stream, head);
    assert!(ends(&mut stream, |stream| {
        let _ = stream.write_all(b"1\r\nx\r\n");
    }));
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let api = TestApi::new();
    let served = Served::within(&api, ConnectionLimits { idle: SOON, ..NONE });
    let mut stream = served.connect();
    ask(&mut stream, PROBE);
    assert!(ends(&mut stream, |_| {}));
}

#[test]
fn a_client_that_does_not_read_its_responses_is_disconnected() {
    let api = TestApi::new();
    let served = Served::within(
        &api,
        ConnectionLimits {
            response: SOON,
            ..NONE
        },
    );
    let mut stream = served.connect();
    stream.set_write_timeout(Some(SOON)).unwrap();
    // Responses pile up until the sockets take no more, and then requests do.
    let since = Instant::now();
    loop {
        match stream.write(PROBE) {
            Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return;
            }
            _ => assert!(since.elapsed() < PATIENCE, "it is still open"),
        }
    }
}

#[test]
fn a_client_that_keeps_sending_requests_meets_no_limit() {
    let api = TestApi::new();
    let limits = ConnectionLimits {
        idle: Duration::from_millis(400),
        request: Duration::from_millis(400),
        response: SOON,
        ..NONE
    };
    let served = Served::within(&api, limits);
    let mut stream = served.connect();
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        ask(&mut stream, PROBE);
    }
}

#[test]
fn a_client_that_holds_all_connections_keeps_no_other_out() {
    let api = TestApi::new();
    let limits = ConnectionLimits {
        connections: 8,
        ..NONE
    };
    let served = Served::within(&api, limits);
    // More than all workers and the system's queue take together.
    let mut held: Vec<TcpStream> = Vec::new();
    for at in 0..1000 {
        let mut stream = served.connect();
        match at % 3 {
            0 => {}
            1 => stream.write_all(b"G").unwrap(),
            _ => stream.write_all(PROBE).unwrap(),
        }
        held.push(stream);
        if at % 100 == 0 {
            ask(&mut served.connect(), PROBE);
        }
    }
    ask(&mut served.connect(), PROBE);
    // The server has closed the oldest connection for that one.
    assert!(ends(&mut held[0], |_| {}));
}

#[test]
fn unfinished_requests_hold_no_more_bytes_than_the_limit() {
    const LARGE: usize = 40_000;
    let api = TestApi::new();
    let limits = ConnectionLimits {
        bytes: 4 * LARGE,
        ..NONE
    };
    let served = Served::within(&api, limits);
    let mut head = b"GET /healthz HTTP/1.1\r\nhost: x\r\nlong: ".to_vec();
    head.resize(head.len() + LARGE, b'x');
    // Too many for each worker, however connections are shared among them.
    let workers = std::thread::available_parallelism().unwrap().get();
    let mut held = Vec::new();
    for _ in 0..10 * workers {
        let mut stream = served.connect();
        stream.write_all(&head).unwrap();
        held.push(stream);
    }
    assert!(ends(&mut held[0], |_| {}), "the oldest is still there");
    ask(&mut served.connect(), PROBE);
}

#[test]
fn answered_requests_hold_no_bytes() {
    let api = TestApi::new();
    let probe = PROBE.len();
    let limits = ConnectionLimits {
        bytes: 10 * probe,
        ..NONE
    };
    let served = Served::within(&api, limits);
    let mut streams: Vec<TcpStream> = (0..50).map(|_| served.connect()).collect();
    for _ in 0..20 {
        for stream in &mut streams {
            ask(stream, PROBE);
        }
    }
}

#[test]
fn the_limits_of_the_server_leave_a_request_its_promised_time() {
    assert!(LIMITS.request >= Duration::from_secs(10 + 30 + 10));
    assert!(LIMITS.idle > Duration::from_secs(75));
}
