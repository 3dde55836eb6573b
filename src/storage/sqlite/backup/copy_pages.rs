//! The copying of all pages, so that the copy is the state of one moment although others write meanwhile.
//!
//! The first round copies all pages. Each further round copies those that were written meanwhile, so they become fewer and
//! the rounds shorter. The last round copies what is left from one snapshot, and the copy is that snapshot. A page that was
//! copied before and not since is the same in it.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::copy_file::CopyFile;
use super::error::BackupError;
use super::pace::Pace;
use super::view::View;
use super::watch::Watch;

/// Bytes that are gathered before they are written, and after which the backup may pause: large enough for a
/// disk, and small enough for an even pace.
pub(super) const PIECE: usize = 256 << 10;

/// The limits of a backup's rounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The most bytes per second until the last round; 0: no limit.
    rate: u64,
    /// The time after which a newer snapshot is taken.
    snapshot_age: Duration,
    /// The pages that may be left for the last round.
    left: usize,
    /// The most rounds. With a low rate, the pages may not become fewer.
    rounds: usize,
}

impl Limits {
    /// Returns those of a backup at this rate. In a quarter of a second, a busy server writes some dozens of megabytes to
    /// its log. The last round copies 64 MB, which takes some tenths of a second.
    pub(super) const fn at_rate(rate: u64) -> Self {
        Self {
            rate,
            snapshot_age: Duration::from_millis(250),
            left: 16_000,
            rounds: 8,
        }
    }
}

/// Copies all pages of the database to `copy`.
pub(super) fn copy_pages(
    database: &Path,
    copy: CopyFile,
    limits: Limits,
    watch: &mut Watch<'_>,
    failed: &impl Fn(io::Error) -> BackupError,
) -> Result<CopyFile, BackupError> {
    let mut view = View::begin(database, limits.snapshot_age)?;
    let mut copying = Copying {
        output: PageWriter::new(copy, view.page_bytes()),
        pace: Pace::new(limits.rate),
        total: u64::from(view.pages()) * view.page_bytes(),
        done: 0,
        watch,
        failed,
    };
    let all = 1..=view.pages();
    copying.round(&mut view, all, Snapshots::Newer)?;
    view.move_on()?;
    let mut left = view.take_written();
    for _ in 2..limits.rounds {
        if left.len() <= limits.left {
            break;
        }
        copying.round(&mut view, left, Snapshots::Newer)?;
        view.move_on()?;
        left = view.take_written();
    }
    copying.pace = Pace::new(0);
    copying.round(&mut view, left, Snapshots::One)?;
    let length = u64::from(view.pages()) * view.page_bytes();
    copying.output.finish(length).map_err(failed)
}

/// The snapshots that the pages of a round are read from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Snapshots {
    /// Newer ones from time to time.
    Newer,
    /// The present one.
    One,
}

/// The state of the copying.
struct Copying<'a, 'w, Failed> {
    output: PageWriter,
    pace: Pace,
    /// The bytes that were copied, at most `total`.
    done: u64,
    /// The bytes of the first round.
    total: u64,
    watch: &'a mut Watch<'w>,
    failed: &'a Failed,
}

impl<Failed: Fn(io::Error) -> BackupError> Copying<'_, '_, Failed> {
    /// Copies these pages, which are in ascending order. Those beyond the last page are left out.
    fn round(
        &mut self,
        view: &mut View,
        pages: impl IntoIterator<Item = u32>,
        snapshots: Snapshots,
    ) -> Result<(), BackupError> {
        let mut since_pause = 0;
        for page in pages {
            if page == 0 || page > view.pages() {
                continue;
            }
            view.read(page, |bytes| {
                self.output.write(page, bytes).map_err(self.failed)
            })?;
            since_pause += view.page_bytes();
            if since_pause >= PIECE as u64 {
                self.pace.wait(since_pause);
                self.note(since_pause)?;
                since_pause = 0;
                if snapshots == Snapshots::Newer {
                    view.keep_up()?;
                }
            }
        }
        self.note(since_pause)
    }

    fn note(&mut self, bytes: u64) -> Result<(), BackupError> {
        self.done = (self.done + bytes).min(self.total);
        if self.watch.note(self.done, self.total) {
            return Err(BackupError::Stopped);
        }
        Ok(())
    }
}

/// A copy that gets pages, gathered to [`PIECE`] bytes where they follow each other.
struct PageWriter {
    copy: CopyFile,
    page_bytes: u64,
    piece: Vec<u8>,
    /// The place of the piece in the file.
    at: u64,
}

impl PageWriter {
    fn new(copy: CopyFile, page_bytes: u64) -> Self {
        Self {
            copy,
            page_bytes,
            piece: Vec::with_capacity(PIECE),
            at: 0,
        }
    }

    fn write(&mut self, page: u32, bytes: &[u8]) -> io::Result<()> {
        let at = (u64::from(page) - 1) * self.page_bytes;
        if at != self.at + self.piece.len() as u64 || self.piece.len() + bytes.len() > PIECE {
            self.flush()?;
            self.at = at;
        }
        self.piece.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.copy.write_all_at(self.at, &self.piece)?;
        self.piece.clear();
        Ok(())
    }

    /// Writes the rest, and returns the copy with this length.
    fn finish(mut self, length: u64) -> io::Result<CopyFile> {
        self.flush()?;
        self.copy.set_length(length)?;
        Ok(self.copy)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    use rusqlite::Connection;

    use super::*;
    use crate::storage::sqlite::backup::check::check_pages;
    use crate::storage::sqlite::file::connection::{immutable_uri, write_connection};
    use crate::storage::sqlite::file::lock::FileLock;
    use crate::storage::sqlite::file::open;
    use crate::storage::sqlite::file::wal::checkpoint;

    /// A step of a server between two pieces of a backup.
    #[derive(Clone, Debug)]
    enum Step {
        /// Rows with so many kilobytes.
        Insert(u8, u8),
        Delete(u8),
        Change(u8),
        /// A transaction of so many rows that is rolled back after its pages are in the log.
        RollBack(u8),
        /// Free pages are given back.
        Vacuum,
        Checkpoint(&'static str),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1..9_u8, 1..60_u8).prop_map(|(rows, kilobytes)| Step::Insert(rows, kilobytes)),
            2 => (1..9_u8).prop_map(Step::Delete),
            4 => (0..20_u8).prop_map(Step::Change),
            2 => (5..40_u8).prop_map(Step::RollBack),
            1 => Just(Step::Vacuum),
            3 => Just(Step::Checkpoint("PASSIVE")),
            1 => Just(Step::Checkpoint("RESTART")),
            1 => Just(Step::Checkpoint("TRUNCATE")),
        ]
    }

    const INSERT: &str = "INSERT INTO filler (body) VALUES (randomblob(?1 * 1000))";

    /// A server that notes its state after each transaction.
    struct Writer {
        _lock: FileLock,
        connection: Connection,
        states: Vec<String>,
    }

    impl Writer {
        fn new(database: &Path) -> Self {
            open::prepare(database, true).unwrap();
            let connection = write_connection(database).unwrap();
            connection
                .execute_batch(
                    "CREATE TABLE filler (id INTEGER PRIMARY KEY, body BLOB);
                     PRAGMA cache_size = 10; PRAGMA busy_timeout = 0",
                )
                .unwrap();
            for _ in 0..40 {
                connection.execute(INSERT, [60]).unwrap();
            }
            let states = vec![state(&connection)];
            Self {
                _lock: FileLock::for_server(database).unwrap(),
                connection,
                states,
            }
        }

        fn take(&mut self, step: &Step) {
            let run = |sql: &str, value: u8| {
                self.connection.execute(sql, [value]).unwrap();
            };
            match step {
                Step::Insert(rows, kilobytes) => {
                    self.connection.execute_batch("BEGIN").unwrap();
                    (0..*rows).for_each(|_| run(INSERT, *kilobytes));
                    self.connection.execute_batch("COMMIT").unwrap();
                }
                Step::Delete(rows) => run(
                    "DELETE FROM filler WHERE id IN (SELECT id FROM filler ORDER BY id DESC LIMIT ?1)",
                    *rows,
                ),
                Step::Change(row) => run(
                    "UPDATE filler SET body = randomblob(length(body)) WHERE id = ?1 + 1",
                    *row,
                ),
                Step::RollBack(rows) => {
                    self.connection.execute_batch("BEGIN").unwrap();
                    (0..*rows).for_each(|_| run(INSERT, 9));
                    self.connection.execute_batch("ROLLBACK").unwrap();
                }
                Step::Vacuum => {
                    let freed = self.connection.execute_batch("PRAGMA incremental_vacuum");
                    freed.unwrap();
                }
                Step::Checkpoint(mode) => {
                    // Beside another one, or a reader, it moves less.
                    let _ = checkpoint(&self.connection, mode);
                }
            }
            self.states.push(state(&self.connection));
        }
    }

    /// All rows, as a text that differs if one of them does.
    fn state(connection: &Connection) -> String {
        let rows = "SELECT group_concat(id || hex(substr(body, 1, 8)) || length(body))
            FROM filler";
        let all = connection.query_row(rows, [], |row| row.get::<_, Option<String>>(0));
        all.unwrap().unwrap_or_default()
    }

    /// Copies the database, and returns the state that the copy has.
    fn copied_state(database: &Path, rounds: usize, progress: &mut dyn FnMut(u64, u64)) -> String {
        let mut watch = Watch {
            progress,
            is_stopped: || false,
        };
        let path = database.with_extension("copy");
        let copy = CopyFile::create(path.clone()).unwrap().unwrap();
        let limits = Limits {
            rate: 0,
            snapshot_age: Duration::ZERO,
            left: 30,
            rounds,
        };
        let failed = |source| BackupError::Write {
            path: path.clone(),
            source,
        };
        let copy = copy_pages(database, copy, limits, &mut watch, &failed).unwrap();
        assert!(check_pages(&path, || false).unwrap());
        assert_eq!(copy.length(), path.metadata().unwrap().len());
        let uri = immutable_uri(&path);
        state(&Connection::open(uri).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn a_copy_is_a_state_of_one_moment_whatever_is_written_meanwhile(
            steps in proptest::collection::vec(step(), 1..150),
            at_once in 1..4_usize,
            rounds in 2..5_usize,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let database = folder.path().join("h.db");
            let mut writer = Writer::new(&database);
            let mut left = steps.chunks(at_once);
            let mut progress = |_, _| {
                left.next().into_iter().flatten().for_each(|step| writer.take(step));
            };
            let copied = copied_state(&database, rounds, &mut progress);
            prop_assert!(writer.states.contains(&copied), "no state of the database");
        }
    }

    #[test]
    fn a_copy_beside_a_thread_that_writes_is_a_state_of_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("h.db");
        let mut writer = Writer::new(&database);
        let mut runner = TestRunner::deterministic();
        let copies: Vec<_> = std::thread::scope(|scope| {
            let copying = scope.spawn(|| {
                let copies = (0..100).map(|_| copied_state(&database, 3, &mut |_, _| {}));
                copies.collect()
            });
            while !copying.is_finished() {
                writer.take(&step().new_tree(&mut runner).unwrap().current());
                // The database keeps its size.
                let rows = "SELECT max(count(*) - 50, 0) FROM filler";
                let more = writer.connection.query_row(rows, [], |row| row.get(0));
                writer.take(&Step::Delete(more.unwrap()));
            }
            copying.join().unwrap()
        });
        // None is older than the one before.
        let mut left = &writer.states[..];
        for copied in &copies {
            let moment = left.iter().position(|state| state == copied);
            left = &left[moment.expect("a state of the database")..];
        }
        assert!(left.len() < writer.states.len());
    }
}
