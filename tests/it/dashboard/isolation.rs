//! The tests that a workspace sees and changes nothing of another.

use hookpost::domain::access::Scopes;
use serde_json::json;

use super::world::{NOBODY, Needs, RULES, World, send_form};
use super::{Page, Visitor};

/// Signs in with a token of another workspace that may do everything.
fn neighbour(world: &World) -> Visitor<'_> {
    let app = &world.app;
    let made = app.post("/api/workspaces", &app.admin, &json!({"name": "neighbour"}));
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    Visitor::signed_in(app, &app.make_token(Some(&id), Scopes::all()))
}

/// Returns the text of a page without the id of the request.
fn without_request_id(page: &Page) -> String {
    let (before, rest) = page
        .text
        .split_once("request <code>")
        .expect("a request id");
    let (_, after) = rest.split_once("</code>").unwrap();
    format!("{before}{after}")
}

#[test]
fn objects_of_another_workspace_are_not_found_and_not_changed() {
    let world = World::new();
    let visitor = neighbour(&world);
    let before = world.everything();
    let mut checked = 0;
    for rule in RULES.iter().filter(|rule| !rule.kind.is_empty()) {
        if matches!(rule.needs, Needs::Admin(_)) {
            continue;
        }
        let ask = |id: &str| {
            let path = rule.path.replace("{id}", id);
            if rule.method == "POST" {
                send_form(&world, &visitor, &path)
            } else {
                visitor.get(&path)
            }
        };
        let theirs = ask(world.id(rule.kind));
        let nobodys = ask(NOBODY);
        let about = format!("{} {}", rule.method, rule.path);
        assert_eq!(theirs.status, 404, "{about}: {}", theirs.text);
        assert_eq!(
            without_request_id(&theirs),
            without_request_id(&nobodys),
            "{about} tells whether the object exists"
        );
        checked += 1;
    }
    assert!(checked >= 12, "{checked}");
    assert_eq!(world.everything(), before);
}

#[test]
fn lists_and_filters_show_nothing_of_another_workspace() {
    let world = World::new();
    let visitor = neighbour(&world);
    let secrets = [
        world.endpoint.as_str(),
        &world.event,
        &world.message,
        &world.token,
        &world.app.workspace,
        "parcel.lost",
        "/hook",
    ];
    let filters = [
        String::new(),
        format!("?endpoint_id={}", world.endpoint),
        format!("?event_id={}", world.event),
        format!("?message_id={}", world.message),
        format!("?workspace_id={}", world.app.workspace),
        format!("?view=events&endpoint_id={}", world.endpoint),
        format!("?view=events&workspace_id={}", world.app.workspace),
    ];
    for rule in RULES.iter().filter(|rule| rule.method == "GET") {
        if !rule.kind.is_empty() || matches!(rule.needs, Needs::AnyAdmin | Needs::Admin(_)) {
            continue;
        }
        for filter in &filters {
            let page = visitor.get(&format!("{}{filter}", rule.path));
            assert!(
                matches!(page.status, 200 | 404 | 422),
                "{} {}",
                rule.path,
                page.status
            );
            for secret in secrets.iter().filter(|secret| !filter.contains(*secret)) {
                let shows = page.text.contains(secret);
                assert!(!shows, "{}{filter} shows {secret}", rule.path);
            }
        }
    }
}

#[test]
fn events_of_another_workspace_are_not_redelivered_in_bulk() {
    let world = World::new();
    let visitor = neighbour(&world);
    let before = world.everything();
    let answer = visitor.post("/redeliver", &[("event", &world.event)]);
    assert!(
        matches!(answer.status, 303 | 404 | 422),
        "{}",
        answer.status
    );
    assert_eq!(world.everything(), before);
    assert_eq!(world.receiver.count("/hook"), 1);
}

#[test]
fn forms_make_nothing_in_another_workspace() {
    let world = World::new();
    let visitor = neighbour(&world);
    let before = world.app.get("/api/webhooks/endpoints").expect(200);
    let tokens = world.app.get("/api/workspace-access-tokens").expect(200);
    for path in ["/endpoints/new", "/publish", "/tokens"] {
        // The form names the other workspace.
        send_form(&world, &visitor, path);
    }
    assert_eq!(world.app.get("/api/webhooks/endpoints").expect(200), before);
    let after = world.app.get("/api/workspace-access-tokens").expect(200);
    assert_eq!(after["meta"], tokens["meta"]);
    let events = world.app.get("/api/webhooks/events").expect(200);
    assert_eq!(events["meta"]["total"], 1);
}

#[test]
fn the_switcher_of_an_admin_limits_the_lists() {
    let world = World::new();
    let app = &world.app;
    let made = app.post("/api/workspaces", &app.admin, &json!({"name": "empty"}));
    let empty = made.expect(201)["id"].as_str().unwrap().to_owned();
    let visitor = Visitor::signed_in(app, &app.admin);
    for list in ["/endpoints", "/deliveries"] {
        let all = visitor.get(list);
        assert!(all.expect(200).contains(&world.endpoint), "{list}");
    }
    let chosen = visitor.post(
        "/workspace",
        &[("workspace", &empty), ("next", "/deliveries?page=9")],
    );
    assert_eq!(chosen.leads_to(), "/deliveries");
    for list in ["/", "/endpoints", "/deliveries"] {
        let own = visitor.get(list);
        assert!(!own.expect(200).contains(&world.endpoint), "{list}");
    }
    let nobody = visitor.post("/workspace", &[("workspace", NOBODY)]);
    assert_eq!(nobody.status, 404);
    let back = visitor.post(
        "/workspace",
        &[("workspace", ""), ("next", "//evil.example")],
    );
    assert_eq!(back.leads_to(), "/");
    let all = visitor.get("/endpoints");
    assert!(all.expect(200).contains(&world.endpoint));
}
