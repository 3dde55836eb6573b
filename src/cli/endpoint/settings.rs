//! The options for the settings of an endpoint: its key, metadata, custom headers, filter and policy.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Map, Value, json};

use super::secret_file::read_text;
use crate::cli::message_arguments::read_filter;
use crate::config::parse_duration;
use crate::domain::custom_headers::HIDDEN_VALUE;

/// The heading of these options in the help.
const POLICY: &str = "Policy: where it differs from the server's settings";

#[derive(Args, Debug)]
pub(in crate::cli) struct SettingsOptions {
    /// A key for programs, unique in the workspace.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// A text that a program keeps with it (repeatable); an empty TEXT removes it.
    #[arg(long, value_name = "NAME=TEXT", value_parser = parse_pair)]
    metadata: Vec<(String, String)>,

    /// A file with headers for every attempt, such as `Authorization: Basic ...`, one a line.
    #[arg(long, value_name = "FILE")]
    header_file: Option<PathBuf>,

    /// Remove a header (repeatable).
    #[arg(long, value_name = "NAME")]
    remove_header: Vec<String>,

    /// A filter on the content of messages: an event pattern, or @FILE for that in a file; {}: every message.
    #[arg(long, value_name = "JSON|@FILE")]
    filter: Option<String>,

    /// Begin or go on with a pause: events are made and wait.
    #[arg(long)]
    paused: bool,

    /// The waits between attempts, such as 5s,1m; none: one attempt.
    #[arg(long, value_name = "TIMES", value_delimiter = ',', num_args = 0.., help_heading = POLICY,
          value_parser = seconds)]
    retry_schedule: Option<Vec<u64>>,

    /// The longest time until an event fails, such as 1d.
    #[arg(long, value_name = "TIME", help_heading = POLICY, value_parser = seconds)]
    expire_after: Option<u64>,

    /// The longest time of an attempt, such as 10s.
    #[arg(long, value_name = "TIME", help_heading = POLICY, value_parser = seconds)]
    attempt_timeout: Option<u64>,

    /// The most attempts that start in a minute.
    #[arg(long, value_name = "N", help_heading = POLICY)]
    rate_limit: Option<u64>,

    /// The most attempts at the same time.
    #[arg(long, value_name = "N", help_heading = POLICY)]
    max_concurrency: Option<u64>,

    /// Disable it after so many failed events in a row; 0: never.
    #[arg(long, value_name = "N", help_heading = POLICY)]
    disable_after: Option<u64>,

    /// Forget its own policy; the other options of the policy count from there.
    #[arg(long, help_heading = POLICY)]
    default_policy: bool,
}

impl SettingsOptions {
    /// Reports whether an option is given that changes a part of what the endpoint has.
    pub(super) fn needs_present(&self) -> bool {
        let has_headers = self.header_file.is_some() || !self.remove_header.is_empty();
        has_headers || !self.metadata.is_empty() || !self.policy().is_empty()
    }

    /// Adds the members that are given to the body of a request. `present`: the endpoint as it is, of which they change
    /// a part; null for a new one.
    pub(super) fn add_to(&self, body: &mut Value, present: &Value) -> anyhow::Result<()> {
        if let Some(key) = &self.key {
            body["key"] = json!(key);
        }
        if let Some(filter) = &self.filter {
            body["filter"] = read_filter(filter)?;
        }
        if self.paused {
            body["paused"] = json!(true);
        }
        if !self.metadata.is_empty() {
            let mut metadata = members(present, "metadata");
            for (name, text) in &self.metadata {
                if text.is_empty() {
                    metadata.remove(name);
                } else {
                    metadata.insert(name.clone(), json!(text));
                }
            }
            body["metadata"] = metadata.into();
        }
        if self.header_file.is_some() || !self.remove_header.is_empty() {
            body["headers"] = self.headers(present)?.into();
        }
        let own = self.policy();
        if self.default_policy || !own.is_empty() {
            let mut policy = if self.default_policy {
                Map::new()
            } else {
                members(present, "policy")
            };
            policy.extend(own);
            body["policy"] = policy.into();
        }
        Ok(())
    }

    fn headers(&self, present: &Value) -> anyhow::Result<Map<String, Value>> {
        let mut headers = members(present, "headers");
        let given = match &self.header_file {
            None => Vec::new(),
            Some(path) => parse_headers(&read_text(path, "--header-file", "headers")?)
                .with_context(|| format!("{} (--header-file)", path.display()))?,
        };
        let replaced = given.iter().map(|(name, _)| name);
        for name in self.remove_header.iter().chain(replaced) {
            headers.retain(|other, _| !other.eq_ignore_ascii_case(name));
        }
        headers.extend(given.into_iter().map(|(name, value)| (name, json!(value))));
        Ok(headers)
    }

    fn policy(&self) -> Map<String, Value> {
        let mut policy = Map::new();
        if let Some(waits) = &self.retry_schedule {
            policy.insert("retry_schedule".to_owned(), json!(waits));
        }
        for (name, value) in [
            ("expire_after", self.expire_after),
            ("timeout", self.attempt_timeout),
            ("rate_limit", self.rate_limit),
            ("max_concurrency", self.max_concurrency),
            ("disable_after", self.disable_after),
        ] {
            policy.extend(value.map(|value| (name.to_owned(), json!(value))));
        }
        policy
    }
}

/// Returns a member of an endpoint that is an object; empty if there is none.
fn members(endpoint: &Value, name: &str) -> Map<String, Value> {
    endpoint[name].as_object().cloned().unwrap_or_default()
}

/// Reads the lines of a file with headers. The errors quote no value.
fn parse_headers(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            bail!("line {number} is no header: expected NAME: VALUE");
        };
        let value = value.trim();
        if value == HIDDEN_VALUE {
            bail!("line {number} has {HIDDEN_VALUE}, which stands for a value that is not shown");
        }
        headers.push((name.trim().to_owned(), value.to_owned()));
    }
    Ok(headers)
}

/// Reads `NAME=TEXT`.
fn parse_pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("expected NAME=TEXT")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads a time of whole seconds, such as 90s or 2m.
fn seconds(text: &str) -> Result<u64, String> {
    let time = parse_duration(text)?;
    if time.subsec_nanos() > 0 {
        return Err("expected whole seconds, such as 30s or 12h".to_owned());
    }
    Ok(Duration::as_secs(&time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_headers_is_read_line_by_line() {
        let read = parse_headers("Authorization: Basic a:b=\n\n x-key :  1 \n").unwrap();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read,
            [header("Authorization", "Basic a:b="), header("x-key", "1")]
        );
        for (text, says) in [
            ("secret", "line 1 is no header: expected NAME: VALUE"),
            (
                "a: b\nc: ***",
                "line 2 has ***, which stands for a value that is not shown",
            ),
        ] {
            assert_eq!(parse_headers(text).unwrap_err().to_string(), says);
        }
    }
}
