//! The signatures of deliveries (Standard Webhooks 1.0, "Webhook Signatures").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::secret::Secret;

/// Returns the value of `webhook-signature` for `body`, sent as event `id` at `timestamp` (seconds).
///
/// For a `whsec_` secret it has two `v1` entries. The key of the first is the decoded bytes; the key of the
/// second is the text of the whole secret. So receivers of both conventions find a valid entry. Any other
/// secret has only the entry with its text as key. Exactly one space joins the entries, as the reference
/// libraries expect.
#[must_use]
pub fn signature_header(secret: &Secret, id: Uuid, timestamp: i64, body: &[u8]) -> String {
    let literal = entry(secret.reveal().as_bytes(), id, timestamp, body);
    match secret.decoded_key() {
        Some(key) => format!("{} {literal}", entry(&key, id, timestamp, body)),
        None => literal,
    }
}

fn entry(key: &[u8], id: Uuid, timestamp: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    let mut id_text = Uuid::encode_buffer();
    mac.update(id.hyphenated().encode_lower(&mut id_text).as_bytes());
    mac.update(format!(".{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Reports whether one entry of `header` is a valid signature with `secret`, as a receiver checks it: with
/// the decoded bytes of a `whsec_` secret, or else with its text. Compares in constant time. Only the
/// built-in inbox and tests use this.
#[must_use]
pub fn verify(secret: &Secret, id: &str, timestamp: &str, body: &[u8], header: &str) -> bool {
    let key = secret
        .decoded_key()
        .unwrap_or_else(|| secret.reveal().as_bytes().to_vec());
    header.split(' ').any(|entry| {
        let Some(code) = entry
            .strip_prefix("v1,")
            .and_then(|text| STANDARD.decode(text).ok())
        else {
            return false;
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        mac.verify_slice(&code).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use standardwebhooks::Webhook;

    use super::*;

    const ID: Uuid = Uuid::from_u128(0x0190_0000_0000_4000_8000_0000_0000_0001);

    #[test]
    fn the_reference_library_computes_the_same_first_entry() {
        let secret = Secret::generate();
        let ours = signature_header(&secret, ID, 1_700_000_000, b"{\"a\":1.0}");
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
    fn a_brought_secret_has_one_entry() {
        let secret = Secret::parse("a-secret-of-one-s-own-making-1234").unwrap();
        let header = signature_header(&secret, ID, 1, b"x");
        assert!(!header.contains(' '));
        assert!(verify(&secret, &ID.to_string(), "1", b"x", &header));
    }

    #[test]
    fn whatever_is_tampered_with_fails() {
        let secret = Secret::generate();
        let id = ID.to_string();
        let header = signature_header(&secret, ID, 1, b"body");
        assert!(verify(&secret, &id, "1", b"body", &header));
        assert!(!verify(&secret, &id, "1", b"bodY", &header));
        assert!(!verify(&secret, &id, "2", b"body", &header));
        assert!(!verify(
            &secret,
            &Uuid::nil().to_string(),
            "1",
            b"body",
            &header
        ));
        assert!(!verify(&Secret::generate(), &id, "1", b"body", &header));
        assert!(!verify(&secret, &id, "1", b"body", ""));
    }
}
