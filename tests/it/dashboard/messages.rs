//! The page of a message, and the choice of its endpoints.

use serde_json::json;

use super::Visitor;
use super::world::World;
use crate::fixture::TestApp;

/// A world in which no retry comes while a test runs.
fn world() -> World {
    World::in_app(TestApp::with_flags(&["--retry-schedule=1h"]))
}

fn visitor(world: &World) -> Visitor<'_> {
    Visitor::signed_in(&world.app, &world.app.token)
}

#[test]
fn a_message_is_sent_to_named_endpoints() {
    let world = world();
    let visitor = visitor(&world);
    let path = format!("/api/webhooks/endpoints/{}", world.endpoint);
    let nobodys = "0190a000-0000-4000-8000-000000000000";
    world
        .app
        .patch(&path, &json!({"events": ["nothing"]}))
        .expect(200);
    let named = format!("{}, {nobodys}", world.endpoint);
    let fields = [
        ("type", "order.paid"),
        ("data", "1"),
        ("endpoint_ids", &*named),
    ];
    let preview = visitor.post(
        "/publish",
        &[&fields[..], &[("action", "preview")]].concat(),
    );
    let text = preview.expect(200);
    assert!(text.contains("1 endpoint would get it now"), "{text}");
    assert!(text.contains("Not endpoints of this workspace") && text.contains(nobodys));
    let refused = visitor.post("/publish", &[&fields[..], &[("action", "send")]].concat());
    assert!(
        refused
            .expect(422)
            .contains("no endpoint with one of these ids")
    );
    let fields = [
        ("type", "order.paid"),
        ("data", "1"),
        ("endpoint_ids", &*world.endpoint),
    ];
    world
        .app
        .patch(&path, &json!({"enabled": false}))
        .expect(200);
    let preview = visitor.post(
        "/publish",
        &[&fields[..], &[("action", "preview")]].concat(),
    );
    assert!(
        preview
            .expect(200)
            .contains("their events would be skipped")
    );
    let sent = visitor.post("/publish", &[&fields[..], &[("action", "send")]].concat());
    assert!(visitor.get(sent.leads_to()).text.contains("1 skipped"));
}

#[test]
fn a_payload_is_erased_on_the_page_of_its_message() {
    let world = world();
    let visitor = visitor(&world);
    let page = format!("/messages/{}", world.message);
    assert!(visitor.get(&page).text.contains("Erase payload…"));
    let answer = visitor.post(&format!("{page}/erase"), &[]);
    assert_eq!(answer.leads_to(), page);
    let shown = visitor.get(&page);
    let text = shown.expect(200);
    assert!(text.contains("The payload is erased."), "{text}");
    assert!(text.contains("The payload is gone"), "{text}");
    assert!(
        !text.contains("Erase payload…"),
        "there is nothing to erase"
    );
}
