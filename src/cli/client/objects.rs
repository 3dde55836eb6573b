//! The parts of the API's objects that tables show.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::columns::Cell;
use super::style::Color;

/// Reads an id.
pub(in crate::cli) fn parse_id(text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text.trim())
        .map_err(|_| "expected an id, such as 01890a5d-ac96-474b-8a1e-0f3a2b1c4d5e".to_owned())
}

/// A row of a list that is walked by time.
pub(in crate::cli) trait Dated {
    /// The time, as the API wrote it.
    fn created_at(&self) -> &str;
}

impl Dated for Value {
    fn created_at(&self) -> &str {
        self["created_at"].as_str().unwrap_or_default()
    }
}

/// A row of a list that is read whole.
pub(in crate::cli) trait Identified {
    /// The id, as the API wrote it.
    fn id(&self) -> String;
}

impl Identified for Value {
    fn id(&self) -> String {
        self["id"].as_str().unwrap_or_default().to_owned()
    }
}

impl Identified for Endpoint {
    fn id(&self) -> String {
        self.id.to_string()
    }
}

/// An event.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Event {
    pub(in crate::cli) id: Uuid,
    pub(in crate::cli) created_at: String,
    pub(in crate::cli) r#type: String,
    pub(in crate::cli) message_id: Uuid,
    pub(in crate::cli) webhook_endpoint_id: Uuid,
    succeeded: Option<bool>,
    skipped: bool,
    pub(in crate::cli) attempts: u64,
    pub(in crate::cli) next_attempt_at: Option<String>,
    pub(in crate::cli) last_http_code: Option<u16>,
}

impl Dated for Event {
    fn created_at(&self) -> &str {
        &self.created_at
    }
}

impl Event {
    /// Returns the word for the state, as filters have it.
    pub(in crate::cli) fn status(&self) -> &'static str {
        match (self.skipped, self.succeeded) {
            (true, _) => "skipped",
            (false, Some(true)) => "succeeded",
            (false, Some(false)) => "failed",
            (false, None) => "pending",
        }
    }

    pub(in crate::cli) fn status_cell(&self) -> Cell {
        let color = match self.status() {
            "succeeded" => Color::Green,
            "failed" => Color::Red,
            _ => Color::Yellow,
        };
        Cell::colored(self.status().to_owned(), color)
    }

    /// Returns the code of the last attempt, or `-`.
    pub(in crate::cli) fn code(&self) -> String {
        self.last_http_code
            .map_or("-".to_owned(), |code| code.to_string())
    }
}

/// A message.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Message {
    pub(in crate::cli) id: Uuid,
    pub(in crate::cli) created_at: String,
    pub(in crate::cli) r#type: String,
    pub(in crate::cli) timestamp: String,
    pub(in crate::cli) workspace_id: Uuid,
    /// Absent in the answers of older servers.
    #[serde(default)]
    pub(in crate::cli) tags: BTreeMap<String, String>,
    pub(in crate::cli) is_archived: bool,
    pub(in crate::cli) event_count: u64,
}

impl Dated for Message {
    fn created_at(&self) -> &str {
        &self.created_at
    }
}

/// A delivery: one attempt.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Delivery {
    pub(in crate::cli) created_at: String,
    pub(in crate::cli) attempt: u64,
    succeeded: bool,
    http_code: Option<u16>,
    error: Option<String>,
    pub(in crate::cli) response: Option<String>,
    pub(in crate::cli) duration_ms: u64,
    pub(in crate::cli) webhook_event: DeliveredEvent,
}

/// The event of a delivery.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct DeliveredEvent {
    pub(in crate::cli) id: Uuid,
    pub(in crate::cli) r#type: String,
}

impl Dated for Delivery {
    fn created_at(&self) -> &str {
        &self.created_at
    }
}

impl Delivery {
    /// Returns the code of the answer, or the reason why there was none.
    pub(in crate::cli) fn result(&self) -> Cell {
        let text = match (&self.error, self.http_code) {
            (Some(error), _) => error.clone(),
            (None, Some(code)) => code.to_string(),
            (None, None) => "-".to_owned(),
        };
        let color = if self.succeeded {
            Color::Green
        } else {
            Color::Red
        };
        Cell::colored(text, color)
    }
}

/// An endpoint. It has no `Debug`, because it holds a secret.
#[derive(Deserialize)]
pub(in crate::cli) struct Endpoint {
    pub(in crate::cli) id: Uuid,
    pub(in crate::cli) url: String,
    pub(in crate::cli) format: String,
    pub(in crate::cli) events: Vec<String>,
    /// Null in the answers of older servers.
    #[serde(default)]
    pub(in crate::cli) filter: Value,
    pub(in crate::cli) name: String,
    pub(in crate::cli) description: String,
    /// `None` if the token may not see it.
    pub(in crate::cli) secret: Option<String>,
    /// Absent in the answers of older servers.
    #[serde(default)]
    pub(in crate::cli) secret_type: String,
    #[serde(default)]
    pub(in crate::cli) secret_overlap_ends_at: Option<String>,
    pub(in crate::cli) enabled: bool,
    pub(in crate::cli) disabled_reason: Option<String>,
    state: String,
    pub(in crate::cli) resting_until: Option<String>,
    pub(in crate::cli) held_until: Option<String>,
    pub(in crate::cli) failures_in_a_row: u64,
    pub(in crate::cli) last_success_at: Option<String>,
    pub(in crate::cli) last_failure_at: Option<String>,
    #[serde(default)]
    pub(in crate::cli) key: String,
    #[serde(default)]
    pub(in crate::cli) metadata: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    pub(in crate::cli) headers: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    pub(in crate::cli) policy: serde_json::Map<String, serde_json::Value>,
    pub(in crate::cli) created_at: String,
}

impl Endpoint {
    /// Returns the state; of a disabled endpoint the reason, unless a user disabled it.
    pub(in crate::cli) fn state(&self) -> Cell {
        match (self.enabled, self.disabled_reason.as_deref()) {
            (true, _) if self.state == "active" => Cell::colored("active".to_owned(), Color::Green),
            (true, _) => Cell::colored(self.state.clone(), Color::Yellow),
            (false, None | Some("manual")) => Cell::colored("disabled".to_owned(), Color::Yellow),
            (false, Some(_)) => Cell::colored("disabled".to_owned(), Color::Red),
        }
    }
}
