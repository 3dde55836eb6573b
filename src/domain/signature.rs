//! The signatures of deliveries (Standard Webhooks 1.0, "Webhook Signatures").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::Sha256;
use uuid::Uuid;

use super::secret::Secret;

/// The version of an HMAC signature, with the comma behind it.
const V1: &str = "v1,";
/// The version of an ed25519 signature, with the comma behind it.
const V1A: &str = "v1a,";

/// Returns the value of `webhook-signature` for `body`, sent as event `id` at `timestamp` (seconds), with the
/// entries of each of `secrets`, in their order.
///
/// A `whsec_` secret makes two `v1` entries. The key of the first is the decoded bytes; the key of the second is the
/// text of the whole secret. So receivers of both conventions find a valid entry. A key pair makes one `v1a` entry.
/// Any other secret has only the `v1` entry with its text as key. Exactly one space joins the entries, as the
/// reference libraries expect; receivers ignore entries of a version that they do not know.
#[must_use]
pub fn signature_header<'s>(
    secrets: impl IntoIterator<Item = &'s Secret>,
    id: Uuid,
    timestamp: i64,
    body: &[u8],
) -> String {
    let mut id_text = Uuid::encode_buffer();
    let id = &*id.hyphenated().encode_lower(&mut id_text);
    let timestamp = timestamp.to_string();
    let signed = Signed {
        id,
        timestamp: &timestamp,
        body,
    };
    let entries: Vec<String> = (secrets.into_iter())
        .flat_map(|secret| signed.entries(secret))
        .collect();
    entries.join(" ")
}

/// The content that a signature is made over: `ID.TIMESTAMP.BODY`.
#[derive(Clone, Copy)]
struct Signed<'a> {
    id: &'a str,
    timestamp: &'a str,
    body: &'a [u8],
}

impl Signed<'_> {
    /// Returns the entries that a secret makes.
    fn entries(self, secret: &Secret) -> Vec<String> {
        if let Some(pair) = secret.key_pair() {
            return vec![self.ed25519_entry(&pair)];
        }
        let of_text = self.hmac_entry(secret.reveal().as_bytes());
        match secret.decoded_key() {
            Some(key) => vec![self.hmac_entry(&key), of_text],
            None => vec![of_text],
        }
    }

    fn hmac_entry(self, key: &[u8]) -> String {
        let code = self.mac(key).finalize().into_bytes();
        format!("{V1}{}", STANDARD.encode(code))
    }

    /// Pure ed25519 takes the whole text at once, so it is put together.
    fn ed25519_entry(self, pair: &Ed25519KeyPair) -> String {
        let signature = pair.sign(&self.text());
        format!("{V1A}{}", STANDARD.encode(signature))
    }

    fn mac(self, key: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        for part in self.parts() {
            mac.update(part);
        }
        mac
    }

    fn text(self) -> Vec<u8> {
        self.parts().concat()
    }

    fn parts(&self) -> [&[u8]; 5] {
        let (id, timestamp) = (self.id.as_bytes(), self.timestamp.as_bytes());
        [id, b".", timestamp, b".", self.body]
    }

    /// Reports whether an entry of a header is a valid signature with `secret`.
    fn is_signed_by(self, secret: &Secret, entry: &str) -> bool {
        let decoded = |version| {
            let encoded = entry.strip_prefix(version)?;
            STANDARD.decode(encoded).ok()
        };
        match secret.key_pair() {
            Some(pair) => decoded(V1A).is_some_and(|signature| {
                let public = UnparsedPublicKey::new(&ED25519, pair.public_key());
                public.verify(&self.text(), &signature).is_ok()
            }),
            None => decoded(V1).is_some_and(|code| {
                let key = secret.decoded_key();
                let key = key.unwrap_or_else(|| secret.reveal().as_bytes().to_vec());
                self.mac(&key).verify_slice(&code).is_ok()
            }),
        }
    }
}

/// Reports whether one entry of `header` is a valid signature with `secret`, as a receiver checks it: with the
/// public key of a pair, with the decoded bytes of a `whsec_` secret, or else with its text. Compares in constant
/// time. Only the built-in inbox and tests use this.
#[must_use]
pub fn verify(secret: &Secret, id: &str, timestamp: &str, body: &[u8], header: &str) -> bool {
    let signed = Signed {
        id,
        timestamp,
        body,
    };
    header
        .split(' ')
        .any(|entry| signed.is_signed_by(secret, entry))
}

#[cfg(test)]
mod tests {
    use standardwebhooks::Webhook;

    use super::*;
    use crate::domain::secret::SecretType;

    const ID: Uuid = Uuid::from_u128(0x0190_0000_0000_4000_8000_0000_0000_0001);
    /// A secret that is a text of its own.
    const TEXT: &str = "a-secret-of-one-s-own-making-1234";

    /// The `v1a` entry of the example in the specification ("Webhook headers"), which the server of Svix has as a
    /// test, with the key, the id, the time and the body that belong to it.
    #[test]
    fn the_ed25519_example_of_the_specification() {
        let whsk = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
        let signed = Signed {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp: "1614265330",
            body: br#"{"test": 2432232314}"#,
        };
        let entry = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
        let secret = Secret::parse(whsk).unwrap();
        assert_eq!(signed.entries(&secret), [entry]);
        assert_eq!(
            secret.shown(),
            "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
        );
        let Signed {
            id,
            timestamp,
            body,
        } = signed;
        assert!(verify(&secret, id, timestamp, body, entry));
        assert!(!verify(&secret, id, timestamp, b"{}", entry));
    }

    #[test]
    fn the_reference_library_computes_the_same_first_entry() {
        let secret = Secret::generate();
        let ours = signature_header([&secret], ID, 1_700_000_000, b"{\"a\":1.0}");
        let theirs = Webhook::new(secret.reveal())
            .unwrap()
            .sign(&ID.to_string(), 1_700_000_000, b"{\"a\":1.0}")
            .unwrap();
        let (first, second) = ours.split_once(' ').unwrap();
        assert_eq!(first, theirs);
        let literal = Webhook::from_bytes(secret.reveal().as_bytes().to_vec()).unwrap();
        let theirs = literal
            .sign(&ID.to_string(), 1_700_000_000, b"{\"a\":1.0}")
            .unwrap();
        assert_eq!(second, theirs);
    }

    #[test]
    fn each_secret_makes_its_entries_in_the_order_of_the_secrets() {
        let whsec = Secret::generate();
        let pair = Secret::generate_of(SecretType::Ed25519);
        let text = Secret::parse(TEXT).unwrap();
        let header = signature_header([&pair, &whsec, &text], ID, 1, b"x");
        let entries: Vec<&str> = header.split(' ').collect();
        let alone = |secret| signature_header([secret], ID, 1, b"x");
        let expected = format!("{} {} {}", alone(&pair), alone(&whsec), alone(&text));
        assert_eq!(header, expected);
        let versions: Vec<&str> = (entries.iter())
            .map(|entry| entry.split_once(',').unwrap().0)
            .collect();
        assert_eq!(versions, ["v1a", "v1", "v1", "v1"]);
        for secret in [&pair, &whsec, &text] {
            assert!(verify(secret, &ID.to_string(), "1", b"x", &header));
        }
    }

    /// The reference library knows only `v1`: it accepts what one of several secrets signed, and looks past `v1a`.
    #[test]
    fn the_reference_library_accepts_a_header_of_several_secrets() {
        let pair = Secret::generate_of(SecretType::Ed25519);
        let [new, old] = [(); 2].map(|()| Secret::generate());
        let body = b"{\"a\":1.0}";
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let now = i64::try_from(now).unwrap();
        for secrets in [[&pair, &new, &old], [&new, &old, &pair]] {
            let header = signature_header(secrets, ID, now, body);
            let mut headers = http::HeaderMap::new();
            for (name, value) in [
                ("webhook-id", ID.to_string()),
                ("webhook-timestamp", now.to_string()),
                ("webhook-signature", header),
            ] {
                headers.insert(name, value.parse().unwrap());
            }
            for known in [&new, &old] {
                let webhook = Webhook::new(known.reveal()).unwrap();
                webhook.verify(body, &headers).unwrap();
            }
            let unknown = Secret::generate();
            let webhook = Webhook::new(unknown.reveal()).unwrap();
            assert!(webhook.verify(body, &headers).is_err());
        }
    }

    #[test]
    fn a_brought_secret_has_one_entry() {
        let secret = Secret::parse(TEXT).unwrap();
        let header = signature_header([&secret], ID, 1, b"x");
        assert!(!header.contains(' '));
        assert!(verify(&secret, &ID.to_string(), "1", b"x", &header));
    }

    #[test]
    fn whatever_is_tampered_with_fails() {
        for kind in SecretType::ALL {
            let secret = Secret::generate_of(kind);
            let id = ID.to_string();
            let header = signature_header([&secret], ID, 1, b"body");
            assert!(verify(&secret, &id, "1", b"body", &header));
            assert!(!verify(&secret, &id, "1", b"bodY", &header));
            assert!(!verify(&secret, &id, "2", b"body", &header));
            let other_id = Uuid::nil().to_string();
            assert!(!verify(&secret, &other_id, "1", b"body", &header));
            let other = Secret::generate_of(kind);
            assert!(!verify(&other, &id, "1", b"body", &header));
            assert!(!verify(&secret, &id, "1", b"body", ""));
        }
    }
}
