//! Tests of answers: those that count, and those that are failures.

use super::*;
use crate::domain::endpoint_url::MAX_URL_BYTES;

#[test]
fn the_request_as_sent() {
    let receiver = Receiver::answering(OK);
    let url = format!("http://{}/a%20b?q=1#part", receiver.address);
    let headers = [("webhook-id", "1"), ("webhook-signature", "v1,x v1,y")];
    let attempt = open_client().post(&request(&url, &headers, br#"{"type":"a"}"#));
    assert_eq!(attempt.result.map(|response| response.code), Ok(200));
    let request = receiver.request();
    let mut lines: Vec<&str> = request.head.lines().collect();
    assert_eq!(lines.remove(0), "POST /a%20b?q=1 HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "accept: */*",
            "content-length: 12",
            "content-type: application/json",
            &format!("host: {}", receiver.address),
            concat!("user-agent: Hookpost/", env!("CARGO_PKG_VERSION")),
            "webhook-id: 1",
            "webhook-signature: v1,x v1,y",
        ]
    );
    assert_eq!(request.body, r#"{"type":"a"}"#);
}

#[test]
fn a_request_target_has_no_character_that_rfc_3986_forbids() {
    let receiver = Receiver::answering(OK);
    for (sent, target) in [
        ("/a|b[c]^d", "/a%7Cb%5Bc%5D%5Ed"),
        (r"/?{q}=|^`\x", "/?%7Bq%7D=%7C%5E%60%5Cx"),
        ("/%2F%7C%zz%2f+?a%20b=%7b", "/%2F%7C%zz%2f+?a%20b=%7b"),
        ("/a?b#{c}", "/a?b"),
        ("?{", "/?%7B"),
    ] {
        let url = format!("http://{}{sent}", receiver.address);
        let answer = post(&open_client(), &url);
        assert_eq!(answer.map(|response| response.code), Ok(200), "{url}");
        let head = receiver.request().head;
        let line = head.lines().next().expect("a request line");
        assert_eq!(line, format!("POST {target} HTTP/1.1"), "{url}");
    }
}

#[test]
fn the_longest_url_can_be_requested_also_if_all_of_it_is_encoded() {
    let receiver = Receiver::answering(OK);
    let url = format!("http://{}/{}", receiver.address, "|".repeat(MAX_URL_BYTES));
    assert!(post(&open_client(), &url).is_ok());
    let encoded = "%7C".repeat(MAX_URL_BYTES);
    assert!(
        receiver
            .request()
            .head
            .starts_with(&format!("POST /{encoded} "))
    );
}

#[test]
fn a_body_of_many_buffers_arrives_whole() {
    let receiver = Receiver::answering(OK);
    let body = "x".repeat(256 * 1024);
    let attempt = open_client().post(&request(&receiver.url(), &[], body.as_bytes()));
    assert!(attempt.result.is_ok());
    assert_eq!(receiver.request().body, body);
}

/// Body sizes around the one up to which head and body are sent together.
#[test]
fn bodies_of_all_sizes_arrive_whole() {
    let receiver = Receiver::answering(OK);
    let client = open_client();
    for size in (3700..4300)
        .step_by(7)
        .chain([0, 1, 16_000, 16_384, 20_000])
    {
        let body: String = ('a'..='z').cycle().take(size).collect();
        let attempt = client.post(&request(&receiver.url(), &[], body.as_bytes()));
        assert!(attempt.result.is_ok(), "{size}");
        assert_eq!(receiver.request().body, body);
    }
}

#[test]
fn a_small_request_arrives_at_once() {
    let receiver = Receiver::start(|conversation| {
        let mut whole = [0; 4096];
        let stream = conversation.stream.get_mut();
        let length = stream.read(&mut whole).expect("a request");
        let complete = whole[..length].ends_with(b"\r\n\r\n{}");
        let answer = if complete { 200 } else { 500 };
        conversation.send(format!("HTTP/1.1 {answer} X\r\ncontent-length: 0\r\n\r\n"));
    });
    assert_eq!(
        post(&open_client(), &receiver.url()).map(|r| r.code),
        Ok(200)
    );
}

#[test]
fn any_status_is_an_answer() {
    for (answer, code, body) in [
        (OK, 200, "ok"),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        (
            "HTTP/1.1 410 Gone\r\ncontent-length: 4\r\n\r\ngone",
            410,
            "gone",
        ),
        (
            "HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops",
            500,
            "oops",
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
            202,
            "",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n",
            200,
            "abc",
        ),
    ] {
        let receiver = Receiver::answering(answer);
        let response = post(&open_client(), &receiver.url()).expect("an answer");
        assert_eq!((response.code, response.body.as_str()), (code, body));
        assert_eq!(response.retry_after, None);
    }
}

#[test]
fn a_body_without_length_ends_with_the_connection() {
    let receiver = Receiver::start(|conversation| {
        conversation.request();
        conversation.send("HTTP/1.0 200 OK\r\n\r\nuntil the end");
    });
    let response = post(&open_client(), &receiver.url()).expect("an answer");
    assert_eq!(response.body, "until the end");
}

#[test]
fn redirects_are_answers() {
    for (status, location) in [
        ("302 Found", Some("http://127.0.0.1:PORT/")),
        ("302 Found", None),
        ("307 Temporary Redirect", Some("::::")),
        ("308 Permanent Redirect", Some("/other")),
        ("308 Permanent Redirect", Some("/\u{e4}")),
    ] {
        let target = Untouched::new();
        let location = location.map(|it| it.replace("PORT", &target.port().to_string()));
        let header =
            (location.as_deref()).map_or(String::new(), |it| format!("location: {it}\r\n"));
        let answer = format!("HTTP/1.1 {status}\r\n{header}content-length: 5\r\n\r\nmoved");
        let receiver = Receiver::start(move |conversation| {
            while conversation.request().is_some() {
                conversation.send(&answer);
            }
        });
        let response = post(&open_client(), &receiver.url()).expect("an answer");
        assert_eq!(response.code / 100, 3);
        assert_eq!(response.body, "moved");
        assert_eq!(response.location, location);
        assert_eq!(receiver.waiting_requests(), 1);
        target.assert_untouched();
    }
}

#[test]
fn retry_after_is_passed_on() {
    let receiver = Receiver::answering(
        "HTTP/1.1 503 Busy\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\ncontent-length: 0\r\n\r\n",
    );
    let response = post(&open_client(), &receiver.url()).expect("an answer");
    assert_eq!(
        response.retry_after.as_deref(),
        Some("Wed, 21 Oct 2026 07:28:00 GMT")
    );
}

#[test]
fn bodies_are_not_decompressed() {
    let receiver = Receiver::answering(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
    );
    let response = post(&open_client(), &receiver.url()).expect("an answer");
    assert_eq!(response.body, "abc");
}

#[test]
fn nonsense_is_a_protocol_failure() {
    for nonsense in [
        "no HTTP at all\r\n\r\n",
        "HTTP/1.1 abc Nonsense\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnot a length\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length 2\r\n\r\n",
    ] {
        let receiver = Receiver::answering(nonsense);
        let failure = failure(&open_client(), &receiver.url());
        assert_eq!(
            failure.kind,
            AttemptFailure::Protocol,
            "{nonsense:?} {failure:?}"
        );
        assert!(!failure.is_final);
    }
}

#[test]
fn cut_off_answers_are_protocol_failures() {
    for start in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
    ] {
        let receiver = Receiver::start(move |conversation| {
            conversation.request();
            conversation.send(start);
        });
        let failure = failure(&open_client(), &receiver.url());
        assert_eq!(
            failure.kind,
            AttemptFailure::Protocol,
            "{start:?} {failure:?}"
        );
        assert_eq!(receiver.waiting_requests(), 1, "{start:?}");
    }
}

#[test]
fn a_head_without_end_is_a_protocol_failure() {
    let receiver = Receiver::start(|conversation| {
        conversation.request();
        conversation.send("HTTP/1.1 200 OK\r\n");
        while conversation.send(format!("x: {}\r\n", "y".repeat(500))) {}
    });
    let failure = failure(&open_client(), &receiver.url());
    assert_eq!(failure.kind, AttemptFailure::Protocol);
    assert_eq!(failure.message, "the headers of the answer are too large");
}

#[test]
fn long_bodies_are_read_in_part() {
    let whole = "a".repeat(200 * 1024);
    let receiver = Receiver::start(move |conversation| {
        while conversation.request().is_some() {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", whole.len());
            conversation.send(head);
            conversation.send(&whole);
        }
    });
    let client = open_client();
    for connection in 0..2 {
        let response = post(&client, &receiver.url()).expect("an answer");
        assert_eq!(response.body, "a".repeat(2048));
        // The connection is closed because the answer was not read to its end.
        assert_eq!(receiver.request().connection, connection);
    }
}

#[test]
fn a_body_without_end_is_read_in_part() {
    let (sent, total) = channel();
    let receiver = Receiver::start(move |conversation| {
        conversation.request();
        conversation.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut chunks = 0;
        while conversation.send(format!("400\r\n{}\r\n", "b".repeat(1024))) {
            chunks += 1;
        }
        sent.send(chunks).expect("the test waits");
    });
    let response = post(&open_client(), &receiver.url()).expect("an answer");
    assert_eq!(response.body, "b".repeat(2048));
    // The buffers of two sockets hold more than was read, but not an endless answer.
    assert!(total.recv_timeout(PLENTY).expect("it ended") >= 64);
}

#[test]
fn text_is_cut_between_characters() {
    let filler = "a".repeat(2047);
    let of_2048 = format!("{filler}🦀");
    assert_eq!(text(of_2048.clone().into_bytes()), of_2048);
    assert_eq!(text(format!("{filler}🦀🦀").into_bytes()), of_2048);
    assert_eq!(text("🦀".repeat(3000).into_bytes()), "🦀".repeat(2048));
    assert_eq!(text(b"a\xffb".to_vec()), "a\u{fffd}b");
    assert_eq!(text(vec![0xff; 9000]), "\u{fffd}".repeat(2048));
    assert_eq!(text(Vec::new()), "");
}

#[test]
fn text_is_cut_between_characters_also_where_reading_stops() {
    // 8,192 bytes are kept, and the last of them is in the middle of a character.
    let body = format!("a{}", "🦀".repeat(3000));
    let receiver = Receiver::start(move |conversation| {
        conversation.request();
        conversation.send(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ));
        conversation.send(&body);
        conversation.hang();
    });
    let response = post(&open_client(), &receiver.url()).expect("an answer");
    assert_eq!(response.body, format!("a{}", "🦀".repeat(2047)));
}

#[test]
fn nothing_can_split_a_request() {
    let target = Untouched::new();
    let client = open_client();
    let url = format!("http://127.0.0.1:{}/", target.port());
    for value in ["a\r\nx: y", "a\ny", "a\0"] {
        let failure = client
            .post(&request(&url, &[("webhook-id", value)], b"{}"))
            .result
            .expect_err("refused");
        assert_eq!(failure.kind, AttemptFailure::Internal);
    }
    for tail in ["a b", "\r\nx: y", "a HTTP/1.1\r\nx: y\r\n\r\n", "\0"] {
        assert_eq!(
            failure(&client, &format!("{url}{tail}")).kind,
            AttemptFailure::Internal
        );
    }
    target.assert_untouched();
}
