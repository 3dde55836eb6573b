//! The tests of connections that are kept for the next request, and that receivers close in between. The
//! sender repeats a request by itself only if the receiver cannot have processed any of it; else the
//! attempt has failed.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::script::{Scripted, Talk};
use super::tls::Authority;
use super::{OK, ONE_ATTEMPT};
use crate::fixture::TestApp;

/// The behaviour of a receiver on a connection after its first answer.
type Script = fn(&mut Talk);

/// Publishes, and waits for the one delivery.
fn deliver(app: &TestApp, kind: &str) -> Value {
    let message = app.publish(kind, &json!(1));
    let event = message["events"][0]["id"].as_str().unwrap();
    let path = format!("/api/webhooks/deliveries?event_id={event}");
    let list = app.wait_for(&path, |list| list["meta"]["total"] != 0);
    assert_eq!(list["meta"]["total"], 1, "{list}");
    list["data"][0].clone()
}

/// Starts a receiver that misbehaves on its first connection after an answer; later connections only answer.
fn after_an_answer(misbehave: impl Fn(&mut Talk) + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |talk| {
        while talk.request().is_some() {
            talk.send(OK);
            if talk.connection == 0 {
                return misbehave(talk);
            }
        }
    })
}

#[test]
fn connections_closed_between_two_requests_are_replaced_unnoticed() {
    let authority = Authority::new();
    let unasked = "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n";
    let cases = [
        ("closes", after_an_answer(|_| {})),
        ("resets", after_an_answer(Talk::reset_at_the_end)),
        (
            "half-closes",
            after_an_answer(|talk| {
                talk.socket.shutdown(std::net::Shutdown::Write).unwrap();
                talk.tell();
                talk.hang();
            }),
        ),
        // As servers do that take an idle connection for a slow request.
        (
            "answers-unasked-and-closes",
            after_an_answer(move |talk| {
                talk.send(unasked);
            }),
        ),
        (
            "answers-unasked-and-stays",
            after_an_answer(move |talk| {
                talk.send(unasked);
                talk.tell();
                talk.hang();
            }),
        ),
        (
            "says-goodbye",
            Scripted::tls(authority.config(&Authority::leaf()), |talk| {
                while talk.request().is_some() {
                    talk.send(OK);
                    if talk.connection == 0 {
                        talk.say_goodbye();
                        talk.tell();
                        return talk.hang();
                    }
                }
            }),
        ),
    ];
    let file = authority.file();
    let trusted = ["--ca-file", file.path().to_str().unwrap()];
    let app = TestApp::with_flags(&[&ONE_ATTEMPT[..], &trusted].concat());
    for (name, receiver) in cases {
        let scheme = if name == "says-goodbye" {
            "https"
        } else {
            "http"
        };
        app.endpoint_for(
            &format!("{scheme}://{}/hook", receiver.addr),
            "raw",
            &[name],
        );
        for count in 1..=3 {
            let delivery = deliver(&app, name);
            assert_eq!(delivery["succeeded"], true, "{name}: {delivery}");
            assert_eq!(receiver.requests().len(), count, "{name}");
            receiver.wait_for_told(1);
        }
        assert_eq!(receiver.connections(), 2, "{name}: the second one is kept");
    }
}

#[test]
fn a_request_that_the_receiver_may_have_seen_is_a_failed_attempt() {
    let closed = "the receiver closed the connection before its answer was complete";
    let reset = "the receiver reset the connection before its answer was complete";
    let cases: [(&str, usize, &str, Script); 4] = [
        ("closes-when-asked", 2, closed, |talk| {
            talk.request();
        }),
        ("resets-when-asked", 2, reset, |talk| {
            talk.request();
            talk.reset_at_the_end();
        }),
        // Whoever has the first byte of a request may have acted on it.
        ("resets-at-the-first-byte", 1, reset, |talk| {
            talk.read_some(1);
            talk.reset_at_the_end();
        }),
        ("answers-in-part", 2, closed, |talk| {
            talk.request();
            talk.send("HTTP/1.1 200 OK\r\n");
        }),
    ];
    let app = TestApp::with_flags(&ONE_ATTEMPT);
    for (name, requests, says, script) in cases {
        let receiver = after_an_answer(script);
        app.endpoint_for(&format!("http://{}/hook", receiver.addr), "raw", &[name]);
        assert_eq!(deliver(&app, name)["succeeded"], true);
        let delivery = deliver(&app, name);
        assert_eq!(delivery["succeeded"], false, "{name}: {delivery}");
        assert_eq!(delivery["error"], "protocol", "{name}: {delivery}");
        assert_eq!(delivery["response"], says, "{name}");
        assert_eq!(receiver.connections(), 1, "{name}: it came once");
        assert_eq!(receiver.requests().len(), requests, "{name}");
        // And the next one takes a new connection.
        assert_eq!(deliver(&app, name)["succeeded"], true, "{name}");
        assert_eq!(receiver.connections(), 2, "{name}");
    }
}

/// Connections are closed at about the moment at which they are used again, and now and then over a request
/// that was read, so that requests meet every stage of it. However it ends, nothing arrives more often
/// than there are attempts.
#[test]
fn nothing_arrives_twice_however_a_close_and_a_request_meet() {
    const EVENTS: usize = 300;
    let receiver = Scripted::start(|talk| {
        for turn in 0.. {
            // Never three in a row: the endpoint would rest.
            if talk.request().is_none() || (talk.connection + turn) % 5 == 4 {
                return;
            }
            talk.send(OK);
            // From none to some tenths of a millisecond.
            for _ in 0..(talk.connection % 16) * 1000 {
                std::hint::spin_loop();
            }
            if talk.connection.is_multiple_of(3) {
                talk.reset_at_the_end();
            }
            if talk.connection.is_multiple_of(2) {
                return;
            }
        }
    });
    let app = TestApp::with_flags(&ONE_ATTEMPT);
    app.endpoint(&format!("http://{}/hook", receiver.addr));
    // One after another: two events at once rarely share a connection.
    let succeeded = (0..EVENTS)
        .filter(|_| deliver(&app, "a")["succeeded"] == true)
        .count();
    let mut arrived: HashMap<String, usize> = HashMap::new();
    for request in receiver.requests() {
        let id = request.header("webhook-id").to_owned();
        *arrived.entry(id).or_default() += 1;
    }
    let twice: Vec<_> = arrived.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(succeeded <= arrived.len());
    assert!((EVENTS / 2..EVENTS).contains(&succeeded), "{succeeded}");
}
