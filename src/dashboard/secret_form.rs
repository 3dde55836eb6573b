//! The fields of the form that rotates a secret, between the browser and the readers of the API.

use std::time::Duration;

use serde_json::{Map, Value};

use super::query::Fields;
use crate::domain::secret::SecretType;

const HOUR_S: u64 = 3600;
const DAY_S: u64 = 24 * HOUR_S;

/// The overlaps that the form offers besides that of the server, in seconds.
const OVERLAPS_S: [u64; 4] = [HOUR_S, DAY_S, 7 * DAY_S, 0];

/// The values of the form, as somebody chose them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecretForm {
    /// The new secret; empty: a random one.
    pub(super) secret: String,
    /// The name of the type of a random secret; empty: that of the present one.
    pub(super) secret_type: String,
    /// The time for which the old secret signs beside the new one, in seconds; empty: that of the server.
    pub(super) overlap: String,
    /// Set if the form only ends the overlap.
    pub(super) ends_overlap: bool,
    default_overlap: Duration,
}

/// A choice of the overlap.
pub(super) struct OverlapChoice {
    /// In seconds.
    pub(super) value: String,
    pub(super) words: String,
    pub(super) is_chosen: bool,
}

impl SecretForm {
    /// Returns the form that nobody has filled in. `default_overlap` is that of the server.
    pub(super) fn blank(default_overlap: Duration) -> Self {
        Self {
            secret: String::new(),
            secret_type: String::new(),
            overlap: String::new(),
            ends_overlap: false,
            default_overlap,
        }
    }

    /// Reads the form that a browser sent.
    pub(super) fn of(fields: &Fields, default_overlap: Duration) -> Self {
        let text = |name| fields.get(name).unwrap_or_default().to_owned();
        Self {
            secret: text("secret"),
            secret_type: text("secret_type"),
            overlap: text("overlap"),
            ends_overlap: fields.has("end_overlap"),
            default_overlap,
        }
    }

    /// Returns the body of the request that rotates the secret. The type is chosen for a random secret only.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        let secret_type = if self.secret.is_empty() {
            self.secret_type.as_str()
        } else {
            ""
        };
        let mut json = Map::new();
        for (name, value) in [
            ("overlap", self.overlap.as_str()),
            ("secret", &self.secret),
            ("secret_type", secret_type),
        ] {
            if !value.is_empty() {
                json.insert(name.to_owned(), value.into());
            }
        }
        json
    }

    /// Reports whether the type with that name is chosen; at first it is that of the present secret, which is a key
    /// pair or not.
    pub(super) fn is_type(&self, name: &str, has_key_pair: bool) -> bool {
        match self.secret_type.as_str() {
            "" => has_key_pair == (name == SecretType::Ed25519.as_str()),
            chosen => chosen == name,
        }
    }

    /// Returns the overlaps to choose from: that of the server first.
    pub(super) fn overlaps(&self) -> Vec<OverlapChoice> {
        let default = self.default_overlap.as_secs();
        let chosen = self.overlap.parse().unwrap_or(default);
        let others = OVERLAPS_S.into_iter().filter(|seconds| *seconds != default);
        std::iter::once(default)
            .chain(others)
            .map(|seconds| OverlapChoice {
                value: seconds.to_string(),
                words: in_words(seconds),
                is_chosen: seconds == chosen,
            })
            .collect()
    }
}

/// Returns what an overlap does.
fn in_words(seconds: u64) -> String {
    let unit = |count: u64, word: &str| match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    let time = match seconds {
        0 => return "Not at all: only the new secret signs".to_owned(),
        DAY_S => unit(24, "hour"),
        _ if seconds.is_multiple_of(DAY_S) => unit(seconds / DAY_S, "day"),
        _ if seconds.is_multiple_of(HOUR_S) => unit(seconds / HOUR_S, "hour"),
        _ if seconds.is_multiple_of(60) => unit(seconds / 60, "minute"),
        _ => unit(seconds, "second"),
    };
    format!("For {time}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str) -> SecretForm {
        SecretForm::of(&Fields::parse(text.as_bytes()), Duration::from_secs(DAY_S))
    }

    #[test]
    fn only_what_was_filled_in_is_sent_and_an_own_secret_has_its_own_type() {
        assert_eq!(sent("secret=&secret_type=&overlap=").to_json(), Map::new());
        let random = Value::Object(sent("secret=&secret_type=ed25519&overlap=0").to_json());
        assert_eq!(
            random,
            serde_json::json!({"overlap": "0", "secret_type": "ed25519"})
        );
        let own = Value::Object(sent("secret=abc&secret_type=ed25519&overlap=60").to_json());
        assert_eq!(own, serde_json::json!({"overlap": "60", "secret": "abc"}));
        assert!(sent("end_overlap=true").ends_overlap);
    }

    #[test]
    fn the_overlap_of_the_server_is_chosen_at_first() {
        let words = |form: &SecretForm| {
            let all = form.overlaps().into_iter();
            all.map(|choice| (choice.words, choice.is_chosen))
                .collect::<Vec<_>>()
        };
        let day = words(&SecretForm::blank(Duration::from_secs(DAY_S)));
        assert_eq!(day[0], ("For 24 hours".to_owned(), true));
        assert_eq!(day.len(), 4);
        assert_eq!(
            day[3],
            ("Not at all: only the new secret signs".to_owned(), false)
        );
        let odd = words(&SecretForm::blank(Duration::from_secs(90)));
        assert_eq!(odd[0], ("For 90 seconds".to_owned(), true));
        let chosen = sent("overlap=604800");
        assert_eq!(words(&chosen)[2], ("For 7 days".to_owned(), true));
    }
}
