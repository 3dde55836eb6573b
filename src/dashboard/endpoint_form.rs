//! The fields of the form of an endpoint, between the browser and the readers of the API.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use url::Url;

use super::form::FormProblems;
use super::json_syntax::syntax_problem;
use super::query::Fields;
use super::settings_form::{SettingsForm, words_for};
use crate::domain::endpoint::{Endpoint, EndpointSettings, Format};
use crate::domain::event_pattern::EventPattern;
use crate::domain::event_type::{EventType, Subscription};
use crate::domain::format::taken_by;
use crate::domain::json::scan;
use crate::domain::secret::SecretType;
use crate::server::validate::Problem;

/// The value of the field `format` that leaves the choice to the URL.
pub(super) const PICK_FORMAT: &str = "";

/// The values of the form, as somebody typed them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EndpointForm {
    pub(super) workspace_id: String,
    pub(super) url: String,
    /// The name of a format, or [`PICK_FORMAT`].
    pub(super) format: String,
    /// The event types that were ticked.
    ticked: Vec<String>,
    /// The event types that were typed.
    pub(super) typed: String,
    pub(super) name: String,
    pub(super) description: String,
    /// The text of the filter; empty: every message.
    pub(super) filter: String,
    pub(super) secret: String,
    /// The name of the type of a random secret.
    pub(super) secret_type: String,
    pub(super) settings: SettingsForm,
    pub(super) enabled: bool,
    /// The state that the form showed: only a state that somebody changed is stored. Enabling an endpoint starts its
    /// count of failures anew, and the server may have disabled it meanwhile.
    pub(super) was_enabled: bool,
}

impl EndpointForm {
    /// Returns the form of a new endpoint, for this URL.
    pub(super) fn blank(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ticked: vec!["*".to_owned()],
            enabled: true,
            was_enabled: true,
            ..Self::default()
        }
    }

    /// Returns the form with the settings of an endpoint.
    pub(super) fn of_endpoint(endpoint: &Endpoint) -> Self {
        let settings = &endpoint.settings;
        let enabled = endpoint.disabled_reason.is_none();
        let events = settings
            .events
            .iter()
            .map(|event| event.as_str().to_owned());
        Self {
            url: settings.target.url.as_str().to_owned(),
            format: settings.target.format.as_str().to_owned(),
            ticked: events.collect(),
            name: settings.name.clone(),
            description: settings.description.clone(),
            filter: shown_filter(settings).to_owned(),
            settings: SettingsForm::of_settings(settings),
            enabled,
            was_enabled: enabled,
            ..Self::default()
        }
    }

    /// Reads the form that a browser sent.
    pub(super) fn of(fields: &Fields) -> Self {
        let text = |name| fields.get(name).unwrap_or_default().to_owned();
        Self {
            workspace_id: text("workspace_id"),
            url: text("url"),
            format: text("format"),
            ticked: fields.all("event").map(str::to_owned).collect(),
            typed: fields.raw("events").replace("\r\n", "\n"),
            name: text("name"),
            // Browsers send a line break as two characters; one of them cannot be seen, so readers refuse it.
            description: text("description").replace("\r\n", "\n"),
            filter: text("filter").replace("\r\n", "\n").trim().to_owned(),
            secret: text("secret"),
            secret_type: text("secret_type"),
            settings: SettingsForm::of(fields),
            enabled: fields.has("enabled"),
            was_enabled: fields.raw("was_enabled") == "true",
        }
    }

    /// Reports whether the form asks for another secret than by default.
    pub(super) fn chooses_secret(&self) -> bool {
        !self.secret.is_empty() || self.random_type() == SecretType::Ed25519.as_str()
    }

    /// Returns the name of the type of a random secret; empty if the secret itself was typed.
    fn random_type(&self) -> &str {
        if self.secret.is_empty() {
            &self.secret_type
        } else {
            ""
        }
    }

    /// Reports whether the URL picks the format.
    pub(super) fn picks_format(&self) -> bool {
        self.format == PICK_FORMAT
    }

    /// Returns the chosen pattern, such as `order.*`, that a type is one of which is not chosen itself.
    pub(super) fn covered_by(&self, event: &str) -> Option<&str> {
        let event_type = EventType::parse(event)?;
        let chosen = self.events();
        let matches = |text: &&str| {
            Subscription::parse(text).is_some_and(|pattern| pattern.matches(&event_type))
        };
        let is_chosen = chosen.contains(&event);
        chosen.into_iter().find(matches).filter(|_| !is_chosen)
    }

    /// Reports whether sending the form enables an endpoint that is disabled.
    pub(super) fn will_enable(&self) -> bool {
        self.enabled && !self.was_enabled
    }

    /// Returns all event types, each once, in their order.
    pub(super) fn events(&self) -> Vec<&str> {
        let is_between = |letter: char| letter == ',' || letter.is_whitespace();
        let typed = self.typed.split(is_between).filter(|part| !part.is_empty());
        let mut events: Vec<&str> = Vec::new();
        for event in self.ticked.iter().map(String::as_str).chain(typed) {
            if !events.contains(&event) {
                events.push(event);
            }
        }
        events
    }

    /// Reports whether a box of the form is ticked.
    pub(super) fn has(&self, event: &str) -> bool {
        self.events().contains(&event)
    }

    /// Returns the event types for which the form has no box, one a line.
    pub(super) fn others(&self, known: &[String]) -> String {
        let has_box = |event: &str| event == "*" || known.iter().any(|known| known == event);
        let others = self.events().into_iter().filter(|event| !has_box(event));
        others.collect::<Vec<_>>().join("\n")
    }

    /// Returns the format that is chosen or that the URL picks: `raw` for a URL of no known service.
    fn chosen_format(&self) -> &str {
        if !self.picks_format() {
            return &self.format;
        }
        let taken = Url::parse(&self.url).ok().and_then(|url| taken_by(&url));
        taken.unwrap_or(Format::Raw).as_str()
    }

    /// Returns the body of a request that makes the endpoint. Fields that are empty are left out.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        let mut json = Map::new();
        json.insert("format".to_owned(), self.chosen_format().into());
        json.insert("events".to_owned(), json!(self.events()));
        for (name, value) in [
            ("url", self.url.as_str()),
            ("secret", &self.secret),
            ("secret_type", self.random_type()),
            ("name", &self.name),
            ("description", &self.description),
            ("filter", &self.filter),
            ("workspace_id", &self.workspace_id),
        ] {
            if !value.is_empty() {
                json.insert(name.to_owned(), value.into());
            }
        }
        self.settings
            .add_changes(&SettingsForm::default(), &mut json);
        json
    }

    /// Returns the body of a request that changes the endpoint: only what differs from it.
    pub(super) fn changes(&self, endpoint: &Endpoint) -> Map<String, Value> {
        let mut json = Map::new();
        let mut change = |name: &str, value: Value| {
            json.insert(name.to_owned(), value);
        };
        let settings = &endpoint.settings;
        if self.url != settings.target.url.as_str() {
            change("url", self.url.as_str().into());
        }
        if self.chosen_format() != settings.target.format.as_str() {
            change("format", self.chosen_format().into());
        }
        if !is_same(&self.events(), &settings.events) {
            change("events", json!(self.events()));
        }
        if self.name.trim() != settings.name.trim() {
            change("name", self.name.as_str().into());
        }
        if self.description.trim() != settings.description.trim() {
            change("description", self.description.as_str().into());
        }
        if self.filter != shown_filter(settings) {
            change("filter", self.filter.as_str().into());
        }
        if self.enabled != self.was_enabled {
            change("enabled", self.enabled.into());
        }
        let before = SettingsForm::of_settings(settings);
        self.settings.add_changes(&before, &mut json);
        json
    }

    /// Returns what is wrong with the JSON of the filter, and where; `None` if nothing is.
    fn filter_syntax(&self) -> Option<String> {
        syntax_problem(&self.filter)
    }

    /// Sorts the problems of the readers by field, in words for people where theirs are for programs.
    pub(super) fn problems(&self, problems: &[Problem]) -> FormProblems {
        let mut found = FormProblems::default();
        for problem in problems {
            let field = problem.loc.field.as_deref().unwrap_or_default();
            let (field, words) = match (field, problem.loc.member()) {
                ("policy", Some(member)) => {
                    let own = words_for(member).map(str::to_owned);
                    (member, own.unwrap_or_else(|| problem.message()))
                }
                (field, Some(_)) => (field, problem.message_with_place()),
                (field, None) => {
                    let own = self.own_words(field);
                    (field, own.unwrap_or_else(|| problem.message()))
                }
            };
            found.add(field, &words);
        }
        found
    }

    /// Returns the words for a problem that a field has; `None` if those of the reader are better.
    fn own_words(&self, field: &str) -> Option<String> {
        let words = match field {
            "url" if self.url.is_empty() => "The URL is missing",
            "filter" if self.filter_syntax().is_some() => return self.filter_syntax(),
            "workspace_id" if self.workspace_id.is_empty() => "Choose the workspace",
            "events" if self.events().is_empty() => "Choose an event type, or all of them",
            "events" => {
                let mut events = self.events().into_iter();
                let bad = events.find(|event| Subscription::parse(event).is_none())?;
                return Some(format!(
                    "“{bad}” is no event type. One has letters, digits, _ and -, in parts joined by dots, such as \
                     order.paid; order.* means all below order"
                ));
            }
            _ => return None,
        };
        Some(words.to_owned())
    }
}

/// Reports whether an endpoint has these subscriptions, in any order.
fn is_same(events: &[&str], subscriptions: &[Subscription]) -> bool {
    let mut old: Vec<_> = subscriptions.iter().map(Subscription::as_str).collect();
    let mut new = events.to_vec();
    for list in [&mut old, &mut new] {
        list.sort_unstable();
        list.dedup();
    }
    old == new
}

/// Returns the text of an endpoint's filter, as the form shows it: empty for every message.
fn shown_filter(settings: &EndpointSettings) -> &str {
    settings.filter.to_stored()
}

/// Returns the body of a request with the members of the form. The filter is in it as it was typed, so that an endpoint
/// keeps its line breaks; if it is no JSON, a text stands for it, which is no filter either.
pub(super) fn body_of(mut members: Map<String, Value>) -> String {
    let typed = members.remove("filter");
    let mut body = Value::Object(members).to_string();
    if let Some(typed) = typed.as_ref().and_then(Value::as_str) {
        let filter = match typed {
            "" => EventPattern::EVERYTHING,
            typed if scan(typed).is_ok() => typed,
            _ => "\"\"",
        };
        body.pop();
        let comma = if body.len() > 1 { "," } else { "" };
        let _ = write!(body, "{comma}\"filter\":{filter}}}");
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::endpoint::EndpointSettings;
    use crate::domain::endpoint_health::EndpointHealth;
    use crate::domain::endpoint_url::EndpointUrl;

    fn endpoint() -> Endpoint {
        let url = EndpointUrl::from_stored("https://a.example/hook".to_owned());
        let events = ["order.paid", "b.*"].map(|event| Subscription::parse(event).unwrap());
        Endpoint {
            id: uuid::Uuid::from_u128(1),
            workspace_id: uuid::Uuid::from_u128(2),
            settings: EndpointSettings {
                description: "two\nlines\n".to_owned(),
                ..EndpointSettings::new(url, Format::Raw, events.to_vec())
            },
            disabled_reason: None,
            paused_reason: None,
            health: EndpointHealth::NEW,
            created_at: Timestamp::from_micros(0),
            modified_at: None,
        }
    }

    fn sent(text: &str) -> EndpointForm {
        EndpointForm::of(&Fields::parse(text.as_bytes()))
    }

    #[test]
    fn a_form_that_is_sent_back_unchanged_changes_nothing() {
        let form = sent(
            "url=https://a.example/hook&format=raw&event=order.paid&events=b.*%0D%0A&name=\
             &description=two%0D%0Alines&enabled=true&was_enabled=true",
        );
        assert_eq!(form.changes(&endpoint()), Map::new());
        let shown = EndpointForm::of_endpoint(&endpoint());
        assert_eq!(shown.changes(&endpoint()), Map::new());
    }

    #[test]
    fn only_what_differs_is_changed() {
        let form = sent("url=https://b.example/&format=slack&events=c&name=N&was_enabled=true");
        let changes = Value::Object(form.changes(&endpoint()));
        let expected = json!({
            "url": "https://b.example/", "format": "slack", "events": ["c"], "name": "N", "description": "",
            "enabled": false,
        });
        assert_eq!(changes, expected);
        // The server has disabled it while the form was open.
        let form = sent("url=https://a.example/hook&enabled=true&was_enabled=true");
        assert!(!form.changes(&endpoint()).contains_key("enabled"));
    }

    #[test]
    fn the_url_picks_the_format() {
        let format = |url: &str| sent(&format!("format=&url={url}")).to_json()["format"].clone();
        assert_eq!(format("https://discord.com/api/webhooks/1/s"), "discord");
        assert_eq!(format("https://hooks.slack.com/services/T/B/s"), "slack");
        assert_eq!(format("https://a.example/"), "raw");
        assert_eq!(format("no url"), "raw");
        let chosen = sent("format=raw&url=https://hooks.slack.com/services/T/B/s");
        assert_eq!(chosen.to_json()["format"], "raw");
    }

    #[test]
    fn event_types_are_ticked_or_typed() {
        let form = sent("event=order.paid&event=*&events=b.*,+c%0D%0Aorder.paid");
        assert_eq!(form.events(), ["order.paid", "*", "b.*", "c"]);
        let known = ["order.paid".to_owned()];
        assert_eq!(form.others(&known), "b.*\nc");
        assert!(form.has("c") && !form.has("d"));
    }
}
