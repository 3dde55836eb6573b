//! The filters of the lists of attempts, events and messages: what the URL has, as the API reads it and as the form shows it.

use actix_web::http::StatusCode;
use url::form_urlencoded;

use super::endpoint_names::EndpointName;
use super::form::FormProblems;
use super::lists::{self, ROWS};
use super::query::Fields;
use super::time_field;
use crate::server::validate::{Checked, Input};
use crate::storage::Page;

/// The filters that both attempts and events have.
const OF_SENT: [&str; 8] = [
    "endpoint_id",
    "event_type",
    "http_code_class",
    "start_timestamp",
    "end_timestamp",
    "query",
    "message_id",
    "workspace_id",
];

/// The filters that only attempts have.
const OF_ATTEMPTS: [&str; 2] = ["succeeded", "event_id"];

/// The filters that only events have.
const OF_EVENTS: [&str; 1] = ["status"];

/// The filters of messages.
const OF_MESSAGES: [&str; 8] = [
    "event_type",
    "start_timestamp",
    "end_timestamp",
    "query",
    "workspace_id",
    "unrouted",
    "tag",
    "missing_for",
];

/// The times among the filters.
const TIMES: [&str; 2] = ["start_timestamp", "end_timestamp"];

/// The filters that the form has fields for; the others come only from links.
const WITH_FIELD: [&str; 13] = [
    "endpoint_id",
    "event_type",
    "start_timestamp",
    "end_timestamp",
    "query",
    "message_id",
    "succeeded",
    "http_code_class",
    "event_id",
    "status",
    "unrouted",
    "tag",
    "missing_for",
];

/// A list of what was published or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListView {
    Attempts,
    Events,
    Messages,
}

impl ListView {
    fn has(self, name: &str) -> bool {
        match self {
            Self::Attempts => OF_SENT.contains(&name) || OF_ATTEMPTS.contains(&name),
            Self::Events => OF_SENT.contains(&name) || OF_EVENTS.contains(&name),
            Self::Messages => OF_MESSAGES.contains(&name),
        }
    }

    /// Returns the path of the page.
    const fn path(self) -> &'static str {
        match self {
            Self::Attempts | Self::Events => "/deliveries",
            Self::Messages => "/messages",
        }
    }
}

/// The parameters of a list that are no filters.
const OF_PAGE: [&str; 5] = ["view", "page", "limit", "open", "select"];

/// The most filters that can be taken away one by one: as many as fit two lines.
const CHIPS_MAX: usize = 20;

/// A filter in force.
pub(super) struct Chip {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// The URL of the list without it.
    pub(super) without: String,
}

/// The form of the filters.
pub(super) struct ListFilters {
    view: ListView,
    fields: Fields,
    pub(super) endpoints: Vec<EndpointName>,
    pub(super) event_types: Vec<String>,
    pub(super) problems: FormProblems,
}

impl ListFilters {
    /// Makes the form from the fields of a query. Those that no list has are left out.
    pub(super) fn new(view: ListView, fields: Fields) -> Self {
        let is_known =
            |name: &str| view.has(name) || OF_SENT.contains(&name) || OF_PAGE.contains(&name);
        Self {
            view,
            fields: fields.only(is_known),
            endpoints: Vec::new(),
            event_types: Vec::new(),
            problems: FormProblems::default(),
        }
    }

    /// Reads the page and the filter with a reader of the API. If a field cannot be read, there is no filter, and the
    /// form has the problems.
    pub(super) fn read<F, R>(&mut self, read: impl FnOnce(&mut Input<'_>) -> R) -> (Page, Option<F>)
    where
        R: FnOnce(&Checked) -> (Page, F),
    {
        let query = self.to_api_query();
        let mut input = Input::new("", &query);
        let filter = read(&mut input);
        match input.finish() {
            Ok(ok) => {
                let (page, filter) = filter(&ok);
                (page, Some(filter))
            }
            Err(problems) => {
                self.problems = FormProblems::of(&problems);
                (lists::FIRST, None)
            }
        }
    }

    /// Returns the query for the readers that the API uses as well. Parameters of the page itself are left out, and
    /// times without a zone, which browsers send, are in UTC.
    fn to_api_query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.fields.given() {
            match name {
                "page" | "limit" => query.append_pair(name, value),
                _ if !self.view.has(name) => continue,
                _ if TIMES.contains(&name) => {
                    query.append_pair(name, &time_field::with_zone(value))
                }
                _ => query.append_pair(name, value),
            };
        }
        if self.fields.get("limit").is_none() {
            query.append_pair("limit", &ROWS.to_string());
        }
        query.finish()
    }

    /// Returns the status of the page: filters that cannot be read are an error.
    pub(super) fn status(&self) -> StatusCode {
        if self.problems.is_empty() {
            StatusCode::OK
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        }
    }

    /// Reports whether a filter cannot be read.
    pub(super) fn have_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Returns the title of a list of these things: it names the filter that says most.
    pub(super) fn title(&self, what: &str) -> String {
        match self.chips().as_slice() {
            [] => what.to_owned(),
            [chip] => format!("{what}: {} {}", chip.name, chip.value),
            [chip, ..] => format!("{what}: {} {} and more", chip.name, chip.value),
        }
    }

    /// Returns the value of a filter; empty if it is not set.
    pub(super) fn value(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_default()
    }

    /// Reports whether a filter has this value.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.value(name) == value
    }

    /// Returns a time as a field for times shows it.
    pub(super) fn time(&self, name: &str) -> &str {
        time_field::without_zone(self.value(name))
    }

    /// Returns the type of the field for a time.
    pub(super) fn time_type(&self, name: &str) -> &'static str {
        time_field::field_type(self.value(name))
    }

    pub(super) fn problem(&self, name: &str) -> &str {
        self.problems.of_field(name)
    }

    /// Returns the problems of filters without a field.
    pub(super) fn other_problems(&self) -> impl Iterator<Item = &str> {
        self.problems.others(&WITH_FIELD)
    }

    /// Reports whether the list is for this endpoint only.
    pub(super) fn is_endpoint(&self, endpoint: &EndpointName) -> bool {
        self.value("endpoint_id") == endpoint.id.to_string()
    }

    /// Returns the id of the chosen endpoint, if the form does not offer that endpoint.
    pub(super) fn other_endpoint(&self) -> &str {
        let is_offered = self.endpoints.iter().any(|name| self.is_endpoint(name));
        if is_offered {
            ""
        } else {
            self.value("endpoint_id")
        }
    }

    /// Returns the fields that the form passes on: the second and further values of a filter, and the filters that
    /// it has no field for.
    pub(super) fn hidden(&self) -> Vec<(&str, &str)> {
        let mut seen = Vec::new();
        let mut hidden = Vec::new();
        for (name, value) in self.fields.given() {
            let has_field = WITH_FIELD.contains(&name) && !seen.contains(&name);
            seen.push(name);
            if !has_field && (self.view.has(name) || name == "limit") {
                hidden.push((name, value));
            }
        }
        hidden
    }

    /// Returns the filters in force; none of more than [`CHIPS_MAX`], since each has a link with all others.
    pub(super) fn chips(&self) -> Vec<Chip> {
        let given: Vec<_> = self.fields.given().collect();
        if given.len() > CHIPS_MAX {
            return Vec::new();
        }
        let set = given
            .iter()
            .enumerate()
            .filter(|(_, (name, _))| self.view.has(name));
        let chip = |(place, (name, value)): (usize, &(&str, &str))| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (other, (name, value)) in given.iter().enumerate() {
                if other != place && !["page", "open", "select"].contains(name) {
                    query.append_pair(name, value);
                }
            }
            Chip {
                name: in_words(name),
                value: self.chip_value(name, value),
                without: format!("{}?{}", self.view.path(), query.finish()),
            }
        };
        set.map(chip).collect()
    }

    fn chip_value(&self, name: &str, value: &str) -> String {
        let endpoint = self.endpoints.iter().find(|endpoint| {
            ["endpoint_id", "missing_for"].contains(&name) && endpoint.id.to_string() == value
        });
        match (endpoint, name, value) {
            (Some(endpoint), ..) => endpoint.name.clone(),
            (None, "succeeded" | "unrouted", "true") => "yes".to_owned(),
            (None, "succeeded" | "unrouted", "false") => "no".to_owned(),
            (None, ..) if TIMES.contains(&name) => time_field::with_zone(value),
            (None, ..) => value.to_owned(),
        }
    }

    /// Reports whether a filter is set.
    pub(super) fn are_set(&self) -> bool {
        self.fields.given().any(|(name, _)| self.view.has(name))
    }

    /// Reports whether a filter is set whose field is among those that are folded away.
    pub(super) fn are_more_set(&self) -> bool {
        let folded = ["message_id", "event_id", "start_timestamp", "end_timestamp"];
        !self.other_endpoint().is_empty()
            || folded
                .iter()
                .any(|name| !self.value(name).is_empty() || !self.problem(name).is_empty())
    }

    /// Returns the URL of the list of attempts or events with the filters that both have.
    pub(super) fn in_view(&self, view: ListView) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if view == ListView::Events {
            query.append_pair("view", "events");
        }
        for (name, value) in self.fields.given() {
            if OF_SENT.contains(&name) {
                query.append_pair(name, value);
            }
        }
        match query.finish() {
            query if query.is_empty() => "/deliveries".to_owned(),
            query => format!("/deliveries?{query}"),
        }
    }

    /// Returns the URL of the list of attempts with these filters.
    pub(super) fn attempts_url(&self) -> String {
        self.in_view(ListView::Attempts)
    }

    /// Returns the URL of the list of events with these filters.
    pub(super) fn events_url(&self) -> String {
        self.in_view(ListView::Events)
    }

    /// Returns the URL of the list without any filter.
    pub(super) const fn clear_url(&self) -> &'static str {
        match self.view {
            ListView::Events => "/deliveries?view=events",
            ListView::Attempts | ListView::Messages => self.view.path(),
        }
    }

    /// Reports whether the list is of what this endpoint missed.
    pub(super) fn is_missed_by(&self, endpoint: &EndpointName) -> bool {
        self.value("missing_for") == endpoint.id.to_string()
    }

    /// Returns the id of the endpoint whose missed messages are listed, if the form does not offer that endpoint.
    pub(super) fn other_missing(&self) -> &str {
        let is_offered = self.endpoints.iter().any(|name| self.is_missed_by(name));
        if is_offered {
            ""
        } else {
            self.value("missing_for")
        }
    }

    /// Reports whether the list is the first page, and has no end in the past: only then do new rows come.
    pub(super) fn is_live(&self) -> bool {
        let is_first = matches!(self.value("page"), "" | "1");
        is_first && self.value("end_timestamp").is_empty() && self.problems.is_empty()
    }
}

fn in_words(name: &str) -> &'static str {
    match name {
        "endpoint_id" => "endpoint",
        "event_type" => "type",
        "start_timestamp" => "after",
        "end_timestamp" => "before",
        "query" => "search",
        "message_id" => "message",
        "workspace_id" => "workspace",
        "succeeded" => "succeeded",
        "http_code_class" => "status code",
        "event_id" => "event",
        "unrouted" => "without events",
        "tag" => "tag",
        "missing_for" => "missed by",
        _ => "status",
    }
}

#[cfg(test)]
mod tests;
