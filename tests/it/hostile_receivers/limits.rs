//! The tests of answers that are too large in any direction: the sender reads a bounded part of them.

use std::time::Duration;

use super::script::Scripted;
use super::{Case, Expected, ONE_ATTEMPT, Says, answered, exactly, failed, run};
use crate::fixture::TestApp;

/// The default of `--request-timeout`: only an attempt that hangs would reach it.
const DEADLINE: Duration = Duration::from_secs(10);
/// 64 KiB of a body and 16 KiB of a head are read. The rest is what kernels on both sides may hold,
/// which they decide on as they go.
const TAKEN: u64 = 1 << 20;
const MEGABYTE: usize = 1 << 20;

/// The receiver sends a start, and then the same bytes again and again until it is cut off or has sent
/// them `total` bytes long.
fn pouring(
    name: &'static str,
    start: &'static str,
    again: impl Into<Vec<u8>>,
    total: usize,
    expected: Expected,
) -> Case {
    let again = again.into();
    let receiver = Scripted::start(move |talk| {
        talk.request();
        talk.send(start);
        talk.pour(&again, total);
    });
    Case {
        sends_at_most: Some(TAKEN),
        ..Case::new(name, receiver, expected)
    }
}

#[test]
fn an_answer_beyond_the_limits_is_read_up_to_the_limit() {
    let beginning = || Says::Exactly("x".repeat(2048));
    let protocol = |text: &str| failed("protocol", exactly(text));
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let cases = [
        pouring(
            "body-of-100-mb",
            "HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n",
            "x".repeat(64 * 1024),
            100 * MEGABYTE,
            answered(200, beginning()),
        ),
        pouring(
            "endless-by-length",
            "HTTP/1.1 500 Oops\r\ncontent-length: 18446744073709551615\r\n\r\n",
            "x".repeat(4096),
            usize::MAX,
            answered(500, beginning()),
        ),
        pouring(
            "endless-by-chunks",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            chunk,
            usize::MAX,
            answered(200, beginning()),
        ),
        pouring(
            "endless-by-tiny-chunks",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "1;extension=0000\r\nx\r\n".repeat(100),
            usize::MAX,
            answered(200, beginning()),
        ),
        pouring(
            "endless-without-length",
            "HTTP/1.1 200 OK\r\n\r\n",
            "x".repeat(4096),
            usize::MAX,
            answered(200, beginning()),
        ),
        pouring(
            "endless-trailers",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
            "a: b\r\n".repeat(500),
            usize::MAX,
            answered(200, exactly("ok")),
        ),
        pouring(
            "headers-of-4-mb",
            "HTTP/1.1 200 OK\r\n",
            format!("a: {}\r\n", "x".repeat(1024)),
            4 * MEGABYTE,
            protocol("the headers of the answer are too large"),
        ),
        pouring(
            "one-header-of-4-mb",
            "HTTP/1.1 200 OK\r\na: ",
            "x".repeat(4096),
            4 * MEGABYTE,
            protocol("the headers of the answer are too large"),
        ),
        pouring(
            "50000-headers",
            "HTTP/1.1 200 OK\r\n",
            "a: b\r\n",
            50_000 * 6,
            protocol("the answer has too many headers (at most 128 are read)"),
        ),
        pouring(
            "chunk-length-without-end",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2",
            ";x=y".repeat(1024),
            usize::MAX,
            protocol("the headers of the answer are too large (status 200 had arrived)"),
        ),
        pouring(
            "one-line-without-end",
            "",
            "HTTP/1.1 200 ".to_owned() + &"x".repeat(4096),
            usize::MAX,
            protocol("the headers of the answer are too large"),
        ),
        pouring(
            "flood-of-100",
            "",
            "HTTP/1.1 100 Continue\r\n\r\n".repeat(50),
            usize::MAX,
            protocol("the receiver sent interim answers (1xx) without end, and no final one"),
        ),
        pouring(
            "flood-of-103",
            "",
            "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n".repeat(50),
            usize::MAX,
            protocol("the receiver sent interim answers (1xx) without end, and no final one"),
        ),
    ];
    let app = TestApp::with_flags(&[&ONE_ATTEMPT[..], &["--max-threads", "8"]].concat());
    run(&app, &cases, DEADLINE);
}

/// Up to the limits all is as with a small answer.
#[test]
fn an_answer_just_within_the_limits_is_read() {
    let beginning = || Says::Exactly("x".repeat(2048));
    let headers = |count: usize| {
        let lines = "h: x\r\n".repeat(count);
        format!("HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n")
    };
    let head_of = |bytes: usize| {
        let rest = "HTTP/1.1 200 OK\r\na: \r\ncontent-length: 0\r\n\r\n".len();
        let filler = "x".repeat(bytes - rest);
        format!("HTTP/1.1 200 OK\r\na: {filler}\r\ncontent-length: 0\r\n\r\n")
    };
    let body = "x".repeat(64 * 1024);
    let cases = [
        Case::answer(
            "body-of-64-kib",
            format!("HTTP/1.1 200 OK\r\ncontent-length: 65536\r\n\r\n{body}"),
            answered(200, beginning()),
        ),
        Case::answer("128-headers", headers(127), answered(200, Says::Nothing)),
        Case::last_words(
            "129-headers",
            headers(128).leak(),
            failed("protocol", Says::With("too many headers")),
        ),
        Case::answer(
            "head-of-16-kib",
            head_of(16 * 1024),
            answered(200, Says::Nothing),
        ),
        Case::last_words(
            "head-over-16-kib",
            head_of(16 * 1024 + 1).leak(),
            failed(
                "protocol",
                exactly("the headers of the answer are too large"),
            ),
        ),
        // A receiver may say for a while that it is working on it.
        Case::answer(
            "many-interim",
            "HTTP/1.1 102 Processing\r\n\r\n".repeat(2000)
                + "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            answered(200, Says::Nothing),
        ),
    ];
    let app = TestApp::with_flags(&ONE_ATTEMPT);
    run(&app, &cases, DEADLINE);
}
