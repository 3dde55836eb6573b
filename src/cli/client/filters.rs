//! The filters of lists, as flags. They have no variables: a filter that one does not see would hide rows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use clap::builder::PossibleValuesParser;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::http::Query;
use super::list::Rows;
use super::objects::parse_id;
use crate::config::parse_duration;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::CodeClass;

/// The filters that choose events, in every command that has events.
#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
pub(in crate::cli) struct EventFilters {
    /// Only of this endpoint (repeatable).
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = parse_id)]
    endpoint: Vec<Uuid>,

    /// Only of this message (repeatable).
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = parse_id)]
    message: Vec<Uuid>,

    /// Only of this event type (repeatable).
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    event_type: Vec<String>,

    /// Only after this time: RFC 3339, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    since: Option<Moment>,

    /// Only before this time: RFC 3339, or how long ago.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    until: Option<Moment>,

    /// Only of this workspace (repeatable), for admin tokens.
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = parse_id)]
    workspace_id: Vec<Uuid>,
}

/// The filters that choose messages.
#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
pub(in crate::cli) struct MessageFilters {
    /// Only those that no endpoint wanted.
    #[arg(long)]
    unrouted: bool,

    /// Only those that this endpoint missed: it wants their type now, and has no event of them.
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    missing_for: Option<Uuid>,

    /// Only with this tag (repeatable), such as region:eu. Of several values of a name any will do.
    #[arg(long, value_name = "NAME:VALUE")]
    tag: Vec<String>,

    /// Only of this event type (repeatable).
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    event_type: Vec<String>,

    /// Only after this time: RFC 3339, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    since: Option<Moment>,

    /// Only before this time: RFC 3339, or how long ago.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    until: Option<Moment>,

    /// Only of this workspace (repeatable), for admin tokens.
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = parse_id)]
    workspace_id: Vec<Uuid>,

    /// Only with this text in the id.
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
}

/// The filter for parts of ids and codes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
pub(in crate::cli) struct TextFilter {
    /// Only with this text in an id or as a part of the HTTP code.
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
}

/// The filter by the class of the last status code.
#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
pub(in crate::cli) struct CodeFilter {
    /// Only with an answer of this class; of events, the last answer counts.
    #[arg(long, value_name = "CLASS",
          value_parser = PossibleValuesParser::new(CodeClass::ALL.map(CodeClass::as_str)))]
    code: Option<String>,
}

/// The number of rows that a list command prints.
#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
pub(in crate::cli) struct RowLimit {
    /// The most rows to print, the newest first.
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "all",
          value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,

    /// Print all rows.
    #[arg(long)]
    all: bool,
}

/// A time of a filter.
#[derive(Clone, Debug)]
pub(in crate::cli) enum Moment {
    /// A time, as it was written.
    Text(String),
    /// So long ago.
    Ago(Duration),
}

/// Reads a time, or how long ago it was.
pub(in crate::cli) fn parse_moment(text: &str) -> Result<Moment, String> {
    let text = text.trim();
    if let Ok(ago) = parse_duration(text) {
        return Ok(Moment::Ago(ago));
    }
    OffsetDateTime::parse(text, &Rfc3339)
        .map(|_| Moment::Text(text.to_owned()))
        .map_err(|_| {
            "expected a time such as 2026-01-31T12:00:00Z, or how long ago, such as 2h".to_owned()
        })
}

impl Moment {
    /// Returns the time as the API takes it, in a query and in a body.
    pub(in crate::cli) fn parameter(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Ago(ago) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let then = now.unwrap_or_default().saturating_sub(*ago);
                let micros = i64::try_from(then.as_micros()).unwrap_or(i64::MAX);
                Timestamp::from_micros(micros).to_string()
            }
        }
    }
}

/// Adds the filters by time to a query.
pub(in crate::cli) fn add_times(query: &mut Query, since: Option<&Moment>, until: Option<&Moment>) {
    for (name, moment) in [("start_timestamp", since), ("end_timestamp", until)] {
        query.extend(moment.map(|moment| (name, moment.parameter())));
    }
}

impl MessageFilters {
    /// Adds the filters to a query.
    pub(in crate::cli) fn add_to(&self, query: &mut Query) {
        query.extend(self.unrouted.then(|| ("unrouted", "true".to_owned())));
        let endpoint = self.missing_for.iter();
        query.extend(endpoint.map(|id| ("missing_for", id.to_string())));
        query.extend(self.tag.iter().map(|tag| ("tag", tag.clone())));
        let workspaces = self.workspace_id.iter();
        query.extend(workspaces.map(|id| ("workspace_id", id.to_string())));
        let types = self.event_type.iter();
        query.extend(types.map(|name| ("event_type", name.clone())));
        add_times(query, self.since.as_ref(), self.until.as_ref());
        query.extend(self.query.iter().map(|text| ("query", text.clone())));
    }
}

impl EventFilters {
    /// Adds the filters to a query.
    pub(in crate::cli) fn add_to(&self, query: &mut Query) {
        let mut ids = |name, ids: &[Uuid]| {
            query.extend(ids.iter().map(|id| (name, id.to_string())));
        };
        ids("endpoint_id", &self.endpoint);
        ids("message_id", &self.message);
        ids("workspace_id", &self.workspace_id);
        let types = self.event_type.iter();
        query.extend(types.map(|name| ("event_type", name.clone())));
        add_times(query, self.since.as_ref(), self.until.as_ref());
    }

    /// Reports whether all events pass.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        let mut query = Query::new();
        self.add_to(&mut query);
        query.is_empty()
    }

    /// Reports whether they choose events by their messages.
    pub(in crate::cli) fn have_messages(&self) -> bool {
        !self.message.is_empty()
    }

    /// Returns the endpoint, if the filters choose the events of one.
    pub(in crate::cli) fn one_endpoint(&self) -> Option<Uuid> {
        match self.endpoint[..] {
            [id] => Some(id),
            _ => None,
        }
    }
}

impl TextFilter {
    /// Adds the filter to a query.
    pub(in crate::cli) fn add_to(&self, query: &mut Query) {
        query.extend(self.query.iter().map(|text| ("query", text.clone())));
    }
}

impl CodeFilter {
    /// Adds the filter to a query.
    pub(in crate::cli) fn add_to(&self, query: &mut Query) {
        query.extend(
            self.code
                .iter()
                .map(|class| ("http_code_class", class.clone())),
        );
    }

    /// Reports whether all codes pass.
    pub(in crate::cli) const fn is_empty(&self) -> bool {
        self.code.is_none()
    }
}

impl RowLimit {
    pub(in crate::cli) fn rows(&self) -> Rows {
        if self.all {
            Rows::All
        } else {
            Rows::First(self.limit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_or_how_long_ago() {
        let text = parse_moment("2026-01-31T12:00:00+01:00").unwrap();
        assert_eq!(text.parameter(), "2026-01-31T12:00:00+01:00");
        let time = |text: &str| {
            let time = parse_moment(text).unwrap().parameter();
            Timestamp::parse(&time).unwrap()
        };
        let hour_ago = time("1h");
        let apart = time("0").since(hour_ago).as_secs();
        assert!((3600..3660).contains(&apart), "{apart}");
        for bad in ["yesterday", "2026-01-31", "-1h", ""] {
            assert!(parse_moment(bad).is_err(), "{bad}");
        }
    }
}
