//! Snapshots of the HTML of every page, so that a change of a page is seen in review. What differs from run to run is
//! replaced: ids, secrets, ports and the hashes of files. Times do not differ, since the clock stands still.
//!
//! `/system` is left out: it shows the machine. `sent.rs` has the pages of what was sent.

use std::collections::BTreeMap;

use hookpost::domain::access::Scopes;

use super::Visitor;
use super::world::{RULES, World};

fn is_id(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

/// Replaces each id, and the end of it that pages show, by its number in the text.
fn without_ids(text: &str) -> String {
    let mut ids = BTreeMap::new();
    for at in 0..text.len() {
        let found = text.get(at..at + 36).filter(|found| is_id(found));
        if let Some(id) = found {
            let next = ids.len() + 1;
            ids.entry(id.to_owned()).or_insert(next);
        }
    }
    let mut text = text.to_owned();
    for (id, number) in ids {
        text = text.replace(&id, &format!("ID-{number}"));
        text = text.replace(&id[28..], &format!("ID-{number}-END"));
    }
    text
}

/// Replaces what follows `start`, as long as its characters fit.
fn without(text: &str, start: &str, word: &str, fits: impl Fn(char) -> bool) -> String {
    let mut parts = text.split(start);
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(&fits);
        whole.push_str(start);
        if rest.len() < part.len() {
            whole.push_str(word);
        }
        whole.push_str(rest);
    }
    whole
}

fn stable(world: &World, visitor: &Visitor<'_>, page: &str) -> String {
    let base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/=".contains(letter);
    let text = page.replace(&visitor.form_token, "FORM-TOKEN");
    let text = text.replace(&world.receiver.addr.to_string(), "RECEIVER");
    let text = text.replace(&world.app.addr.to_string(), "SERVER");
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let text = without(&text, "whsec_", "SECRET", base64);
    let text = without(&text, "v1,", "SIGNATURE", base64);
    let text = ["/assets/style.", "/assets/script.", "/assets/icon."]
        .iter()
        .fold(text, |text, start| {
            without(&text, start, "HASH", |letter| letter.is_ascii_hexdigit())
        });
    without_ids(&text)
}

#[test]
fn every_page_is_as_reviewed() {
    let world = World::recorded();
    let visitor = Visitor::signed_in(&world.app, &world.app.token);
    let elsewhere = ["/system", "/deliveries", "/events", "/messages", "/publish"];
    for rule in RULES.iter().filter(|rule| rule.method == "GET") {
        if elsewhere.iter().any(|path| rule.path.starts_with(path)) {
            continue;
        }
        let page = visitor.get(&world.path(rule));
        let name = match rule.path {
            "/" => "overview".to_owned(),
            path => path[1..].replace("{id}", "id").replace('/', "_"),
        };
        insta::assert_snapshot!(name, stable(&world, &visitor, page.expect(200)));
    }
}

#[test]
fn pages_without_data_are_as_reviewed() {
    let world = World::recorded();
    let made = world.app.post(
        "/api/workspaces",
        &world.app.admin,
        &serde_json::json!({"name": "empty"}),
    );
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    let token = world.app.make_token(Some(&id), Scopes::webhooks());
    let visitor = Visitor::signed_in(&world.app, &token);
    for (name, path) in [
        ("empty_overview", "/"),
        ("empty_endpoints", "/endpoints"),
        ("empty_deliveries", "/deliveries"),
        ("empty_events", "/deliveries?view=events"),
    ] {
        let page = visitor.get(path);
        insta::assert_snapshot!(name, stable(&world, &visitor, page.expect(200)));
    }
}

#[test]
fn the_page_to_sign_in_is_as_reviewed() {
    let world = World::recorded();
    let visitor = Visitor {
        form_token: "no form token".to_owned(),
        ..Visitor::stranger(&world.app)
    };
    let page = visitor.get("/login");
    insta::assert_snapshot!("login", stable(&world, &visitor, page.expect(200)));
}
