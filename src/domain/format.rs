//! Bodies of deliveries: `raw`, and messages for the incoming webhooks of Discord and Slack.
//!
//! `data` is any JSON its producer could spell: numbers beyond every machine type, lone surrogates,
//! duplicate keys. Rendering never fails: members are taken as they are spelled, never converted,
//! and each text is escaped for the service's markup and then cut to the service's limit without
//! splitting a character or an escape. Lengths are counted in UTF-16 units, the strictest reading
//! of "characters" in either service's documentation.

mod discord;
mod slack;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::clock::Timestamp;
use super::endpoint::Format;
use super::event_type::EventType;

/// The most members of `data` shown: what fits a glance, and both services' limits.
const MEMBERS_MAX: usize = 10;

/// Stands for a text that is empty or blank; Discord refuses the whole message otherwise.
const BLANK: &str = "–";

/// What is kept of a name or value, in characters: more than either service shows, with what an escape may
/// look ahead.
const KEPT_MAX: usize = 2048;

/// The body of a delivery in `format`, of a message of `event_type` published in `workspace`; `None` if the
/// format sends the data as it is.
///
/// The summary is all that is shown of the data, and short: rendering takes the same time however much was
/// published.
#[must_use]
pub fn render(
    format: Format,
    event_type: &EventType,
    timestamp: &str,
    workspace: &str,
    summary: &Summary,
) -> Option<Vec<u8>> {
    match format {
        Format::Raw => None,
        Format::Discord => Some(discord::render(event_type, timestamp, workspace, summary)),
        Format::Slack => Some(slack::render(event_type, timestamp, workspace, summary)),
    }
}

/// A member of `data` with a scalar value, in plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    name: String,
    value: String,
}

impl Member {
    fn new(name: &str, value: &str) -> Self {
        Self {
            name: kept(name).to_owned(),
            value: kept(value).to_owned(),
        }
    }
}

/// As much of a text as may be shown.
fn kept(text: &str) -> &str {
    let end = text.char_indices().nth(KEPT_MAX);
    end.map_or(text, |(at, _)| &text[..at])
}

/// What is shown of `data`: `id` first, then the other scalars in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    members: Vec<Member>,
    /// Members of `data`, shown or not.
    total: usize,
}

impl Summary {
    /// Reads `data`, all of it: some microseconds for each kilobyte.
    #[must_use]
    pub fn of(data: &RawValue) -> Self {
        let text = data.get();
        if is_scalar(text) {
            let members = vec![Member::new("data", &plain(text))];
            return Self { members, total: 1 };
        }
        // Arrays have no names to show. A text that is JSON, as `RawValue` vouches, is an object then.
        let Ok(Entries(entries)) = serde_json::from_str(text) else {
            let total =
                serde_json::from_str::<Vec<IgnoredAny>>(text).map_or(0, |items| items.len());
            return Self {
                members: Vec::new(),
                total,
            };
        };
        let entries = last_wins(entries);
        let total = entries.len();
        let scalars = || entries.iter().filter(|(_, value)| is_scalar(value));
        let members = (scalars().filter(|(name, _)| name == "id"))
            .chain(scalars().filter(|(name, _)| name != "id"))
            .take(MEMBERS_MAX)
            .map(|(name, value)| Member::new(name, &plain(value)))
            .collect();
        Self { members, total }
    }

    /// How much of the data is shown, in words.
    fn coverage(&self) -> String {
        match (self.members.len(), self.total) {
            (_, 0) => "The data is empty.".to_owned(),
            (shown, total) if shown == total => "All of the data is shown.".to_owned(),
            (shown, total) => format!("{shown} of {total} members of the data are shown."),
        }
    }
}

/// Of members with the same name only the last counts, in the place of the first.
fn last_wins<'a>(entries: Vec<(&'a RawValue, &'a RawValue)>) -> Vec<(Cow<'a, str>, &'a str)> {
    let mut places = HashMap::with_capacity(entries.len());
    let mut kept: Vec<(Cow<'a, str>, &'a str)> = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        let name = plain(name.get());
        let place = *places.entry(name.clone()).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(earlier) => earlier.1 = value.get(),
            None => kept.push((name, value.get())),
        }
    }
    kept
}

/// The members of an object as they are spelled. Names are not decoded here: a lone surrogate in one
/// would fail them all.
struct Entries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(&'de RawValue, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Collect).map(Self)
    }
}

fn is_scalar(json: &str) -> bool {
    !json.starts_with(['{', '['])
}

/// A scalar as people read it: a string without its quotes, anything else as it is spelled. Lone
/// surrogates become U+FFFD.
fn plain(json: &str) -> Cow<'_, str> {
    let Some(inner) = json
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return Cow::Borrowed(json);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    match serde_json::from_str::<LossyString>(json) {
        Ok(LossyString(text)) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(inner),
    }
}

/// A JSON string asked for as bytes, which `serde_json` gives with lone surrogates in them.
struct LossyString(String);

impl<'de> Deserialize<'de> for LossyString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lossy;
        impl Visitor<'_> for Lossy {
            type Value = String;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
                Ok(String::from_utf8_lossy(bytes).into_owned())
            }
        }
        deserializer.deserialize_bytes(Lossy).map(Self)
    }
}

/// A service's markup: writes what stands for the next character, given the text after it and whether
/// a line begins with it.
type Escape = fn(next: char, after: &str, line_start: bool, out: &mut String);

/// `text` escaped, and cut to `limit` UTF-16 units with an ellipsis in place of what is left out.
fn fit(text: &str, limit: usize, escape: Escape) -> String {
    const ELLIPSIS: char = '…';
    let mut out = String::new();
    let mut length = 0;
    // Where to cut if the rest turns out not to fit: the last place that leaves room for the ellipsis.
    let mut cut = 0;
    let mut line_start = true;
    let mut piece = String::new();
    for (at, next) in text.char_indices() {
        piece.clear();
        // Control characters are refused by some services and shown by none.
        let shown = match next {
            '\n' | '\t' => next,
            _ if next.is_control() => char::REPLACEMENT_CHARACTER,
            _ => next,
        };
        escape(shown, &text[at + next.len_utf8()..], line_start, &mut piece);
        line_start = next == '\n' || (line_start && next.is_whitespace());
        let piece_length = utf16(&piece);
        if length + piece_length > limit {
            out.truncate(cut);
            out.push(ELLIPSIS);
            break;
        }
        out.push_str(&piece);
        length += piece_length;
        if length < limit {
            cut = out.len();
        }
    }
    if out.trim().is_empty() {
        BLANK.to_owned()
    } else {
        out
    }
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// `timestamp` in the one spelling that every service reads; `None` if it lies outside years 0–9999.
fn iso8601(timestamp: &str) -> Option<String> {
    let time = Timestamp::parse(timestamp).ok()?;
    let text = time.to_string();
    (Timestamp::parse(&text) == Ok(time)).then_some(text)
}

#[cfg(test)]
mod tests;
