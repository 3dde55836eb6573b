//! Messages for Discord's incoming webhooks ("Execute Webhook"): one embed each.

use serde::Serialize;

use super::summary::{ShownMember, Summary};
use super::text::{fit, iso8601, utf16};
use crate::domain::event_type::EventType;

// Discord, "Embed Limits".
pub(super) const TITLE_MAX: usize = 256;
pub(super) const NAME_MAX: usize = 256;
pub(super) const VALUE_MAX: usize = 1024;
/// The limit for title, description, names and values of fields, footer and author together.
pub(super) const EMBED_MAX: usize = 6000;

/// The greatest length of a value whose field is shown beside others.
const INLINE_MAX: usize = 40;
/// The color of the stripe at the embed's side.
const COLOR: u32 = 0x2F_6F_EB;
const AUTHOR: &str = "Hookpost";
const FOOTER: &str = "Sent by Hookpost";

#[derive(Serialize)]
struct Message<'a> {
    content: String,
    embeds: [Embed<'a>; 1],
    allowed_mentions: AllowedMentions,
}

/// The kinds of mentions that notify people. The list is empty, so no mention in the text notifies anybody.
#[derive(Serialize)]
struct AllowedMentions {
    parse: [&'static str; 0],
}

#[derive(Serialize)]
struct Embed<'a> {
    title: String,
    description: String,
    color: u32,
    fields: Vec<Field>,
    author: Author<'a>,
    footer: Footer<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
}

#[derive(Serialize)]
struct Field {
    name: String,
    value: String,
    inline: bool,
}

#[derive(Serialize)]
struct Author<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Footer<'a> {
    text: &'a str,
}

pub(super) fn render(
    event_type: &EventType,
    timestamp: &str,
    workspace: &str,
    summary: &Summary,
) -> Vec<u8> {
    let title = fit(event_type.as_str(), TITLE_MAX, escape);
    let description = summary.coverage();
    let taken = utf16(&title) + utf16(&description) + utf16(AUTHOR) + utf16(FOOTER);
    let message = Message {
        content: title.clone(),
        embeds: [Embed {
            fields: fields(workspace, &summary.members, EMBED_MAX - taken),
            title,
            description,
            color: COLOR,
            author: Author { name: AUTHOR },
            footer: Footer { text: FOOTER },
            timestamp: iso8601(timestamp),
        }],
        allowed_mentions: AllowedMentions { parse: [] },
    };
    serde_json::to_vec(&message).expect("strings and numbers always serialise into memory")
}

/// Returns the fields. Long values are cut to one common length, so that all fields fit into `room`.
fn fields(workspace: &str, members: &[ShownMember], room: usize) -> Vec<Field> {
    let shown: Vec<(String, &str)> = std::iter::once(("workspace", workspace))
        .chain(members.iter().map(|m| (m.name.as_str(), m.value.as_str())))
        .map(|(name, value)| (fit(name, NAME_MAX, escape), value))
        .collect();
    let lengths: Vec<usize> = shown
        .iter()
        .map(|(name, value)| utf16(name) + utf16(&fit(value, VALUE_MAX, escape)))
        .collect();
    let names: Vec<usize> = shown.iter().map(|(name, _)| utf16(name)).collect();
    let mut most = VALUE_MAX;
    let fits = |most: usize| {
        let total: usize = (lengths.iter().zip(&names))
            .map(|(length, name)| (*length).min(name + most))
            .sum();
        total <= room
    };
    while !fits(most) && most > 1 {
        most -= 1;
    }
    shown
        .into_iter()
        .map(|(name, value)| {
            let value = fit(value, most, escape);
            let inline = utf16(&value) <= INLINE_MAX;
            Field {
                name,
                value,
                inline,
            }
        })
        .collect()
}

/// Escapes Discord's markdown, mentions, emoji and timestamps, so that they have no effect.
fn escape(next: char, after: &str, line_start: bool, out: &mut String) {
    let escaped = match next {
        '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '>' | '[' | ']' => true,
        // Headings, lists and small print begin a line; elsewhere these characters need no escape.
        '#' => line_start,
        '-' => line_start && after.starts_with([' ', '#']),
        '+' => line_start && after.starts_with(' '),
        _ => false,
    };
    if escaped {
        out.push('\\');
    }
    out.push(next);
    if next == '@' && (after.starts_with("everyone") || after.starts_with("here")) {
        out.push('\u{200b}');
    }
}
