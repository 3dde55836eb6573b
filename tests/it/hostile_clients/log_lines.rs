//! The test against clients that fill the log with refused requests.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::server::Server;
use super::wire::exchange;

/// The refused requests: half of them to an unknown path, the others without a token.
const REFUSED: u64 = 3000;

/// The most lines in a second.
const LINES: u64 = 100;

#[test]
fn refused_requests_make_few_lines_and_those_left_out_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("test.db"), "info", &[]);
    let started = Instant::now();
    let pair = "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n\
                GET /api/webhooks/events HTTP/1.1\r\nhost: x\r\n\r\n";
    let pairs = usize::try_from(REFUSED / 2).unwrap();
    let replies = exchange(server.addr, pair.repeat(pairs).as_bytes()).unwrap();
    assert_eq!(replies.len(), 2 * pairs);
    assert!(
        replies
            .iter()
            .all(|reply| reply.status == 401 || reply.status == 404)
    );
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
