//! The attempts of `hookpost dev`: a line on stderr for each, as soon as it is recorded.
//!
//! The store tells nobody of a recorded attempt but the delivery engine. So the number of deliveries is looked
//! at a few times a second, and the new ones are read.

use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::task::spawn_blocking;
use actix_web::rt::time::sleep;

use crate::cli::output;
use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::event::EventStatus;
use crate::domain::invisible::is_invisible;
use crate::storage::{DeliveryFilter, Page, Row, Store, StoreError};

/// The pause between two looks: short for a person, and a thousandth of one core.
const PAUSE: Duration = Duration::from_millis(200);

/// The most attempts of one look that get a line; the others are counted. More lines a second cannot be read.
const LINES_MAX: u64 = 20;

/// The most bytes of payloads that a read may bring along; lines do not show them.
const READ_BYTES: usize = 64 * 1024;

/// The most characters of an error that a line shows.
const ERROR_MAX: usize = 200;

/// Returns the number of deliveries in the store.
pub(super) fn count(store: &dyn Store) -> Result<u64, StoreError> {
    Ok(store
        .list_deliveries(&DeliveryFilter::ALL, page(1), READ_BYTES)?
        .total)
}

/// Prints the attempts after the first `seen`, until the caller drops the future.
pub(super) async fn print_new(store: Arc<dyn Store>, mut seen: u64) {
    loop {
        let store = store.clone();
        let lines = spawn_blocking(move || new_lines(&*store, seen)).await;
        // A read that fails is made again. The log tells of a disk that fails.
        if let Ok(Ok((lines, now))) = lines {
            seen = now;
            for line in lines {
                output::remark(&line);
            }
        }
        sleep(PAUSE).await;
    }
}

/// Returns the lines of the attempts after the first `seen`, oldest first, and the number of all.
fn new_lines(store: &dyn Store, seen: u64) -> Result<(Vec<String>, u64), StoreError> {
    if count(store)? == seen {
        return Ok((Vec::new(), seen));
    }
    let first = store.list_deliveries(&DeliveryFilter::ALL, page(LINES_MAX), READ_BYTES)?;
    let new = first.total.saturating_sub(seen);
    let shown = usize::try_from(new.min(LINES_MAX)).unwrap_or_default();
    let mut lines = Vec::new();
    let (mut rows, mut rest) = (first.rows, first.rest);
    loop {
        lines.extend(rows.iter().map(|row| line(store, row)));
        if rest.is_empty() || lines.len() >= shown {
            break;
        }
        let part = store.read_deliveries(&rest, READ_BYTES)?;
        rest.drain(..part.done);
        rows = part.rows;
    }
    lines.truncate(shown);
    if new > LINES_MAX {
        lines.push(format!("… {} more attempts", new - LINES_MAX));
    }
    lines.reverse();
    Ok((lines, first.total))
}

fn page(limit: u64) -> Page {
    Page { number: 1, limit }
}

fn line(store: &dyn Store, row: &Row<Delivery>) -> String {
    let delivery = &row.item;
    let endpoint = store.find_endpoint(Visibility::All, delivery.endpoint_id);
    let url = endpoint.map_or_else(
        |_| format!("endpoint {}", delivery.endpoint_id),
        |endpoint| endpoint.settings.target.url.as_str().to_owned(),
    );
    describe(delivery, &url)
}

/// Returns the line of an attempt: the time, the type, the attempt's number, its result, the next attempt,
/// the URL.
fn describe(delivery: &Delivery, url: &str) -> String {
    let result = match (delivery.http_code, delivery.error) {
        (Some(code), None) => code.to_string(),
        (_, error) => {
            let words = delivery.response.as_deref().unwrap_or_default();
            let words: String = words.chars().take(ERROR_MAX).collect();
            let error = error.map_or("no answer", |error| error.as_str());
            format!("{error} ({})", words.replace(is_invisible, "?"))
        }
    };
    format!(
        "{}  {}  attempt {}: {result} after {} ms{}  {url}",
        time_of_day(delivery.created_at),
        delivery.event.event_type.as_str(),
        delivery.attempt,
        delivery.duration_ms,
        next(delivery),
    )
}

/// Returns what follows after a failed attempt, if no later attempt has been made.
fn next(delivery: &Delivery) -> String {
    let event = &delivery.event;
    if delivery.succeeded || event.attempts != delivery.attempt {
        return String::new();
    }
    match (event.status, event.next_attempt_at) {
        (_, Some(at)) => format!(", retry in {}", wait(delivery.created_at, at)),
        (EventStatus::Failed, None) => ", the last one".to_owned(),
        (EventStatus::Skipped, None) => ", the endpoint is disabled".to_owned(),
        _ => String::new(),
    }
}

/// Returns the time from an attempt to the next one, rounded, in one unit.
fn wait(from: Timestamp, to: Timestamp) -> String {
    let seconds = (to.micros().saturating_sub(from.micros()) + 500_000) / 1_000_000;
    match seconds {
        ..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// Returns the time of day in UTC, to the second.
fn time_of_day(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{}Z", text.get(11..19).unwrap_or(&text))
}
