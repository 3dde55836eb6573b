//! Connections end when their client does not go on, and the oldest go first when there are too many.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::super::connection::Limits;
use super::super::server::LIMITS;
use super::World;
use super::socket::Served;

const SOON: Duration = Duration::from_millis(200);
const NEVER: Duration = Duration::from_hours(1);
const PATIENCE: Duration = Duration::from_secs(8);

/// Limits of which none is ever reached.
const NONE: Limits = Limits {
    idle: NEVER,
    request: NEVER,
    answer: NEVER,
    taken: 1,
    connections: 1000,
    bytes: usize::MAX,
    period: Duration::from_millis(20),
};

const PROBE: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// Sends bytes and reads an answer, of which there must be one.
fn ask(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut answer = [0; 1000];
    let read = stream.read(&mut answer).unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 "), "{answer:?}");
}

/// Whether the server closes the connection, and sends nothing, while `meanwhile` is done to it.
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
fn a_later_head_that_comes_byte_by_byte_has_its_time_like_the_first() {
    let world = World::new();
    let served = Served::within(
        &world,
        Limits {
            request: SOON,
            ..NONE
        },
    );
    let mut stream = served.connect();
    ask(&mut stream, PROBE);
    stream.write_all(b"GET /").unwrap();
    assert!(ends(&mut stream, drip));
    // So does a body that nobody waits for any more.
    let mut stream = served.connect();
    let head = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    ask(&mut stream, head);
    assert!(ends(&mut stream, |stream| {
        let _ = stream.write_all(b"1\r\nx\r\n");
    }));
}

#[test]
fn a_connection_ends_that_the_framework_takes_for_a_request_and_nothing_comes() {
    let world = World::new();
    let served = Served::within(&world, Limits { idle: SOON, ..NONE });
    let mut stream = served.connect();
    ask(&mut stream, PROBE);
    assert!(ends(&mut stream, |_| {}));
}

#[test]
fn a_client_that_does_not_take_its_answers_is_left_alone() {
    let world = World::new();
    let served = Served::within(
        &world,
        Limits {
            answer: SOON,
            ..NONE
        },
    );
    let mut stream = served.connect();
    stream.set_write_timeout(Some(SOON)).unwrap();
    // Answers pile up until the sockets take no more, and then requests do.
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
fn limits_leave_those_alone_who_go_on() {
    let world = World::new();
    let limits = Limits {
        idle: Duration::from_millis(400),
        request: Duration::from_millis(400),
        answer: SOON,
        ..NONE
    };
    let served = Served::within(&world, limits);
    let mut stream = served.connect();
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(1) {
        ask(&mut stream, PROBE);
    }
}

#[test]
fn whoever_holds_all_connections_keeps_nobody_out() {
    let world = World::new();
    let limits = Limits {
        connections: 8,
        ..NONE
    };
    let served = Served::within(&world, limits);
    // More than all workers take together, the system's queue included.
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
    // The oldest has gone for it.
    assert!(ends(&mut held[0], |_| {}));
}

#[test]
fn requests_that_do_not_end_hold_no_more_than_they_may() {
    const LARGE: usize = 40_000;
    let world = World::new();
    let limits = Limits {
        bytes: 4 * LARGE,
        ..NONE
    };
    let served = Served::within(&world, limits);
    let mut head = b"GET /healthz HTTP/1.1\r\nhost: x\r\nlong: ".to_vec();
    head.resize(head.len() + LARGE, b'x');
    // Of all workers together, so that each has too many.
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
fn what_is_answered_is_not_held_any_more() {
    let world = World::new();
    let probe = PROBE.len();
    let limits = Limits {
        bytes: 10 * probe,
        ..NONE
    };
    let served = Served::within(&world, limits);
    let mut streams: Vec<TcpStream> = (0..50).map(|_| served.connect()).collect();
    for _ in 0..20 {
        for stream in &mut streams {
            ask(stream, PROBE);
        }
    }
}

#[test]
fn the_real_limits_leave_a_request_the_time_that_it_is_promised() {
    assert!(LIMITS.request >= Duration::from_secs(10 + 30 + 10));
    assert!(LIMITS.idle > Duration::from_secs(75));
}
