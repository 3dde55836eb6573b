//! The tests against clients without a token that fill the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::server::Server;
use super::wire::exchange;

/// The requests: half of them of each kind.
const REFUSED: u64 = 3000;

/// The most lines in a second.
const LINES: u64 = 100;

#[test]
fn refused_requests_make_few_lines_and_those_left_out_are_counted() {
    let pair = "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n\
                GET /api/webhooks/events HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_few_lines(pair, [401, 404]);
}

#[test]
fn requests_that_need_no_token_make_few_lines_too() {
    let preflight = "OPTIONS /api/webhooks/events HTTP/1.1\r\nhost: x\r\norigin: https://a.example\r\n\
                     access-control-request-method: POST\r\n\r\n";
    let pair = format!("GET / HTTP/1.1\r\nhost: x\r\n\r\n{preflight}");
    assert_few_lines(&pair, [200, 200]);
}

/// Sends two requests again and again, which have one of these answers.
#[track_caller]
fn assert_few_lines(pair: &str, statuses: [u16; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--cors-origin", "*"];
    let server = Server::start(&directory.path().join("test.db"), "info", &flags);
    let started = Instant::now();
    let pairs = usize::try_from(REFUSED / 2).unwrap();
    let replies = exchange(server.addr, pair.repeat(pairs).as_bytes()).unwrap();
    assert_eq!(replies.len(), 2 * pairs);
    assert!(replies.iter().all(|reply| statuses.contains(&reply.status)));
    let is_counted = AtomicBool::new(false);
    let (mut written, mut left_out) = (0, 0);
    std::thread::scope(|scope| {
        // The line with the number comes with a later request, of any kind.
        scope.spawn(|| {
            while !is_counted.load(Ordering::Relaxed) {
                exchange(server.addr, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            }
        });
        while written + left_out < REFUSED {
            let line = server.next_line();
            left_out += line["left_out"].as_u64().unwrap_or(0);
            written += u64::from(line["message"] == "request");
        }
        is_counted.store(true, Ordering::Relaxed);
    });
    assert_eq!(written + left_out, REFUSED);
    assert!(written >= LINES);
    // Each second begins with its first line.
    let seconds = started.elapsed().as_secs() + 1;
    assert!(written <= LINES * seconds, "{written} lines in {seconds} s");
}
