//! The services behind URLs, as far as their hosts and paths show it.

use url::{Host, Url};

use crate::domain::endpoint::Format;

/// The hosts of Slack's incoming webhooks. The second is that of its service for governments.
const SLACK_HOSTS: [&str; 2] = ["hooks.slack.com", "hooks.slack-gov.com"];
/// The path of incoming webhooks. Slack's other webhooks, such as those of its workflows, take JSON of any form.
const SLACK_PATH: &str = "/services/";

/// The hosts of Discord: today's, its test versions, and its name of before 2020, which still works.
const DISCORD_HOSTS: [&str; 4] = [
    "discord.com",
    "ptb.discord.com",
    "canary.discord.com",
    "discordapp.com",
];
/// A part of the path of Discord's webhooks, with or without a version of the API before it.
const DISCORD_PATH: &str = "/webhooks/";
/// The end of the path at which Discord takes Slack's messages.
const DISCORD_AS_SLACK: &str = "/slack";

/// Returns in words why a receiver at `url` is unlikely to understand `format`, and what to change. `None` if
/// nothing speaks against it.
///
/// This is no reason to refuse the URL: other programs take Slack's and Discord's messages, too.
#[must_use]
pub fn mismatch(format: Format, url: &Url) -> Option<String> {
    let has = format.as_str();
    if let Some(taken) = taken_by(url) {
        let takes = taken.as_str();
        let note = format!(
            "the endpoint's format is {has}, but its URL takes the format {takes}: change one of them"
        );
        return Some(note).filter(|_| taken != format);
    }
    let service = match format {
        Format::Raw => return None,
        Format::Discord => "Discord",
        Format::Slack => "Slack",
    };
    Some(format!(
        "the endpoint's format is {has}, but its URL is not a webhook of {service}: if the receiver does not \
         take {service}'s messages, change the format to raw"
    ))
}

/// Returns the format that the service at `url` takes; `None` if the service is none of those known here.
#[must_use]
pub fn taken_by(url: &Url) -> Option<Format> {
    let Some(Host::Domain(host)) = url.host() else {
        return None;
    };
    let path = url.path();
    if SLACK_HOSTS.contains(&host) && path.starts_with(SLACK_PATH) {
        return Some(Format::Slack);
    }
    if DISCORD_HOSTS.contains(&host) && path.contains(DISCORD_PATH) {
        if path.trim_end_matches('/').ends_with(DISCORD_AS_SLACK) {
            return Some(Format::Slack);
        }
        return Some(Format::Discord);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_another_service_is_told() {
        let slack = "https://hooks.slack.com/services/T0/B0/secret";
        let discord = "https://discord.com/api/webhooks/1/secret";
        for (format, url, words) in [
            (Format::Slack, slack, None),
            (
                Format::Slack,
                "https://hooks.slack-gov.com/services/T/B/s",
                None,
            ),
            (
                Format::Slack,
                "https://discord.com/api/webhooks/1/secret/slack",
                None,
            ),
            (
                Format::Slack,
                discord,
                Some("is slack, but its URL takes the format discord:"),
            ),
            (
                Format::Slack,
                "https://example.com/hook",
                Some("is slack, but its URL is not"),
            ),
            (
                Format::Slack,
                "https://hooks.slack.com/triggers/T/1/s",
                Some("is slack, but its URL is not"),
            ),
            (
                Format::Slack,
                "https://hooks.slack.com.example/services/T/B/s",
                Some("is slack, but its URL is not"),
            ),
            (Format::Discord, discord, None),
            (
                Format::Discord,
                "https://discordapp.com/api/v10/webhooks/1/s?wait=true",
                None,
            ),
            (
                Format::Discord,
                "https://ptb.discord.com/api/webhooks/1/s",
                None,
            ),
            (
                Format::Discord,
                slack,
                Some("is discord, but its URL takes the format slack:"),
            ),
            (
                Format::Discord,
                "https://1.2.3.4/",
                Some("is discord, but its URL is not"),
            ),
            (Format::Raw, "https://example.com/services/", None),
            (
                Format::Raw,
                "https://hooks.slack.com/workflows/T/A/1/s",
                None,
            ),
            (
                Format::Raw,
                slack,
                Some("is raw, but its URL takes the format slack:"),
            ),
            (
                Format::Raw,
                discord,
                Some("is raw, but its URL takes the format discord:"),
            ),
        ] {
            let note = mismatch(format, &Url::parse(url).expect("a URL"));
            match (&note, words) {
                (None, None) => {}
                (Some(note), Some(words)) if note.contains(words) => {}
                _ => panic!("{format:?} {url}: {note:?}"),
            }
            // Whoever knows the path can post to it.
            assert!(note.is_none_or(|note| !note.contains("secret")), "{url}");
        }
    }
}
