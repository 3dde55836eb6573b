//! Bodies in chunks: many small ones are refused, and the connection ends.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::socket::Served;
use super::{TestApi, get};

const PATIENCE: Duration = Duration::from_secs(20);

/// Returns a publish of `bytes` bytes in chunks of this size.
fn publish(token: &str, bytes: usize, chunk_bytes: usize) -> Vec<u8> {
    let mut body = br#"{"type":"a","data":1}"#.to_vec();
    body.resize(bytes, b' ');
    let head = "POST /api/webhooks/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer";
    let mut request = format!("{head} {token}\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(chunk_bytes) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(&[chunk, b"\r\n"].concat());
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

/// Sends a request, and returns the beginning of the response that is there by the end of a JSON body.
fn ask(served: &Served, request: &[u8]) -> (TcpStream, String) {
    let mut stream = served.connect();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        let mut buffer = [0; 1000];
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&buffer[..read]);
    }
    (stream, String::from_utf8(answer).unwrap())
}

/// Waits until the server has closed a connection on which the client goes on sending chunks.
fn wait_for_end(mut stream: TcpStream) {
    let since = Instant::now();
    let soon = Some(Duration::from_millis(20));
    stream.set_read_timeout(soon).unwrap();
    while since.elapsed() < PATIENCE {
        if stream.write_all(b"1\r\nx\r\n").is_err() {
            return;
        }
        match stream.read(&mut [0; 100]) {
            Ok(0) => return,
            Ok(_) => panic!("a second response"),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
    panic!("the connection is still open");
}

#[test]
fn a_body_of_very_many_chunks_gets_413_and_is_not_kept() {
    let api = TestApi::new();
    let served = Served::start(&api);
    let (refused, answer) = ask(&served, &publish(&api.own, 30_000, 1));
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    let text = "send Content-Length, or chunks of at least 64 bytes";
    assert!(answer.contains(text), "{answer}");
    // A request that is refused before its body gets the response that it gets with any body.
    let (unknown, answer) = ask(&served, &publish("x", 30_000, 1));
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let events = api.one(get("/api/webhooks/events", &api.own));
    assert_eq!(events.json()["meta"]["total"], 0, "{}", events.json());
    wait_for_end(refused);
    wait_for_end(unknown);
}

#[test]
fn many_chunks_and_large_bodies_in_chunks_are_accepted() {
    let api = TestApi::new();
    let served = Served::start(&api);
    let largest = usize::try_from(api.state.settings.max_body_bytes).unwrap();
    for (bytes, chunk_bytes) in [(1000, 1), (largest, 64), (largest, 10_000)] {
        let (_, answer) = ask(&served, &publish(&api.own, bytes, chunk_bytes));
        assert!(answer.starts_with("HTTP/1.1 202 "), "{bytes}: {answer}");
    }
}
