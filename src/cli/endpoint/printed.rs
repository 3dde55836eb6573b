//! An endpoint as the commands print it.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::cli::client::{Endpoint, line, pretty};

/// Returns the path of an endpoint in the API.
pub(super) fn path(id: Uuid) -> String {
    format!("endpoints/{id}")
}

/// Removes the secret from an endpoint.
pub(super) fn without_secret(endpoint: &mut Value) {
    if let Some(members) = endpoint.as_object_mut() {
        members.remove("secret");
    }
}

/// Returns the event types of an endpoint, in one text.
pub(super) fn types(endpoint: &Endpoint) -> String {
    match endpoint.events.join(",") {
        none if none.is_empty() => "(none)".to_owned(),
        some => some,
    }
}

/// Returns the members of an object, in one text.
fn pairs(members: &Map<String, Value>) -> String {
    let pair = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={text}"),
        value => format!("{name}={value}"),
    };
    let pairs: Vec<_> = members.iter().map(pair).collect();
    pairs.join(" ")
}

/// Returns the names of headers, whose values the API does not show.
fn names(headers: &Map<String, Value>) -> String {
    let names: Vec<_> = headers.keys().map(String::as_str).collect();
    names.join(", ")
}

/// Returns an endpoint for people, or as JSON.
pub(super) fn described(
    mut endpoint: Value,
    with_secret: bool,
    json: bool,
) -> anyhow::Result<String> {
    if json {
        if !with_secret {
            without_secret(&mut endpoint);
        }
        return Ok(pretty(&endpoint)?);
    }
    // Not the error itself, which quotes the value that does not fit.
    let endpoint: Endpoint = serde_json::from_value(endpoint)
        .map_err(|_| anyhow::anyhow!("the answer is no endpoint of the API"))?;
    let secret = if with_secret {
        let hidden = "(hidden from this token)";
        endpoint.secret.as_deref().unwrap_or(hidden)
    } else {
        "(not shown; see --show-secret)"
    };
    let time = |at: &Option<String>| at.clone().unwrap_or_default();
    let filter = match &endpoint.filter {
        Value::Object(members) if !members.is_empty() => endpoint.filter.to_string(),
        _ => String::new(),
    };
    let ends_at = endpoint.secret_overlap_ends_at.as_ref();
    let overlap = ends_at.map_or_else(String::new, |end| {
        format!("an old secret signs, too, until {end}")
    });
    let rows = [
        ("endpoint", endpoint.id.to_string()),
        ("url", endpoint.url.clone()),
        ("state", endpoint.state().text().to_owned()),
        (
            "reason",
            endpoint.disabled_reason.clone().unwrap_or_default(),
        ),
        ("rest end", time(&endpoint.resting_until)),
        ("hold end", time(&endpoint.held_until)),
        ("failures", endpoint.failures_in_a_row.to_string()),
        ("last ok", time(&endpoint.last_success_at)),
        ("last fail", time(&endpoint.last_failure_at)),
        ("events", types(&endpoint)),
        ("filter", filter),
        ("format", endpoint.format.clone()),
        ("name", endpoint.name.clone()),
        ("about", endpoint.description.clone()),
        ("key", endpoint.key.clone()),
        ("metadata", pairs(&endpoint.metadata)),
        ("headers", names(&endpoint.headers)),
        ("policy", pairs(&endpoint.policy)),
        ("secret", secret.to_owned()),
        ("signature", endpoint.secret_type.clone()),
        ("overlap", overlap),
        ("created", endpoint.created_at.clone()),
    ];
    let rows = rows.iter().filter(|(_, value)| !value.is_empty());
    Ok(rows.map(|(name, value)| line(name, value)).collect())
}
