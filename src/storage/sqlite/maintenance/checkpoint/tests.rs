use std::path::Path;

use tempfile::TempDir;

use super::read_limit::read_limit;
use super::*;
use crate::storage::sqlite::file::backup_lock::BackupLock;
use crate::storage::sqlite::file::wal::checkpoint;

/// A keeper of a real log. Tests tell it numbers of frames that would take long to write.
struct LogFixture {
    folder: TempDir,
    writer: Connection,
    reader: Connection,
    keeper: LogKeeper,
}

fn open(folder: &TempDir) -> Connection {
    Connection::open(folder.path().join("h.db")).unwrap()
}

impl LogFixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let writer = open(&folder);
        writer
            .execute_batch(
                "PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1);",
            )
            .unwrap();
        let shared = Arc::new(Shared {
            phase: Mutex::new(CheckpointPhase::Idle),
            changed: Condvar::new(),
            log_is_long: Arc::default(),
            cleaning: CleaningRequest::default(),
        });
        let files = DatabaseFiles::of(&folder.path().join("h.db"), &writer).unwrap();
        Self {
            writer,
            reader: open(&folder),
            keeper: LogKeeper::new(shared, Arc::new(files)),
            folder,
        }
    }

    fn begin_to_read(&self) {
        self.reader
            .execute_batch("BEGIN; SELECT count(*) FROM t;")
            .unwrap();
        self.writer.execute("INSERT INTO t VALUES (2)", []).unwrap();
    }

    fn look(&mut self, frames: i64) -> CheckpointPhase {
        self.keeper.look_after(frames, &self.writer);
        *self.keeper.shared.lock()
    }

    /// The number of frames that were moved.
    fn moved(&self) -> i64 {
        checkpoint(&self.writer, "NOOP").unwrap().moved()
    }

    fn is_long(&self) -> bool {
        self.keeper.shared.log_is_long.load(Ordering::Relaxed)
    }
}

#[test]
fn a_long_log_starts_over_once_nobody_reads_it() {
    let mut fixture = LogFixture::new();
    fixture.begin_to_read();
    fixture.look(TOO_MANY_FRAMES);
    assert!(fixture.is_long());
    assert_eq!(fixture.keeper.failed_restarts, 1);
    assert!(fixture.keeper.wait_from > Instant::now() + RESTART_PAUSE / 2);
    fixture.reader.execute_batch("COMMIT").unwrap();
    fixture.keeper.wait_from = Instant::now();
    fixture.look(TOO_MANY_FRAMES);
    assert_eq!(fixture.keeper.failed_restarts, 0);
    fixture.look(1);
    assert!(!fixture.is_long());
}

#[test]
fn who_reads_for_ever_is_waited_for_seldom() {
    let mut fixture = LogFixture::new();
    fixture.begin_to_read();
    for _ in 0..2 {
        fixture.keeper.wait_from = Instant::now();
        fixture.look(TOO_MANY_FRAMES);
    }
    assert!(fixture.keeper.wait_from > Instant::now() + BLOCKED_RESTART_PAUSE / 2);
    let waits = fixture.keeper.failed_restarts;
    fixture.look(TOO_MANY_FRAMES + 1);
    assert_eq!(fixture.keeper.failed_restarts, waits, "no wait in between");
}

#[test]
fn a_checkpoint_that_is_being_made_is_not_taken_for_readers() {
    static WAITS: AtomicBool = AtomicBool::new(false);
    static GIVES_UP: AtomicBool = AtomicBool::new(false);
    fn stay(_: i32) -> bool {
        WAITS.store(true, Ordering::Relaxed);
        std::thread::yield_now();
        !GIVES_UP.load(Ordering::Relaxed)
    }
    let mut fixture = LogFixture::new();
    fixture.begin_to_read();
    let other = open(&fixture.folder);
    other.busy_handler(Some(stay)).unwrap();
    let at_work = std::thread::spawn(move || checkpoint(&other, "RESTART").unwrap().is_busy());
    while !WAITS.load(Ordering::Relaxed) {
        assert!(!at_work.is_finished(), "it waits for the reader");
        std::thread::yield_now();
    }
    for _ in 0..2 * RESTART_WAITS.len() {
        fixture.look(TOO_MANY_FRAMES);
        assert_eq!(fixture.keeper.failed_restarts, 0);
        assert!(fixture.keeper.wait_from <= Instant::now(), "no pause");
    }
    GIVES_UP.store(true, Ordering::Relaxed);
    assert!(at_work.join().unwrap());
    fixture.look(TOO_MANY_FRAMES);
    assert_eq!(fixture.keeper.failed_restarts, 1, "now it is the reader");
}

#[test]
fn where_a_reader_holds_the_log_the_thread_works_only_after_it_has_grown() {
    let mut fixture = LogFixture::new();
    fixture.begin_to_read();
    assert_eq!(fixture.look(START_FRAMES), CheckpointPhase::Thread);
    *fixture.keeper.shared.lock() = CheckpointPhase::Writer;
    assert_eq!(fixture.look(START_FRAMES + 1), CheckpointPhase::Idle);
    fixture.keeper.start_from = Instant::now();
    assert_eq!(fixture.look(2 * START_FRAMES), CheckpointPhase::Idle);
    assert_eq!(fixture.look(2 * START_FRAMES + 1), CheckpointPhase::Thread);
    // It started over.
    *fixture.keeper.shared.lock() = CheckpointPhase::Idle;
    fixture.look(1);
    fixture.keeper.start_from = Instant::now();
    assert_eq!(fixture.look(START_FRAMES), CheckpointPhase::Thread);
}

#[test]
fn checkpoints_are_seconds_apart_unless_the_log_fills_sooner() {
    let mut fixture = LogFixture::new();
    assert_eq!(fixture.look(START_FRAMES), CheckpointPhase::Thread);
    *fixture.keeper.shared.lock() = CheckpointPhase::Idle;
    fixture.look(1);
    fixture.keeper.start_from = Instant::now() + Duration::from_hours(1);
    assert_eq!(fixture.look(START_FRAMES), CheckpointPhase::Idle);
    assert_eq!(fixture.look(HURRY_FRAMES - 1), CheckpointPhase::Idle);
    assert_eq!(fixture.look(HURRY_FRAMES), CheckpointPhase::Thread);
    assert!(fixture.keeper.start_from > Instant::now() + START_PERIOD / 2);
    const { assert!(HURRY_FRAMES < TOO_MANY_FRAMES) };
}

#[test]
fn a_backup_is_not_waited_for_and_what_it_left_is_moved_by_the_thread() {
    let mut fixture = LogFixture::new();
    let database = fixture.folder.path().join("h.db");
    let lock = BackupLock::shared(&database).unwrap();
    fixture.begin_to_read();
    fixture.look(TOO_MANY_FRAMES);
    assert_eq!(fixture.keeper.failed_restarts, 0, "it did not wait");
    assert!(!fixture.is_long(), "reads have their time");
    drop(lock);
    fixture.look(TOO_MANY_FRAMES);
    assert!(!fixture.is_long(), "it looks once a second");
    // The thread is at work; it had begun before.
    *fixture.keeper.shared.lock() = CheckpointPhase::Thread;
    fixture.keeper.backup.look_now();
    fixture.look(TOO_MANY_FRAMES);
    assert!(fixture.is_long());
    assert_eq!(fixture.keeper.failed_restarts, 0, "the thread goes first");
    *fixture.keeper.shared.lock() = CheckpointPhase::Writer;
    fixture.look(TOO_MANY_FRAMES);
    fixture.look(TOO_MANY_FRAMES);
    assert_eq!(fixture.keeper.failed_restarts, 1, "another program reads");
}

#[test]
fn what_a_reader_kept_from_being_moved_is_left_to_the_thread() {
    let mut fixture = LogFixture::new();
    fixture.begin_to_read();
    for _ in 0..=LEFT_MAX {
        fixture
            .writer
            .execute("INSERT INTO t VALUES (3)", [])
            .unwrap();
    }
    let database = fixture.folder.path().join("h.db");
    let file = File::open(&database).unwrap();
    let pass = |fixture: &LogFixture| {
        make_passes(&mut open(&fixture.folder), &file, &fixture.keeper.files)
    };
    let phase = CheckpointPhase::after_passes(pass(&fixture));
    assert_eq!(phase, CheckpointPhase::Blocked);
    fixture.reader.execute_batch("COMMIT").unwrap();
    *fixture.keeper.shared.lock() = phase;
    let before = fixture.moved();
    assert_eq!(fixture.look(START_FRAMES), CheckpointPhase::Idle);
    assert_eq!(fixture.moved(), before, "the writer moves nothing");
    assert_eq!(fixture.look(START_FRAMES), CheckpointPhase::Idle);
    assert_eq!(fixture.look(2 * START_FRAMES), CheckpointPhase::Thread);
    let left = pass(&fixture);
    assert_eq!(left, 0);
    assert_eq!(CheckpointPhase::after_passes(left), CheckpointPhase::Writer);
    *fixture.keeper.shared.lock() = CheckpointPhase::Idle;
    std::mem::forget(file);
}

#[test]
fn a_log_that_was_long_is_cut_in_steps_after_it_has_started_over() {
    let mut fixture = LogFixture::new();
    let log = fixture.folder.path().join("h.db-wal");
    let length = |log: &Path| log.metadata().unwrap().len() >> 20;
    let file = File::options().write(true).open(&log).unwrap();
    file.set_len(148 << 20).unwrap();
    fixture.look(TOO_MANY_FRAMES);
    fixture.look(TOO_MANY_FRAMES / 2);
    assert_eq!(length(&log), 148, "much of it is in use");
    for expected in [140, 132, 128, 128] {
        fixture
            .writer
            .execute("INSERT INTO t VALUES (3)", [])
            .unwrap();
        fixture.look(10);
        assert_eq!(length(&log), expected);
    }
    let rows = fixture
        .reader
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0));
    assert_eq!(rows, Ok(5));
}

#[test]
fn the_writer_waits_longer_than_anybody_may_read() {
    assert!(read_limit(true) < RESTART_WAITS[1]);
    assert!(read_limit(true) < read_limit(false));
    assert!(read_limit(true) < RESTART_PAUSE);
}
