//! The tests of tokens that a token made: they end no later, hold no more scopes, and are revoked with it.

mod races;

use std::time::{Duration, Instant};

use hookpost::domain::access::Scopes;
use hookpost::domain::clock::Timestamp;

use super::*;
use crate::fixture::START;

const MINUTE: Duration = Duration::from_mins(1);

fn ending(app: &TestApp, life: Duration) -> Made {
    let token = app.make_expiring_token(Some(&app.workspace), Scopes::all(), Some(life));
    Made {
        id: newest(app).to_string(),
        token,
        object: Value::Null,
    }
}

fn time(at: Timestamp) -> Value {
    json!(at.to_string())
}

#[test]
fn a_child_ends_no_later_than_its_parent() {
    let app = TestApp::with_manual_clock(&[]);
    let parent = ending(&app, MINUTE);
    let mut body = json!({"comment": "", "scopes": ["workspaces:read"]});
    let plain = made(&mint(&app, &parent.token, &body).expect(201));
    assert_eq!(plain.object["expires_at"], time(START.after(MINUTE)));
    for (seconds, fits) in [
        (1, true),
        (59, true),
        (60, true),
        (61, false),
        (86_400, false),
    ] {
        body["expires_in"] = json!(seconds);
        let answer = mint(&app, &parent.token, &body);
        if fits {
            let end = START.after(Duration::from_secs(seconds));
            let object = made(&answer.expect(201)).object;
            assert_eq!(object["expires_at"], time(end), "{seconds}");
            continue;
        }
        let why = format!(
            "a token ends no later than the one that makes it, which is {}: \
             leave expires_in out for the same end",
            START.after(MINUTE)
        );
        let problem = json!({
            "type": "value_error", "loc": ["body", "expires_in"], "input": seconds,
            "msg": format!("Value error, {why}"), "ctx": {"error": why},
        });
        assert_eq!(answer.expect(422)["detail"], json!([problem]));
    }
    // Whatever is wrong besides is told at the same time.
    body["scopes"] = json!([]);
    let both = mint(&app, &parent.token, &body).expect(422);
    assert_eq!(both["detail"].as_array().unwrap().len(), 2, "{both}");
    // The same holds further down, where time has passed.
    app.advance(MINUTE / 2);
    let all = json!({"comment": "", "scopes": Scopes::all().iter().map(Scope::as_str).collect::<Vec<_>>()});
    let middle = made(&mint(&app, &parent.token, &all).expect(201));
    let lowest = child(&app, &middle.token);
    assert_eq!(lowest.object["expires_at"], time(START.after(MINUTE)));
    app.advance((MINUTE / 2).saturating_sub(Duration::from_micros(1)));
    assert!(
        [&parent, &middle, &lowest]
            .iter()
            .all(|it| is_alive(&app, &it.token))
    );
    app.advance(Duration::from_micros(1));
    for ended in [&parent, &plain, &middle, &lowest] {
        assert!(!is_alive(&app, &ended.token));
    }
    // Who lives until revoked may give that.
    assert_eq!(child(&app, &app.token).object["expires_at"], Value::Null);
    assert_eq!(child(&app, &app.admin).object["expires_at"], Value::Null);
}

#[test]
fn no_caller_can_prolong_the_life_of_a_token() {
    let app = TestApp::with_manual_clock(&[]);
    let parent = ending(&app, MINUTE);
    let own = child(&app, &parent.token);
    let before = listed(&app, &app.admin, &own.id);
    for by in [&parent.token, &own.token, &app.token, &app.admin] {
        let longer = json!({"expires_in": 3600, "expires_at": null, "parent_id": null});
        let after = about(&app, by, "PATCH", &own.id, &longer).expect(200);
        assert_eq!(after["expires_at"], before["expires_at"]);
    }
    // Nor does who keeps what another one made.
    revoke(
        &app,
        &app.token,
        &format!("{}?keep_children=true", parent.id),
    )
    .expect(204);
    assert!(is_alive(&app, &own.token));
    app.advance(MINUTE);
    assert!(!is_alive(&app, &own.token));
}

#[test]
fn parents_are_shown_to_those_who_can_see_them() {
    let app = TestApp::start();
    let own = listed(&app, &app.token, &newest(&app).to_string());
    assert_eq!(own["parent_id"], Value::Null, "made on the command line");
    let first = child(&app, &app.token);
    assert_eq!(first.object["parent_id"], own["id"]);
    let second = child(&app, &first.token);
    assert_eq!(second.object["parent_id"], first.id);
    for by in [&app.token, &second.token, &app.admin] {
        assert_eq!(listed(&app, by, &second.id)["parent_id"], first.id);
        assert_eq!(listed(&app, by, &first.id)["parent_id"], own["id"]);
    }
    let patched = about(
        &app,
        &app.token,
        "PATCH",
        &second.id,
        &json!({"comment": "c"}),
    );
    assert_eq!(patched.expect(200)["parent_id"], first.id);
    // An admin token is nobody's to see in a workspace.
    let theirs = child(&app, &app.admin);
    let admin = app
        .get_as(&app.admin, &format!("{TOKENS}?limit=100"))
        .expect(200);
    let admins = admin["data"].as_array().unwrap().iter();
    let admins: Vec<_> = admins.filter(|it| it["workspace_id"].is_null()).collect();
    assert_eq!(theirs.object["parent_id"], admins[0]["id"]);
    assert_eq!(
        listed(&app, &app.admin, &theirs.id)["parent_id"],
        admins[0]["id"]
    );
    for by in [&app.token, &theirs.token] {
        assert_eq!(listed(&app, by, &theirs.id)["parent_id"], Value::Null);
        let unchanged = about(&app, by, "PATCH", &theirs.id, &json!({}));
        assert_eq!(unchanged.expect(200)["parent_id"], Value::Null);
    }
}

/// A token, one that it made, one that this made, and their neighbours.
struct Family {
    top: Made,
    middle: Made,
    low: Made,
    lowest: Made,
    aunt: Made,
}

impl Family {
    fn new(app: &TestApp) -> Self {
        let top = child(app, &app.token);
        let middle = child(app, &top.token);
        let low = child(app, &middle.token);
        let lowest = child(app, &low.token);
        let aunt = child(app, &app.token);
        Self {
            top,
            middle,
            low,
            lowest,
            aunt,
        }
    }

    /// True for each that is alive, from the top on, the aunt last.
    fn alive(&self, app: &TestApp) -> [bool; 5] {
        [&self.top, &self.middle, &self.low, &self.lowest, &self.aunt]
            .map(|it| is_alive(app, &it.token))
    }
}

#[test]
fn revoking_a_token_revokes_its_descendants() {
    let app = TestApp::start();
    let family = Family::new(&app);
    assert_eq!(family.alive(&app), [true; 5]);
    revoke(&app, &family.aunt.token, &family.middle.id).expect(204);
    assert_eq!(family.alive(&app), [true, false, false, false, true]);
    assert!(is_alive(&app, &app.token));
    let left = app.get(&format!("{TOKENS}?limit=100")).expect(200);
    assert_eq!(left["meta"]["total"], 3, "{left}");
    // So it is with a token that revokes itself.
    let family = Family::new(&app);
    revoke(&app, &family.low.token, &family.low.id).expect(204);
    assert_eq!(family.alive(&app), [true, true, false, false, true]);
}

#[test]
fn a_token_revoked_elsewhere_ends_with_its_descendants_within_a_second() {
    let app = TestApp::start();
    let family = Family::new(&app);
    assert_eq!(family.alive(&app), [true; 5], "all of them are remembered");
    let since = Instant::now();
    revoke_elsewhere(&app, family.top.id.parse().unwrap());
    while family.alive(&app) != [false, false, false, false, true] {
        assert!(since.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn the_children_of_a_revoked_token_can_be_kept_and_get_its_parent() {
    let app = TestApp::start();
    for (query, keeps) in [
        ("keep_children=true", true),
        ("keep_children=1", true),
        ("x=1&keep_children=no&keep_children=YES", true),
        ("keep_children=false", false),
        ("keep_children=true&keep_children=off", false),
        ("unknown=true", false),
    ] {
        let family = Family::new(&app);
        revoke(
            &app,
            &family.aunt.token,
            &format!("{}?{query}", family.middle.id),
        )
        .expect(204);
        assert_eq!(
            family.alive(&app),
            [true, false, keeps, keeps, true],
            "{query}"
        );
        if keeps {
            let parent = |of: &Made| listed(&app, &app.token, &of.id)["parent_id"].clone();
            assert_eq!(parent(&family.low), family.top.id);
            assert_eq!(parent(&family.lowest), family.low.id);
            // So there is no way out from under the one at the top.
            revoke(&app, &app.token, &family.top.id).expect(204);
            assert_eq!(family.alive(&app), [false, false, false, false, true]);
        }
    }
    // A misspelt parameter is not ignored: that would revoke tokens that were to be kept.
    let family = Family::new(&app);
    let misspelt = format!("{}?keepchildren=true", family.middle.id);
    let answer = revoke(&app, &family.aunt.token, &misspelt).expect(422);
    assert_eq!(answer["detail"][0]["loc"], json!(["query", "keepchildren"]));
    assert_eq!(family.alive(&app), [true; 5]);
    for (bad, kind) in [
        ("maybe", "bool_parsing"),
        ("", "bool_parsing"),
        ("2", "bool_parsing"),
    ] {
        let path = format!("{}?keep_children={bad}", newest(&app));
        let answer = revoke(&app, &app.token, &path).expect(422);
        let problem = &answer["detail"][0];
        assert_eq!(problem["loc"], json!(["query", "keep_children"]));
        assert_eq!(
            (&problem["type"], &problem["input"]),
            (&json!(kind), &json!(bad))
        );
    }
    let both = revoke(&app, &app.token, "x?keep_children=maybe").expect(422);
    let places: Vec<_> = both["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["loc"])
        .collect();
    assert_eq!(
        places,
        [&json!(["path", "id"]), &json!(["query", "keep_children"])]
    );
}

#[test]
fn nobody_touches_a_token_that_holds_more() {
    let app = TestApp::start();
    let held = [
        Scope::TokensWrite,
        Scope::WorkspacesRead,
        Scope::WebhooksRead,
    ];
    let weak = child_with(&app, &app.token, &held);
    let weaker = child_with(&app, &app.token, &held[1..]);
    let more = [
        Scope::WorkspacesRead,
        Scope::WebhooksPublish,
        Scope::WebhooksWrite,
    ];
    let strong = child_with(&app, &app.token, &more);
    let before = listed(&app, &app.token, &strong.id);
    for (method, query, body) in [
        ("PATCH", "", json!({"scopes": ["webhooks:read"]})),
        ("PATCH", "", json!({"comment": "mine"})),
        ("PATCH", "", json!({})),
        ("DELETE", "", Value::Null),
        ("DELETE", "?keep_children=true", Value::Null),
    ] {
        let path = format!("{}{query}", strong.id);
        let answer = about(&app, &weak.token, method, &path, &body);
        assert_eq!(
            answer.expect(403)["error"],
            "insufficient_scope",
            "{method} {body}"
        );
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.ends_with("scope=\"webhooks:write webhooks:publish\""),
            "{challenge}"
        );
        assert!(is_alive(&app, &strong.token));
        assert_eq!(
            listed(&app, &app.token, &strong.id)["modified_at"],
            before["modified_at"]
        );
    }
    // What holds as much or less is its to change, and itself.
    let narrow = json!({"scopes": ["workspaces:read"]});
    about(&app, &weak.token, "PATCH", &weaker.id, &narrow).expect(200);
    revoke(&app, &weak.token, &weaker.id).expect(204);
    let fewer = json!({"scopes": ["workspace_access_tokens:write", "workspaces:read"]});
    about(&app, &weak.token, "PATCH", &weak.id, &fewer).expect(200);
    let again = json!({"scopes": held.map(Scope::as_str)});
    about(&app, &weak.token, "PATCH", &weak.id, &again).expect(403);
    revoke(&app, &weak.token, &weak.id).expect(204);
    assert!(!is_alive(&app, &weak.token));
}

#[test]
fn nobody_touches_a_token_that_they_come_from() {
    let app = TestApp::start();
    let family = Family::new(&app);
    let refused = json!({
        "error": "insufficient_scope",
        "error_description": "An access token cannot change or revoke one that it comes from",
    });
    for above in [&family.top, &family.middle, &family.low] {
        for (method, query) in [
            ("PATCH", ""),
            ("DELETE", ""),
            ("DELETE", "?keep_children=true"),
        ] {
            let path = format!("{}{query}", above.id);
            let body = json!({"scopes": ["webhooks:read"]});
            let answer = about(&app, &family.lowest.token, method, &path, &body);
            assert_eq!(answer.expect(403), refused);
        }
    }
    assert_eq!(family.alive(&app), [true; 5]);
    // Nor does one that revokes itself leave anything.
    let path = format!("{}?keep_children=true", family.middle.id);
    let refused = revoke(&app, &family.middle.token, &path);
    let why = "An access token that revokes itself cannot keep the tokens that it made: \
               another one must revoke it";
    assert_eq!(refused.expect(403)["error_description"], why);
    assert_eq!(family.alive(&app), [true; 5]);
}
