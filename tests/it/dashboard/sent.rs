//! The pages of what was sent: deliveries, events, messages, and publishing.

use serde_json::json;

use super::world::World;
use super::{Page, Visitor};
use crate::fixture::TestApp;

/// Returns the part of a page between its frame, with a placeholder for all that differs from run to run.
fn content(page: &Page) -> String {
    let main = page.text.split_once("<main").unwrap().1;
    let main = main.split_once("</main>").unwrap().0;
    let mut text = String::new();
    for line in main.lines().filter(|line| !line.trim().is_empty()) {
        text.push_str(line);
        text.push('\n');
    }
    for (start, end) in [
        ("<time", "</time>"),
        ("name=\"form_token\" value=\"", "\""),
        ("http://127.0.0.1:", "/"),
        ("\"timestamp&quot;</span>: <span class=\"s\">", "</span>"),
        ("webhook-timestamp</span>: ", "\n"),
        ("webhook-signature</span>: ", "\n"),
        ("webhook-timestamp: ", "&#39;"),
        ("webhook-signature: ", "&#39;"),
        (
            "&quot;timestamp&quot;</span>: <span class=\"s\">&quot;",
            "&quot;",
        ),
        ("&#34;timestamp&#34;:&#34;", "&#34;"),
        ("timestamp <code>", "</code>"),
    ] {
        text = masked(&text, start, end);
    }
    without_ids(&without_durations(&text))
}

/// Replaces what is between each `start` and the next `end`.
fn masked(text: &str, start: &str, end: &str) -> String {
    let mut parts = text.split(start);
    let mut result = parts.next().unwrap().to_owned();
    for part in parts {
        result.push_str(start);
        match part.split_once(end) {
            Some((_, rest)) => {
                result.push_str("[…]");
                result.push_str(end);
                result.push_str(rest);
            }
            None => result.push_str(part),
        }
    }
    result
}

/// Replaces durations in milliseconds.
fn without_durations(text: &str) -> String {
    let mut parts = text.split("\u{202f}ms");
    let mut result = parts.next().unwrap().to_owned();
    for part in parts {
        let digits = result.len() - result.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        result.truncate(result.len() - digits);
        result.push_str("[n] ms");
        result.push_str(part);
    }
    result
}

/// Replaces ids, and the ends of ids that stand alone.
fn without_ids(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(start);
        let word = &from[..from.find(|c| !is_part(c)).unwrap_or(from.len())];
        result.push_str(before);
        let is_short = word.len() == 8 && before.ends_with("\">");
        result.push_str(if word.len() == 36 || is_short {
            "[id]"
        } else {
            word
        });
        rest = &from[word.len()..];
    }
    result + rest
}

/// A world in which no retry comes while a test runs.
fn world() -> World {
    World::in_app(TestApp::with_flags(&["--retry-schedule=1h"]))
}

fn visitor(world: &World) -> Visitor<'_> {
    Visitor::signed_in(&world.app, &world.app.token)
}

#[test]
fn the_list_of_attempts_leads_to_their_events() {
    let world = world();
    let visitor = visitor(&world);
    let page = visitor.get("/deliveries");
    page.expect(200);
    insta::assert_snapshot!("deliveries", content(&page));
    let open = page.value_after("class=\"expander\"", "href").unwrap();
    let open = open.split('#').next().unwrap().replace("&#38;", "&");
    let opened = visitor.get(&open);
    assert!(
        opened.expect(200).contains("class=\"timeline\""),
        "{}",
        opened.text
    );
    assert!(opened.text.contains("What to do:"), "{}", opened.text);
}

#[test]
fn filters_are_those_of_the_api() {
    let world = world();
    let visitor = visitor(&world);
    let total = |query: &str, total: u64| {
        let page = visitor.get(&format!("/deliveries?{query}"));
        let shown = page.expect(200).split_once(" id=\"total\"").unwrap().1;
        let shown = shown.split_once('>').unwrap().1;
        assert!(
            shown.starts_with(&format!("{total} ")),
            "{query}: {}",
            page.text
        );
    };
    let endpoint = format!("endpoint_id={}", world.endpoint);
    for (query, found) in [
        (endpoint.as_str(), 1),
        ("succeeded=false&http_code_class=5xx", 1),
        ("succeeded=true", 0),
        ("event_type=parcel.lost&endpoint_id=&query=", 1),
        ("event_type=order.other", 0),
        // A browser's field for times has no zone.
        ("start_timestamp=2020-01-01T00:00", 1),
        ("end_timestamp=2020-01-01T00:00:30", 0),
        ("view=events&status=failed", 0),
        ("view=events&status=pending", 1),
        ("view=attempts&tracking=1", 1),
    ] {
        total(query, found);
    }
    total(&format!("message_id={}", world.message), 1);
    total(&format!("view=events&query={}", world.event), 1);
    let refused = visitor.get("/deliveries?endpoint_id=x&start_timestamp=soon");
    let text = refused.expect(422);
    assert!(
        text.contains("A filter cannot be read") && text.contains("value=\"soon\""),
        "{text}"
    );
}

#[test]
fn an_event_shows_what_was_sent_and_what_came_back() {
    let world = world();
    let visitor = visitor(&world);
    let page = visitor.get(&format!("/events/{}", world.event));
    page.expect(200);
    insta::assert_snapshot!("event", content(&page));
    let raw = visitor.get(&format!("/events/{}/payload", world.event));
    let path = format!("/api/webhooks/events/{}", world.event);
    let event = world.app.get(&path).expect(200);
    assert_eq!(raw.expect(200), event["payload"].as_str().unwrap());
    assert_eq!(
        raw.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(raw.header("x-content-type-options"), Some("nosniff"));
    let disposition = raw.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment"), "{disposition}");
}

#[test]
fn the_signature_on_the_page_is_that_of_the_request() {
    let world = world();
    let page = visitor(&world).get(&format!("/events/{}", world.event));
    let received = &world.receiver.wait("/hook", 1)[0];
    let id = format!("webhook-id</span>: {}", world.event);
    assert!(page.expect(200).contains(&id), "{}", page.text);
    let timestamp: i64 = received.header("webhook-timestamp").parse().unwrap();
    let line = |timestamp| format!("webhook-timestamp</span>: {timestamp}\n");
    // The page computes it from the time at which the result was stored, which may be a second later.
    if page.text.contains(&line(timestamp + 1)) {
        return;
    }
    assert!(
        page.text.contains(&line(timestamp)),
        "{timestamp}: {}",
        page.text
    );
    let sent = received.header("webhook-signature");
    assert!(
        page.text
            .contains(&format!("webhook-signature</span>: {sent}\n")),
        "{sent}: {}",
        page.text
    );
}

#[test]
fn a_message_shows_who_got_it() {
    let world = world();
    let visitor = visitor(&world);
    let page = visitor.get(&format!("/messages/{}", world.message));
    page.expect(200);
    insta::assert_snapshot!("message", content(&page));
    let by_event_page = visitor.get(&format!("/events/{}", world.message));
    assert_eq!(
        by_event_page.leads_to(),
        format!("/messages/{}", world.message)
    );
}

#[test]
fn selected_events_are_sent_again_and_the_others_have_a_reason() {
    let world = world();
    let visitor = visitor(&world);
    world.receiver.reply("/hook", 200, "");
    let list = "/deliveries?view=events";
    let send = |events: &[&str]| {
        let mut fields = vec![("next", list)];
        fields.extend(events.iter().map(|event| ("event", *event)));
        let answer = visitor.post("/redeliver", &fields);
        assert_eq!(answer.leads_to(), list);
        visitor.get(list)
    };
    let absent = "0190a000-0000-4000-8000-000000000000";
    let page = send(&[&world.event, absent, &world.event]);
    assert!(
        page.expect(200)
            .contains("1 event is queued again. The list below shows what becomes of them. Not …00000000: it or its endpoint was deleted."),
        "{}",
        page.text
    );
    let event = format!("/events/{}", world.event);
    visitor.wait_for(&event, |page| page.text.contains("badge good\">succeeded"));
    assert!(send(&[]).text.contains("Select the events"));
    visitor.post(&format!("/endpoints/{}/disable", world.endpoint), &[]);
    let path = format!("/api/webhooks/endpoints/{}", world.endpoint);
    world
        .app
        .patch(&path, &json!({"enabled": false}))
        .expect(200);
    assert!(
        send(&[&world.event])
            .text
            .contains("its endpoint is disabled: enable it first")
    );
    let shown = visitor.get(&event);
    assert!(!shown.text.contains("Redeliver now"), "{}", shown.text);
    let answer = visitor.post(&format!("{event}/redeliver"), &[]);
    assert_eq!(answer.leads_to(), event);
    assert!(
        visitor
            .get(&event)
            .text
            .contains("was not sent again: its endpoint is disabled")
    );
}

#[test]
fn a_message_is_composed_shown_and_sent() {
    let world = world();
    let visitor = visitor(&world);
    let fields = [
        ("type", "order.paid"),
        ("data", "{\"n\":1.0,\r\n \"m\":\"</textarea><b>\"}"),
    ];
    let preview = visitor.post(
        "/publish",
        &[&fields[..], &[("action", "preview")]].concat(),
    );
    preview.expect(200);
    insta::assert_snapshot!("publish", content(&preview));
    let count =
        |app: &TestApp| app.get("/api/webhooks/events").expect(200)["meta"]["total"].clone();
    assert_eq!(count(&world.app), 1);
    let send = |more: &[(&str, &str)]| {
        visitor.post(
            "/publish",
            &[&fields[..], &[("action", "send")], more].concat(),
        )
    };
    let key = [("idempotency_key", "once")];
    let sent = send(&key);
    let message = sent.leads_to().to_owned();
    assert!(message.starts_with("/messages/"), "{message}");
    assert!(
        visitor
            .get(&message)
            .text
            .contains("Published. It goes to 1 endpoint.")
    );
    assert_eq!(count(&world.app), 2);
    assert_eq!(send(&key).leads_to(), message);
    assert!(
        visitor
            .get(&message)
            .text
            .contains("nothing was published again")
    );
    let events = world.app.get("/api/webhooks/events?limit=1").expect(200);
    let payload = events["data"][0]["payload"].as_str().unwrap();
    assert!(
        payload.contains("{\"n\":1.0,\n \"m\":\"</textarea><b>\"}"),
        "{payload}"
    );
    let reused = visitor.post(
        "/publish",
        &[
            ("type", "order.paid"),
            ("data", "1"),
            ("idempotency_key", "once"),
            ("action", "send"),
        ],
    );
    assert!(
        reused
            .expect(422)
            .contains("This key was used with another message")
    );
    assert_eq!(count(&world.app), 2);
}

#[test]
fn the_problems_of_a_message_are_beside_its_fields() {
    let world = world();
    let visitor = visitor(&world);
    let page = visitor.post(
        "/publish",
        &[
            ("type", "a b"),
            ("data", "{\n 1}"),
            ("timestamp", "soon"),
            ("action", "send"),
        ],
    );
    let text = page.expect(422);
    for id in ["type-problem", "data-problem", "timestamp-problem"] {
        assert!(
            text.contains(&format!("class=\"problem\" id=\"{id}\"")),
            "{id}: {text}"
        );
    }
    assert!(text.contains("line 2, column 2"), "{text}");
    assert!(text.contains("value=\"a b\""), "{text}");
    let admin = Visitor::signed_in(&world.app, &world.app.admin);
    let page = admin.post(
        "/publish",
        &[("type", "a"), ("data", "1"), ("action", "send")],
    );
    assert!(
        page.expect(422).contains("id=\"workspace-problem\""),
        "{}",
        page.text
    );
}
