//! Fields of objects, in requests and in answers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::tables::{assert_says, between, code, quoted, section, table};
use super::{keys, schema, texts, words};
use crate::contract::{DOCUMENT, resolved};

/// A row of a table of fields, for one of the fields that it names.
struct Row {
    name: &'static str,
    /// The cells between the first and the last.
    requests: Vec<&'static str>,
    about: &'static str,
    is_alone: bool,
}

fn rows(title: &str, head: &str) -> Vec<Row> {
    let table = table(section(title), head).into_iter();
    let rows = table.flat_map(|cells| {
        let names = code(cells[0]);
        let is_alone = names.len() == 1;
        names.into_iter().map(move |name| Row {
            name,
            requests: cells[1..cells.len() - 1].to_vec(),
            about: cells.last().unwrap(),
            is_alone,
        })
    });
    rows.collect()
}

fn is_nullable(schema: &'static Value) -> bool {
    let schema = resolved(schema);
    let alternatives = schema["anyOf"].as_array().into_iter().flatten();
    schema["type"] == "null"
        || texts(&schema["type"]).contains("null")
        || alternatives.into_iter().any(is_nullable)
}

/// Compares a table with the object of answers.
fn compare_answer(rows: &[Row], name: &str) {
    let object = schema(name);
    let properties = &object["properties"];
    let rows: Vec<_> = rows
        .iter()
        .filter(|row| !row.about.starts_with("only in requests"))
        .collect();
    let written: BTreeSet<_> = rows.iter().map(|row| row.name).collect();
    assert_eq!(written, keys(properties), "{name}");
    assert_eq!(written.len(), rows.len(), "{name}: a field is there twice");
    assert_eq!(texts(&object["required"]), written, "{name}");
    for Row {
        name: field,
        about,
        is_alone,
        ..
    } in rows
    {
        let property = &properties[*field];
        let says_null = if *is_alone {
            about.contains("null")
        } else {
            let says = |verb: &str| about.contains(&format!("`{field}` {verb} null"));
            says("is") || says("is always")
        };
        assert_eq!(says_null, is_nullable(property), "{name}.{field}: {about}");
        if let Some(words) = words(property) {
            let written: BTreeSet<_> = code(about).into_iter().collect();
            assert_eq!(written, words, "{name}.{field}");
        }
    }
}

/// Compares a column of a table with the body of a request.
fn compare_request(rows: &[Row], column: usize, name: &str) {
    let object = schema(name);
    let properties = &object["properties"];
    let sent: Vec<_> = rows
        .iter()
        .filter(|row| !row.requests[column].is_empty())
        .collect();
    let written: BTreeSet<_> = sent.iter().map(|row| row.name).collect();
    assert_eq!(written, keys(properties), "{name}");
    let required = sent.iter().filter(|row| row.requests[column] == "required");
    let required: BTreeSet<_> = required.map(|row| row.name).collect();
    assert_eq!(required, texts(&object["required"]), "{name}");
    for row in sent {
        let property = &properties[row.name];
        let cell = row.requests[column];
        match cell {
            "required" => assert!(!is_nullable(property), "{name}.{}", row.name),
            "optional" | "yes" => assert!(is_nullable(property), "{name}.{}", row.name),
            "admin tokens" => {
                let about = property["description"].as_str().unwrap();
                assert!(about.contains("An admin token must send it"), "{about}");
            }
            cell => panic!("{name}.{}: {cell}", row.name),
        }
        if let Some(words) = words(property) {
            let written: BTreeSet<_> = code(row.about).into_iter().collect();
            assert_eq!(written, words, "{name}.{}", row.name);
        }
    }
}

#[test]
fn fields_that_are_sent_and_shown_are_the_same() {
    for (title, head, answer, create, update) in [
        (
            "Endpoints",
            "field",
            "WebhookEndpoint",
            "WebhookEndpointCreate",
            "WebhookEndpointUpdate",
        ),
        (
            "Workspaces and access tokens",
            "workspace",
            "Workspace",
            "WorkspaceCreate",
            "WorkspaceUpdate",
        ),
        (
            "Workspaces and access tokens",
            "access token",
            "WorkspaceAccessToken",
            "WorkspaceAccessTokenCreate",
            "WorkspaceAccessTokenUpdate",
        ),
    ] {
        let rows = rows(title, head);
        compare_answer(&rows, answer);
        compare_request(&rows, 0, create);
        compare_request(&rows, 1, update);
    }
    compare_request(&rows("Publishing", "field"), 0, "MessagePublish");
    compare_request(&rows("Preview", "field"), 0, "PreviewRequest");
    compare_answer(&rows("Messages", "message"), "WebhookMessage");
    compare_request(&rows("Jobs", "field"), 0, "JobCreate");
    compare_answer(&rows("Jobs", "job"), "Job");
    compare_answer(&rows("Jobs", "member"), "JobFilter");
    compare_answer(&rows("Jobs", "reason"), "JobLeftOut");
    compare_answer(&rows("Events and deliveries", "event"), "WebhookEvent");
    compare_answer(
        &rows("Events and deliveries", "delivery"),
        "WebhookDelivery",
    );
}

#[test]
fn the_filter_of_a_job_has_the_same_members_in_requests() {
    let filter = &schema("JobCreate")["properties"]["filter"];
    let members = keys(&resolved(filter)["properties"]);
    assert_eq!(members, keys(&schema("JobFilter")["properties"]));
    let counted = between(section("Jobs"), "With `dry_run` the answer is `", "`");
    let counted: BTreeSet<_> = quoted(counted).into_iter().collect();
    assert_eq!(counted, keys(&schema("JobDryRun")["properties"]));
}

#[test]
fn the_members_of_a_preview_are_the_same() {
    let shown = between(section("Preview"), "The answer is `", "`");
    let shown: BTreeSet<_> = quoted(shown).into_iter().collect();
    assert_eq!(shown, keys(&schema("Preview")["properties"]));
}

#[test]
fn every_body_of_a_request_is_compared() {
    let bodies = keys(&DOCUMENT["components"]["schemas"]).into_iter();
    let bodies = bodies.filter(|name| {
        ["Create", "Update", "Publish", "Rotate", "Test"]
            .iter()
            .any(|end| name.ends_with(end))
    });
    // One is that of the messages in another.
    assert_eq!(bodies.count(), 12);
    // A request with PUT has the members of one with POST, but for the key, which is in its path.
    let (create, put) = (
        schema("WebhookEndpointCreate"),
        schema("WebhookEndpointPut"),
    );
    let mut members = create["properties"].clone();
    members.as_object_mut().unwrap().remove("key");
    assert_eq!(put["properties"], members);
    assert_eq!(put["required"], create["required"]);
    let operations = super::operations();
    let with_body = operations
        .iter()
        .filter(|it| it.node["requestBody"].is_object());
    assert_eq!(with_body.count(), 13);
}

#[test]
fn the_members_of_a_rotation_are_the_same() {
    let written = table(section("Secrets"), "member").into_iter();
    let written: BTreeSet<_> = written.map(|row| code(row[0])[0]).collect();
    let body = schema("WebhookEndpointRotate");
    assert_eq!(written, keys(&body["properties"]));
    assert_eq!(body["required"], Value::Null, "each is optional");
    let types = table(section("Secrets"), "`secret_type`").into_iter();
    let types: BTreeSet<_> = types.map(|row| code(row[0])[0]).collect();
    let words = schema("SecretType")["enum"].as_array().unwrap().iter();
    assert_eq!(types, words.map(|word| word.as_str().unwrap()).collect());
}

#[test]
fn the_members_of_a_test_are_the_same() {
    let written = table(section("Sending a test"), "member").into_iter();
    let written: BTreeSet<_> = written.map(|row| code(row[0])[0]).collect();
    let body = schema("MessageTest");
    assert_eq!(written, keys(&body["properties"]));
    assert_eq!(body["required"], Value::Null, "each is optional");
}

/// Collects the places below a node, and below what it refers to, that have a keyword.
fn places(node: &'static Value, keyword: &str, at: &str, found: &mut BTreeSet<String>) {
    let node = resolved(node);
    if node.get(keyword).is_some() {
        found.insert(at.to_owned());
    }
    let members = node.as_object().into_iter().flatten();
    for (key, member) in members {
        places(member, keyword, &format!("{at}.{key}"), found);
    }
}

#[test]
fn lists_of_words_are_open_in_answers_and_closed_in_requests() {
    let components = &DOCUMENT["components"];
    let (mut closed, mut open) = (BTreeSet::new(), BTreeSet::new());
    for (name, schema) in components["schemas"].as_object().unwrap() {
        // A list of words with a name counts where it is used.
        if schema.get("enum").is_some() {
            continue;
        }
        let is_request = ["Create", "Update", "Put", "Publish"]
            .iter()
            .any(|end| name.ends_with(end));
        if is_request {
            places(schema, "x-extensible-enum", name, &mut open);
        } else {
            places(schema, "enum", name, &mut closed);
        }
    }
    places(&components["headers"], "enum", "headers", &mut closed);
    assert_eq!(open, BTreeSet::new());
    // This word says which form the body has.
    let form = "RequestValidationError.properties.error".to_owned();
    assert_eq!(closed, BTreeSet::from([form]));
    assert_says(
        "The reference and the OpenAPI document",
        "the lists of words that clients get are `x-extensible-enum` in the document",
    );
}

#[test]
fn messages_lists_and_problems_have_the_same_members() {
    let set = |names: Vec<&'static str>| names.into_iter().collect::<BTreeSet<_>>();
    let message = between(section("Publishing"), "The 202 has the message: `", "`");
    let (own, of_events) = message.split_once("\"events\":").unwrap();
    let mut own = set(quoted(own));
    own.insert("events");
    assert_eq!(own, keys(&schema("Message")["properties"]));
    assert_eq!(own, texts(&schema("Message")["required"]));
    assert_eq!(
        set(quoted(of_events)),
        keys(&schema("MessageEvent")["properties"])
    );

    let list = between(section("Lists"), "A list is `", "`");
    let (outer, meta) = list.split_once("\"meta\":").unwrap();
    let (mut outer, mut meta) = (set(quoted(outer)), set(quoted(meta)));
    outer.insert("meta");
    assert_eq!(meta, texts(&schema("ListMeta")["required"]));
    meta.insert("searched");
    meta.insert("searched_back_to");
    assert_says("Lists", "`meta.searched`");
    assert_says("Lists", "`meta.searched_back_to`");
    assert_eq!(meta, keys(&schema("ListMeta")["properties"]));
    let names = keys(&DOCUMENT["components"]["schemas"]).into_iter();
    let lists: Vec<_> = names.filter(|name| name.ends_with("List")).collect();
    assert_eq!(lists.len(), 7);
    for list in lists {
        assert_eq!(keys(&schema(list)["properties"]), outer, "{list}");
    }

    let example = between(section("Errors"), "```json", "```");
    let members = example.lines().filter_map(|line| {
        let member = line.strip_prefix("      \"")?;
        member.split('"').next()
    });
    let mut members: BTreeSet<_> = members.collect();
    let problem = schema("Problem");
    assert_eq!(members, keys(&problem["properties"]));
    assert!(members.remove("ctx"));
    assert_says("Errors", "`ctx` has the parameters of `msg`, if it has any");
    assert_eq!(members, texts(&problem["required"]));
}
