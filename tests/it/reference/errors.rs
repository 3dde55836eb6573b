//! Errors: codes, names, bodies, headers; and the types of problems.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::tables::{assert_says, code, quoted, section, table};
use super::{keys, operations, schema, words};

/// The members of the body of each error, by its status and name; a `[` after a member with a list.
type Errors = BTreeMap<(u16, &'static str), BTreeSet<String>>;

/// Returns the errors of API.md.
fn written() -> Errors {
    let mut errors = Errors::new();
    for row in table(section("Errors"), "code") {
        let [status, body, when] = row[..] else {
            panic!("{row:?}");
        };
        let is_member = |word: &&str| body.contains(&format!("\"{word}\":"));
        let is_list = |word: &str| body.contains(&format!("\"{word}\": ["));
        let members = quoted(body).into_iter().filter(is_member);
        let members = members.map(|word| format!("{word}{}", if is_list(word) { "[" } else { "" }));
        let members: BTreeSet<_> = members.collect();
        let names = if body.contains("\"error\": NAME") {
            code(when)
        } else {
            vec![quoted(body)[1]]
        };
        for name in names {
            let status = status.parse().unwrap();
            let before = errors.insert((status, name), members.clone());
            assert!(before.is_none_or(|before| before == members), "{name}");
        }
    }
    errors
}

/// Returns the errors of all responses of the document.
fn documented() -> Errors {
    let mut errors = Errors::new();
    for operation in operations() {
        for (status, response) in operation.responses().filter(|(status, _)| *status >= 400) {
            let examples = &response["content"]["application/json"]["examples"];
            for example in examples.as_object().into_iter().flatten() {
                let body = &example.1["value"];
                let members = body.as_object().unwrap().iter().map(|(key, value)| {
                    let list = if value.is_array() { "[" } else { "" };
                    format!("{key}{list}")
                });
                let name = body["error"].as_str().unwrap();
                let mut members: BTreeSet<_> = members.collect();
                // The section about probes describes this one.
                if operation.path == "/readyz" && status == 503 {
                    assert!(members.remove("checks["));
                }
                errors.insert((status, name), members);
            }
        }
    }
    errors
}

#[test]
fn errors_are_the_same() {
    let (mut written, documented) = (written(), documented());
    let names: BTreeSet<_> = written.keys().map(|(_, name)| *name).collect();
    let listed = ["Error", "AuthenticationError", "RequestValidationError"]
        .into_iter()
        .flat_map(|name| words(&schema(name)["properties"]["error"]).unwrap());
    assert_eq!(names, listed.collect());
    // The document has only the methods of its routes.
    let other_method = (405, "MethodNotAllowed");
    assert!(written.remove(&other_method).is_some());
    assert_eq!(written, documented);
}

#[test]
fn types_of_problems_are_the_same() {
    let rows = table(section("Errors"), "`type`").into_iter();
    let written: Vec<_> = rows.flat_map(|row| code(row[0])).collect();
    let listed = words(&schema("Problem")["properties"]["type"]).unwrap();
    assert_eq!(written.iter().copied().collect::<BTreeSet<_>>(), listed);
    assert_eq!(written.len(), listed.len(), "a type is there twice");
}

/// Returns the names of the headers of a response.
fn headers(response: &'static Value) -> BTreeSet<&'static str> {
    keys(&response["headers"])
}

#[test]
fn headers_of_answers_are_the_same() {
    let written = table(section("Rate limits"), "header").into_iter();
    let written: BTreeSet<_> = written.flat_map(|row| code(row[0])).collect();
    let limits: BTreeSet<_> = written
        .iter()
        .copied()
        .filter(|name| name.starts_with("X-RateLimit-"))
        .collect();
    assert_eq!(limits.len() + 1, written.len());
    assert!(written.contains("Retry-After"));
    assert_says("Basics", "Every answer has an `x-request-id`");
    assert_says(
        "Rate limits",
        "Every answer to a request of a limited budget, whatever its code",
    );
    let early = "refused before this check (401, 403, 404 of a path, 405, 431)";
    assert_says("Rate limits", early);
    assert_says(
        "Publishing",
        "gets the first answer again, with `Idempotent-Replayed: true`",
    );

    assert_says("Jobs", "its answer never has `Idempotent-Replayed`");

    // The other headers of errors are in their rows.
    let rows = table(section("Errors"), "code");
    let of_status = |status: u16| {
        let rows = rows.iter().filter(|row| row[0] == status.to_string());
        let named = rows.flat_map(|row| code(row[2]));
        let is_header = |word: &&str| ["WWW-Authenticate", "Retry-After"].contains(word);
        named.filter(is_header).collect::<BTreeSet<_>>()
    };
    let mut used = BTreeSet::new();
    for operation in operations() {
        let is_publish =
            (operation.method.as_str(), operation.path) == ("POST", "/api/webhooks/events");
        let is_job = operation.node["operationId"] == "jobs_create";
        for (status, response) in operation.responses() {
            let found = headers(response);
            used.extend(found.iter().copied());
            // A request that is not valid HTTP.
            if status == 400 && response["content"].is_null() {
                assert!(found.is_empty(), "{}", operation.path);
                continue;
            }
            let mut expected = BTreeSet::from(["X-Request-Id"]);
            if status >= 400 {
                expected.extend(of_status(status));
            } else if is_publish || is_job && status == 202 {
                expected.insert("Idempotent-Replayed");
            }
            // The errors of probes are shared with other routes.
            let is_counted = !operation.is_public() || status >= 400;
            if is_counted && ![401, 403, 431].contains(&status) {
                expected.extend(limits.iter().copied());
            }
            assert_eq!(
                found, expected,
                "{} {} {status}",
                operation.method, operation.path
            );
        }
    }
    assert_eq!(used, keys(&super::DOCUMENT["components"]["headers"]));
}
