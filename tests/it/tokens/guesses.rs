//! The tests of texts that are nearly a token: all are refused.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hookpost::domain::access::{Scopes, Token};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[track_caller]
fn assert_bad(app: &TestApp, token: &str) {
    let answer = app.get_as(token, LIST);
    assert_eq!(answer.expect(401)["error"], "invalid_token", "{token}");
}

#[test]
fn one_wrong_character_anywhere_is_enough() {
    let app = TestApp::start();
    for token in [&app.token, &app.admin] {
        assert_eq!(token.len(), "hookpost_wat_".len() + 48);
        for at in 0..token.len() {
            let own = token[at..].chars().next().unwrap();
            let place = ALPHABET.find(own).unwrap();
            let next = &ALPHABET[(place + 1) % 64..][..1];
            let other_case: String = if own.is_ascii_lowercase() {
                own.to_uppercase().collect()
            } else {
                own.to_lowercase().collect()
            };
            for wrong in [next, other_case.as_str(), "+", "=", "~"] {
                if token[at..].starts_with(wrong) {
                    continue;
                }
                let near = format!("{}{wrong}{}", &token[..at], &token[at + 1..]);
                assert_bad(&app, &near);
            }
        }
        app.get_as(token, LIST).expect(200);
    }
}

#[test]
fn parts_of_a_token_and_a_token_with_more_are_refused() {
    let app = TestApp::start();
    let token = &app.token;
    for end in 1..token.len() {
        assert_bad(&app, &token[..end]);
        assert_bad(&app, &token[end..]);
    }
    for more in ["A", "=", "AAAA", ",", ";", " x", "~", token] {
        assert_bad(&app, &format!("{token}{more}"));
        assert_bad(&app, &format!("{more}{token}"));
    }
    assert_bad(&app, &"A".repeat(60_000));
    assert_bad(&app, &format!("hookpost_wat_{}", "A".repeat(60_000)));
}

/// The same secret as a token of another kind, with a checksum that is right.
fn as_admin(workspace_token: &str) -> String {
    let prefix = "hookpost_adm_";
    let encoded = workspace_token.strip_prefix("hookpost_wat_").unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(encoded).unwrap();
    bytes.truncate(32);
    let checksum = Sha256::new()
        .chain_update(prefix)
        .chain_update(&bytes)
        .finalize();
    bytes.extend_from_slice(&checksum[..4]);
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[test]
fn a_token_of_one_kind_is_none_of_the_other() {
    let app = TestApp::start();
    assert_bad(&app, &app.token.replace("_wat_", "_adm_"));
    assert_bad(&app, &app.admin.replace("_adm_", "_wat_"));
    let forged = as_admin(&app.token);
    assert!(Token::parse(&forged).is_some(), "well formed, but unknown");
    assert_bad(&app, &forged);
}

#[test]
fn a_token_ends_in_the_very_second_it_says() {
    let app = TestApp::with_manual_clock(&[]);
    let life = Duration::from_mins(1);
    let token = app.make_expiring_token(Some(&app.workspace), Scopes::all(), Some(life));
    let moment = Duration::from_micros(1);
    app.advance(life.saturating_sub(moment));
    app.get_as(&token, LIST).expect(200);
    app.advance(moment);
    assert_bad(&app, &token);
    app.advance(moment);
    assert_bad(&app, &token);
}

#[test]
fn a_token_counts_in_its_one_header_alone() {
    let app = TestApp::start();
    let token = &app.token;
    let bearer = format!("Bearer {token}");
    let basic = format!("Basic {token}");
    let cookie = format!("token={token}; access_token={token}");
    let authorization = |value| ("authorization", value);
    let nobody = json!({"error": "Unauthorized", "detail": "Unauthorized"});
    for headers in [
        &[][..],
        &[authorization(token.as_str())],
        &[authorization(&basic)],
        &[("proxy-authorization", &bearer)],
        &[("x-authorization", &bearer)],
        &[("x-api-key", token)],
        &[("cookie", &cookie)],
        // Whoever stands between may see another one than we do.
        &[authorization(&bearer), authorization(&bearer)],
        &[authorization(&basic), authorization(&bearer)],
        &[authorization(&bearer), authorization("")],
    ] {
        for query in ["", "?token=T", "?access_token=T&bearer_token=T"] {
            let path = format!("{LIST}{}", query.replace('T', token));
            let answer = app.request("GET", &path, headers, None);
            assert_eq!(answer.expect(401), nobody, "{headers:?} {query}");
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer realm=\"hookpost\"")
            );
        }
    }
    let body = json!({"type": "a", "data": 1, "token": token, "access_token": token});
    let labelled = [("content-type", "application/json")];
    let body = body.to_string();
    let sent = app.request("POST", PUBLISH, &labelled, Some(body.as_bytes()));
    assert_eq!(sent.expect(401), nobody);
    // One in the query does not harm, and does not replace the one that counts.
    let path = format!("{LIST}?access_token=nonsense");
    app.get(&path).expect(200);
}
