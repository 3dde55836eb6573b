//! The tests of answers whose TLS connection ends properly, and of those that break off.

use super::*;

#[test]
fn answers_over_tls_without_a_proper_end_are_told_from_whole_ones() {
    let authority = Authority::new();
    let config = || authority.config(&Authority::leaf());
    let closed = "the receiver closed the connection before its answer was complete";
    let cases = [
        speaking(
            "no-answer",
            config(),
            failed("protocol", exactly(closed)),
            |talk| {
                talk.request();
                talk.say_goodbye();
            },
        ),
        speaking(
            "no-answer-no-goodbye",
            config(),
            failed("protocol", exactly(closed)),
            |talk| {
                talk.request();
            },
        ),
        speaking(
            "short",
            config(),
            failed(
                "protocol",
                exactly(&format!("{closed} (status 200 had arrived)")),
            ),
            |talk| {
                talk.request();
                talk.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc");
                talk.say_goodbye();
            },
        ),
        speaking(
            "until-the-end",
            config(),
            answered(200, exactly("abc")),
            |talk| {
                talk.request();
                talk.send("HTTP/1.1 200 OK\r\n\r\nabc");
                talk.say_goodbye();
            },
        ),
        Case {
            sends_at_most: Some(1 << 20),
            ..speaking(
                "endless",
                config(),
                answered(200, Says::Exactly("x".repeat(2048))),
                |talk| {
                    talk.request();
                    talk.send("HTTP/1.1 200 OK\r\n\r\n");
                    talk.pour("x".repeat(4096).as_bytes(), usize::MAX);
                },
            )
        },
        Case {
            sends_at_most: Some(1 << 20),
            ..speaking(
                "flood",
                config(),
                failed(
                    "protocol",
                    exactly(
                        "the receiver sent interim answers (1xx) without end, and no final one",
                    ),
                ),
                |talk| {
                    talk.request();
                    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(100);
                    talk.pour(interim.as_bytes(), usize::MAX);
                },
            )
        },
    ];
    let trusted = authority.file();
    let trusted = trusted.path().to_str().unwrap();
    let app = TestApp::with_flags(&[&ONE_ATTEMPT[..], &["--ca-file", trusted]].concat());
    run(&app, &cases, DEADLINE);
}
