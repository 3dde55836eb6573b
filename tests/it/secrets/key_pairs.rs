//! The part of the day with ed25519 key pairs and rotations.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hookpost::domain::secret::{Secret, SecretType};
use serde_json::{Value, json};

use super::super::receiver::Receiver;
use super::day::Day;
use super::search::Credentials;
use super::server::Server;

impl Day {
    /// Key pairs, and secrets that were replaced: they are used, and no answer shows them, also none that succeeds.
    pub(super) fn private_keys_and_old_secrets_stay(
        &mut self,
        server: &Server,
        receiver: &Receiver,
        token: &str,
    ) {
        let pairs = [(); 2].map(|()| Secret::generate_of(SecretType::Ed25519));
        let old = Secret::generate();
        let seed = |pair: &Secret| {
            let bytes = STANDARD.decode(&pair.reveal()[5..]).unwrap();
            format!("whsk_{}", STANDARD.encode(&bytes[..32]))
        };
        let mut private = Credentials::default();
        for text in [&seed(&pairs[0]), &seed(&pairs[1]), old.reveal()] {
            private.add(text);
            self.credentials.add(text);
        }
        let mut answers = String::new();
        let mut call = |method: &str, path: &str, body: &Value, status: u16| {
            let answer = server.expect(method, path, token, body, status);
            answers += &answer.to_string();
            answer
        };
        let url = receiver.url("/pairs");
        let new = json!({"url": url, "format": "raw", "events": ["*"], "secret": seed(&pairs[0])});
        let made = call("POST", "/api/webhooks/endpoints", &new, 201);
        let path = format!("/api/webhooks/endpoints/{}", made["id"].as_str().unwrap());
        let rotate = format!("{path}/secret");
        let whole = json!({"secret": pairs[1].reveal(), "secret_type": "ed25519"});
        call("PATCH", &rotate, &whole, 200);
        call("PATCH", &path, &json!({"secret": seed(&pairs[0])}), 200);
        call("PATCH", &path, &made, 200);
        // The answer to this one shows the secret, which is the present one, not old.
        server.expect("PATCH", &path, token, &json!({"secret": old.reveal()}), 200);
        let overlapping = call("PATCH", &rotate, &json!({"secret_type": "ed25519"}), 200);
        assert!(overlapping["secret_overlap_ends_at"].is_string());
        let message = json!({"type": "a", "data": 1});
        call("POST", "/api/webhooks/events", &message, 202);
        receiver.wait("/pairs", 1);
        for list in ["endpoints", "events", "deliveries"] {
            call("GET", &format!("/api/webhooks/{list}"), &Value::Null, 200);
        }
        call("GET", &path, &Value::Null, 200);
        let shown = private.found_in(answers.as_bytes());
        assert!(shown.is_empty(), "{}", shown.join("\n"));
        assert!(!answers.contains("whsk_"));
        assert!(answers.contains("whpk_"));
        for body in [
            json!({"secret": pairs[0].reveal(), "secret_type": "hmac"}),
            json!({"secret": [seed(&pairs[1])]}),
            json!({"secret": seed(&pairs[1])[..40]}),
            json!({"secret": format!(" {}", seed(&pairs[1]))}),
            json!({"overlap": -1, "secret": pairs[0].reveal()}),
        ] {
            self.refused(server.call("PATCH", &rotate, token, &body.to_string()));
        }
    }
}
