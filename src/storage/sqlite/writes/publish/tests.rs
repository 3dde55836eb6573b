//! The rendering of bodies, and the places where they are stored.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::value::RawValue;
use tempfile::TempDir;

use super::*;
use crate::domain::access::Visibility;
use crate::domain::clock::ManualClock;
use crate::domain::endpoint::{EndpointPatch, EndpointSettings, NewEndpoint};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event_pattern::{EventPattern, Tree};
use crate::domain::event_type::Subscription;
use crate::domain::workspace::WorkspaceName;
use crate::storage::sqlite::SqliteStore;
use crate::storage::sqlite::writer::test_context::TestContext;
use crate::storage::{EventBody, NoticeSink, Queue, Store};

/// The bodies of the events that were published, as the engine gets them.
#[derive(Default)]
struct Bodies(Mutex<Vec<EventBody>>);

impl NoticeSink for Bodies {
    fn committed(&self, notices: Vec<Notice>) {
        for notice in notices {
            if let Notice::Published(event) = notice {
                self.0.lock().unwrap().push(event.body.unwrap());
            }
        }
    }
}

struct PublishFixture {
    _folder: TempDir,
    file: PathBuf,
    store: Arc<SqliteStore>,
    bodies: Arc<Bodies>,
    workspace: Uuid,
}

impl PublishFixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(
            1_700_000_000_000_000,
        )));
        // A tool's store has no janitor of its own.
        let store = SqliteStore::open_for_tool(&file, "test", clock).unwrap();
        let bodies = Arc::new(Bodies::default());
        store.listen(bodies.clone());
        let name = WorkspaceName::parse("test").unwrap();
        let workspace = store.create_workspace(name).wait().unwrap().id;
        Self {
            _folder: folder,
            file,
            store,
            bodies,
            workspace,
        }
    }

    fn endpoint(&self, format: Format) -> Uuid {
        let url = EndpointUrl::from_stored("https://example.com/".to_owned());
        let new = NewEndpoint::new(
            self.workspace,
            EndpointSettings::new(url, format, vec![Subscription::every_type()]),
        );
        self.store.create_endpoint(new).wait().unwrap().id
    }

    fn publish(&self, data: &str, summary: Option<Summary>) -> Message {
        let new = NewMessage {
            summary,
            ..NewMessage::new(
                self.workspace,
                EventType::parse("a.b").unwrap(),
                RawValue::from_string(data.to_owned()).unwrap(),
            )
        };
        self.store.publish(new).wait().unwrap().message
    }

    fn count(&self, sql: &str) -> i64 {
        let connection = Connection::open(&self.file).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

#[test]
fn a_message_is_rendered_and_stored_once_for_each_format() {
    let fixture = PublishFixture::new();
    let formats = [
        Format::Raw,
        Format::Slack,
        Format::Discord,
        Format::Slack,
        Format::Discord,
    ];
    for format in formats {
        fixture.endpoint(format);
    }
    let message = fixture.publish(r#"{"id":7}"#, None);
    let handed = fixture.bodies.0.lock().unwrap().clone();
    let different: HashSet<*const u8> = handed.iter().map(|body| body.bytes().as_ptr()).collect();
    assert_eq!((handed.len(), different.len()), (5, 3));
    assert_eq!(fixture.count("SELECT count(body) FROM event"), 2);
    // The bodies that the engine reads back, and that lists show, are those of the notices.
    let seqs: Vec<Seq> = (1..=5).map(Seq).collect();
    let stored = fixture.store.bodies(&seqs, usize::MAX).unwrap();
    let stored: Vec<_> = stored.into_iter().map(Option::unwrap).collect();
    assert_eq!(stored, handed);
    for ((id, _), body) in message.events.iter().zip(&handed) {
        let found = fixture.store.find_event(Visibility::All, *id, usize::MAX);
        let shown = found.unwrap().item.payload;
        assert_eq!(shown.unwrap().as_bytes(), body.bytes());
        // In pieces too, wherever it is kept.
        let row = fixture.store.find_event(Visibility::All, *id, 0).unwrap();
        let (mut pieces, mut from) = (Vec::new(), Some(0));
        while let Some(at) = from {
            let piece = fixture
                .store
                .read_payload(row.payload.unwrap(), at, 5)
                .unwrap();
            pieces.extend_from_slice(piece.text.as_bytes());
            from = piece.next;
        }
        assert_eq!(pieces, body.bytes());
    }
    // An older file has it with each event, and is read as before.
    let connection = Connection::open(&fixture.file).unwrap();
    connection
        .execute("UPDATE event SET body = x'6f' WHERE format = 2", [])
        .unwrap();
    let old = fixture.store.bodies(&seqs, usize::MAX).unwrap();
    let old = old
        .iter()
        .filter(|body| body.as_ref().is_some_and(|body| body.bytes() == b"o"))
        .count();
    assert_eq!(old, 2);
    // Archived: nothing is left to find.
    connection
        .execute_batch("UPDATE event SET body = NULL; UPDATE message SET body = NULL;")
        .unwrap();
    assert_eq!(
        fixture.store.bodies(&seqs, usize::MAX).unwrap(),
        vec![None; 5]
    );
    fixture.store.stop();
}

#[test]
fn a_summary_that_a_publish_brings_is_what_is_shown() {
    let fixture = PublishFixture::new();
    assert!(!fixture.store.shows_summaries(fixture.workspace));
    let endpoint = fixture.endpoint(Format::Discord);
    fixture.publish(r#"{"seen":1}"#, None);
    assert!(fixture.store.shows_summaries(fixture.workspace));
    let other = RawValue::from_string(r#"{"brought":1}"#.to_owned()).unwrap();
    fixture.publish(r#"{"seen":1}"#, Some(Summary::of(&other)));
    {
        let handed = fixture.bodies.0.lock().unwrap();
        let texts: Vec<_> = handed
            .iter()
            .map(|body| String::from_utf8_lossy(body.bytes()))
            .collect();
        assert!(
            texts[0].contains("seen") && !texts[0].contains("brought"),
            "{texts:?}"
        );
        assert!(
            texts[1].contains("brought") && !texts[1].contains("seen"),
            "{texts:?}"
        );
    }
    fixture
        .store
        .delete_endpoint(Visibility::All, endpoint)
        .wait()
        .unwrap();
    fixture.publish(r#"{"seen":1}"#, None);
    assert!(!fixture.store.shows_summaries(fixture.workspace));
    fixture.store.stop();
}

#[test]
fn callers_read_the_data_if_a_filter_of_the_type_looks_at_it() {
    let fixture = PublishFixture::new();
    let (store, workspace) = (&fixture.store, fixture.workspace);
    let filters = |name: &str| store.filters(workspace, &EventType::parse(name).unwrap());
    let url = EndpointUrl::from_stored("https://example.com/".to_owned());
    let settings = EndpointSettings {
        filter: EventPattern::parse(r#"{"data":{"n":[1]}}"#).unwrap(),
        ..EndpointSettings::new(url, Format::Raw, vec![Subscription::parse("a.*").unwrap()])
    };
    let new = NewEndpoint::new(workspace, settings);
    let endpoint = store.create_endpoint(new).wait().unwrap().id;
    assert!(!filters("a.b"), "nothing is known yet");
    let publish = |tree: Option<Tree>| {
        let data = RawValue::from_string(r#"{"n":1}"#.to_owned()).unwrap();
        let new = NewMessage {
            tree,
            ..NewMessage::new(workspace, EventType::parse("a.b").unwrap(), data)
        };
        store.publish(new).wait().unwrap().message.events.len()
    };
    assert_eq!(publish(None), 1);
    assert!(filters("a.b"));
    assert!(!filters("b"), "no endpoint with a filter gets this type");
    // The tree that a caller brings is used: this one has no members.
    assert_eq!(publish(Some(Tree::of("null"))), 0);
    let everything = EndpointPatch {
        filter: Some(EventPattern::default()),
        ..EndpointPatch::default()
    };
    let update = store.update_endpoint(Visibility::All, endpoint, everything);
    update.wait().unwrap();
    assert_eq!(publish(None), 1);
    assert!(!filters("a.b"));
    fixture.store.stop();
}

#[test]
fn the_time_of_filters_counts_as_writing() {
    let fixture = PublishFixture::new();
    let url = EndpointUrl::from_stored("https://example.com/".to_owned());
    let settings = EndpointSettings {
        filter: EventPattern::parse(r#"{"data":{"n":[1]}}"#).unwrap(),
        ..EndpointSettings::new(url, Format::Raw, vec![Subscription::every_type()])
    };
    let new = NewEndpoint::new(fixture.workspace, settings);
    fixture.store.create_endpoint(new).wait().unwrap();
    let connection = Connection::open(&fixture.file).unwrap();
    let weight = |data: &str| {
        let data = RawValue::from_string(data.to_owned()).unwrap();
        let new = NewMessage::new(fixture.workspace, EventType::parse("a").unwrap(), data);
        let context = TestContext {
            now: Timestamp::from_micros(1_700_000_000_000_000),
            operator: None,
            is_size_limit_reached: false,
        };
        context.call(&connection, |context| {
            publish(context, &new).unwrap();
            context.weight
        })
    };
    // Both are as long, but one has a thousand values to compare.
    let many = weight(&format!(r#"{{"n":[0{}]}}"#, ",0".repeat(1000)));
    let one = weight(&format!(r#"{{"n":["{}"]}}"#, "0".repeat(1999)));
    assert!(many > one + 1000, "{many} and {one}");
    fixture.store.stop();
}
