//! The comparison of `docs/API.md` with the OpenAPI document, in both directions: what one has, the other has.
//!
//! The document is made from the code, and API.md is written by hand. These tests read the tables of API.md, and
//! those of its sentences that have a number.

mod errors;
mod fields;
mod limits;
mod numbers;
mod parameters;
mod routes;
mod tables;
mod webhooks;

use std::collections::BTreeSet;

use serde_json::Value;

use super::contract::{DOCUMENT, resolved};

/// A route of the document.
struct Operation {
    method: String,
    path: &'static str,
    node: &'static Value,
}

impl Operation {
    /// Reports whether it needs no token.
    fn is_public(&self) -> bool {
        self.node["security"].as_array().unwrap().is_empty()
    }

    /// Returns its parameters in this place, without references.
    fn parameters(&self, place: &str) -> Vec<&'static Value> {
        let all = self.node["parameters"].as_array();
        let all = all.into_iter().flatten().map(resolved);
        all.filter(|parameter| parameter["in"] == place).collect()
    }

    /// Returns its responses by status, without references.
    fn responses(&self) -> impl Iterator<Item = (u16, &'static Value)> {
        let responses = self.node["responses"].as_object().unwrap();
        responses
            .iter()
            .map(|(status, response)| (status.parse().unwrap(), resolved(response)))
    }
}

/// Returns the routes of the document.
fn operations() -> Vec<Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(|(method, node)| Operation {
            method: method.to_uppercase(),
            path,
            node,
        })
    });
    each.collect()
}

/// Returns the schema that the document has under this name.
fn schema(name: &str) -> &'static Value {
    let schema = &DOCUMENT["components"]["schemas"][name];
    assert!(schema.is_object(), "{name}");
    schema
}

/// Returns the names of the members of an object.
fn keys(object: &'static Value) -> BTreeSet<&'static str> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(key, _)| key.as_str()).collect()
}

/// Returns the texts of a list; other values are left out.
fn texts(list: &'static Value) -> BTreeSet<&'static str> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}

/// Returns the words that a value can be, if there is a list of them.
fn words(schema: &'static Value) -> Option<BTreeSet<&'static str>> {
    let schema = resolved(schema);
    ["enum", "x-extensible-enum"]
        .into_iter()
        .find_map(|keyword| schema.get(keyword).map(texts))
        .or_else(|| schema.get("items").and_then(words))
}
