//! The tests of what each token may see and do.

use std::collections::BTreeSet;

use hookpost::domain::access::{Scope, Scopes};

use super::Visitor;
use super::world::{Needs, RULES, World, send_form, send_form_with};

#[test]
fn every_page_has_a_rule() {
    let real: BTreeSet<(String, &str)> = hookpost::dashboard::table()
        .map(|page| (page.method.to_string(), page.path))
        .collect();
    let known: BTreeSet<(String, &str)> = RULES
        .iter()
        .map(|rule| (rule.method.to_owned(), rule.path))
        .collect();
    assert_eq!(real, known, "a new page needs a line in RULES");
}

/// Returns tokens with one scope each, and one with none that matters here.
fn single_scopes() -> Vec<Scopes> {
    Scope::ALL
        .into_iter()
        .map(|scope| [scope].into_iter().collect())
        .collect()
}

#[test]
fn what_a_token_may_not_do_is_refused_when_forged() {
    let world = World::new();
    let mut refused = 0;
    for scopes in single_scopes() {
        let token = world.app.make_token(Some(&world.app.workspace), scopes);
        let visitor = Visitor::signed_in(&world.app, &token);
        let before = world.everything();
        for rule in RULES.iter().filter(|rule| !rule.needs.allows(scopes)) {
            let path = world.path(rule);
            let answer = if rule.method == "POST" {
                send_form(&world, &visitor, &path)
            } else {
                visitor.get(&path)
            };
            let names: Vec<_> = scopes.iter().map(Scope::as_str).collect();
            assert_eq!(answer.status, 403, "{names:?} {} {path}", rule.method);
            assert!(
                answer.text.contains("<h1>Not allowed</h1>"),
                "{}",
                answer.text
            );
            refused += 1;
        }
        assert_eq!(world.everything(), before, "{scopes:?} changed something");
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn what_a_token_may_do_is_not_refused() {
    for scopes in single_scopes() {
        // The pages of one token change what those of another need.
        let world = World::new();
        let token = world.app.make_token(Some(&world.app.workspace), scopes);
        let visitor = Visitor::signed_in(&world.app, &token);
        let allowed = RULES.iter().filter(|rule| rule.needs.allows(scopes));
        let (last, first): (Vec<_>, Vec<_>) =
            allowed.partition(|rule| rule.path.ends_with("/delete") || rule.path == "/logout");
        for rule in first.into_iter().chain(last) {
            let mut path = world.path(rule);
            if rule.kind == "token" {
                // A token revokes none that may do more than itself.
                path = path.replace(&world.token, &newest_token(&world));
            }
            let answer = if rule.method == "POST" {
                // A token grants no scope that it has not.
                let own = scopes.iter().map(Scope::as_str).next().unwrap();
                send_form_with(&world, &visitor, &path, &[("scopes", own)])
            } else {
                visitor.get(&path)
            };
            let about = format!("{scopes:?} {} {path}: {}", rule.method, answer.text);
            if rule.method == "POST" {
                assert!(
                    matches!(answer.status, 200 | 303 | 404 | 409 | 422),
                    "{} {about}",
                    answer.status
                );
            } else {
                assert_eq!(answer.status, 200, "{about}");
            }
        }
    }
}

/// Returns the id of the token that was made last.
fn newest_token(world: &World) -> String {
    let app = &world.app;
    let list = app.get_as(&app.admin, "/api/workspace-access-tokens?limit=1");
    let id = list.expect(200)["data"][0]["id"].clone();
    id.as_str().unwrap().to_owned()
}

#[test]
fn tokens_that_may_do_more_are_not_offered_to_be_revoked() {
    let world = World::new();
    let scopes: Scopes = [Scope::TokensWrite].into_iter().collect();
    let token = world.app.make_token(Some(&world.app.workspace), scopes);
    let visitor = Visitor::signed_in(&world.app, &token);
    let page = visitor.get("/tokens");
    let page = page.expect(200);
    let revoke = |id: &str| format!("action=\"/tokens/{id}/revoke\"");
    assert!(page.contains(&revoke(&newest_token(&world))), "its own");
    assert!(!page.contains(&revoke(&world.token)));
    let forged = visitor.post(&format!("/tokens/{}/revoke", world.token), &[]);
    assert_eq!(forged.status, 403);
}

/// Returns the targets of all links and forms of a page.
fn offered(page: &str) -> BTreeSet<(&'static str, String)> {
    let mut found = BTreeSet::new();
    for (method, before) in [("GET", " href=\""), ("POST", " action=\"")] {
        for rest in page.split(before).skip(1) {
            let target = rest.split('"').next().unwrap_or_default();
            let path = target.split(['?', '#']).next().unwrap_or_default();
            found.insert((method, path.to_owned()));
        }
    }
    found
}

#[test]
fn what_a_token_may_not_do_is_not_offered() {
    let world = World::new();
    let mut looked = 0;
    for scopes in single_scopes() {
        let token = world.app.make_token(Some(&world.app.workspace), scopes);
        let visitor = Visitor::signed_in(&world.app, &token);
        let readable = RULES
            .iter()
            .filter(|rule| rule.method == "GET" && rule.needs.allows(scopes))
            .filter(|rule| !rule.path.ends_with("/payload"));
        for rule in readable {
            let page = visitor.get(&world.path(rule));
            for (method, target) in offered(page.expect(200)) {
                let fits = |rule: &&super::world::Rule| {
                    rule.method == method && matches(rule.path, &target)
                };
                let Some(target_rule) = RULES.iter().find(fits) else {
                    continue;
                };
                assert!(
                    target_rule.needs.allows(scopes),
                    "{} offers {method} {target} to {scopes:?}",
                    rule.path
                );
                looked += 1;
            }
        }
    }
    assert!(looked > 50, "{looked}");
}

fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once("{id}") {
        None => pattern == path,
        // `/endpoints/new` is a page of its own.
        Some((before, after)) => path
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|id| id.len() == 36),
    }
}

#[test]
fn an_admin_sees_every_page() {
    let world = World::new();
    let visitor = Visitor::signed_in(&world.app, &world.app.admin);
    for rule in RULES.iter().filter(|rule| rule.method == "GET") {
        visitor.get(&world.path(rule)).expect(200);
    }
    // An admin token may lack scopes, too.
    let token = world
        .app
        .make_token(None, [Scope::WebhooksRead].into_iter().collect());
    let visitor = Visitor::signed_in(&world.app, &token);
    let before = world.everything();
    for rule in RULES.iter().filter(|rule| rule.method == "POST") {
        if matches!(rule.needs, Needs::Session | Needs::AnyAdmin) {
            continue;
        }
        let answer = send_form(&world, &visitor, &world.path(rule));
        assert_eq!(answer.status, 403, "{}", rule.path);
    }
    assert_eq!(world.everything(), before);
}
