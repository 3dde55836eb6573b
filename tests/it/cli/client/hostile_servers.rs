//! The tests of servers that mean harm: long, endless and garbled answers, and secrets in the wrong place.

use std::time::{Duration, Instant};

use super::transport::{PUBLISHED, answer, answering, listener, run};
use super::*;

const ID: &str = "01a21f03-3343-4c6f-bbb0-afcc931f11f4";

#[test]
fn a_time_to_wait_without_end_is_an_error_at_once() {
    let busy = answer(
        "503 X",
        &format!("retry-after: {}\r\n", u64::MAX),
        r#"{"error":"Unavailable","detail":"x"}"#,
    );
    let (url, _) = answering(vec![busy]);
    let line = one_line(&run(folder().path(), &url, &["events"]), 1);
    assert!(line.contains("x (503 Unavailable)"), "{line}");
}

#[test]
fn an_answer_of_very_many_values_is_refused() {
    let body = format!(r#"{{"x":[{}0]}}"#, "0,".repeat(1 << 20));
    let (url, _) = answering(vec![answer("200 X", "", &body)]);
    let line = one_line(&run(folder().path(), &url, &["event", ID, "--json"]), 1);
    assert!(line.contains("a longer answer than any"), "{line}");
}

#[test]
fn a_list_that_repeats_its_page_ends() {
    let total = u64::MAX;
    let event = format!(
        r#"{{"data":[{{"id":"{ID}","created_at":"2026-01-31T12:00:00.000000Z"}}],"meta":{{"total":{total}}}}}"#
    );
    for args in [
        &["events", "--all", "--json"][..],
        &["endpoint", "list", "--json"],
    ] {
        let (url, _) = answering(vec![answer("200 X", "", &event); 2]);
        let output = run(folder().path(), &url, args);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr(&output).contains("the same rows"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn no_text_of_a_server_reaches_the_terminal_raw() {
    let evil = "\u{1b}[2J\u{9b}31m\u{202e}";
    let none = PUBLISHED.replace(r#""type":"a""#, r#""type":"a\u001b\u009b\u202e""#);
    let event = format!(r#"{{"id":"{ID}","webhook_endpoint_id":"{ID}"}}"#);
    let many = json!({"id": evil, "type": "a", "events": []}).to_string();
    let many = many.replace("[]", &format!("[{}]", vec![event; 21].join(",")));
    let secret = json!({"secret": evil}).to_string();
    for (args, body) in [
        (&["publish", "a", "1"][..], &none),
        (&["publish", "a", "1"], &many),
        (&["publish", "a", "1", "--json"], &many),
        (&["endpoint", "rotate-secret", ID], &secret),
    ] {
        let (url, _) = answering(vec![answer("200 X", "", body)]);
        let output = run(folder().path(), &url, args);
        assert!(output.status.success(), "{}", stderr(&output));
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert!(!said.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{said:?}");
    }
    let (url, _) = answering(vec![answer("503 X", "", evil)]);
    let line = one_line(
        &hookpost(folder().path(), &["healthcheck", "--url", &url]),
        1,
    );
    assert_eq!(line, "hookpost: not ready: 503 ?[2J?31m?");
}

#[test]
fn a_healthcheck_ends_in_time_whatever_the_server_sends() {
    let (listener, url) = listener();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // It fails once the other end is gone.
        while stream.write_all(b"x").is_ok() {
            std::thread::park_timeout(Duration::from_millis(50));
        }
    });
    let started = Instant::now();
    let args = ["healthcheck", "--url", &url, "--timeout", "300ms"];
    let line = one_line(&hookpost(folder().path(), &args), 1);
    assert!(line.contains("no answer within 300ms"), "{line}");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let token = "hookpost_wat_abcdefghijkl";
    let folder = folder();
    let config = folder.path().join("hookpost.toml");
    std::fs::write(&config, format!("{token} = 1\n")).unwrap();
    for (args, server) in [
        (&["events"][..], "http://user:abcdefghijkl@h"),
        (&["events"], "http://h/?token=abcdefghijkl"),
        (&["events", "--timeout", token], "http://h"),
        (&["event", token], "http://h"),
        (&[token], "http://h"),
        (&["events", "--token-file", token], "http://h"),
        (&["serve", "--config", "hookpost.toml"], "http://h"),
    ] {
        let mut command = command(folder.path(), args);
        let output = command.env("HOOKPOST_SERVER", server).output().unwrap();
        assert!(!output.status.success());
        assert!(!stderr(&output).is_empty());
        assert!(
            !stderr(&output).contains("abcdefghijkl"),
            "{}",
            stderr(&output)
        );
    }
}
