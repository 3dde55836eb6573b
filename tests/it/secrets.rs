//! The tests that secrets and tokens stay out of all that an operator may pass on: logs, errors, panics,
//! `Debug`.
//!
//! The real binary works through a day at trace level, and the test searches all of its output for every
//! credential that it met, in every form in which one could have been written.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hookpost::domain::secret::Secret;

mod day;
mod debug;
mod key_pairs;
mod panics;
mod search;
mod server;

use day::Day;
use search::Credentials;

#[track_caller]
fn assert_kept(day: &Day) {
    let said = day.credentials.found_in(day.said.as_bytes());
    assert!(said.is_empty(), "said: {}", said.join("\n"));
    let answered = day.credentials.found_in(day.refusals.as_bytes());
    assert!(answered.is_empty(), "answered: {}", answered.join("\n"));
    let stored = day.tokens.found_in(&day.stored);
    assert!(stored.is_empty(), "stored: {}", stored.join("\n"));
    // That the search finds something where there is something: secrets are stored as they are.
    let mut kept = Credentials::default();
    kept.add(&day.kept);
    assert!(
        !kept.found_in(&day.stored).is_empty(),
        "a secret is in the file"
    );
    // And that much was said at all, of what was done: requests, failures, libraries' inner workings.
    for word in [
        "TRACE",
        "DEBUG",
        "INFO",
        "WARN",
        "endpoint disabled",
        "/api/webhooks/endpoints",
        "hookpost::requests",
        "hookpost::attempts",
    ] {
        assert!(day.said.contains(word), "{word}");
    }
    assert!(
        day.said.lines().count() > 500,
        "{} lines",
        day.said.lines().count()
    );
    assert!(day.refusals.lines().count() > 20);
}

#[test]
fn a_day_at_trace_level_shows_no_credential() {
    assert_kept(&Day::work("text"));
}

#[test]
fn a_day_at_trace_level_in_json_shows_no_credential() {
    assert_kept(&Day::work("json"));
}

#[test]
fn forms_of_a_credential_are_found() {
    let secret = Secret::generate();
    let mut credentials = Credentials::default();
    credentials.add(secret.reveal());
    let key = secret.decoded_key().unwrap();
    let text = secret.reveal();
    for shown in [
        text.to_owned(),
        format!("{:?}", text.as_bytes()),
        format!("{key:?}"),
        format!("{key:02x?}").replace([',', ' '], ""),
        URL_SAFE.encode(&key),
        STANDARD.encode(text),
        text[20..36].to_owned(),
        text.to_uppercase(),
    ] {
        let log = format!("INFO something={shown} else");
        assert!(!credentials.found_in(log.as_bytes()).is_empty(), "{shown}");
    }
    assert!(
        credentials
            .found_in(b"INFO whsec_ secret=**********")
            .is_empty()
    );
}
