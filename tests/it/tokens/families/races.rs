//! The tests of requests whose token is revoked or changed while they are under way.

use super::*;

#[test]
fn a_token_made_while_its_parent_is_revoked_is_revoked_too() {
    let app = TestApp::start();
    for _ in 0..10 {
        let parent = child(&app, &app.token);
        let body = json!({"comment": "", "scopes": ["workspaces:read"]});
        let minted: Vec<String> = std::thread::scope(|scope| {
            let mints: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut minted = Vec::new();
                        loop {
                            let answer = mint(&app, &parent.token, &body);
                            if answer.status == 401 {
                                return minted;
                            }
                            minted.push(made(&answer.expect(201)).token);
                        }
                    })
                })
                .collect();
            // Not before something was made.
            let end = Instant::now() + crate::fixture::PATIENCE;
            let total = || {
                app.get(TOKENS).expect(200)["meta"]["total"]
                    .as_u64()
                    .unwrap()
            };
            while total() < 4 {
                assert!(Instant::now() < end);
            }
            revoke(&app, &app.token, &parent.id).expect(204);
            mints
                .into_iter()
                .flat_map(|it| it.join().unwrap())
                .collect()
        });
        assert!(minted.iter().all(|token| !is_alive(&app, token)));
        let left = app.get(TOKENS).expect(200);
        assert_eq!(left["meta"]["total"], 1, "{left}");
    }
}

#[test]
fn a_token_that_ended_or_lost_its_scope_meanwhile_changes_nothing() {
    use hookpost::domain::access::{Token, TokenKind};
    use hookpost::storage::{AccessTokenPatch, NewAccessToken, StoreError};

    let app = TestApp::with_manual_clock(&[]);
    let other = child(&app, &app.token);
    let attempts = |made: &Made| {
        // As it was when the request was let in.
        let hash = Token::parse(&made.token).unwrap().hash();
        let caller = app.store.find_caller(&hash).unwrap().unwrap();
        let (store, by) = (app.store.clone(), Actor::Caller(caller));
        let (workspace, id) = (app.workspace.parse().unwrap(), other.id.parse().unwrap());
        move || {
            let new = NewAccessToken {
                hash: Token::generate(TokenKind::Workspace).hash(),
                workspace_id: Some(workspace),
                comment: String::new(),
                scopes: [Scope::WebhooksRead].into_iter().collect(),
                expires_in: None,
            };
            let patch = AccessTokenPatch {
                comment: Some("changed".to_owned()),
                ..AccessTokenPatch::default()
            };
            [
                store.create_token(by, new).wait().err(),
                store.update_token(by, id, patch).wait().err(),
                store
                    .revoke_token(by, id, Descendants::Revoked)
                    .wait()
                    .err(),
            ]
        }
    };
    let (revoked, expired, narrowed) = (
        child(&app, &app.token),
        ending(&app, MINUTE),
        child(&app, &app.token),
    );
    let [after_revoking, after_its_end, after_narrowing] =
        [&revoked, &expired, &narrowed].map(&attempts);
    revoke(&app, &app.token, &revoked.id).expect(204);
    assert_eq!(
        after_revoking(),
        [(); 3].map(|()| Some(StoreError::CallerEnded))
    );
    app.advance(MINUTE);
    assert_eq!(
        after_its_end(),
        [(); 3].map(|()| Some(StoreError::CallerEnded))
    );
    let fewer = json!({"scopes": ["webhooks:read"]});
    about(&app, &app.token, "PATCH", &narrowed.id, &fewer).expect(200);
    let lacking = StoreError::MissingScopes([Scope::TokensWrite].into_iter().collect());
    assert_eq!(after_narrowing(), [(); 3].map(|()| Some(lacking.clone())));
    assert_eq!(listed(&app, &app.token, &other.id)["comment"], "");
}
