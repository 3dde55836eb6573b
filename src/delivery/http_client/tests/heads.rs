//! Tests of answers whose heads are not regular.

use super::*;

/// The end of a head with a certain framing, and a body.
const CERTAIN: &str = "content-length: 2\r\n\r\nok";
const CHUNKED: &str = "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

/// A receiver that answers every request with `head` and one of these ends, whole or in single bytes.
fn receiver(lines: &str, end: &str, is_whole: bool) -> Receiver {
    let answer = format!("HTTP/1.1 200 OK\r\n{lines}{end}");
    Receiver::start(move |conversation| {
        let stream = conversation.stream.get_ref();
        stream.set_nodelay(true).expect("an open connection");
        while conversation.request().is_some() {
            if is_whole {
                conversation.send(&answer);
            } else {
                answer.bytes().all(|byte| conversation.send([byte]));
            }
        }
    })
}

#[test]
fn an_answer_with_odd_headers_counts_and_its_connection_serves_again() {
    for lines in [
        // This is how nginx 1.22 sends a header that is configured on several lines.
        "content-security-policy: default-src 'self';\n     img-src *;\n     script-src 'none'\r\n",
        "x: a\r\n b\r\n\tc\r\n",
        "no colon\r\n",
        "x : y\r\n",
        "x: \u{1}\r\n",
        " indented: x\r\n",
        "é: x\r\n",
    ] {
        for end in [CERTAIN, CHUNKED] {
            for is_whole in [true, false] {
                let receiver = receiver(lines, end, is_whole);
                let client = open_client();
                for _ in 0..2 {
                    let response = post(&client, &receiver.url()).expect("an answer");
                    assert_eq!((response.code, &*response.body), (200, "ok"), "{lines:?}");
                    assert_eq!(receiver.request().connection, 0, "{lines:?}");
                }
            }
        }
    }
}

#[test]
fn an_odd_header_after_a_status_without_words_is_dropped() {
    for status in ["HTTP/1.1 200\r\n", "HTTP/1.1 200 \r\n", "HTTP/1.1 200\n"] {
        let receiver = Receiver::start(move |conversation| {
            conversation.request();
            conversation.send(format!("{status}no colon\r\n{CERTAIN}"));
        });
        let response = post(&open_client(), &receiver.url()).expect("an answer");
        assert_eq!((response.code, &*response.body), (200, "ok"), "{status:?}");
    }
}

#[test]
fn headers_beside_odd_ones_are_read() {
    let receiver = Receiver::answering(
        "HTTP/1.1 503 Busy\r\nno colon\r\nx: a\r\n b\r\nRetry-After: 7\r\nno colon\r\ncontent-length: 0\r\n\r\n",
    );
    let response = post(&open_client(), &receiver.url()).expect("an answer");
    assert_eq!(response.retry_after.as_deref(), Some("7"));
}

#[test]
fn an_answer_whose_framing_is_doubtful_is_refused() {
    for lines in [
        "content-length: 2\r\n 0\r\n",
        "content-length:\r\n 2\r\n",
        "transfer-encoding : chunked\r\n",
        "transfer-encoding:\r\n chunked\r\n",
        "content-length 2\r\n",
        "\u{1}content-length: 2\r\n",
        " content-length: 2\r\n",
        "x: a\r\n content-length: 2\r\n",
        "connection: a,\r\n close\r\n",
        "x: a\rcontent-length: 2\r\n",
        "x\r: a\r\n",
        "x: a\0\r\n",
        "no colon \0\r\n",
    ] {
        for end in [CERTAIN, CHUNKED] {
            for is_whole in [true, false] {
                let receiver = receiver(lines, end, is_whole);
                let failure = failure(&open_client(), &receiver.url());
                assert_eq!(
                    failure.kind,
                    AttemptFailure::Protocol,
                    "{lines:?} {failure:?}"
                );
                let words = "the answer is not valid HTTP: invalid header ";
                assert!(failure.message.starts_with(words), "{failure:?}");
            }
        }
    }
}

#[test]
fn a_status_line_that_is_not_http_fails_at_once() {
    for start in ["<html>", "HTTP/1.1 2x", "HTTP/1.1 200 OK\u{1}"] {
        let receiver = Receiver::start(move |conversation| {
            conversation.request();
            conversation.send(start);
            conversation.hang();
        });
        let failure = failure(&open_client(), &receiver.url());
        assert_eq!(failure.kind, AttemptFailure::Protocol, "{start:?}");
    }
}
