//! The tests of the documents: their links lead somewhere, and their lists are complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hookpost::api::{self, Access};
use hookpost::domain::access::Scope;
use hookpost::domain::attempt_failure::AttemptFailure;
use hookpost::domain::event::EventStatus;
use serde_json::json;

use super::fixture::TestApp;
use super::receiver::Receiver;

const API: &str = include_str!("../../docs/API.md");

/// The documents for users and for those who change the code.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder| fs::read_dir(root.join(folder)).unwrap();
    let in_docs = files("docs").chain(files("docs/guides"));
    let mut paths: Vec<PathBuf> = in_docs.map(|entry| entry.unwrap().path()).collect();
    paths.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root.join(name)));
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "md"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// The lines outside of blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// The anchors of a document: of its headings, as their renderers make them, and its own.
fn anchors(text: &str) -> BTreeSet<String> {
    let heading = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    };
    let headings = prose(text)
        .filter(|line| line.starts_with('#'))
        .map(heading);
    let own = text
        .split("<a id=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned());
    headings.chain(own).collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut checked = 0;
    for (path, text) in documents() {
        for link in prose(&text).flat_map(|line| line.split("](").skip(1)) {
            let target = link.split(')').next().unwrap();
            if target.starts_with("http") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() {
                path.clone()
            } else {
                path.parent().unwrap().join(file)
            };
            // A picture is no text.
            let found = fs::read(&file);
            let found = found.unwrap_or_else(|_| panic!("{}: {target}", path.display()));
            let found = String::from_utf8_lossy(&found);
            assert!(
                anchor.is_empty() || anchors(&found).contains(anchor),
                "{}: {target}",
                path.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn every_file_that_a_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, text) in documents() {
        // The changelog also names what is gone.
        if path.ends_with("CHANGELOG.md") {
            continue;
        }
        for name in prose(&text).flat_map(|line| line.split('`').skip(1).step_by(2)) {
            let is_path = name.contains('/') && !name.contains(' ');
            let is_ours = [
                "src/",
                "tests/",
                "docs/",
                "benches/",
                "deploy/",
                ".ci/",
                "storage/",
                "delivery/",
                "domain/",
                "api/",
                "server/",
                "dashboard/",
                "writer/",
                "writes/",
                "scheduler/",
            ];
            if !is_path || !is_ours.iter().any(|folder| name.starts_with(folder)) {
                continue;
            }
            let in_folders = ["", "src", "src/storage/sqlite", "src/delivery"];
            let exists = in_folders
                .iter()
                .any(|folder| root.join(folder).join(name).exists());
            assert!(exists, "{}: {name}", path.display());
        }
    }
}

/// The row of a table of the API's document whose first cell is `name`.
fn row(name: &str) -> &'static str {
    let start = format!("| `{name}` |");
    API.lines().find(|line| line.starts_with(&start)).unwrap()
}

#[test]
fn the_words_of_the_api_are_all_documented() {
    for failure in AttemptFailure::ALL {
        assert!(row("error").contains(&format!("`{failure}`")), "{failure}");
    }
    let events = API
        .lines()
        .find(|line| line.starts_with("| events |"))
        .unwrap();
    for status in EventStatus::ALL {
        assert!(
            events.contains(&format!("`{}`", status.as_str())),
            "{status:?}"
        );
    }
    for scope in Scope::ALL {
        let name = scope.as_str();
        let short = format!("`…:{}`", name.split(':').nth(1).unwrap());
        assert!(
            API.contains(&format!("`{name}`")) || API.contains(&short),
            "{name}"
        );
    }
}

#[test]
fn every_route_is_documented_with_its_scopes() {
    for route in api::table() {
        let (Access::AnyOf(scopes) | Access::Admin(scopes)) = route.access else {
            continue;
        };
        let row = row(&format!("{} {}", route.method, route.path));
        let named = row.split('|').nth(2).unwrap();
        for scope in scopes {
            let (_, action) = scope.as_str().split_once(':').unwrap();
            let is_named =
                named.contains(scope.as_str()) || named.contains(&format!("`…:{action}`"));
            assert!(is_named, "{}: {row}", scope.as_str());
        }
        let only_admin = matches!(route.access, Access::Admin(_));
        assert_eq!(named.contains("admin tokens only"), only_admin, "{row}");
    }
}

/// The longest literal part of each `#[error("…")]` of a source file.
fn error_texts(source: &str) -> impl Iterator<Item = &str> {
    let texts = source.split("#[error(").skip(1).filter_map(|rest| {
        let quoted = rest.trim_start().strip_prefix('"')?;
        quoted.split('"').next()
    });
    texts.map(|text| {
        let literals = text.split(['{', '}']).step_by(2);
        literals.max_by_key(|literal| literal.len()).unwrap()
    })
}

/// A person whose server does not start finds its message in the guide.
#[test]
fn every_reason_for_no_start_and_every_503_is_in_the_troubleshooting_guide() {
    let guide = include_str!("../../docs/guides/troubleshooting.md");
    let (unavailable, no_start) = guide.split_once("## The server does not start").unwrap();
    let errors_of_a_start = [
        include_str!("../../src/app/error.rs"),
        include_str!("../../src/delivery/engine.rs"),
        include_str!("../../src/domain/clock.rs"),
        include_str!("../../src/storage/sqlite/file/open_error.rs"),
    ];
    let texts: Vec<_> = errors_of_a_start
        .into_iter()
        .flat_map(error_texts)
        .collect();
    assert!(texts.len() > 15, "{texts:?}");
    for text in texts {
        assert!(no_start.contains(text), "{text}");
    }
    let storage = include_str!("../../src/storage/error.rs");
    let reasons = storage.split("pub enum Unavailable").nth(1).unwrap();
    let reasons: Vec<_> = error_texts(reasons).collect();
    assert!(reasons.len() > 8, "{reasons:?}");
    for reason in reasons {
        assert!(unavailable.contains(&format!("`{reason}`")), "{reason}");
    }
}

/// The steps of the guides for an endpoint that was disabled.
#[test]
fn what_a_disabled_endpoint_missed_is_listed_and_redelivered_except_what_came_meanwhile() {
    let app = TestApp::with_flags(&["--retry-schedule", "1h"]);
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let id = endpoint["id"].as_str().unwrap();
    receiver.reply("/a", 503, "");
    app.publish("waits", &json!(1));
    app.wait_for("/api/webhooks/events", |list| {
        list["data"][0]["last_http_code"] == 503
    });
    receiver.reply("/a", 410, "");
    app.publish("fails", &json!(1));
    let path = format!("/api/webhooks/endpoints/{id}");
    app.wait_for(&path, |endpoint| endpoint["disabled_reason"] == "gone");
    let meanwhile = app.publish("meanwhile", &json!(1));
    assert_eq!(meanwhile["events"], json!([]));

    receiver.reply("/a", 204, "");
    app.patch(&path, &json!({"enabled": true})).expect(200);
    let missed = format!("/api/webhooks/events?endpoint_id={id}&status=failed&status=skipped");
    let missed = app.wait_for(&missed, |list| list["meta"]["total"] == 2);
    let types: BTreeSet<_> = missed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, BTreeSet::from(["fails", "waits"]));
    for event in missed["data"].as_array().unwrap() {
        let path = format!(
            "/api/webhooks/events/{}/redeliver",
            event["id"].as_str().unwrap()
        );
        app.post(&path, &app.token, &json!(null)).expect(202);
    }
    app.wait_for_events("succeeded", 2);
    let operating = include_str!("../../docs/guides/operating.md");
    assert!(operating.contains("events?endpoint_id=ID&status=failed&status=skipped"));
    let retries = include_str!("../../docs/guides/retries.md");
    assert!(retries.contains("events?endpoint_id=$ID&status=failed&status=skipped"));
}
