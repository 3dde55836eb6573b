use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::world::{DeliveryRow, EndpointRow, EventRow, ListFixture, START_US, TYPES, succeeded};
use super::{find_event, list_deliveries, list_endpoints, list_events};
use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{CodeClass, Delivery};
use crate::domain::event::{Event, EventStatus};
use crate::domain::event_type::EventType;
use crate::storage::filter::{DeliveryFilter, EndpointFilter, EventFilter, Page};
use crate::storage::sqlite::reads::lists::plan::ScanPlan;
use crate::storage::sqlite::reads::lists::query::Pattern;
use crate::storage::sqlite::reads::lists::scan::{Index, Scan, Source};
use crate::storage::sqlite::reads::lists::search::TextSearch;
use crate::storage::sqlite::reads::lists::statement::Table;
use crate::storage::sqlite::reads::lists::time_range::SeqRange;

const WORLDS: u64 = 40;
const FILTERS: u64 = 150;

fn for_each_world(mut test: impl FnMut(&ListFixture, &mut StdRng, &str)) {
    for seed in 0..WORLDS {
        let world = ListFixture::generate(seed);
        for filter in 0..FILTERS {
            let mut random = StdRng::seed_from_u64(seed << 32 | filter);
            test(
                &world,
                &mut random,
                &format!("world {seed}, filter {filter}"),
            );
        }
    }
}

#[test]
fn deliveries_are_those_of_the_model() {
    for_each_world(|world, random, name| {
        let filter = delivery_filter(world, random);
        let page = random_page(random);
        let of_filter: Vec<&DeliveryRow> = (world.deliveries.iter().rev())
            .filter(|row| delivery_matches(world, row, &filter))
            .collect();
        let hits: Vec<&DeliveryRow> = (of_filter.iter().copied())
            .filter(|row| {
                let ids = [row.id, world.events[row.event].id];
                query_matches(filter.query.as_deref(), &ids, &[], row.code)
            })
            .collect();
        let expected: Vec<Delivery> = paged(&hits, page).map(|row| delivery(world, row)).collect();
        let listed = list_deliveries(&world.connection, &filter, page).unwrap();
        assert_eq!(listed.total, hits.len() as u64, "{name}: {filter:?}");
        assert_eq!(listed.items, expected, "{name}: {filter:?} {page:?}");
        let searched = is_text(filter.query.as_deref()).then_some(of_filter.len() as u64);
        assert_eq!(listed.searched, searched, "{name}: {filter:?}");
    });
}

#[test]
fn events_are_those_of_the_model() {
    for_each_world(|world, random, name| {
        let filter = event_filter(world, random);
        let page = random_page(random);
        let of_filter: Vec<&EventRow> = (world.events.iter().rev())
            .filter(|row| event_matches(world, row, &filter))
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
        let expected: Vec<Event> = paged(&hits, page).map(|row| event(world, row)).collect();
        let listed = list_events(&world.connection, &filter, page).unwrap();
        assert_eq!(listed.total, hits.len() as u64, "{name}: {filter:?}");
        assert_eq!(listed.items, expected, "{name}: {filter:?} {page:?}");
        let searched = is_text(filter.query.as_deref()).then_some(of_filter.len() as u64);
        assert_eq!(listed.searched, searched, "{name}: {filter:?}");
    });
}

#[test]
fn endpoints_are_those_of_the_model() {
    for_each_world(|world, random, name| {
        let urls = [
            "HOOK", "a_b", "%20", "%", "_", "é", "a.test", "", "https://",
        ];
        let filter = EndpointFilter {
            visibility: random_reach(world, random),
            workspaces: some_workspaces(world, random),
            url: maybe(random, 2).map(|()| (*urls.choose(random).unwrap()).to_owned()),
        };
        let page = random_page(random);
        let url = filter.url.clone().unwrap_or_default().to_lowercase();
        let hits: Vec<&EndpointRow> = (world.endpoints.iter().rev())
            .filter(|row| {
                let workspace = &world.workspaces[row.workspace];
                filter.visibility.includes(workspace.id)
                    && any_of(&filter.workspaces, &workspace.id)
                    && !row.deleted
                    && !workspace.deleted
                    && row.url.to_lowercase().contains(&url)
            })
            .collect();
        let listed = list_endpoints(&world.connection, &filter, page).unwrap();
        let ids: Vec<Uuid> = listed.items.iter().map(|endpoint| endpoint.id).collect();
        let expected: Vec<Uuid> = paged(&hits, page).map(|row| row.id).collect();
        assert_eq!(listed.total, hits.len() as u64, "{name}: {filter:?}");
        assert_eq!(ids, expected, "{name}: {filter:?} {page:?}");
    });
}

#[test]
fn one_event_is_found_within_reach() {
    for_each_world(|world, random, name| {
        let Some(row) = world.events.choose(random) else {
            return;
        };
        let visibility = random_reach(world, random);
        let found = find_event(&world.connection, visibility, row.id).unwrap();
        let workspace = world.workspaces[world.endpoints[row.endpoint].workspace].id;
        let expected = visibility.includes(workspace).then(|| event(world, row));
        assert_eq!(found, expected, "{name}");
        assert_eq!(
            find_event(&world.connection, visibility, row.message_id),
            Ok(None)
        );
    });
}

#[test]
fn only_the_newest_are_searched() {
    let world = (0..WORLDS)
        .map(ListFixture::generate)
        .find(|world| world.deliveries.len() > 100)
        .unwrap();
    let all = Index {
        table: Table::Delivery,
        source: Source::Rows,
    };
    let plan = ScanPlan::of(vec![Scan::of(all)]);
    let page = Page {
        number: 1,
        limit: 100,
    };
    for most in 1..20 {
        let haystack = TextSearch {
            table: Table::Delivery,
            plan: &plan,
            in_table: plan.clone(),
            ranges: vec![SeqRange::ALL],
            total: world.deliveries.len() as u64,
            most: most as u64,
        };
        // The version of an id: every one has it.
        let found = haystack
            .search(&world.connection, &Pattern::new("-4"), page)
            .unwrap();
        let newest = world.deliveries.iter().rev().take(most);
        let expected: Vec<i64> = newest.map(|row| row.seq).collect();
        assert_eq!(found.seqs, expected);
        assert_eq!(found.total, most as u64);
        assert_eq!(found.searched, Some(most as u64));
    }
}

fn delivery_matches(world: &ListFixture, row: &DeliveryRow, filter: &DeliveryFilter) -> bool {
    let event = &world.events[row.event];
    let endpoint = &world.endpoints[event.endpoint];
    let workspace = world.workspaces[endpoint.workspace].id;
    filter.visibility.includes(workspace)
        && any_of(&filter.workspaces, &workspace)
        && any_of(&filter.endpoints, &endpoint.id)
        && any_of(&filter.event_types, &TYPES[event.event_type].to_owned())
        && filter.event.is_none_or(|id| id == event.id)
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

fn event_matches(world: &ListFixture, row: &EventRow, filter: &EventFilter) -> bool {
    let endpoint = &world.endpoints[row.endpoint];
    let workspace = world.workspaces[endpoint.workspace].id;
    filter.visibility.includes(workspace)
        && any_of(&filter.workspaces, &workspace)
        && any_of(&filter.endpoints, &endpoint.id)
        && any_of(&filter.event_types, &TYPES[row.event_type].to_owned())
        && any_of(&filter.statuses, &world.status(row))
        && filter
            .after
            .is_none_or(|time| row.created_at > time.micros())
        && filter
            .before
            .is_none_or(|time| row.created_at < time.micros())
}

fn any_of<T: PartialEq>(wanted: &[T], value: &T) -> bool {
    wanted.is_empty() || wanted.contains(value)
}

fn whole_uuid(query: &str) -> Option<Uuid> {
    let query = query.trim();
    let hyphens = query.matches('-').count();
    let plain = matches!((query.len(), hyphens), (32, 0) | (36, 4));
    plain.then(|| Uuid::parse_str(query).ok()).flatten()
}

fn is_text(query: Option<&str>) -> bool {
    query.is_some_and(|query| !query.trim().is_empty() && whole_uuid(query).is_none())
}

/// `more`: ids that are looked up but not sought in.
fn query_matches(query: Option<&str>, ids: &[Uuid], more: &[Uuid], code: Option<u16>) -> bool {
    let Some(query) = query else { return true };
    if let Some(id) = whole_uuid(query) {
        return ids.contains(&id) || more.contains(&id);
    }
    let query = query.trim().to_lowercase();
    ids.iter().any(|id| id.to_string().contains(&query))
        || code.is_some_and(|code| code.to_string().contains(&query))
}

fn paged<'r, T>(hits: &'r [&'r T], page: Page) -> impl Iterator<Item = &'r T> {
    let offset = usize::try_from(page.offset()).unwrap();
    let limit = usize::try_from(page.limit).unwrap();
    hits.iter().copied().skip(offset).take(limit)
}

fn event(world: &ListFixture, row: &EventRow) -> Event {
    let status = world.status(row);
    let next_attempt_at = match status {
        EventStatus::Pending => row.due.or(Some(row.created_at)),
        _ => None,
    };
    Event {
        id: row.id,
        message_id: row.message_id,
        endpoint_id: world.endpoints[row.endpoint].id,
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

fn delivery(world: &ListFixture, row: &DeliveryRow) -> Delivery {
    let event = event(world, &world.events[row.event]);
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

/// Something in one of `one_in` cases.
fn maybe(random: &mut StdRng, one_in: u32) -> Option<()> {
    random.random_ratio(1, one_in).then_some(())
}

fn random_page(random: &mut StdRng) -> Page {
    Page {
        number: match random.random_range(0..10) {
            0 => u64::MAX,
            1..6 => random.random_range(1..8),
            _ => 1,
        },
        limit: random.random_range(1..=20),
    }
}

fn random_reach(world: &ListFixture, random: &mut StdRng) -> Visibility {
    match random.random_range(0..12) {
        0 => Visibility::Workspace(Uuid::max()),
        1..5 => Visibility::Workspace(world.workspaces.choose(random).unwrap().id),
        _ => Visibility::All,
    }
}

/// None in most cases; else a few, of which some may be repeated and some be nobody's.
fn some<T: Clone>(random: &mut StdRng, all: &[T], nobody: T) -> Vec<T> {
    if random.random_ratio(3, 5) {
        return Vec::new();
    }
    let count = random.random_range(1..4);
    (0..count)
        .map(|_| match random.random_range(0..8) {
            0 => nobody.clone(),
            _ => all.choose(random).unwrap().clone(),
        })
        .collect()
}

fn some_workspaces(world: &ListFixture, random: &mut StdRng) -> Vec<Uuid> {
    let ids: Vec<Uuid> = world.workspaces.iter().map(|row| row.id).collect();
    some(random, &ids, Uuid::nil())
}

fn some_endpoints(world: &ListFixture, random: &mut StdRng) -> Vec<Uuid> {
    let ids: Vec<Uuid> = world.endpoints.iter().map(|row| row.id).collect();
    some(random, &ids, Uuid::nil())
}

fn random_time(random: &mut StdRng, times: &[i64]) -> Option<Timestamp> {
    let time = match random.random_range(0..12) {
        0..6 => return None,
        6 => *[i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1, i64::MAX]
            .choose(random)
            .unwrap(),
        7 => START_US / 3_600_000_000 * 3_600_000_000 + random.random_range(-1..20) * 3_600_000_000,
        _ => times.choose(random).copied().unwrap_or(START_US) + random.random_range(-1..=1),
    };
    Some(Timestamp::from_micros(time))
}

fn random_query(random: &mut StdRng, ids: &[Uuid]) -> Option<String> {
    maybe(random, 3)?;
    let id = ids.choose(random).copied().unwrap_or(Uuid::max());
    let text = match random.random_range(0..8) {
        0 => id.to_string(),
        1 => id.simple().to_string(),
        2 => Uuid::nil().to_string(),
        3 => (*["404", "0", "20", "50", "-4", "xyz", "%", "_", "", " ", "é"]
            .choose(random)
            .unwrap())
        .to_owned(),
        _ => {
            let text = id.to_string();
            let start = random.random_range(0..30);
            let end = random.random_range(start + 1..=(start + 8).min(36));
            text[start..end].to_owned()
        }
    };
    Some(if random.random() {
        text.to_uppercase()
    } else {
        text
    })
    .filter(|text| !text.trim().is_empty())
}

fn delivery_filter(world: &ListFixture, random: &mut StdRng) -> DeliveryFilter {
    let times: Vec<i64> = world.deliveries.iter().map(|row| row.created_at).collect();
    let mut ids: Vec<Uuid> = world.deliveries.iter().map(|row| row.id).collect();
    ids.extend(world.events.iter().map(|row| row.id));
    DeliveryFilter {
        visibility: random_reach(world, random),
        workspaces: some_workspaces(world, random),
        endpoints: some_endpoints(world, random),
        event: maybe(random, 8).map(|()| ids.choose(random).copied().unwrap_or_default()),
        event_types: some(random, &TYPES.map(str::to_owned), "none".to_owned()),
        after: random_time(random, &times),
        before: random_time(random, &times),
        succeeded: maybe(random, 3).map(|()| random.random()),
        code_class: maybe(random, 4).map(|()| *CodeClass::ALL.choose(random).unwrap()),
        query: random_query(random, &ids),
    }
}

fn event_filter(world: &ListFixture, random: &mut StdRng) -> EventFilter {
    let times: Vec<i64> = world.events.iter().map(|row| row.created_at).collect();
    let ids: Vec<Uuid> = (world.events.iter())
        .flat_map(|row| [row.id, row.message_id])
        .collect();
    EventFilter {
        visibility: random_reach(world, random),
        workspaces: some_workspaces(world, random),
        endpoints: some_endpoints(world, random),
        event_types: some(random, &TYPES.map(str::to_owned), "none".to_owned()),
        statuses: (0..random.random_range(0..4))
            .map(|_| *EventStatus::ALL.choose(random).unwrap())
            .collect(),
        after: random_time(random, &times),
        before: random_time(random, &times),
        query: random_query(random, &ids),
    }
}
