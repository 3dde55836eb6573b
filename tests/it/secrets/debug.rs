//! The tests of `Debug` for types that hold a credential, as a log line or a failed assertion would show
//! it.

use std::fmt::Debug;

use hookpost::domain::access::{Token, TokenKind};
use hookpost::domain::clock::Timestamp;
use hookpost::domain::endpoint::{Endpoint, EndpointPatch, EndpointSettings, NewEndpoint};
use hookpost::domain::endpoint_health::EndpointHealth;
use hookpost::domain::endpoint_url::EndpointUrl;
use hookpost::domain::network_policy::NetworkPolicy;
use hookpost::domain::secret::{GivenSecret, Secret, SecretType};
use hookpost::domain::signing_secrets::{SecretRotation, SigningSecrets};
use hookpost::storage::{
    EndpointNumber, HealthEpoch, NewAccessToken, Run, Target, WorkspaceNumber,
};
use uuid::Uuid;

use super::Credentials;

#[test]
fn debug_of_the_types_that_hold_credentials_shows_none() {
    let mut credentials = Credentials::default();
    let path = "T0AbCdEf/B1GhIjKl/ofPzLd8WbCq3KsVn6TxYh2Ra";
    credentials.add(path);
    let url = format!("https://hooks.example.com:8443/services/{path}?key={path}#{path}");
    let url = EndpointUrl::parse(&url, &NetworkPolicy::strict()).unwrap();
    let tokens = [TokenKind::Workspace, TokenKind::Admin].map(Token::generate);
    for token in &tokens {
        credentials.add(token.reveal());
    }
    for text in [
        Secret::generate().reveal(),
        Secret::generate_of(SecretType::Ed25519).reveal(),
        "an own secret of some thirty-two characters",
    ] {
        credentials.add(text);
        let secret = Secret::parse(text).unwrap();
        let mut settings = EndpointSettings::raw(url.clone());
        // Old and present at the same time.
        let mut secrets = SigningSecrets::new(secret.clone());
        let rotation = SecretRotation::random(std::time::Duration::from_secs(1));
        secrets.rotate(&rotation, Timestamp::default()).unwrap();
        let back = SecretRotation {
            secret: Some(GivenSecret::Secret(Secret::generate())),
            ..rotation.clone()
        };
        secrets.rotate(&back, Timestamp::default()).unwrap();
        for old in secrets.old() {
            credentials.add(old.secret.reveal());
        }
        credentials.add(secrets.present().reveal());
        settings.target.secrets = secrets;
        let rotation = SecretRotation {
            secret: Some(GivenSecret::Secret(secret.clone())),
            ..rotation
        };
        let endpoint = Endpoint {
            id: Uuid::nil(),
            workspace_id: Uuid::nil(),
            settings: settings.clone(),
            disabled_reason: None,
            paused_reason: None,
            health: EndpointHealth::NEW,
            created_at: Timestamp::default(),
            modified_at: None,
        };
        let new = NewEndpoint::new(Uuid::nil(), settings.clone());
        let patch = EndpointPatch {
            url: Some(url.clone()),
            secret: Some(GivenSecret::Secret(secret.clone())),
            ..EndpointPatch::default()
        };
        let target = Target {
            number: EndpointNumber(1),
            workspace: WorkspaceNumber(1),
            id: Uuid::nil(),
            workspace_id: Uuid::nil(),
            settings: settings.target,
            enabled: true,
            skip_through: Run(0),
            health_epoch: HealthEpoch::default(),
            paused: false,
            resumed_at: None,
        };
        let token = NewAccessToken {
            hash: tokens[0].hash(),
            workspace_id: None,
            comment: String::new(),
            scopes: hookpost::domain::access::Scopes::all(),
            expires_in: None,
        };
        let shown: [&dyn Debug; 12] = [
            &secret,
            &rotation,
            &Secret::parse(&text[..31]),
            &GivenSecret::parse(text),
            &url,
            &endpoint,
            &new,
            &patch,
            &target,
            &tokens,
            &token,
            &Token::parse(tokens[1].reveal()),
        ];
        for value in shown {
            for text in [format!("{value:?}"), format!("{value:#?}")] {
                let found = credentials.found_in(text.as_bytes());
                assert!(found.is_empty(), "{}", found.join("\n"));
            }
        }
    }
    let shown = format!("{url:?}");
    assert!(
        shown.contains("hooks.example.com:8443"),
        "the host is fine: {shown}"
    );
}

/// Any log or response may show a problem, so its `Debug` must not contain the URL.
#[test]
fn problems_with_urls_name_no_path() {
    let policy = NetworkPolicy::strict();
    let mut credentials = Credentials::default();
    let path = "T0AbCdEf/B1GhIjKl/ofPzLd8WbCq3KsVn6TxYh2Ra";
    credentials.add(path);
    let flat = path.replace('/', "");
    credentials.add(&flat);
    for url in [
        format!("http://hooks.example.com/{path}"),
        format!("https://{flat}:{flat}@hooks.example.com/{path}"),
        format!("https://127.0.0.1/{path}"),
        format!("https://exa mple.com/{path}"),
        format!("https://[::{path}"),
        format!("{path}/{path}"),
        format!("https://example.com/{path}{}", "x".repeat(3000)),
    ] {
        let problem = EndpointUrl::parse(&url, &policy).unwrap_err();
        let said = format!("{problem:?} {problem:#?}");
        let found = credentials.found_in(said.as_bytes());
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}
