//! Messages for Slack's incoming webhooks: sections with fields, and a line of context.

use serde::Serialize;

use super::summary::{ShownMember, Summary};
use super::text::{fit, iso8601, utf16};
use crate::domain::event_type::EventType;

// Slack, "Block Kit reference": section, text object.
pub(super) const TEXT_MAX: usize = 3000;
pub(super) const FIELDS_MAX: usize = 10;
pub(super) const FIELD_MAX: usize = 2000;

/// The greatest length of a field's name, so that most of the field is left for its value.
const NAME_MAX: usize = 256;
/// The greatest length of the context line; its time and its counts are far shorter.
const CONTEXT_MAX: usize = 200;

#[derive(Serialize)]
struct Message {
    /// The text that notifications show.
    text: String,
    blocks: Vec<Block>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Section {
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<Markdown>,
        fields: Vec<Markdown>,
    },
    Context {
        elements: [Markdown; 1],
    },
}

/// A text in Slack's markup. `verbatim` keeps Slack from linking names of people and channels in it.
#[derive(Serialize)]
struct Markdown {
    r#type: &'static str,
    text: String,
    verbatim: bool,
}

impl Markdown {
    fn new(text: String) -> Self {
        Self {
            r#type: "mrkdwn",
            text,
            verbatim: true,
        }
    }
}

pub(super) fn render(
    event_type: &EventType,
    timestamp: &str,
    workspace: &str,
    summary: &Summary,
) -> Vec<u8> {
    let title = fit(event_type.as_str(), TEXT_MAX - 2, escape);
    let mut fields: Vec<Markdown> = std::iter::once(field("workspace", workspace))
        .chain(
            summary
                .members
                .iter()
                .map(|ShownMember { name, value }| field(name, value)),
        )
        .collect();
    // A section takes ten fields; the workspace and ten members are eleven.
    let overflow = fields.split_off(fields.len().min(FIELDS_MAX));
    let mut blocks = vec![Block::Section {
        text: Some(Markdown::new(format!("*{title}*"))),
        fields,
    }];
    if !overflow.is_empty() {
        blocks.push(Block::Section {
            text: None,
            fields: overflow,
        });
    }
    let time = iso8601(timestamp).unwrap_or_else(|| timestamp.to_owned());
    let context = format!("Sent by Hookpost · {time} · {}", summary.coverage());
    blocks.push(Block::Context {
        elements: [Markdown::new(fit(&context, CONTEXT_MAX, escape))],
    });
    let message = Message {
        text: title,
        blocks,
    };
    serde_json::to_vec(&message).expect("strings always serialise into memory")
}

fn field(name: &str, value: &str) -> Markdown {
    let name = fit(name, NAME_MAX, escape);
    let value = fit(value, FIELD_MAX - utf16(&name) - "**\n".len(), escape);
    Markdown::new(format!("*{name}*\n{value}"))
}

/// Escapes the three characters that Slack asks for. Then mentions and links, which begin with `<`, have no
/// effect.
fn escape(next: char, _after: &str, _line_start: bool, out: &mut String) {
    match next {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        _ => out.push(next),
    }
}
