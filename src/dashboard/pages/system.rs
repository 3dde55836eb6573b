//! The page about the server itself: its state, its database, and the settings in force.

use std::time::Duration;

use actix_web::HttpResponse;
use askama::Template;

use crate::dashboard::layout::{Layout, Section, html};
use crate::dashboard::state::Setting;
use crate::dashboard::view::{Badge, Bytes, Count, period};
use crate::dashboard::visit::Visit;
use crate::domain::growth::outlook_text::future;
use crate::domain::growth::{Forecast, Room};
use crate::server::error::ApiError;
use crate::server::state::ServerState;
use crate::storage::StoreFacts;

/// A check of whether the server is ready for work.
struct Check {
    name: &'static str,
    badge: Badge,
    problem: String,
}

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage {
    layout: Layout,
    checks: Vec<Check>,
    facts: StoreFacts,
    growth: String,
    database: String,
    senders: Count,
    settings: Vec<Setting>,
}

impl SystemPage {
    fn bytes(&self) -> Bytes {
        Bytes(self.facts.files.database)
    }

    fn log(&self) -> Bytes {
        Bytes(self.facts.files.log)
    }

    fn disk_free(&self) -> Option<Bytes> {
        self.facts.files.disk_free.map(Bytes)
    }

    fn limit(&self) -> Option<Bytes> {
        self.facts.limit.map(|limit| Bytes(limit.bytes))
    }

    fn is_full(&self) -> bool {
        self.facts.limit.is_some_and(|limit| limit.is_reached)
    }

    /// Returns the rows that are stored, with their names.
    fn rows(&self) -> Vec<(&'static str, Count)> {
        let Some(rows) = self.facts.rows else {
            return Vec::new();
        };
        let endpoints = rows.endpoints;
        let all = endpoints.enabled + endpoints.manual + endpoints.gone + endpoints.failing;
        vec![
            ("Workspaces", Count(rows.workspaces)),
            ("Endpoints", Count(all)),
            ("Events", Count(rows.events)),
            ("Deliveries", Count(rows.deliveries)),
        ]
    }

    fn payloads_kept(&self) -> String {
        kept(self.facts.kept_for.payloads)
    }

    fn messages_kept(&self) -> String {
        kept(self.facts.kept_for.messages)
    }

    fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.problem.is_empty())
    }
}

fn kept(time: Option<Duration>) -> String {
    time.map_or_else(|| "for ever".to_owned(), period)
}

/// Handles `GET /system`.
pub(crate) async fn show(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require_admin()?;
    let now = visit.now();
    let (facts, database) = visit
        .read(move |store| {
            Ok((
                store.facts(now),
                store.check().map_err(|error| error.to_string()),
            ))
        })
        .await?;
    let layout = Layout::new(&visit, Section::System, "System").await?;
    let own = &visit.dashboard.facts;
    html(&SystemPage {
        checks: checks(&visit.dashboard.server, database),
        growth: growth(&facts),
        database: own.database.clone(),
        senders: Count(u64::from(own.senders)),
        settings: own.settings.clone(),
        layout,
        facts,
    })
}

fn checks(server: &ServerState, database: Result<(), String>) -> Vec<Check> {
    let mut results = (server.readiness)();
    results.push(("database", database));
    let check = |(name, result): (&'static str, Result<(), String>)| {
        let (kind, text) = if result.is_ok() {
            ("good", "ready")
        } else {
            ("bad", "not ready")
        };
        Check {
            name,
            badge: Badge { kind, text },
            problem: result.err().unwrap_or_default(),
        }
    };
    results.into_iter().map(check).collect()
}

/// Returns how the database grows, in words.
fn growth(facts: &StoreFacts) -> String {
    let room = Room {
        disk_free_bytes: facts.files.disk_free,
        limit_bytes: facts.limit.map(|limit| limit.bytes),
    };
    let forecast = facts
        .growth
        .and_then(|sample| Forecast::new(sample, facts.kept_for));
    let Some(forecast) = forecast else {
        return "It is too early to say how the database grows.".to_owned();
    };
    format!(
        "About {} messages come in on a day; {}.",
        Count(forecast.messages_per_day()),
        future(&forecast, forecast.outlook(room), room, facts.kept_for)
    )
}
