//! Lists against a model: random filters of random rows, and the same filters applied to plain vectors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rusqlite::Connection;
use uuid::Uuid;

use super::list_fixture::{DeliveryRow, EndpointRow, EventRow, ListFixture, TYPES, succeeded};
use super::random_filters::{
    delivery_filter, event_filter, maybe, random_page, random_visibility, some_states,
    some_workspaces,
};
use super::{find_event, list_deliveries, list_endpoints, list_events};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::event::{Event, EventStatus};
use crate::domain::event_type::EventType;
use crate::storage::filter::{DeliveryFilter, EndpointFilter, EventFilter, Page};
use crate::storage::sqlite::reads::lists::plan::ScanPlan;
use crate::storage::sqlite::reads::lists::query::Pattern;
use crate::storage::sqlite::reads::lists::scan::{Index, Scan, Source};
use crate::storage::sqlite::reads::lists::search::TextSearch;
use crate::storage::sqlite::reads::lists::statement::Table;
use crate::storage::sqlite::reads::lists::time_range::SeqRange;
use crate::storage::sqlite::reads::lists::{Helpers, install};

const FIXTURES: u64 = 40;
const FILTERS: u64 = 150;

pub(super) fn for_each_fixture(mut test: impl FnMut(&ListFixture, &mut StdRng, &str)) {
    for seed in 0..FIXTURES {
        let fixture = ListFixture::generate(seed);
        for filter in 0..FILTERS {
            let mut random = StdRng::seed_from_u64(seed << 32 | filter);
            test(
                &fixture,
                &mut random,
                &format!("world {seed}, filter {filter}"),
            );
        }
    }
}

#[test]
fn deliveries_are_those_of_the_model() {
    for_each_fixture(|fixture, random, name| {
        let filter = delivery_filter(fixture, random);
        let page = random_page(random);
        let of_filter: Vec<&DeliveryRow> = (fixture.deliveries.iter().rev())
            .filter(|row| delivery_matches(fixture, row, &filter))
            .collect();
        let hits: Vec<&DeliveryRow> = (of_filter.iter().copied())
            .filter(|row| {
                let ids = [row.id, fixture.events[row.event].id];
                query_matches(filter.query.as_deref(), &ids, &[], row.code)
            })
            .collect();
        let expected: Vec<Delivery> = paged(&hits, page)
            .map(|row| delivery(fixture, row))
            .collect();
        let listed = list_deliveries(&fixture.connection, &filter, page).unwrap();
        assert_eq!(listed.total, hits.len() as u64, "{name}: {filter:?}");
        assert_eq!(listed.items, expected, "{name}: {filter:?} {page:?}");
        let searched = is_text(filter.query.as_deref()).then_some(of_filter.len() as u64);
        assert_eq!(listed.searched, searched, "{name}: {filter:?}");
    });
}

#[test]
fn events_are_those_of_the_model() {
    for_each_fixture(|fixture, random, name| {
        let filter = event_filter(fixture, random);
        let page = random_page(random);
        let of_filter: Vec<&EventRow> = (fixture.events.iter().rev())
            .filter(|row| event_matches(fixture, row, &filter))
            .collect();
        let hits: Vec<&EventRow> = (of_filter.iter().copied())
            .filter(|row| {
                query_matches(
                    filter.query.as_deref(),
                    &[row.id],
                    &[row.message_id],
                    row.code,
                )
            })
            .collect();
        let expected: Vec<Event> = paged(&hits, page).map(|row| event(fixture, row)).collect();
        let listed = list_events(&fixture.connection, &filter, page).unwrap();
        assert_eq!(listed.total, hits.len() as u64, "{name}: {filter:?}");
        assert_eq!(listed.items, expected, "{name}: {filter:?} {page:?}");
        let searched = is_text(filter.query.as_deref()).then_some(of_filter.len() as u64);
        assert_eq!(listed.searched, searched, "{name}: {filter:?}");
    });
}

#[test]
fn endpoints_are_those_of_the_model() {
    for_each_fixture(|fixture, random, name| {
        let urls = [
            "HOOK", "a_b", "%20", "%", "_", "é", "a.test", "", "https://",
        ];
        let filter = EndpointFilter {
            visibility: random_visibility(fixture, random),
            workspaces: some_workspaces(fixture, random),
            states: some_states(random),
            keys: Vec::new(),
            url: maybe(random, 2).map(|()| (*urls.choose(random).unwrap()).to_owned()),
        };
        let page = random_page(random);
        let url = filter.url.clone().unwrap_or_default().to_lowercase();
        let hits: Vec<&EndpointRow> = (fixture.endpoints.iter().rev())
            .filter(|row| {
                let workspace = &fixture.workspaces[row.workspace];
                filter.visibility.includes(workspace.id)
                    && any_of(&filter.workspaces, &workspace.id)
                    && !row.deleted
                    && !workspace.deleted
                    && any_of(&filter.states, &row.state)
                    && row.url.to_lowercase().contains(&url)
            })
            .collect();
        let listed = list_endpoints(&fixture.connection, &filter, page).unwrap();
        let ids: Vec<Uuid> = listed.items.iter().map(|endpoint| endpoint.id).collect();
        let expected: Vec<Uuid> = paged(&hits, page).map(|row| row.id).collect();
        assert_eq!(listed.total, hits.len() as u64, "{name}: {filter:?}");
        assert_eq!(ids, expected, "{name}: {filter:?} {page:?}");
    });
}

#[test]
fn one_event_is_found_within_reach() {
    for_each_fixture(|fixture, random, name| {
        let Some(row) = fixture.events.choose(random) else {
            return;
        };
        let visibility = random_visibility(fixture, random);
        let found = find_event(&fixture.connection, visibility, row.id).unwrap();
        let workspace = fixture.workspaces[fixture.endpoints[row.endpoint].workspace].id;
        let expected = visibility.includes(workspace).then(|| event(fixture, row));
        assert_eq!(found, expected, "{name}");
        assert_eq!(
            find_event(&fixture.connection, visibility, row.message_id),
            Ok(None)
        );
    });
}

/// Every delivery, in the order of the table.
const ALL_DELIVERIES: Index = Index {
    table: Table::Delivery,
    source: Source::Rows,
};

/// Returns a fixture with more than a hundred deliveries.
fn large_fixture() -> ListFixture {
    let mut fixtures = (0..FIXTURES).map(ListFixture::generate);
    let large = fixtures.find(|fixture| fixture.deliveries.len() > 100);
    large.unwrap()
}

#[test]
fn only_the_newest_are_searched() {
    let fixture = large_fixture();
    let plan = ScanPlan::of(vec![Scan::of(ALL_DELIVERIES)]);
    let page = Page {
        number: 1,
        limit: 100,
    };
    for most in 1..20 {
        let text_search = TextSearch {
            table: Table::Delivery,
            plan: &plan,
            in_table: plan.clone(),
            ranges: vec![SeqRange::ALL],
            total: fixture.deliveries.len() as u64,
            most: most as u64,
            helpers: &Helpers::none(),
        };
        // The version of an id: every one has it.
        let found = text_search
            .search(&fixture.connection, &Pattern::new("-4"), page)
            .unwrap();
        let newest = fixture.deliveries.iter().rev().take(most);
        let expected: Vec<i64> = newest.map(|row| row.seq).collect();
        assert_eq!(found.seqs, expected);
        assert_eq!(found.total, most as u64);
        assert_eq!(found.searched, Some(most as u64));
    }
}

#[test]
fn a_search_with_helpers_finds_the_same() {
    let fixture = large_fixture();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    let name = file.to_str().unwrap();
    fixture.connection.execute("VACUUM INTO ?", [name]).unwrap();
    let connection = Connection::open(&file).unwrap();
    install(&connection).unwrap();
    // Few rows in a wide range: the search uses an index.
    connection
        .execute_batch("UPDATE delivery SET seq = -seq * 100; UPDATE delivery SET seq = -seq;")
        .unwrap();
    let opens = Arc::new(AtomicU32::new(0));
    let counted = opens.clone();
    let helpers = Helpers::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Connection::open(&file).ok()
    });
    let plan = ScanPlan::of(vec![Scan::of(ALL_DELIVERIES)]);
    let search = |text: &str, helpers: &Helpers| {
        let text_search = TextSearch {
            table: Table::Delivery,
            plan: &plan,
            in_table: plan.clone(),
            ranges: vec![SeqRange::ALL],
            total: fixture.deliveries.len() as u64,
            most: 90,
            helpers,
        };
        let page = Page {
            number: 1,
            limit: 100,
        };
        let found = text_search.search(&connection, &Pattern::new(text), page);
        found.unwrap()
    };
    let alone = ["-4", "a", "00", "5", "404"].map(|text| search(text, &Helpers::none()));
    let helpers = helpers.always(7);
    let helped = ["-4", "a", "00", "5", "404"].map(|text| search(text, &helpers));
    for (alone, helped) in alone.iter().zip(&helped) {
        assert_eq!(alone.seqs, helped.seqs);
        assert_eq!(alone.total, helped.total);
    }
    assert_eq!(alone[0].seqs.len(), 90);
    assert!(opens.load(Ordering::Relaxed) > 0, "there was no helper");
}

#[test]
fn a_helper_steps_over_each_row() {
    let fixture = large_fixture();
    let steps = Arc::new(AtomicU32::new(0));
    let counted = steps.clone();
    let count = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        false
    };
    fixture.connection.progress_handler(1, Some(count)).unwrap();
    let scan = Scan::of(ALL_DELIVERIES);
    scan.touch(&fixture.connection, SeqRange::ALL).unwrap();
    // Of each delivery, and of its event: seek, read a column, compare.
    let rows = u32::try_from(fixture.deliveries.len()).unwrap();
    let steps = steps.load(Ordering::Relaxed);
    assert!(steps > 8 * rows, "{steps} steps for {rows} rows");
}

fn delivery_matches(fixture: &ListFixture, row: &DeliveryRow, filter: &DeliveryFilter) -> bool {
    let event = &fixture.events[row.event];
    let endpoint = &fixture.endpoints[event.endpoint];
    let workspace = fixture.workspaces[endpoint.workspace].id;
    filter.visibility.includes(workspace)
        && any_of(&filter.workspaces, &workspace)
        && any_of(&filter.endpoints, &endpoint.id)
        && any_of(&filter.event_types, &TYPES[event.event_type].to_owned())
        && filter.event.is_none_or(|id| id == event.id)
        && any_of(&filter.messages, &event.message_id)
        && filter
            .after
            .is_none_or(|time| row.created_at > time.micros())
        && filter
            .before
            .is_none_or(|time| row.created_at < time.micros())
        && filter
            .succeeded
            .is_none_or(|wanted| wanted == succeeded(row.code))
        && filter
            .code_class
            .is_none_or(|class| row.code.is_some_and(|code| code / 100 == class.hundreds()))
}

fn event_matches(fixture: &ListFixture, row: &EventRow, filter: &EventFilter) -> bool {
    let endpoint = &fixture.endpoints[row.endpoint];
    let workspace = fixture.workspaces[endpoint.workspace].id;
    filter.visibility.includes(workspace)
        && any_of(&filter.workspaces, &workspace)
        && any_of(&filter.endpoints, &endpoint.id)
        && any_of(&filter.event_types, &TYPES[row.event_type].to_owned())
        && any_of(&filter.statuses, &fixture.status(row))
        && any_of(&filter.messages, &row.message_id)
        && filter
            .after
            .is_none_or(|time| row.created_at > time.micros())
        && filter
            .before
            .is_none_or(|time| row.created_at < time.micros())
        && filter
            .code_class
            .is_none_or(|class| row.code.is_some_and(|code| code / 100 == class.hundreds()))
}

pub(super) fn any_of<T: PartialEq>(wanted: &[T], value: &T) -> bool {
    wanted.is_empty() || wanted.contains(value)
}

pub(super) fn whole_uuid(query: &str) -> Option<Uuid> {
    let query = query.trim();
    let hyphens = query.matches('-').count();
    let plain = matches!((query.len(), hyphens), (32, 0) | (36, 4));
    plain.then(|| Uuid::parse_str(query).ok()).flatten()
}

pub(super) fn is_text(query: Option<&str>) -> bool {
    query.is_some_and(|query| !query.trim().is_empty() && whole_uuid(query).is_none())
}

/// Reports whether a row matches a query. `more` are ids that are looked up, but not searched for text.
pub(super) fn query_matches(
    query: Option<&str>,
    ids: &[Uuid],
    more: &[Uuid],
    code: Option<u16>,
) -> bool {
    let Some(query) = query else { return true };
    if let Some(id) = whole_uuid(query) {
        return ids.contains(&id) || more.contains(&id);
    }
    let query = query.trim().to_lowercase();
    ids.iter().any(|id| id.to_string().contains(&query))
        || code.is_some_and(|code| code.to_string().contains(&query))
}

pub(super) fn paged<'r, T>(hits: &'r [&'r T], page: Page) -> impl Iterator<Item = &'r T> {
    let offset = usize::try_from(page.offset()).unwrap();
    let limit = usize::try_from(page.limit).unwrap();
    hits.iter().copied().skip(offset).take(limit)
}

fn event(fixture: &ListFixture, row: &EventRow) -> Event {
    let status = fixture.status(row);
    let next_attempt_at = match status {
        EventStatus::Pending => row.due.or(Some(row.created_at)),
        _ => None,
    };
    Event {
        id: row.id,
        message_id: row.message_id,
        endpoint_id: fixture.endpoints[row.endpoint].id,
        event_type: EventType::from_stored(TYPES[row.event_type].to_owned()),
        status,
        attempts: 1,
        last_http_code: row.code,
        next_attempt_at: next_attempt_at.map(Timestamp::from_micros),
        payload: row.payload.clone(),
        created_at: Timestamp::from_micros(row.created_at),
        modified_at: None,
    }
}

fn delivery(fixture: &ListFixture, row: &DeliveryRow) -> Delivery {
    let event = event(fixture, &fixture.events[row.event]);
    Delivery {
        id: row.id,
        endpoint_id: event.endpoint_id,
        event,
        attempt: 1,
        succeeded: succeeded(row.code),
        http_code: row.code,
        error: None,
        response: Some("text".to_owned()),
        duration_ms: 5,
        created_at: Timestamp::from_micros(row.created_at),
    }
}
