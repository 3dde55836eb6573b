//! The tests of collectors that want a token, have no time, refuse spans, never answer, or are gone.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{TRACES, app, publish};
use crate::logs::Server;
use crate::metrics::wait_for;
use crate::receiver::Receiver;

#[test]
fn a_batch_is_sent_again_once_the_collector_has_time() {
    let collector = Receiver::start();
    collector.reply(TRACES, 503, "retry-after: 1\r\n");
    let mut app = app(&collector, &[]);
    publish(&app, &[]);
    collector.wait(TRACES, 1);
    collector.reply(TRACES, 200, "");
    let both = collector.wait(TRACES, 2);
    assert_eq!(both[0].body, both[1].body);
    app.stop();
    assert_eq!(collector.count(TRACES), 2, "and not a third time");
}

#[test]
fn a_batch_that_is_refused_is_not_sent_again_and_the_next_one_is() {
    let collector = Receiver::start();
    collector.reply(TRACES, 400, "");
    let app = app(&collector, &[]);
    publish(&app, &[]);
    collector.wait(TRACES, 1);
    collector.reply(TRACES, 200, "");
    publish(&app, &[]);
    let both = collector.wait(TRACES, 2);
    assert_ne!(both[0].body, both[1].body);
    wait_for(&app, "hookpost_spans_dropped_total", 2.0);
    wait_for(&app, "hookpost_spans_exported_total", 2.0);
}

#[test]
fn a_collector_that_is_gone_or_never_answers_holds_nothing_up() {
    let (silent, receiver) = (Receiver::start(), Receiver::start());
    silent.hold(TRACES);
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let gone = format!("http://{}", gone.unwrap());
    for (n, (url, says)) in [
        (gone.as_str(), "spans cannot be sent to the collector"),
        (
            &silent.url(""),
            "spans were not sent to the collector before the end",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let server = Server::start(&["--otlp-endpoint", url]);
        server.endpoint(&receiver.url("/a"));
        server.publish(&json!(1), &[]);
        if n == 0 {
            server.wait_for(says);
        } else {
            silent.wait(TRACES, 1);
        }
        server.publish(&json!(2), &[]);
        receiver.wait("/a", 2 * n + 2);
        let began = Instant::now();
        let log = server.stop();
        assert!(began.elapsed() < Duration::from_secs(6), "{log}");
        let told = "spans were not sent to the collector before the end";
        assert_eq!(log.contains(told), says == told, "{log}");
        assert!(log.contains("\"stopped\""), "{log}");
    }
}

#[test]
fn headers_come_from_a_file_and_are_not_logged() {
    let collector = Receiver::start();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"# of the service\nauthorization: Bearer s3cret\n")
        .unwrap();
    let path = file.path().to_str().unwrap();
    let url = collector.url("/below/");
    let flags = ["--otlp-endpoint", &url, "--otlp-headers-file", path];
    let server = Server::start(&[&flags[..], &["--log-level", "trace"]].concat());
    server.publish(&json!(1), &[]);
    let request = collector.wait("/below/v1/traces", 1).pop().unwrap();
    assert_eq!(request.header("authorization"), "Bearer s3cret");
    let log = server.stop();
    assert!(log.contains("\"stopped\"") && !log.contains("s3cret"));
}

#[test]
fn a_start_says_what_is_wrong_with_the_settings() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"s3cret\n").unwrap();
    let path = file.path().to_str().unwrap();
    let url = "http://127.0.0.1:4318";
    for (flags, code, says) in [
        (
            &["--otlp-endpoint", url, "--otlp-headers-file", path][..],
            1,
            "line 1 is no header",
        ),
        (
            &["--otlp-endpoint", url, "--otlp-headers-file", "/no/such"],
            1,
            "cannot read /no/such (--otlp-headers-file)",
        ),
        (
            &["--otlp-endpoint", "http://127.0.0.1:4318/v1/traces"],
            2,
            "leave out /v1/traces",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let ended = Command::new(env!("CARGO_BIN_EXE_hookpost"))
            .args(["serve", "--listen", "127.0.0.1:0", "--database"])
            .arg(folder.path().join("h.db"))
            .args(flags)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(code), "{text}");
        assert!(text.contains(says) && !text.contains("s3cret"), "{text}");
        let made = folder.path().read_dir().unwrap().count();
        assert_eq!(made, 0, "nothing is changed");
    }
}
