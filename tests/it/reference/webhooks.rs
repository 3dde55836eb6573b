//! The requests that receivers get.

use std::collections::BTreeSet;

use super::tables::{assert_says, between, code, quoted, section, table};
use super::{keys, schema, texts};
use crate::contract::DOCUMENT;

const TITLE: &str = "What a receiver gets";
const RETRIES: &str = "Retries, rest and disabling";

#[test]
fn what_a_receiver_gets_is_the_same() {
    let request = &DOCUMENT["webhooks"]["event"]["post"];
    let parameters = request["parameters"].as_array().unwrap().iter();
    let mut documented: BTreeSet<_> = parameters
        .map(|header| {
            let name = header["name"].as_str().unwrap();
            // These come only if the producer sent them.
            let is_required = !["traceparent", "tracestate"].contains(&name);
            assert_eq!(
                (&header["in"], &header["required"]),
                (&"header".into(), &is_required.into())
            );
            name
        })
        .collect();
    // These two are in the sentence before the table.
    assert!(documented.remove("user-agent"));
    assert_says(
        TITLE,
        "A receiver gets a `POST` with `content-type: application/json`, `user-agent: Hookpost/VERSION`",
    );
    assert_eq!(
        keys(&request["requestBody"]["content"]),
        BTreeSet::from(["application/json"])
    );
    let rows = table(section(TITLE), "header").into_iter();
    let rows: Vec<_> = rows.collect();
    let only = rows.iter().filter(|row| row[1].starts_with("only "));
    let only: BTreeSet<_> = only.flat_map(|row| code(row[0])).collect();
    assert_eq!(only, BTreeSet::from(["traceparent", "tracestate"]));
    let written: BTreeSet<_> = rows.iter().flat_map(|row| code(row[0])).collect();
    assert_eq!(written, documented);

    let formats = table(section("Endpoints"), "field");
    let formats = formats.iter().find(|row| row[0] == "`format`").unwrap();
    let formats: BTreeSet<_> = code(formats[3]).into_iter().collect();
    let content = &request["requestBody"]["content"]["application/json"];
    assert_eq!(formats, keys(&content["examples"]));
    assert_eq!(
        formats.len(),
        content["schema"]["anyOf"].as_array().unwrap().len()
    );
    let raw = between(section("Endpoints"), "**`format`**: `raw` sends `", "`");
    let raw: BTreeSet<_> = quoted(raw).into_iter().collect();
    assert_eq!(raw, keys(&schema("RawWebhook")["properties"]));
    assert_eq!(raw, texts(&schema("RawWebhook")["required"]));

    let answers = BTreeSet::from(["2XX", "410", "429", "503", "default"]);
    assert_eq!(keys(&request["responses"]), answers);
    assert_says(TITLE, "Any 2xx is a success");
    assert_says(RETRIES, "**410** means that the receiver is gone for good");
    assert_says(
        RETRIES,
        "**`Retry-After`**, seconds or a date, on a 429 or 503",
    );
}
