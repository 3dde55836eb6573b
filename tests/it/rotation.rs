//! The tests of the rotation of secrets: which of them sign an attempt, for how long, and what answers show.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hookpost::domain::secret::{Secret, SecretType};
use hookpost::domain::signature::verify;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::fixture::{TestApp, wait_until};
use super::receiver::{Received, Receiver};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// An endpoint, its receiver, and how often that was called.
struct Rotating {
    app: TestApp,
    receiver: Receiver,
    path: String,
    calls: usize,
}

impl Rotating {
    fn with(flags: &[&str], settings: &Value) -> (Self, Value) {
        let app = TestApp::with_manual_clock(flags);
        let receiver = Receiver::start();
        let mut new = json!({"url": receiver.url("/a"), "format": "raw", "events": ["*"]});
        for (name, value) in settings.as_object().unwrap() {
            new[name] = value.clone();
        }
        let made = app.post("/api/webhooks/endpoints", &app.token, &new);
        let made = made.expect(201);
        let id = made["id"].as_str().unwrap();
        let path = format!("/api/webhooks/endpoints/{id}");
        let it = Self {
            app,
            receiver,
            path,
            calls: 0,
        };
        (it, made)
    }

    fn new() -> (Self, Value) {
        Self::with(&[], &json!({}))
    }

    fn read(&self) -> Value {
        self.app.get(&self.path).expect(200)
    }

    #[track_caller]
    fn rotate(&self, body: &Value) -> Value {
        self.app
            .patch(&format!("{}/secret", self.path), body)
            .expect(200)
    }

    /// Publishes a message, and returns the request that the receiver gets.
    fn delivered(&mut self) -> Received {
        self.app.publish("a", &json!(self.calls));
        self.calls += 1;
        self.receiver.wait("/a", self.calls).pop().unwrap()
    }

    /// Returns the number of rows with old secrets.
    fn stored_old_secrets(&self) -> i64 {
        let file = rusqlite::Connection::open(self.app.database()).unwrap();
        let count = "SELECT count(*) FROM old_secret";
        file.query_row(count, [], |row| row.get(0)).unwrap()
    }
}

fn secret(endpoint: &Value) -> Secret {
    Secret::parse(endpoint["secret"].as_str().unwrap()).unwrap()
}

fn entries(received: &Received) -> Vec<&str> {
    received.header("webhook-signature").split(' ').collect()
}

fn is_signed_by(received: &Received, secret: &Secret) -> bool {
    let header = |name| received.header(name);
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    verify(
        secret,
        id,
        timestamp,
        &received.body,
        header("webhook-signature"),
    )
}

/// Reports whether the reference library makes the entry at this place, with the key of a `whsec_` secret.
fn entry_is_of(received: &Received, at: usize, secret: &Secret) -> bool {
    let webhook = Webhook::new(secret.reveal()).unwrap();
    let timestamp = received.header("webhook-timestamp").parse().unwrap();
    let id = received.header("webhook-id");
    let signed = webhook.sign(id, timestamp, &received.body).unwrap();
    entries(received)[at] == signed
}

#[test]
fn the_old_secret_signs_until_the_last_moment_and_not_after() {
    let (mut it, made) = Rotating::new();
    let rotated = it.rotate(&json!({"overlap": 3600}));
    let (old, new) = (secret(&made), secret(&rotated));
    assert_ne!(old, new);
    let ends_at = rotated["secret_overlap_ends_at"].clone();
    assert!(ends_at.is_string());
    assert_eq!(rotated["secret_type"], "hmac");
    assert_eq!(it.read(), rotated);
    let listed = it.app.get("/api/webhooks/endpoints").expect(200);
    assert_eq!(listed["data"][0], rotated);

    it.app.advance(Duration::from_millis(3_599_999));
    let last = it.delivered();
    assert_eq!(entries(&last).len(), 4);
    assert!(entry_is_of(&last, 0, &new) && entry_is_of(&last, 2, &old));
    assert_eq!(it.read()["secret_overlap_ends_at"], ends_at);

    it.app.advance(Duration::from_millis(1));
    let first = it.delivered();
    assert_eq!(entries(&first).len(), 2);
    assert!(is_signed_by(&first, &new) && !is_signed_by(&first, &old));
    assert_eq!(it.read()["secret_overlap_ends_at"], Value::Null);
    let listed = it.app.get("/api/webhooks/endpoints").expect(200);
    assert_eq!(listed["data"][0]["secret_overlap_ends_at"], Value::Null);
}

#[test]
fn an_event_that_waits_for_a_retry_is_signed_with_what_is_valid_at_its_attempt() {
    let (mut it, made) = Rotating::with(&["--retry-schedule", "1h,24h"], &json!({}));
    it.receiver.reply("/a", 503, "");
    it.delivered();
    // The wait for the retry begins when the attempt is recorded.
    it.app.wait_for("/api/webhooks/events?limit=1", |list| {
        list["data"][0]["attempts"] == 1
    });
    let rotated = it.rotate(&json!({"overlap": 7200}));
    // The wait is varied by a fifth.
    it.app.advance(DAY / 16);
    let retried = it.receiver.wait("/a", 2).pop().unwrap();
    for secret in [secret(&rotated), secret(&made)] {
        assert!(is_signed_by(&retried, &secret));
    }
}

#[test]
fn without_a_body_the_overlap_is_that_of_the_server() {
    for (flags, overlap) in [(&[][..], 86_400), (&["--secret-overlap", "90s"], 90)] {
        let (mut it, made) = Rotating::with(flags, &json!({}));
        let path = format!("{}/secret", it.path);
        let bearer = format!("Bearer {}", it.app.token);
        let headers = [("authorization", bearer.as_str())];
        let rotated = it.app.request("PATCH", &path, &headers, None);
        rotated.expect(200);
        it.app.advance((overlap - 1) * SECOND);
        assert!(is_signed_by(&it.delivered(), &secret(&made)));
        it.app.advance(SECOND);
        assert!(!is_signed_by(&it.delivered(), &secret(&made)));
    }
    // All spellings of nothing.
    let (it, _) = Rotating::new();
    for body in [
        &b""[..],
        b" \r\n",
        b"null",
        b"{}",
        b"{\"overlap\": null}",
        b"{\"other\": 1}",
    ] {
        let path = format!("{}/secret", it.path);
        let bearer = format!("Bearer {}", it.app.token);
        let headers = [("authorization", bearer.as_str())];
        let before = it.read()["secret"].clone();
        let rotated = it.app.request("PATCH", &path, &headers, Some(body));
        let rotated = rotated.expect(200);
        assert_ne!(rotated["secret"], before);
        assert!(rotated["secret_overlap_ends_at"].is_string());
    }
}

#[test]
fn the_third_rotation_drops_the_first_secret_and_none_is_refused() {
    let (mut it, made) = Rotating::new();
    let mut secrets = vec![secret(&made)];
    for _ in 0..3 {
        it.app.advance(SECOND);
        secrets.insert(0, secret(&it.rotate(&json!({}))));
    }
    let received = it.delivered();
    assert_eq!(entries(&received).len(), 6);
    for (at, secret) in secrets[..3].iter().enumerate() {
        assert!(entry_is_of(&received, 2 * at, secret), "{at}");
    }
    assert!(!is_signed_by(&received, &secrets[3]));
    assert_eq!(it.stored_old_secrets(), 2);
    // Each ends a day after its own rotation.
    it.app.advance(86_399 * SECOND);
    let received = it.delivered();
    assert_eq!(entries(&received).len(), 4);
    assert!(is_signed_by(&received, &secrets[1]) && !is_signed_by(&received, &secrets[2]));
}

#[test]
fn without_overlap_only_the_new_secret_signs() {
    for (flags, body) in [
        (&[][..], json!({"overlap": 0})),
        (&["--secret-overlap", "0s"], json!({})),
    ] {
        let (mut it, made) = Rotating::with(flags, &json!({}));
        let second = it.rotate(&json!({"overlap": 600}));
        let third = it.rotate(&body);
        assert_eq!(third["secret_overlap_ends_at"], Value::Null);
        let received = it.delivered();
        assert_eq!(entries(&received).len(), 2);
        assert!(is_signed_by(&received, &secret(&third)));
        for old in [&made, &second] {
            assert!(!is_signed_by(&received, &secret(old)));
        }
        assert_eq!(it.stored_old_secrets(), 0);
    }
}

#[test]
fn what_was_read_can_be_sent_back_and_another_secret_replaces_all() {
    for kind in ["hmac", "ed25519"] {
        let (mut it, made) = Rotating::with(&[], &json!({"secret_type": kind}));
        let rotated = it.rotate(&json!({}));
        let sent_back = it.app.patch(&it.path, &rotated).expect(200);
        for field in ["secret", "secret_type", "secret_overlap_ends_at"] {
            assert_eq!(sent_back[field], rotated[field], "{field}");
        }
        let sent_back = it.rotate(&rotated);
        for field in ["secret", "secret_overlap_ends_at"] {
            assert_eq!(sent_back[field], rotated[field], "{field}");
        }
        assert_eq!(
            entries(&it.delivered()).len(),
            if kind == "hmac" { 4 } else { 2 }
        );
        let own = Secret::generate();
        let body = json!({"secret": own.reveal()});
        let replaced = it.app.patch(&it.path, &body).expect(200);
        assert_eq!(replaced["secret_overlap_ends_at"], Value::Null);
        assert_eq!(replaced["secret_type"], "hmac");
        let received = it.delivered();
        assert_eq!(entries(&received).len(), 2);
        assert!(is_signed_by(&received, &own));
        if kind == "hmac" {
            assert!(!is_signed_by(&received, &secret(&made)));
        }
        assert_eq!(it.stored_old_secrets(), 0);
    }
}

#[test]
fn the_present_secret_ends_the_overlap_and_never_makes_it_longer() {
    let (mut it, made) = Rotating::new();
    let rotated = it.rotate(&json!({"overlap": 3600}));
    let present = &rotated["secret"];
    let longer = it.rotate(&json!({"secret": present, "overlap": 7200}));
    assert_eq!(longer, rotated);
    let shorter = it.rotate(&json!({"secret": present, "overlap": 60}));
    assert_eq!(&shorter["secret"], present);
    assert_ne!(
        shorter["secret_overlap_ends_at"],
        rotated["secret_overlap_ends_at"]
    );
    it.app.advance(59 * SECOND);
    assert!(is_signed_by(&it.delivered(), &secret(&made)));
    let ended = it.rotate(&json!({"secret": present, "overlap": 0}));
    assert_eq!(ended["secret_overlap_ends_at"], Value::Null);
    let received = it.delivered();
    assert!(!is_signed_by(&received, &secret(&made)));
    assert!(is_signed_by(&received, &secret(&rotated)));
}

#[test]
fn an_own_secret_rotates_with_overlap_and_may_come_back() {
    let (mut it, made) = Rotating::new();
    let own = "an-own-secret-of-thirty-two-char";
    let rotated = it.rotate(&json!({"secret": own}));
    assert_eq!(rotated["secret"], own);
    let received = it.delivered();
    assert_eq!(entries(&received).len(), 3);
    assert!(entry_is_of(&received, 1, &secret(&made)));
    // The first one again: it signs once, as the present one.
    it.rotate(&json!({"secret": made["secret"]}));
    let received = it.delivered();
    assert_eq!(entries(&received).len(), 3);
    assert!(entry_is_of(&received, 0, &secret(&made)));
    assert!(is_signed_by(&received, &secret(&rotated)));
}

/// Checks an entry with the public key that the API shows, as a receiver would.
#[track_caller]
fn assert_signed_with_public_key(received: &Received, entry: &str, shown: &str) {
    let key = STANDARD
        .decode(shown.strip_prefix("whpk_").unwrap())
        .unwrap();
    let code = STANDARD
        .decode(entry.strip_prefix("v1a,").unwrap())
        .unwrap();
    let (id, timestamp) = (
        received.header("webhook-id"),
        received.header("webhook-timestamp"),
    );
    let signed = [format!("{id}.{timestamp}.").as_bytes(), &received.body].concat();
    let key = UnparsedPublicKey::new(&ED25519, key);
    assert!(key.verify(&signed, &code).is_ok());
}

#[test]
fn an_ed25519_endpoint_shows_its_public_key_and_signs_v1a() {
    let (mut it, made) = Rotating::with(&[], &json!({"secret_type": "ed25519"}));
    assert_eq!(made["secret_type"], "ed25519");
    let first = made["secret"].as_str().unwrap();
    let received = it.delivered();
    assert_eq!(entries(&received).len(), 1);
    assert_signed_with_public_key(&received, entries(&received)[0], first);

    // Without a type the new one has that of the present one.
    let rotated = it.rotate(&json!({}));
    let second = rotated["secret"].as_str().unwrap();
    assert!(second.starts_with("whpk_") && second != first);
    let received = it.delivered();
    assert_eq!(entries(&received).len(), 2);
    for (entry, key) in entries(&received).into_iter().zip([second, first]) {
        assert_signed_with_public_key(&received, entry, key);
    }

    // To the other type, with overlap.
    let rotated = it.rotate(&json!({"secret_type": "hmac", "overlap": 60}));
    assert!(rotated["secret"].as_str().unwrap().starts_with("whsec_"));
    let received = it.delivered();
    assert!(entry_is_of(&received, 0, &secret(&rotated)));
    assert_signed_with_public_key(&received, entries(&received)[2], second);
}

#[test]
fn a_key_pair_is_brought_whole_or_as_its_seed_and_its_private_key_is_shown_nowhere() {
    let pair = Secret::generate_of(SecretType::Ed25519);
    let bytes = STANDARD.decode(&pair.reveal()[5..]).unwrap();
    let seed = format!("whsk_{}", STANDARD.encode(&bytes[..32]));
    let (mut it, made) = Rotating::with(&[], &json!({"secret": seed}));
    assert_eq!(made["secret"], pair.shown().as_ref());
    let rotated = it.rotate(&json!({}));
    // What was old comes back, whole, and as the secret of the endpoint it changes nothing.
    let back = it.rotate(&json!({"secret": pair.reveal(), "secret_type": "ed25519"}));
    assert_eq!(back["secret"], made["secret"]);
    it.app.patch(&it.path, &json!({"secret": seed})).expect(200);
    let received = it.delivered();
    assert_eq!(entries(&received).len(), 2);
    assert_signed_with_public_key(&received, entries(&received)[0], &pair.shown());

    let refused = |method: &str, path: &str, body: &Value| {
        let answer = match method {
            "POST" => it.app.post(path, &it.app.token, body),
            _ => it.app.patch(path, body),
        };
        let problem = answer.expect(422)["detail"][0].clone();
        assert_eq!(problem["type"], "value_error", "{problem}");
        assert!(
            !answer.text.contains(&pair.reveal()[5..40]),
            "{}",
            answer.text
        );
        problem["loc"].clone()
    };
    // A public key signs nothing, unless it stands for the pair that the endpoint has.
    let other = json!({"secret": rotated["secret"]});
    let rotate = format!("{}/secret", it.path);
    let mut new = json!({"url": "https://example.com", "format": "raw", "events": []});
    new["secret"] = rotated["secret"].clone();
    for (method, path, body) in [
        ("PATCH", it.path.as_str(), &other),
        ("PATCH", &rotate, &other),
        ("POST", "/api/webhooks/endpoints", &new),
    ] {
        assert_eq!(refused(method, path, body), json!(["body", "secret"]));
    }
    // The two halves must agree, and the type with the secret.
    let mut halves = bytes.clone();
    halves[63] ^= 1;
    let disagree = json!({"secret": format!("whsk_{}", STANDARD.encode(halves))});
    assert_eq!(
        refused("PATCH", &rotate, &disagree),
        json!(["body", "secret"])
    );
    let wrong = json!({"secret": pair.reveal(), "secret_type": "hmac"});
    assert_eq!(
        refused("PATCH", &rotate, &wrong),
        json!(["body", "secret_type"])
    );
    assert_eq!(it.read()["secret"], made["secret"]);
}

#[test]
fn old_secrets_survive_a_restart_and_leave_the_file_at_their_end_or_with_the_endpoint() {
    let (mut it, made) = Rotating::new();
    it.rotate(&json!({}));
    it.app.restart();
    assert!(is_signed_by(&it.delivered(), &secret(&made)));
    assert_eq!(it.stored_old_secrets(), 1);
    it.app.advance(DAY);
    wait_until("the old secret leaves the file", || {
        it.stored_old_secrets() == 0
    });
    it.rotate(&json!({}));
    assert_eq!(it.stored_old_secrets(), 1);
    it.app.delete(&it.path).expect(204);
    assert_eq!(it.stored_old_secrets(), 0);
}
