//! The tests of receivers that reset the connection (RST) at any stage, and may have answered before.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use super::script::{Scripted, Talk, TlsTalk};
use super::tls::Authority;
use super::{Case, Expected, ONE_ATTEMPT, Says, answered, exactly, failed, failed_either, run};
use crate::fixture::TestApp;

const DEADLINE: Duration = Duration::from_secs(10);

const RESET: &str = "the receiver reset the connection before its answer was complete";
const CLOSED_AFTER_200: &str = "the receiver closed the connection before its answer was complete \
                                (status 200 had arrived)";

/// The receiver reads the request, sends this, and resets.
fn resetting(name: &'static str, words: &'static str, expected: Expected) -> Case {
    let receiver = Scripted::start(move |talk| {
        talk.request();
        talk.send(words);
        talk.reset_at_the_end();
    });
    Case::new(name, receiver, expected)
}

/// A request so large that the receiver does not read it whole.
fn large(case: Case) -> Case {
    Case {
        data: json!("x".repeat(4_000_000)),
        ..case.unasked()
    }
}

#[test]
fn a_reset_is_a_failure_at_every_stage_before_the_answer_is_complete() {
    let protocol = |text: &str| failed("protocol", exactly(text));
    let cases = [
        Case::new(
            "after-accept",
            Scripted::start(Talk::reset_at_the_end),
            // The reset may come before the sender's kernel has told of the connection.
            failed_either(["connect", "protocol"], Says::With("connection")),
        )
        .unasked(),
        Case::new(
            "unread",
            Scripted::start(|talk| {
                // The request is there, but is not taken.
                talk.socket.peek(&mut [0]).unwrap();
                talk.reset_at_the_end();
            }),
            protocol(RESET),
        )
        .unasked(),
        large(Case::new(
            "in-the-request",
            Scripted::start(|talk| {
                talk.read_some(1000);
                talk.reset_at_the_end();
            }),
            failed(
                "protocol",
                Says::With("connection before its answer was complete"),
            ),
        )),
        resetting("after-the-request", "", protocol(RESET)),
        resetting(
            "in-the-head",
            "HTTP/1.1 200 OK\r\na: b\r\n",
            protocol(RESET),
        ),
        resetting(
            "after-the-head",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
            protocol(CLOSED_AFTER_200),
        ),
        resetting(
            "in-the-body",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab",
            protocol(CLOSED_AFTER_200),
        ),
        resetting(
            "in-a-chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
            protocol(CLOSED_AFTER_200),
        ),
        // Simple servers leave part of the request unread, so that the kernel resets at their close;
        // and they give no length. There is no way to tell their answers from broken ones.
        resetting(
            "in-a-body-without-length",
            "HTTP/1.0 200 OK\r\n\r\nab",
            answered(200, exactly("ab")),
        ),
        resetting(
            "after-a-whole-answer",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            answered(200, exactly("ok")),
        ),
    ];
    run(&app(), &cases, DEADLINE);
}

#[test]
fn a_port_without_a_listener_is_a_failed_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    drop(listener);
    let case = Case {
        url,
        ..Case::new(
            "nobody",
            Scripted::start(|_| {}),
            failed("connect", exactly("no connection: Connection refused")),
        )
    };
    run(&app(), &[case.unasked()], DEADLINE);
}

/// Servers and proxies refuse a body by its length alone, and close without reading it: the refusal is
/// what an operator has to know.
#[test]
fn an_answer_that_comes_before_the_request_is_read_counts() {
    let early = |name, words: &'static str, expected| {
        large(Case::new(
            name,
            Scripted::start(move |talk| {
                talk.read_some(1000);
                talk.send(words);
            }),
            expected,
        ))
    };
    let cases = [
        early(
            "too-large",
            "HTTP/1.1 413 Content Too Large\r\ncontent-length: 9\r\n\r\ntoo large",
            answered(413, exactly("too large")),
        ),
        early(
            "too-large-and-close",
            "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\n\r\ntoo large",
            answered(413, exactly("too large")),
        ),
        early(
            "moved",
            "HTTP/1.1 308 Permanent Redirect\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
            answered(
                308,
                Says::With("redirects are not followed; this one points to "),
            ),
        ),
        early(
            "half-an-answer",
            "HTTP/1.1 413 Content Too La",
            failed(
                "protocol",
                Says::With("connection before its answer was complete"),
            ),
        ),
    ];
    run(&app(), &cases, DEADLINE);
}

#[test]
fn an_early_answer_over_tls_counts_too() {
    let authority = Authority::new();
    let config = || authority.config(&Authority::leaf());
    let case = |name, words: &'static str, expected| {
        let script = move |talk: &mut TlsTalk| {
            talk.shake_hands();
            talk.read_some(1000);
            talk.send(words);
            talk.reset_at_the_end();
        };
        large(Case::new(name, Scripted::tls(config(), script), expected)).over_tls()
    };
    let cases = [
        case(
            "too-large",
            "HTTP/1.1 413 Content Too Large\r\ncontent-length: 9\r\n\r\ntoo large",
            answered(413, exactly("too large")),
        ),
        case(
            "half-an-answer",
            "HTTP/1.1 413 Content Too La",
            failed(
                "protocol",
                Says::With("connection before its answer was complete"),
            ),
        ),
        case(
            "no-answer",
            "",
            failed(
                "protocol",
                Says::With("connection before its answer was complete"),
            ),
        ),
    ];
    let trusted = authority.file();
    let trusted = ["--ca-file", trusted.path().to_str().unwrap()];
    run(&app_with(&trusted), &cases, DEADLINE);
}

fn app() -> TestApp {
    app_with(&[])
}

fn app_with(more: &[&str]) -> TestApp {
    let flags = ["--max-body-bytes", "4194304", "--max-threads", "8"];
    TestApp::with_flags(&[&ONE_ATTEMPT[..], &flags, more].concat())
}
