//! The query plans of the statements.

use rusqlite::Connection;
use uuid::Uuid;

use super::list_fixture::{ListFixture, TYPES};
use super::{find_event, list_deliveries, list_endpoints, list_events, list_messages, noted};
use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::CodeClass;
use crate::domain::event::EventStatus;
use crate::domain::tags::Tag;
use crate::storage::filter::{DeliveryFilter, EndpointFilter, EventFilter, MessageFilter, Page};
use crate::storage::sqlite::reads::lists::{STATEMENTS, has_message};

const PAGES: [Page; 2] = [
    Page {
        number: 1,
        limit: 10,
    },
    Page {
        number: 2,
        limit: 3,
    },
];

/// Asks for every combination of filters.
fn ask_everything(fixture: &ListFixture) {
    let connection = &fixture.connection;
    let own = fixture.workspaces[0].id;
    let id = fixture.events[0].id;
    let messages = vec![fixture.events[0].message_id];
    let endpoints: Vec<_> = fixture.endpoints.iter().map(|row| row.id).collect();
    let types = TYPES.map(str::to_owned);
    let middle = Timestamp::from_micros(fixture.events[fixture.events.len() / 2].created_at);
    let queries = [None, Some(id.to_string()), Some("abc".to_owned())];
    for bits in 0..1_u32 << 5 {
        let on = |bit: u32| bits >> bit & 1 == 1;
        for query in &queries {
            let shared = EventFilter {
                visibility: if on(0) {
                    Visibility::Workspace(own)
                } else {
                    Visibility::All
                },
                workspaces: Vec::new(),
                endpoints: if on(1) { endpoints.clone() } else { Vec::new() },
                messages: Vec::new(),
                event_types: if on(2) { types.to_vec() } else { Vec::new() },
                statuses: Vec::new(),
                after: on(3).then(|| middle.before(std::time::Duration::from_hours(3))),
                before: on(4).then_some(middle),
                code_class: None,
                query: query.clone(),
            };
            for set in 0..1_u32 << 4 {
                let wanted = |at: &usize| set >> at & 1 == 1;
                let statuses = (0..4).filter(wanted).map(|at| EventStatus::ALL[at]);
                let filter = EventFilter {
                    statuses: statuses.collect(),
                    ..shared.clone()
                };
                for page in PAGES {
                    list_events(connection, &filter, page).unwrap();
                }
                for class in [CodeClass::Success, CodeClass::ServerError] {
                    let filter = EventFilter {
                        code_class: Some(class),
                        ..filter.clone()
                    };
                    list_events(connection, &filter, PAGES[0]).unwrap();
                }
                let filter = EventFilter {
                    messages: messages.clone(),
                    ..filter
                };
                list_events(connection, &filter, PAGES[0]).unwrap();
            }
            ask_for_messages(connection, &shared, endpoints.first().copied());
            for succeeded in [None, Some(true), Some(false)] {
                for class in [None, Some(CodeClass::Success), Some(CodeClass::ClientError)] {
                    for event in [None, Some(id)] {
                        let filter = DeliveryFilter {
                            visibility: shared.visibility,
                            workspaces: Vec::new(),
                            endpoints: shared.endpoints.clone(),
                            event,
                            messages: Vec::new(),
                            event_types: shared.event_types.clone(),
                            after: shared.after,
                            before: shared.before,
                            succeeded,
                            code_class: class,
                            query: query.clone(),
                        };
                        for page in PAGES {
                            list_deliveries(connection, &filter, page).unwrap();
                        }
                        let filter = DeliveryFilter {
                            messages: messages.clone(),
                            ..filter
                        };
                        list_deliveries(connection, &filter, PAGES[0]).unwrap();
                    }
                }
            }
        }
    }
    for url in [None, Some("a".to_owned())] {
        let filter = EndpointFilter {
            visibility: Visibility::All,
            workspaces: vec![own],
            states: Vec::new(),
            keys: Vec::new(),
            url,
        };
        list_endpoints(connection, &filter, PAGES[0]).unwrap();
    }
    find_event(connection, Visibility::All, id).unwrap();
    has_message(connection, Visibility::All, id).unwrap();
}

/// Asks for messages with the filters of `shared`, and every combination of their own.
fn ask_for_messages(connection: &Connection, shared: &EventFilter, endpoint: Option<Uuid>) {
    let tag = Tag {
        name: "a".to_owned(),
        value: "b".to_owned(),
    };
    for (unrouted, tags) in [None, Some(true), Some(false)]
        .into_iter()
        .flat_map(|unrouted| [(unrouted, vec![]), (unrouted, vec![tag.clone()])])
    {
        for missing_for in [None, endpoint] {
            let filter = MessageFilter {
                visibility: shared.visibility,
                workspaces: Vec::new(),
                event_types: shared.event_types.clone(),
                after: shared.after,
                before: shared.before,
                unrouted,
                tags: tags.clone(),
                missing_for,
                query: shared.query.clone(),
            };
            for page in PAGES {
                list_messages(connection, &filter, page).unwrap();
            }
        }
    }
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap()
        .raw_query()
        .mapped(|row| row.get(3))
        .collect::<Result<_, _>>()
        .unwrap()
}

#[test]
fn no_statement_reads_a_whole_table_or_sorts() {
    // A fixture with rows of every kind, so that no statement is spared.
    let fixture = (1..1000)
        .map(ListFixture::generate)
        .find(|fixture| fixture.events.len() > 120 && fixture.deliveries.len() > 200)
        .unwrap();
    ask_everything(&fixture);
    let noted = noted();
    assert!(noted.len() > 100, "{noted:#?}");
    for way in [
        "NOT INDEXED",
        "INDEXED BY",
        "FROM event_of_",
        "FROM delivery_of_",
        "FROM message_of_",
    ] {
        let seeks = |sql: &&String| sql.contains("sought(") && sql.contains(way);
        assert!(noted.iter().any(|sql| seeks(&sql)), "no search {way}");
    }
    assert!(noted.len() <= STATEMENTS, "{}", noted.len());
    for sql in &noted {
        let plan = plan(&fixture.connection, sql);
        for step in &plan {
            assert!(!step.contains("TEMP B-TREE"), "{sql}\n{plan:#?}");
            // Workspaces are few, and all of them are wanted.
            assert!(
                !step.starts_with("SCAN")
                    || step.starts_with("SCAN workspace")
                    || step.starts_with("SCAN CONSTANT ROW"),
                "{sql}\n{plan:#?}"
            );
        }
        if sql.contains("seq > ? AND seq < ?") {
            check_scan(sql, &plan);
        }
    }
}

/// Checks that a scan reads only the rows in its range, and only the index unless it searches for a text.
fn check_scan(sql: &str, plan: &[String]) {
    let seeks = sql.contains("sought(");
    let steps = if seeks {
        1 + sql.matches("CROSS JOIN").count()
    } else {
        1
    };
    assert_eq!(plan.len(), steps, "{sql}\n{plan:#?}");
    let ranged = ["seq>? AND seq<?", "rowid>? AND rowid<?"];
    assert!(
        ranged.iter().any(|range| plan[0].contains(range)),
        "{sql}\n{plan:#?}"
    );
    let in_order = ["COVERING INDEX", "PRIMARY KEY"];
    // The codes of waiting events change with each attempt, so they are not in the index.
    let by_code = sql.contains("event_waiting") && sql.contains("code");
    assert!(
        seeks || by_code || in_order.iter().any(|way| plan[0].contains(way)),
        "{sql}\n{plan:#?}"
    );
}
