//! The bodies of deliveries for the incoming webhooks of Discord and Slack.
//!
//! `data` is any JSON that its producer wrote: numbers too large for any machine type, lone surrogates,
//! duplicate keys. Rendering never fails: it takes members as they are spelled and converts none. Each text
//! is escaped for the service's markup and then cut to the service's limit, never within a character or an
//! escape. Lengths are counted in UTF-16 units, the strictest meaning of "characters" in either service's
//! documentation.

mod discord;
mod slack;
mod summary;
mod text;

pub use self::summary::Summary;
use super::endpoint::Format;
use super::event_type::EventType;

/// Returns the body of a delivery in `format`, for a message of `event_type` published in `workspace`. `None`
/// for a format that sends the data as it is.
///
/// The summary has all that is shown of the data and is short, so rendering takes the same time whatever was
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

#[cfg(test)]
mod tests;
