//! The arguments that describe a message or what it must be like: tags, and filters.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use super::output::UsageError;
use crate::domain::event_pattern::PATTERN_MAX_BYTES;
use crate::domain::tags::Tag;

/// Reads a tag.
pub(super) fn parse_tag(text: &str) -> Result<Tag, String> {
    let tag = Tag::parse(text);
    tag.ok_or_else(|| "expected a name and a value, such as region:eu".to_owned())
}

/// Returns tags as the object that the API takes. Of tags with the same name the last counts.
pub(super) fn tags_object(tags: &[Tag]) -> Value {
    let members = tags
        .iter()
        .map(|tag| (tag.name.clone(), tag.value.clone().into()));
    Value::Object(members.collect())
}

/// Reads a filter: JSON, or @FILE for the JSON in a file. The server checks that it is one.
///
/// # Errors
/// [`UsageError`] if it is no JSON; another error if the file cannot be read.
pub(super) fn read_filter(named: &str) -> anyhow::Result<Value> {
    let (text, place) = match named.strip_prefix('@') {
        Some(path) => {
            let place = format!("in {path}");
            let length = Path::new(path).metadata().map(|file| file.len());
            if length.is_ok_and(|length| length > PATTERN_MAX_BYTES as u64) {
                let most = format!("the filter {place} is longer than {PATTERN_MAX_BYTES} bytes");
                return Err(UsageError(most).into());
            }
            let text = std::fs::read_to_string(path);
            (
                text.with_context(|| format!("cannot read the filter {place}"))?,
                place,
            )
        }
        None => (named.to_owned(), "on the command line".to_owned()),
    };
    serde_json::from_str(&text)
        .map_err(|error| UsageError(format!("the filter {place} is no JSON: {error}")).into())
}
