//! Groups that fail: the error of each operation, the operations that are tried again, and their order.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ffi};
use tempfile::TempDir;
use uuid::Uuid;

use super::handle::QUEUE_ROOM;
use super::operation::{Operation, OperationError, WriteContext};
use super::*;
use crate::domain::clock::SystemClock;
use crate::metrics::StorageMetrics;
use crate::storage::sqlite::file::connection;
use crate::storage::sqlite::file::database_files::DatabaseFiles;
use crate::storage::sqlite::file::open;
use crate::storage::{StoreError, Unavailable};

/// The time for which a test waits for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn failing(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

/// Inserts its number, unless it is to fail.
struct Insert {
    number: i64,
    bytes: usize,
    /// The codes that its first tries fail with.
    fails: VecDeque<i32>,
    done: Sender<(i64, Result<(), StoreError>)>,
}

impl Operation for Insert {
    fn apply(&mut self, context: &mut WriteContext<'_>) -> Result<(), OperationError> {
        let insert = "INSERT INTO written (number, filler) VALUES (?1, zeroblob(?2))";
        context
            .connection
            .execute(insert, rusqlite::params![self.number, self.bytes])?;
        // After the write: a rollback has something to undo.
        match self.fails.pop_front() {
            Some(code) => Err(failing(code).into()),
            None => Ok(()),
        }
    }

    fn finish(self: Box<Self>, result: Result<(), StoreError>) {
        let _ = self.done.send((self.number, result));
    }
}

/// Keeps the writer busy until it is let go, so that a group gathers behind it.
struct Hold(Receiver<()>);

impl Operation for Hold {
    fn apply(&mut self, _: &mut WriteContext<'_>) -> Result<(), OperationError> {
        let _ = self.0.recv_timeout(PATIENCE);
        Ok(())
    }

    fn finish(self: Box<Self>, _: Result<(), StoreError>) {}
}

struct WriterFixture {
    _folder: TempDir,
    database: PathBuf,
    writer: Writer,
    reopened: Arc<AtomicUsize>,
    /// The most pages that the file may have; the writer's connection gets it between groups.
    max_pages: Arc<AtomicI64>,
    done: Sender<(i64, Result<(), StoreError>)>,
    results: Receiver<(i64, Result<(), StoreError>)>,
}

const NO_LIMIT: i64 = 1_000_000;

fn write_connection(database: &Path) -> rusqlite::Result<Connection> {
    connection::write_connection(database)
}

impl WriterFixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("h.db");
        open::prepare(&database, true).unwrap();
        let connection = write_connection(&database).unwrap();
        connection
            .execute("CREATE TABLE written (number INTEGER, filler BLOB)", [])
            .unwrap();
        let reopened = Arc::new(AtomicUsize::new(0));
        let max_pages = Arc::new(AtomicI64::new(NO_LIMIT));
        let (count, path, max) = (reopened.clone(), database.clone(), max_pages.clone());
        let files = Arc::new(DatabaseFiles::of(&database, &connection).unwrap());
        let writer = Writer::start(WriterResources {
            connection,
            holds_lock: true,
            reopen: Box::new(move || {
                count.fetch_add(1, Ordering::Relaxed);
                write_connection(&path)
            }),
            files,
            clock: Arc::new(SystemClock::new()),
            size_limit: None,
            metrics: StorageMetrics::default(),
            operator: None,
            sweep: |_| Ok(()),
            clean_log: Box::new(|| ()),
            between_groups: Box::new(move |connection| {
                let pages = max.load(Ordering::Relaxed);
                let pragma = connection.pragma_update(None, "max_page_count", pages);
                pragma.unwrap();
            }),
        });
        let (done, results) = channel();
        Self {
            _folder: folder,
            database,
            writer: writer.unwrap(),
            reopened,
            max_pages,
            done,
            results,
        }
    }

    fn insert(&self, number: i64, bytes: usize, fails: &[i32]) -> Box<dyn Operation> {
        Box::new(Insert {
            number,
            bytes,
            fails: fails.iter().copied().collect(),
            done: self.done.clone(),
        })
    }

    /// Makes one group of everything that `submit` submits.
    fn as_one_group(&self, submit: impl FnOnce(&Writer)) {
        let (go, held) = channel();
        self.writer.submit(Box::new(Hold(held)));
        let end = Instant::now() + PATIENCE;
        while !self.writer.shared.lock().others.is_empty() {
            assert!(Instant::now() < end);
            std::thread::yield_now();
        }
        submit(&self.writer);
        go.send(()).unwrap();
    }

    fn result(&self) -> (i64, Result<(), StoreError>) {
        self.results.recv_timeout(PATIENCE).unwrap()
    }

    fn written(&self) -> Vec<i64> {
        let connection = Connection::open(&self.database).unwrap();
        let mut rows = connection
            .prepare("SELECT number FROM written ORDER BY rowid")
            .unwrap();
        let numbers = rows.query_map([], |row| row.get(0)).unwrap();
        numbers.collect::<Result<_, _>>().unwrap()
    }

    #[track_caller]
    fn wait_for(&self, condition: Result<(), Unavailable>) {
        let end = Instant::now() + PATIENCE;
        let wanted = condition.map_err(StoreError::Unavailable);
        while self.writer.check() != wanted {
            assert!(Instant::now() < end, "{:?}", self.writer.check());
            std::thread::yield_now();
        }
    }
}

#[test]
fn one_that_fails_leaves_the_others_of_its_group_alone() {
    let fixture = WriterFixture::new();
    fixture.as_one_group(|writer| {
        writer.submit(fixture.insert(1, 0, &[]));
        writer.submit(fixture.insert(2, 0, &[ffi::SQLITE_IOERR, ffi::SQLITE_IOERR]));
        writer.submit(fixture.insert(3, 0, &[]));
    });
    let trouble = Err(StoreError::Unavailable(Unavailable::DiskError));
    assert_eq!(fixture.result(), (1, Ok(())));
    assert_eq!(fixture.result(), (2, trouble));
    assert_eq!(fixture.result(), (3, Ok(())));
    assert_eq!(fixture.written(), [1, 3]);
    assert_eq!(
        fixture.reopened.load(Ordering::Relaxed),
        2,
        "the group, and 2"
    );
}

#[test]
fn attempt_records_are_kept_in_their_order_until_they_are_written() {
    let fixture = WriterFixture::new();
    fixture.as_one_group(|writer| {
        writer.submit_record(fixture.insert(1, 0, &[]));
        // Fails in the group and by itself, twice.
        writer.submit_record(fixture.insert(2, 0, &[ffi::SQLITE_FULL; 4]));
        writer.submit_record(fixture.insert(3, 0, &[]));
        writer.submit(fixture.insert(9, 0, &[]));
    });
    assert_eq!(fixture.result(), (1, Ok(())));
    assert_eq!(
        fixture.result(),
        (9, Ok(())),
        "no attempt record, and it did not fail"
    );
    fixture.wait_for(Err(Unavailable::DiskFull));
    fixture.writer.submit_record(fixture.insert(4, 0, &[]));
    for number in 2..5 {
        assert_eq!(fixture.result(), (number, Ok(())));
    }
    fixture.wait_for(Ok(()));
    assert_eq!(fixture.written(), [1, 9, 2, 3, 4]);
    assert_eq!(
        fixture.reopened.load(Ordering::Relaxed),
        0,
        "a full disk needs none"
    );
}

#[test]
fn a_full_file_refuses_what_is_new_and_takes_it_when_there_is_room_again() {
    let fixture = WriterFixture::new();
    // From the next group on.
    fixture.max_pages.store(1, Ordering::Relaxed);
    fixture.writer.submit(fixture.insert(1, 0, &[]));
    assert_eq!(fixture.result(), (1, Ok(())));
    let full = Err(StoreError::Unavailable(Unavailable::DiskFull));
    let large = 100_000;
    for number in 2..5 {
        fixture.writer.submit(fixture.insert(number, large, &[]));
        assert_eq!(fixture.result(), (number, full.clone()));
    }
    assert_eq!(fixture.writer.check(), full);
    fixture.writer.submit_record(fixture.insert(5, large, &[]));
    assert_eq!(fixture.written(), [1]);
    fixture.max_pages.store(NO_LIMIT, Ordering::Relaxed);
    assert_eq!(
        fixture.result(),
        (5, Ok(())),
        "an attempt record waits for room"
    );
    fixture.wait_for(Ok(()));
    fixture.writer.submit(fixture.insert(6, large, &[]));
    assert_eq!(fixture.result(), (6, Ok(())));
    assert_eq!(fixture.written(), [1, 5, 6]);
}

#[test]
fn what_could_not_be_read_once_is_read_again_on_a_new_connection() {
    for code in [
        ffi::SQLITE_CORRUPT,
        ffi::SQLITE_NOTADB,
        ffi::SQLITE_IOERR_READ,
        ffi::SQLITE_IOERR_SHORT_READ,
    ] {
        let fixture = WriterFixture::new();
        fixture.writer.submit(fixture.insert(1, 0, &[code]));
        assert_eq!(fixture.result(), (1, Ok(())));
        assert_eq!(fixture.reopened.load(Ordering::Relaxed), 1);
        fixture.writer.submit_record(fixture.insert(2, 0, &[code]));
        assert_eq!(
            fixture.result(),
            (2, Ok(())),
            "a new doubt, not the old one"
        );
        assert_eq!(fixture.reopened.load(Ordering::Relaxed), 2);
        assert_eq!(fixture.writer.check(), Ok(()));
        assert_eq!(fixture.written(), [1, 2]);
    }
}

#[test]
fn a_lock_that_another_process_keeps_is_waited_for_once_and_not_by_each() {
    let fixture = WriterFixture::new();
    let other = Connection::open(&fixture.database).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    for number in 0..40 {
        fixture.writer.submit(fixture.insert(number, 0, &[]));
    }
    fixture.writer.submit_record(fixture.insert(99, 0, &[]));
    let locked = Err(StoreError::Unavailable(Unavailable::Locked));
    for _ in 0..40 {
        assert_eq!(fixture.result().1, locked);
        // Two groups, five seconds each; one by one it would be minutes.
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    }
    assert_eq!(fixture.writer.check(), locked);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(fixture.result(), (99, Ok(())));
    fixture.wait_for(Ok(()));
    assert_eq!(fixture.written(), [99]);
}

/// An operation that turns out to have this weight.
struct Heavy(Box<dyn Operation>, usize);

impl Operation for Heavy {
    fn apply(&mut self, context: &mut WriteContext<'_>) -> Result<(), OperationError> {
        context.weight += self.1;
        self.0.apply(context)
    }

    fn finish(self: Box<Self>, result: Result<(), StoreError>) {
        self.0.finish(result);
    }
}

const GROUP: usize = 4 << 20;

#[test]
fn a_transaction_ends_when_it_has_become_too_heavy() {
    let fixture = WriterFixture::new();
    let (go, held) = channel();
    fixture.as_one_group(|writer| {
        writer.submit(Box::new(Heavy(fixture.insert(1, 0, &[]), GROUP / 2)));
        writer.submit(Box::new(Heavy(fixture.insert(2, 0, &[]), GROUP / 2)));
        // In the transaction after that, or nothing is committed before it is let go.
        writer.submit(Box::new(Hold(held)));
        writer.submit(fixture.insert(3, 0, &[]));
    });
    assert_eq!(fixture.result(), (1, Ok(())));
    assert_eq!(fixture.result(), (2, Ok(())));
    assert_eq!(fixture.written(), [1, 2]);
    go.send(()).unwrap();
    assert_eq!(fixture.result(), (3, Ok(())));
    assert_eq!(fixture.written(), [1, 2, 3]);
}

#[test]
fn who_writes_much_waits_for_who_writes_little() {
    let fixture = WriterFixture::new();
    let [busy, quiet] = [1, 2].map(|id| Some(Uuid::from_u128(id)));
    fixture.as_one_group(|writer| {
        for number in 0..20 {
            let heavy = Box::new(Heavy(fixture.insert(number, 0, &[]), GROUP));
            writer.submit_of(busy, heavy);
        }
        for number in 100..120 {
            writer.submit_of(quiet, fixture.insert(number, 0, &[]));
        }
    });
    let order: Vec<i64> = (0..40).map(|_| fixture.result().0).collect();
    let expected: Vec<i64> = std::iter::once(0).chain(100..120).chain(1..20).collect();
    assert_eq!(order, expected);
    assert_eq!(fixture.written(), expected);
}

#[test]
fn a_flood_of_attempt_records_leaves_half_of_each_group_to_others() {
    let fixture = WriterFixture::new();
    fixture.as_one_group(|writer| {
        for number in 0..3000 {
            writer.submit_record(fixture.insert(number, 0, &[]));
        }
        for number in 5000..5010 {
            writer.submit(fixture.insert(number, 0, &[]));
        }
    });
    let order: Vec<i64> = (0..3010).map(|_| fixture.result().0).collect();
    let last_other = order.iter().position(|number| *number == 5009).unwrap();
    assert!(last_other < 600, "{last_other}");
    let records = order.iter().filter(|number| **number < 5000);
    assert!(records.copied().eq(0..3000), "in their order");
}

#[test]
fn one_workspace_cannot_fill_the_queue() {
    let fixture = WriterFixture::new();
    let [busy, quiet] = [1, 2].map(|id| Some(Uuid::from_u128(id)));
    fixture.as_one_group(|writer| {
        for number in 0..i64::try_from(QUEUE_ROOM.operations).unwrap() {
            writer.submit_of(busy, fixture.insert(number, 0, &[]));
        }
        writer.submit_of(quiet, fixture.insert(-1, 0, &[]));
    });
    let full = Err(StoreError::Unavailable(Unavailable::QueueFull));
    let results: HashMap<i64, _> = (0..=QUEUE_ROOM.operations)
        .map(|_| fixture.result())
        .collect();
    assert_eq!(results[&-1], Ok(()));
    let taken = results.values().filter(|result| result.is_ok()).count();
    assert_eq!(taken, QUEUE_ROOM.operations / 2 + 1);
    let refused = results.values().filter(|result| **result == full).count();
    assert_eq!(refused, QUEUE_ROOM.operations / 2);
}
