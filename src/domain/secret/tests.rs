use proptest::prelude::*;

use super::*;

#[test]
fn generated_secrets_hold_32_bytes_and_stay_out_of_debug() {
    let secret = Secret::generate();
    assert_eq!(secret.decoded_key().map(|key| key.len()), Some(32));
    assert_eq!(secret.secret_type(), SecretType::Hmac);
    assert_eq!(secret.shown(), secret.reveal());
    assert_eq!(Secret::parse(secret.reveal()), Ok(secret.clone()));
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    assert_ne!(secret, Secret::generate());
}

#[test]
fn a_key_pair_shows_only_its_public_key() {
    let secret = Secret::generate_of(SecretType::Ed25519);
    assert_ne!(secret, Secret::generate_of(SecretType::Ed25519));
    assert_eq!(secret.secret_type(), SecretType::Ed25519);
    assert_eq!(secret.decoded_key(), None);
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    let pair = secret.key_pair().unwrap();
    let public = format!("whpk_{}", STANDARD.encode(pair.public_key().as_ref()));
    assert_eq!(secret.shown(), public);
    assert_eq!(Secret::parse(&public), Err(SecretProblem::PublicKey));
}

#[test]
fn a_key_pair_is_read_from_its_seed_or_whole_and_is_one_secret() {
    let whole = Secret::generate_of(SecretType::Ed25519);
    let bytes = STANDARD.decode(&whole.reveal()[5..]).unwrap();
    assert_eq!(bytes.len(), 64);
    let whsk = |bytes: &[u8]| format!("whsk_{}", STANDARD.encode(bytes));
    for text in [
        whsk(&bytes),
        whsk(&bytes).trim_end_matches('=').to_owned(),
        whsk(&bytes[..32]),
        whsk(&bytes[..32]).trim_end_matches('=').to_owned(),
    ] {
        assert_eq!(Secret::parse(&text), Ok(whole.clone()), "{text}");
    }
    let mut other = bytes.clone();
    other[40] ^= 1;
    let disagree = Err(SecretProblem::KeysDisagree);
    assert_eq!(Secret::parse(&whsk(&other)), disagree);
    for length in [31, 33, 63] {
        let bad = Err(SecretProblem::BadKeyPair);
        assert_eq!(Secret::parse(&whsk(&bytes[..length])), bad, "{length}");
    }
    let garbage = format!("whsk_{}", "!".repeat(40));
    assert_eq!(Secret::parse(&garbage), Err(SecretProblem::BadKeyPair));
}

#[test]
fn a_public_key_names_the_present_secret_and_no_other() {
    let present = Secret::generate_of(SecretType::Ed25519);
    let other = Secret::generate_of(SecretType::Ed25519);
    let given = |text: &str| GivenSecret::parse(text).unwrap();
    let shown = present.shown();
    assert_eq!(given(&shown).unless_present(&present), Ok(None));
    assert_eq!(
        given(shown.trim_end_matches('=')).unless_present(&present),
        Ok(None)
    );
    assert_eq!(given(&shown).unless_present(&other), Err(OtherPublicKey));
    assert_eq!(
        given(&shown).unless_present(&Secret::generate()),
        Err(OtherPublicKey)
    );
    let no_key = given(&format!("whpk_{}", "!".repeat(40)));
    assert_eq!(no_key.unless_present(&present), Err(OtherPublicKey));
    assert_eq!(given(present.reveal()).unless_present(&present), Ok(None));
    assert_eq!(
        given(other.reveal()).unless_present(&present),
        Ok(Some(other))
    );
}

#[test]
fn lengths_count_characters_and_keys_count_bytes() {
    assert_eq!(Secret::parse(&"x".repeat(31)), Err(SecretProblem::TooShort));
    assert_eq!(Secret::parse(&"é".repeat(31)), Err(SecretProblem::TooShort));
    assert!(Secret::parse(&"é".repeat(256)).is_ok());
    assert_eq!(Secret::parse(&"x".repeat(257)), Err(SecretProblem::TooLong));
    let whsec = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
    assert_eq!(Secret::parse(&whsec(23)), Err(SecretProblem::BadKey));
    assert!(Secret::parse(&whsec(24)).is_ok());
    assert!(Secret::parse(whsec(25).trim_end_matches('=')).is_ok());
    assert!(Secret::parse(&whsec(64)).is_ok());
    assert_eq!(Secret::parse(&whsec(65)), Err(SecretProblem::BadKey));
    let garbage = format!("whsec_{}", "!".repeat(40));
    assert_eq!(Secret::parse(&garbage), Err(SecretProblem::BadKey));
}

#[test]
fn texts_that_are_nearly_secrets_of_standard_webhooks_are_refused() {
    let key = STANDARD.encode([7; 32]);
    for before in [
        " whsec_",
        "\twhsec_",
        "\"whsec_",
        "'whsec_",
        "\u{feff}whsec_",
        "WHSEC_",
        "Whsec_",
        "v1,whsec_",
        "V1, whsec_",
        "SECRET=whsec_",
        "whsec-",
        "whsec:",
        "whsec ",
    ] {
        let text = format!("{before}{key}");
        assert_eq!(
            Secret::parse(&text),
            Err(SecretProblem::NearlyWhsec),
            "{text}"
        );
    }
    for before in [
        " whsk_",
        " WHSK_",
        "v1a,whpk_",
        "v1a,whsk_",
        "KEY=whsk_",
        "WHPK_",
    ] {
        let text = format!("{before}{key}");
        assert_eq!(
            Secret::parse(&text),
            Err(SecretProblem::NearlyKeyPair),
            "{text}"
        );
    }
    for before in ["whse_", "wh_sec_", "sk_whs", "v1,", " ", "sec_"] {
        assert!(Secret::parse(&format!("{before}{key}")).is_ok(), "{before}");
    }
}

proptest! {
    /// What was read is stored, read again, and sent back by clients: it stays the same secret.
    #[test]
    fn a_secret_that_was_read_is_read_again_as_the_same(seed in any::<[u8; 32]>(), text in ".{32,80}") {
        let whsk = format!("whsk_{}", STANDARD.encode(seed));
        for text in [whsk, text] {
            if let Ok(secret) = Secret::parse(&text) {
                prop_assert_eq!(Secret::parse(secret.reveal()), Ok(secret.clone()));
                let stored = Secret::from_stored(secret.reveal().to_owned());
                prop_assert_eq!(stored.shown(), secret.shown());
                let sent_back = GivenSecret::parse(&secret.shown()).unwrap();
                prop_assert_eq!(sent_back.unless_present(&secret), Ok(None));
            }
        }
    }
}
