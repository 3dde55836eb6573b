//! Events that are made after their publish, in a whole store: all that asks for the events of a message finds them.

use std::sync::Arc;

use rusqlite::Connection;
use serde_json::value::RawValue;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::domain::access::Visibility;
use crate::domain::clock::{Clock, ManualClock, Timestamp};
use crate::domain::endpoint::{Endpoint, EndpointSettings, Format, NewEndpoint};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event_state::EventState;
use crate::domain::event_type::{EventType, Subscription};
use crate::domain::message::NewMessage;
use crate::domain::workspace::WorkspaceName;
use crate::storage::sqlite::SqliteStore;
use crate::storage::sqlite::writer::operation::operation_of;
use crate::storage::sqlite::writes::archive::archive_messages;
use crate::storage::sqlite::writes::delete_messages::delete_messages;
use crate::storage::{EventFilter, MessageFilter, Page, Store};

struct Fixture {
    _folder: TempDir,
    store: Arc<SqliteStore>,
    clock: Arc<ManualClock>,
    file: Connection,
    workspace: Uuid,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let start = Timestamp::from_micros(1_700_000_000_000_000);
        let clock = Arc::new(ManualClock::new(start));
        // A tool's store has no janitor of its own.
        let store = SqliteStore::open_for_tool(&path, "test", clock.clone()).unwrap();
        let name = WorkspaceName::parse("test").unwrap();
        let workspace = store.create_workspace(name).wait().unwrap().id;
        Self {
            file: Connection::open(&path).unwrap(),
            _folder: folder,
            store,
            clock,
            workspace,
        }
    }

    fn endpoint(&self, format: Format) -> Endpoint {
        let url = EndpointUrl::from_stored("https://example.com/".to_owned());
        let new = NewEndpoint::new(
            self.workspace,
            EndpointSettings::new(url, format, vec![Subscription::every_type()]),
        );
        self.store.create_endpoint(new).wait().unwrap()
    }

    fn publish(&self) -> Uuid {
        let new = NewMessage::new(
            self.workspace,
            EventType::parse("a.b").unwrap(),
            RawValue::from_string("{}".to_owned()).unwrap(),
        );
        self.store.publish(new).wait().unwrap().message.id
    }

    fn number(&self, sql: &str) -> i64 {
        self.file.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Makes an operation of the writer.
    fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(
            &mut WriteContext<'_>,
        ) -> Result<T, super::super::writer::operation::OperationError>
        + Send
        + 'static,
    ) -> T {
        let (operation, done) = operation_of(0, work);
        self.store.writer.submit(operation);
        done.wait().unwrap()
    }

    /// Makes an event of a message for an endpoint, as a job does.
    fn make_event(&self, message: Uuid, endpoint: &Endpoint, body: Option<&'static str>) -> Uuid {
        let seq = self.number(&format!(
            "SELECT seq FROM message WHERE hex(id) = '{}'",
            hex(message)
        ));
        let endpoint = self.number(&format!(
            "SELECT n FROM endpoint WHERE hex(id) = '{}'",
            hex(endpoint.id)
        ));
        let id = Uuid::new_v4();
        self.write(move |context| {
            let (event, at) = context.cache.next_event(context.connection, context.now)?;
            context
                .connection
                .prepare_cached(
                    "INSERT INTO event (seq, id, message, endpoint, workspace, type, format, state, run,
                       run_attempt, attempts, created_at, body)
                     SELECT ?1, ?2, ?3, n, workspace, 1, format, ?4, ?1, 0, 0, ?5, ?6
                     FROM endpoint WHERE n = ?7",
                )?
                .execute(params![
                    event,
                    id,
                    seq,
                    EventState::Failed,
                    at.micros(),
                    body.map(str::as_bytes),
                    endpoint
                ])?;
            context
                .counters
                .event(event, endpoint, 1, EventState::Failed);
            note_later_event(context, seq, event)?;
            Ok(())
        });
        id
    }

    fn events_of(&self, message: Uuid) -> Vec<Uuid> {
        let filter = EventFilter {
            messages: vec![message],
            ..EventFilter::ALL
        };
        self.ids(&filter)
    }

    fn ids(&self, filter: &EventFilter) -> Vec<Uuid> {
        let found = self
            .store
            .list_events(filter, Page::FIRST, 1 << 20)
            .unwrap();
        assert_eq!(found.total, found.rows.len() as u64);
        found.rows.iter().map(|row| row.item.id).collect()
    }

    fn messages(&self, change: impl FnOnce(&mut MessageFilter)) -> Vec<Uuid> {
        let mut filter = MessageFilter::ALL;
        change(&mut filter);
        let found = self
            .store
            .list_messages(&filter, Page::FIRST)
            .unwrap()
            .listed;
        assert_eq!(found.total, found.items.len() as u64);
        found.items.iter().map(|message| message.id).collect()
    }
}

fn hex(id: Uuid) -> String {
    id.simple().to_string().to_uppercase()
}

#[test]
fn a_later_event_is_found_wherever_the_events_of_its_message_are() {
    let fixture = Fixture::new();
    let first = fixture.endpoint(Format::Raw);
    let message = fixture.publish();
    fixture.publish();
    let second = fixture.endpoint(Format::Discord);
    let missed = |endpoint: &Endpoint| fixture.messages(|it| it.missing_for = Some(endpoint.id));
    assert_eq!(missed(&first).len(), 0);
    assert_eq!(missed(&second).len(), 2);
    let original = fixture.events_of(message);
    let later = fixture.make_event(message, &second, Some("rendered"));
    assert_eq!(missed(&second).len(), 1, "it is not missing any more");
    assert_eq!(fixture.events_of(message), [later, original[0]]);
    let by_query = EventFilter {
        query: Some(message.to_string()),
        ..EventFilter::ALL
    };
    assert_eq!(fixture.ids(&by_query), [later, original[0]]);
    let found = fixture
        .store
        .find_message(Visibility::All, message, 1 << 20);
    let found = found.unwrap().item;
    assert_eq!(found.message.events, 2);
    assert_eq!((found.counts.pending, found.counts.failed), (1, 1));
    let event = fixture.store.find_event(Visibility::All, later, 1 << 20);
    let payload = event.unwrap().item.payload;
    assert_eq!(payload.as_deref(), Some("rendered"));
    fixture.store.stop();
}

#[test]
fn the_first_event_of_a_message_without_any_becomes_its_range() {
    let fixture = Fixture::new();
    let message = fixture.publish();
    let other = fixture.publish();
    let endpoint = fixture.endpoint(Format::Raw);
    let unrouted = || fixture.messages(|filter| filter.unrouted = Some(true));
    assert_eq!(unrouted(), [other, message]);
    let first = fixture.make_event(message, &endpoint, None);
    let second = fixture.make_event(message, &fixture.endpoint(Format::Raw), None);
    assert_eq!(unrouted(), [other]);
    assert_eq!(
        fixture.messages(|filter| filter.unrouted = Some(false)),
        [message]
    );
    assert_eq!(fixture.events_of(message), [second, first]);
    assert_eq!(fixture.number("SELECT count(*) FROM later_event"), 1);
    fixture.store.stop();
}

#[test]
fn later_events_are_archived_and_deleted_with_their_message() {
    let fixture = Fixture::new();
    let endpoint = fixture.endpoint(Format::Raw);
    let message = fixture.publish();
    fixture
        .file
        .execute("UPDATE event SET state = 2", [])
        .unwrap();
    fixture.make_event(message, &fixture.endpoint(Format::Slack), Some("rendered"));
    fixture.make_event(message, &endpoint, None);
    // A pending later event keeps the payload.
    let state = |state: &str| {
        let sql =
            format!("UPDATE event SET state = {state} WHERE seq = (SELECT max(seq) FROM event)");
        fixture.file.execute(&sql, []).unwrap();
    };
    let archive = || {
        fixture
            .write(|context| archive_messages(context, &[1]))
            .has_kept
    };
    let bodies =
        "SELECT count(e.body) + count(m.body) FROM event e JOIN message m ON m.seq = e.message";
    state("0");
    assert!(archive());
    assert_eq!(fixture.number(bodies), 4);
    fixture.write(|context| delete_messages(context, &[1]));
    assert_eq!(
        fixture.number("SELECT count(*) FROM event"),
        1,
        "the pending one stays"
    );
    assert_eq!(
        fixture.number("SELECT count(*) FROM later_event"),
        2,
        "it had two"
    );
    let missed = fixture.messages(|filter| filter.missing_for = Some(endpoint.id));
    assert!(missed.is_empty(), "it had an event, which is deleted");
    state("3");
    assert!(!archive());
    assert_eq!(fixture.number(bodies), 0);
    fixture.clock.advance(std::time::Duration::from_hours(48));
    assert!(fixture.clock.now() > Timestamp::from_micros(1_700_000_000_000_000));
    fixture.write(|context| delete_messages(context, &[1]));
    for table in ["event", "message", "later_event"] {
        assert_eq!(fixture.number(&format!("SELECT count(*) FROM {table}")), 0);
    }
    fixture.store.stop();
}
