//! The bodies of deliveries for the incoming webhooks of Discord and Slack, and whom they suit.
//!
//! `data` is any JSON that the producer wrote. It may have numbers too large for any machine type, lone
//! surrogates, and duplicate keys. Rendering never fails, because it shows numbers as they are spelled and
//! converts none. Each text is escaped for the service's markup and cut to the service's limit, never within
//! a character or an escape. Lengths count UTF-16 units: the documentation of both services says
//! "characters", and this is the strictest meaning.

mod discord;
mod service;
mod slack;
mod summary;
mod text;

pub use self::service::{mismatch, taken_by};
pub use self::summary::Summary;
use super::endpoint::Format;
use super::event_type::EventType;

/// Returns the body of a delivery in `format`, for a message of `event_type` published in `workspace`. `None`
/// for `raw`, which sends the data as it is.
///
/// The summary is short and has everything that is shown of the data, so a large message takes no longer to
/// render than a small one.
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

#[cfg(test)]
mod tests;
