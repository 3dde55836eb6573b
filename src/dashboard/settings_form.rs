//! The fields of a form for the key, metadata, custom headers and policy of an endpoint.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::query::Fields;
use crate::config::parse_duration;
use crate::domain::custom_headers::HIDDEN_VALUE;
use crate::domain::endpoint::EndpointSettings;
use crate::domain::endpoint_policy::EndpointPolicy;

/// A field of the policy: its name in the form and in the API, its label, and whether it is a time.
struct PolicyField {
    name: &'static str,
    label: &'static str,
    is_time: bool,
}

const POLICY: [PolicyField; 6] = [
    PolicyField {
        name: "retry_schedule",
        label: "Waits between attempts",
        is_time: true,
    },
    PolicyField {
        name: "expire_after",
        label: "Fails after",
        is_time: true,
    },
    PolicyField {
        name: "timeout",
        label: "Time of an attempt",
        is_time: true,
    },
    PolicyField {
        name: "rate_limit",
        label: "Attempts a minute",
        is_time: false,
    },
    PolicyField {
        name: "max_concurrency",
        label: "At the same time",
        is_time: false,
    },
    PolicyField {
        name: "disable_after",
        label: "Disabled after failed events",
        is_time: false,
    },
];

/// The text of a retry schedule without waits.
const NO_RETRIES: &str = "none";

/// The values of the fields, as somebody typed them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SettingsForm {
    pub(super) key: String,
    /// Lines `NAME=TEXT`.
    pub(super) metadata: String,
    /// Lines `NAME: VALUE`.
    pub(super) headers: String,
    /// The fields of the policy, in the order of [`POLICY`].
    policy: [String; 6],
}

impl SettingsForm {
    /// Returns the fields with the settings of an endpoint. Values of headers are hidden.
    pub(super) fn of_settings(settings: &EndpointSettings) -> Self {
        let mut form = Self {
            key: settings.key.as_str().to_owned(),
            policy: policy_texts(&settings.target.policy),
            ..Self::default()
        };
        for (name, text) in &settings.metadata {
            let _ = writeln!(form.metadata, "{name}={text}");
        }
        for name in settings.target.headers.names() {
            let _ = writeln!(form.headers, "{name}: {HIDDEN_VALUE}");
        }
        form
    }

    /// Reads the fields that a browser sent.
    pub(super) fn of(fields: &Fields) -> Self {
        let text = |name| fields.get(name).unwrap_or_default().to_owned();
        let lines = |name: &str| fields.raw(name).replace("\r\n", "\n");
        Self {
            key: text("key"),
            metadata: lines("metadata"),
            headers: lines("headers"),
            policy: POLICY.map(|field| text(field.name)),
        }
    }

    /// Reports whether all fields are empty.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the text of a field of the policy.
    pub(super) fn policy(&self, name: &str) -> &str {
        let mut fields = POLICY.iter().zip(&self.policy);
        let found = fields.find(|(field, _)| field.name == name);
        found.map_or("", |(_, text)| text)
    }

    /// Adds the members of a request to `json`: those that differ from the fields of `before`.
    pub(super) fn add_changes(&self, before: &Self, json: &mut Map<String, Value>) {
        let mut change = |name: &str, value: Value| {
            json.insert(name.to_owned(), value);
        };
        if self.key != before.key {
            change("key", self.key.as_str().into());
        }
        if lines(&self.metadata).ne(lines(&before.metadata)) {
            change("metadata", members(&self.metadata, '=').into());
        }
        if lines(&self.headers).ne(lines(&before.headers)) {
            change("headers", members(&self.headers, ':').into());
        }
        if self.policy != before.policy {
            change("policy", self.policy_json().into());
        }
    }

    fn policy_json(&self) -> Map<String, Value> {
        let mut policy = Map::new();
        for (field, text) in POLICY.iter().zip(&self.policy) {
            if text.is_empty() {
                continue;
            }
            let value = match field.name {
                "retry_schedule" if text == NO_RETRIES => json!([]),
                "retry_schedule" => {
                    let waits = text.split([',', ' ']).filter(|wait| !wait.is_empty());
                    waits.map(seconds).collect()
                }
                _ if field.is_time => seconds(text),
                _ => text.as_str().into(),
            };
            policy.insert(field.name.to_owned(), value);
        }
        policy
    }
}

/// Returns the members of a policy, each with its label.
pub(super) fn policy_facts(policy: &EndpointPolicy) -> Vec<(&'static str, String)> {
    let facts = POLICY.iter().map(|field| field.label);
    let facts = facts.zip(policy_texts(policy));
    facts.filter(|(_, text)| !text.is_empty()).collect()
}

/// Returns the words for a problem of a field of the policy that the readers of the API found.
pub(super) fn words_for(member: &str) -> Option<&'static str> {
    match member {
        "retry_schedule" => {
            Some("Write times such as 5s, 1m, 1h: at most 32 of them, each at most 30d; or “none”")
        }
        "expire_after" => Some("Write a time such as 12h or 3d, at most 365d"),
        "timeout" => Some("Write a time such as 10s, from 1s to 2m"),
        _ => None,
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Returns the members that lines stand for: a name, the sign, and a text. A line without the sign is a name alone, which
/// the readers of the API judge.
fn members(text: &str, sign: char) -> Map<String, Value> {
    let member = |line: &str| {
        let (name, text) = line.split_once(sign).unwrap_or((line, ""));
        (name.trim().to_owned(), Value::from(text.trim()))
    };
    lines(text).map(member).collect()
}

/// Returns a time in seconds; a text that is none as it is, so that the readers of the API refuse it.
fn seconds(text: &str) -> Value {
    match parse_duration(text) {
        Ok(time) if time.subsec_nanos() == 0 => time.as_secs().into(),
        _ => text.into(),
    }
}

/// Returns a time as people write it, in the largest unit that needs no fraction.
fn time(seconds: u32) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let unit = units
        .into_iter()
        .find(|(of, _)| seconds >= *of && seconds.is_multiple_of(*of));
    let (of, unit) = unit.unwrap_or((1, "s"));
    format!("{}{unit}", seconds / of)
}

fn policy_texts(policy: &EndpointPolicy) -> [String; 6] {
    let time_or_none = |seconds: Option<u32>| seconds.map(time).unwrap_or_default();
    let number = |number: Option<u32>| number.map(|it| it.to_string()).unwrap_or_default();
    let waits = match &policy.retry_schedule {
        None => String::new(),
        Some(waits) if waits.is_empty() => NO_RETRIES.to_owned(),
        Some(waits) => waits
            .iter()
            .copied()
            .map(time)
            .collect::<Vec<_>>()
            .join(", "),
    };
    [
        waits,
        time_or_none(policy.expire_after),
        time_or_none(policy.timeout),
        number(policy.rate_limit),
        number(policy.max_concurrency),
        number(policy.disable_after),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(metadata: &str, headers: &str, policy: [&str; 6]) -> SettingsForm {
        SettingsForm {
            key: String::new(),
            metadata: metadata.to_owned(),
            headers: headers.to_owned(),
            policy: policy.map(str::to_owned),
        }
    }

    #[test]
    fn lines_and_times_become_members() {
        let typed = form(
            " team = payments\n\nplain",
            "Authorization: Basic a:b\nX-Key: ***",
            ["5s, 1m 2h", "3d", "10s", "600", "", "x"],
        );
        let mut json = Map::new();
        typed.add_changes(&SettingsForm::default(), &mut json);
        let expected = json!({
            "metadata": {"team": "payments", "plain": ""},
            "headers": {"Authorization": "Basic a:b", "X-Key": "***"},
            "policy": {
                "retry_schedule": [5, 60, 7200], "expire_after": 259_200, "timeout": 10, "rate_limit": "600",
                "disable_after": "x",
            },
        });
        assert_eq!(Value::Object(json), expected);
    }

    #[test]
    fn a_form_that_is_sent_back_changes_nothing() {
        let policy = EndpointPolicy {
            retry_schedule: Some(vec![90, 3600]),
            timeout: Some(5),
            disable_after: Some(0),
            ..EndpointPolicy::default()
        };
        let shown = form("a=b\n", "X-Key: ***\n", Default::default());
        let shown = SettingsForm {
            policy: policy_texts(&policy),
            ..shown
        };
        assert_eq!(shown.policy("retry_schedule"), "90s, 1h");
        let mut json = Map::new();
        let sent = SettingsForm {
            metadata: "a=b".to_owned(),
            headers: "X-Key: ***".to_owned(),
            ..shown.clone()
        };
        sent.add_changes(&shown, &mut json);
        assert!(json.is_empty(), "{json:?}");
        let none = EndpointPolicy {
            retry_schedule: Some(Vec::new()),
            ..EndpointPolicy::default()
        };
        assert_eq!(policy_texts(&none)[0], "none");
    }
}
