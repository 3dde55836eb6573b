//! The tests of answers with odd lines in their heads: they count if it is certain where they end.

use std::time::Duration;

use super::script::Scripted;
use super::{Case, ONE_ATTEMPT, Says, answered, exactly, failed, run};
use crate::fixture::TestApp;

/// The default of `--request-timeout`: only an attempt that hangs would reach it.
const DEADLINE: Duration = Duration::from_secs(10);

/// A case in which these lines are in the head of a 200, whose body has a length.
fn with_lines(name: &'static str, lines: &str, is_certain: bool) -> Case {
    let answer = format!("HTTP/1.1 200 OK\r\n{lines}content-length: 2\r\n\r\nok");
    let expected = if is_certain {
        answered(200, exactly("ok"))
    } else {
        let why = Says::With("the answer is not valid HTTP: invalid header");
        failed("protocol", why)
    };
    Case::new(name, Scripted::answering(answer), expected)
}

#[test]
fn an_answer_with_odd_lines_counts_if_its_end_is_certain() {
    let certain = |name, lines| with_lines(name, lines, true);
    let doubtful = |name, lines| with_lines(name, lines, false);
    let cases = [
        certain(
            "policy-of-nginx",
            "Content-Security-Policy: default-src 'self';\n     img-src *;\n     script-src 'none'\r\n",
        ),
        certain("folded", "a: b\r\n c\r\n\td\r\n"),
        certain("folded-to-nothing", "a:\r\n \r\nb: c\r\n"),
        certain("no-colon", "no colon here\r\n"),
        certain("space-before-colon", "a : b\r\n"),
        certain("no-name", ": b\r\n"),
        certain("bad-byte-in-name", "\u{e4}: b\r\n"),
        certain("bad-byte-in-value", "a: b\u{1}c\u{7f}\r\n"),
        certain("indented", " a: b\r\n"),
        Case::answer(
            "odd-interim",
            "HTTP/1.1 103 X\r\na: b\r\n c\r\nno colon\r\n\r\n\
             HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 2\r\n\r\nok",
            answered(200, exactly("ok")),
        ),
        doubtful("folded-length", "content-length:\r\n 2\r\n"),
        doubtful("length-goes-on", "content-length: 2\r\n 0\r\n"),
        doubtful("length-in-a-fold", "a: b\r\n content-length: 3\r\n"),
        doubtful("indented-length", " content-length: 3\r\n"),
        doubtful("length-without-colon", "content-length 3\r\n"),
        doubtful("space-after-encoding", "transfer-encoding : chunked\r\n"),
        doubtful("folded-encoding", "transfer-encoding:\r\n chunked\r\n"),
        doubtful("bad-byte-before-length", "\u{1}content-length: 3\r\n"),
        doubtful("bare-cr", "a: b\rcontent-length: 3\r\n"),
        doubtful("nul", "a: b\0\r\n"),
        doubtful("nul-without-colon", "a b\0\r\n"),
    ];
    let app = TestApp::with_flags(&ONE_ATTEMPT);
    run(&app, &cases, DEADLINE);
}

#[test]
fn without_a_length_an_odd_answer_ends_with_its_connection() {
    let cases = [
        Case::last_words(
            "folded",
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\nok",
            answered(200, exactly("ok")),
        ),
        Case::last_words(
            "no-colon",
            "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
            answered(200, Says::Nothing),
        ),
        Case::last_words(
            "ends-in-a-fold",
            "HTTP/1.1 200 OK\r\na: b\r\n c\r\n",
            failed(
                "protocol",
                exactly("the receiver closed the connection before its answer was complete"),
            ),
        ),
    ];
    let app = TestApp::with_flags(&ONE_ATTEMPT);
    run(&app, &cases, DEADLINE);
}
