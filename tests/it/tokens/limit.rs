//! The tests of the greatest number of tokens of a workspace.

use std::time::Duration;

use hookpost::domain::access::Scopes;

use super::*;

fn total(app: &TestApp) -> u64 {
    app.get(TOKENS).expect(200)["meta"]["total"]
        .as_u64()
        .unwrap()
}

#[track_caller]
fn assert_full(answer: &Answer, limit: u32) {
    let why = format!("a workspace can have at most {limit} access tokens: revoke one first");
    let problem = json!({
        "type": "value_error", "loc": ["body"], "input": null,
        "msg": format!("Value error, {why}"), "ctx": {"error": why},
    });
    assert_eq!(answer.expect(422)["detail"], json!([problem]));
}

#[test]
fn a_workspace_cannot_have_more_tokens_than_the_limit() {
    let app = TestApp::with_flags(&["--max-tokens", "4"]);
    let body = json!({"comment": "", "scopes": ["webhooks:read"]});
    let mut named = body.clone();
    named["workspace_id"] = json!(app.workspace);
    let first = child(&app, &app.token);
    child(&app, &first.token);
    child(&app, &app.admin);
    for (token, body) in [
        (&app.token, &body),
        (&first.token, &body),
        (&app.admin, &named),
    ] {
        assert_full(&mint(&app, token, body), 4);
    }
    assert_eq!(total(&app), 4);
    // Another workspace has room of its own, and the operator makes what they like.
    let other = app
        .post("/api/workspaces", &app.admin, &json!({"name": "other"}))
        .expect(201);
    named["workspace_id"] = other["id"].clone();
    mint(&app, &app.admin, &named).expect(201);
    app.make_token(Some(&app.workspace), Scopes::all());
    assert_eq!(total(&app), 5);
    // With one and its child there is room for one.
    revoke(&app, &app.token, &first.id).expect(204);
    mint(&app, &app.token, &body).expect(201);
    assert_full(&mint(&app, &app.token, &body), 4);
}

#[test]
fn expired_tokens_take_no_room_and_do_not_pile_up() {
    let app = TestApp::with_manual_clock(&["--max-tokens", "3"]);
    let mut short = json!({"comment": "", "scopes": ["webhooks:read"], "expires_in": 60});
    let elsewhere = app
        .post("/api/workspaces", &app.admin, &json!({"name": "other"}))
        .expect(201);
    short["workspace_id"] = elsewhere["id"].clone();
    mint(&app, &app.admin, &short).expect(201);
    let all = |app: &TestApp| app.get_as(&app.admin, TOKENS).expect(200)["meta"]["total"].clone();
    short.as_object_mut().unwrap().remove("workspace_id");
    for _ in 0..5 {
        mint(&app, &app.token, &short).expect(201);
        mint(&app, &app.token, &short).expect(201);
        assert_full(&mint(&app, &app.token, &short), 3);
        app.advance(Duration::from_mins(1));
        assert_eq!(total(&app), 3, "what has expired is still listed");
    }
    mint(&app, &app.token, &short).expect(201);
    assert_eq!(total(&app), 2);
    assert_eq!(
        all(&app),
        4,
        "with the admin's, and the expired one elsewhere"
    );
}

#[test]
fn the_limit_is_a_thousand_unless_it_is_set() {
    let app = TestApp::start();
    let body = json!({"comment": "", "scopes": ["webhooks:read"]});
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..333).for_each(|_| drop(mint(&app, &app.token, &body).expect(201))));
        }
    });
    assert_full(&mint(&app, &app.token, &body), 1000);
    // All of them are gone as fast as one.
    let id = newest(&app);
    assert_eq!(total(&app), 1000);
    let parent = listed(&app, &app.token, &id.to_string())["parent_id"].clone();
    revoke(&app, &app.admin, parent.as_str().unwrap()).expect(204);
    let left = app.get_as(&app.admin, TOKENS).expect(200);
    assert_eq!(left["meta"]["total"], 1, "the admin's");
}
