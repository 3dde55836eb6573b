//! The tests of receivers' answers of every shape: valid but unusual, malformed, cut short, and those that
//! try to make the sender do something else.

use std::io::ErrorKind;
use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use serde_json::json;

use super::script::Scripted;
use super::{Case, OK, ONE_ATTEMPT, Says, answered, exactly, failed, run};
use crate::fixture::TestApp;

/// The default of `--request-timeout`: only an attempt that hangs would reach it.
const DEADLINE: Duration = Duration::from_secs(10);

const CLOSED: &str = "the receiver closed the connection before its answer was complete";
const CLOSED_AFTER_200: &str = "the receiver closed the connection before its answer was complete \
                                (status 200 had arrived)";

/// Fewer threads than cases: a case that took one with it would be missed.
fn app() -> TestApp {
    TestApp::with_flags(&[&ONE_ATTEMPT[..], &["--max-threads", "8"]].concat())
}

/// A whole answer with this body.
fn with_body(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn unusual_but_valid_answers_count() {
    let cases = [
        Case::answer("plain", OK, answered(200, exactly("ok"))),
        Case::answer(
            "empty",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            answered(200, Says::Nothing),
        ),
        Case::answer(
            "no-content",
            "HTTP/1.1 204 No Content\r\n\r\n",
            answered(204, Says::Nothing),
        ),
        Case::last_words(
            "no-length",
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            answered(200, exactly("until the end")),
        ),
        Case::last_words(
            "http-1-0",
            "HTTP/1.0 500 Oops\r\n\r\nold",
            answered(500, exactly("old")),
        ),
        Case::answer(
            "chunked",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\nt: u\r\n\r\n",
            answered(200, exactly("abc")),
        ),
        Case::answer(
            "interim",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
             HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok",
            answered(202, exactly("ok")),
        ),
        Case::answer(
            "switching",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
            answered(101, Says::Nothing),
        ),
        Case::answer(
            "same-lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
            answered(200, exactly("ok")),
        ),
        // RFC 9112, section 6.3: the length does not count.
        Case::answer(
            "length-and-chunked",
            "HTTP/1.1 200 OK\r\ncontent-length: 999\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            answered(200, exactly("ok")),
        ),
        Case::answer(
            "more-than-length",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more",
            answered(200, exactly("ok")),
        ),
        Case::answer(
            "status-of-three-digits",
            "HTTP/1.1 799 Own Idea\r\ncontent-length: 2\r\n\r\nok",
            answered(799, exactly("ok")),
        ),
        Case::new(
            "half-closed",
            Scripted::start(|talk| {
                talk.request();
                // No more will be read, and what is sent ends here: the answer still is one.
                talk.socket.shutdown(Shutdown::Read).unwrap();
                talk.send(OK);
                talk.socket.shutdown(Shutdown::Write).unwrap();
                talk.hang();
            }),
            answered(200, exactly("ok")),
        ),
    ];
    run(&app(), &cases, DEADLINE);
}

#[test]
fn bodies_are_kept_as_text_of_2048_characters() {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03abc\0";
    let filler = "a".repeat(2047);
    let cases = [
        Case::answer(
            "gzip",
            [
                &b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 14\r\n\r\n"[..],
                gzip,
            ]
            .concat(),
            answered(200, exactly(&String::from_utf8_lossy(gzip))),
        ),
        Case::answer(
            "invalid-utf-8",
            with_body(b"a\xff\xc3(b\xe2\x82"),
            answered(200, exactly("a\u{fffd}\u{fffd}(b\u{fffd}")),
        ),
        Case::answer(
            "nul",
            with_body(b"a\0b\0"),
            answered(200, exactly("a\0b\0")),
        ),
        Case::answer(
            "exactly-2048",
            with_body("a".repeat(2048).as_bytes()),
            answered(200, Says::Exactly("a".repeat(2048))),
        ),
        Case::answer(
            "over-2048",
            with_body("a".repeat(2049).as_bytes()),
            answered(200, Says::Exactly("a".repeat(2048))),
        ),
        // The 2,048th character is four bytes, 2,048 to 2,051: a cut by bytes would split it.
        Case::answer(
            "emoji-at-2048",
            with_body(format!("{filler}🦀🦀").as_bytes()),
            answered(200, Says::Exactly(format!("{filler}🦀"))),
        ),
        Case::answer(
            "only-emoji",
            with_body("🦀".repeat(2049).as_bytes()),
            answered(200, Says::Exactly("🦀".repeat(2048))),
        ),
        Case::answer(
            "spaces",
            with_body(b" \r\n"),
            answered(200, exactly(" \r\n")),
        ),
    ];
    run(&app(), &cases, DEADLINE);
}

#[test]
fn an_answer_that_is_not_http_is_a_protocol_error_with_its_reason() {
    let protocol = |text: &str| failed("protocol", exactly(text));
    let cases = [
        Case::last_words(
            "http-0-9",
            "<html>hello</html>\r\n",
            protocol("the answer is not valid HTTP: invalid HTTP version"),
        ),
        Case::last_words(
            "future",
            "HTTP/9.9 200 OK\r\n\r\n",
            protocol("the answer is not valid HTTP: invalid HTTP version"),
        ),
        Case::last_words(
            "status-of-letters",
            "HTTP/1.1 abc Nonsense\r\n\r\n",
            protocol("the answer is not valid HTTP: invalid response status"),
        ),
        Case::last_words(
            "status-of-four-digits",
            "HTTP/1.1 2000 OK\r\n\r\n",
            protocol("the answer is not valid HTTP: invalid response status"),
        ),
        Case::last_words(
            "status-below-100",
            "HTTP/1.1 007 Bond\r\n\r\n",
            protocol("the answer is not valid HTTP: invalid status code: 007"),
        ),
        Case::last_words(
            "length-without-colon",
            "HTTP/1.1 200 OK\r\ncontent-length 0\r\n\r\n",
            protocol("the answer is not valid HTTP: invalid header name"),
        ),
        Case::last_words(
            "nul-in-header",
            "HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n",
            protocol("the answer is not valid HTTP: invalid header value"),
        ),
        Case::last_words(
            "length-of-letters",
            "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            protocol("the answer is not valid HTTP: content-length header not a number"),
        ),
        Case::last_words(
            "negative-length",
            "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok",
            protocol("the answer is not valid HTTP: content-length header not a number"),
        ),
        Case::last_words(
            "different-lengths",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nokk",
            protocol("the answer has several Content-Length headers that differ"),
        ),
        Case::last_words(
            "bad-chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot a length\r\n",
            protocol(
                "the answer is not valid HTTP: chunk length cannot be read as a number (status 200 \
                 had arrived)",
            ),
        ),
        Case::last_words(
            "huge-chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nok",
            protocol(
                "the answer is not valid HTTP: chunk length cannot be read as a number (status 200 \
                 had arrived)",
            ),
        ),
        Case::last_words(
            "headers-with-100",
            "HTTP/1.1 100 Continue\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            protocol(
                "the receiver sent an interim answer (100 Continue) with headers, which is not \
                 supported",
            ),
        ),
    ];
    run(&app(), &cases, DEADLINE);
}

#[test]
fn answers_that_stop_short_are_told_from_whole_ones() {
    let protocol = |text: &str| failed("protocol", exactly(text));
    let cases = [
        Case::last_words("nothing", "", protocol(CLOSED)),
        Case::last_words("part-of-a-status", "HTTP/1.1 2", protocol(CLOSED)),
        Case::last_words(
            "part-of-a-head",
            "HTTP/1.1 200 OK\r\na: b\r\n",
            protocol(CLOSED),
        ),
        Case::last_words(
            "only-interim",
            "HTTP/1.1 100 Continue\r\n\r\n",
            protocol(CLOSED),
        ),
        Case::last_words(
            "short-body",
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc",
            protocol(CLOSED_AFTER_200),
        ),
        Case::last_words(
            "short-chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
            protocol(CLOSED_AFTER_200),
        ),
        Case::last_words(
            "no-last-chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
            protocol(CLOSED_AFTER_200),
        ),
        Case::new(
            "half-closed-unanswered",
            Scripted::start(|talk| {
                talk.request();
                talk.socket.shutdown(Shutdown::Write).unwrap();
                talk.hang();
            }),
            protocol(CLOSED),
        ),
    ];
    run(&app(), &cases, DEADLINE);
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let loopback = format!("http://{}/", elsewhere.local_addr().unwrap());
    // `HERE` stands for the receiver's own address.
    let redirect = |name, code: u16, location: &str, pointed: &str| {
        let receiver = Scripted::answering(format!(
            "HTTP/1.1 {code} X\r\nlocation: {location}\r\ncontent-length: 5\r\n\r\nmoved"
        ));
        let pointed = pointed.replace("HERE", &receiver.addr.to_string());
        let says = format!("redirects are not followed; {pointed}\n\nmoved");
        Case::new(name, receiver, answered(code, Says::Exactly(says)))
    };
    let to_loopback = format!("this one points to {loopback}");
    let cases = [
        redirect(
            "to-itself",
            307,
            "/hook",
            "this one points to http://HERE/hook",
        ),
        redirect("to-loopback", 302, &loopback, &to_loopback),
        redirect("to-loopback-for-ever", 308, &loopback, &to_loopback),
        redirect(
            "to-metadata",
            301,
            "http://169.254.169.254/latest/meta-data/",
            "this one points to http://169.254.169.254/latest/meta-data/",
        ),
        redirect(
            "with-secrets",
            302,
            "https://user:password@a.example/hook?token=t#part",
            "this one points to https://a.example/hook",
        ),
        redirect(
            "to-a-file",
            303,
            "file:///etc/passwd",
            "this one points to a file: URL",
        ),
        redirect(
            "to-nonsense",
            307,
            "http://[::",
            "the Location of this one is not a URL",
        ),
        Case::answer(
            "to-nowhere",
            "HTTP/1.1 302 X\r\ncontent-length: 0\r\n\r\n",
            answered(
                302,
                exactly("redirects are not followed; this one has no Location"),
            ),
        ),
        Case::answer(
            "not-modified",
            "HTTP/1.1 304 X\r\nlocation: /\r\n\r\n",
            answered(304, Says::Nothing),
        ),
    ];
    run(&app(), &cases, DEADLINE);
    let nobody = elsewhere.accept().expect_err("nobody came");
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
}

#[test]
fn cookies_do_not_come_back() {
    let app = app();
    let receiver = Scripted::answering(
        "HTTP/1.1 200 OK\r\nset-cookie: a=b; path=/\r\ncontent-length: 0\r\n\r\n",
    );
    app.endpoint(&format!("http://{}/hook", receiver.addr));
    for count in 1..=3 {
        app.publish("a", &json!(1));
        app.wait_for_events("succeeded", count);
    }
    let requests = receiver.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert!(
            request.headers.iter().all(|(name, _)| name != "cookie"),
            "{request:?}"
        );
    }
}
