//! The helpers of a search that waits for the disk: threads that step over its next rows.
//!
//! The rows of one workspace lie on pages all over a large file. One connection reads these pages one after another, so a disk
//! that could read several at once has one to read. Each helper steps over rows that the search has not come to, on a connection
//! of its own, and the search then finds their pages in the system's memory. What a helper finds is not used: it sees another
//! snapshot.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

/// The helpers of a search: about as many reads as a disk of today makes at the same time. With 4, a search of 106,000 rows
/// took more than 2 s where it takes 1.7 s with 12.
const HELPERS: usize = 12;

/// The stack of a helper, which only runs statements of `SQLite`.
const STACK_BYTES: usize = 512 << 10;

/// The time that a piece of a search takes if its pages are not in memory. If they are, it takes a third at most.
const SLOW: Duration = Duration::from_millis(20);

/// The rows of a piece, about.
const PIECE_ROWS: u64 = 2000;

/// Steps of `SQLite`'s virtual machine between two looks at whether the search is over.
const CHECK_STEPS: i32 = 1000;

/// Returns a connection for a helper; `None` if there is none now.
type Open = dyn Fn() -> Option<Connection> + Send + Sync;

/// The helpers of the searches of a store: one search has them at a time, and the others do without.
pub(crate) struct Helpers {
    open: Box<Open>,
    taken: Mutex<()>,
    slow: Duration,
    piece_rows: u64,
}

impl Helpers {
    /// Returns helpers with connections that `open` opens.
    pub(crate) fn new(open: impl Fn() -> Option<Connection> + Send + Sync + 'static) -> Self {
        Self {
            open: Box::new(open),
            taken: Mutex::default(),
            slow: SLOW,
            piece_rows: PIECE_ROWS,
        }
    }

    /// Returns helpers that never help.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self::new(|| None)
    }

    /// Makes these help with every search, after its first piece of so many rows.
    #[cfg(test)]
    pub(crate) fn always(mut self, piece_rows: u64) -> Self {
        self.slow = Duration::ZERO;
        self.piece_rows = piece_rows;
        self
    }

    /// Returns the number of pieces into which so many rows are cut.
    pub(crate) fn pieces(&self, rows: u64) -> u64 {
        rows.div_ceil(self.piece_rows).max(1)
    }

    /// Runs `read` for each piece, in their order. If one is slow, helpers run `touch` for later ones meanwhile, on connections
    /// of their own.
    pub(crate) fn read<P: Sync>(
        &self,
        pieces: &[P],
        mut read: impl FnMut(&P) -> rusqlite::Result<()>,
        touch: impl Fn(&Connection, &P) -> rusqlite::Result<()> + Sync,
    ) -> rusqlite::Result<()> {
        for (at, piece) in pieces.iter().enumerate() {
            let began = Instant::now();
            read(piece)?;
            let rest = &pieces[at + 1..];
            if began.elapsed() >= self.slow
                && rest.len() > 1
                && let Ok(_taken) = self.taken.try_lock()
            {
                return self.read_with_help(rest, read, touch);
            }
        }
        Ok(())
    }

    fn read_with_help<P: Sync>(
        &self,
        pieces: &[P],
        mut read: impl FnMut(&P) -> rusqlite::Result<()>,
        touch: impl Fn(&Connection, &P) -> rusqlite::Result<()> + Sync,
    ) -> rusqlite::Result<()> {
        let progress = Progress {
            next: AtomicUsize::new(0),
            is_over: Arc::default(),
        };
        let help = || self.help(pieces, &progress, &touch);
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for _ in 0..HELPERS.min(pieces.len() - 1) {
                let thread = thread::Builder::new().name("search-helper".to_owned());
                // Without a helper, the search takes longer.
                threads.extend(thread.stack_size(STACK_BYTES).spawn_scoped(scope, help));
            }
            let mut numbered = pieces.iter().enumerate();
            let result = numbered.try_for_each(|(at, piece)| {
                progress.next.fetch_max(at + 1, Ordering::Relaxed);
                read(piece)
            });
            progress.is_over.store(true, Ordering::Relaxed);
            // The scope would pass a panic on to the search.
            for panicked in threads.into_iter().filter_map(|thread| thread.join().err()) {
                drop(panicked);
                tracing::error!("a helper of a search panicked");
            }
            result
        })
    }

    /// Touches pieces until all are touched or the search is over. This is the work of a helper.
    fn help<P>(
        &self,
        pieces: &[P],
        progress: &Progress,
        touch: &impl Fn(&Connection, &P) -> rusqlite::Result<()>,
    ) {
        let Some(connection) = (self.open)() else {
            return;
        };
        let is_over = progress.is_over.clone();
        let stops = move || is_over.load(Ordering::Relaxed);
        if let Err(error) = connection.progress_handler(CHECK_STEPS, Some(stops)) {
            tracing::debug!(%error, "a helper of a search cannot be stopped, so it does not begin");
            return;
        }
        while !progress.is_over.load(Ordering::Relaxed)
            && let Some(piece) = pieces.get(progress.next.fetch_add(1, Ordering::Relaxed))
        {
            if let Err(error) = touch(&connection, piece) {
                tracing::debug!(%error, "a helper of a search has ended early");
                return;
            }
        }
    }
}

/// The progress of a search with helpers.
struct Progress {
    /// The first piece that nobody has begun.
    next: AtomicUsize,
    is_over: Arc<AtomicBool>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc::channel;

    use rusqlite::ffi::SQLITE_INTERRUPT;

    use super::*;

    /// The longest time that a test waits for something to happen.
    const PATIENCE: Duration = Duration::from_secs(20);

    const PIECES: [usize; 6] = [0, 1, 2, 3, 4, 5];

    fn helpers(opens: &Arc<AtomicU32>) -> Helpers {
        let opens = opens.clone();
        let open = move || {
            opens.fetch_add(1, Ordering::Relaxed);
            Connection::open_in_memory().ok()
        };
        Helpers::new(open)
    }

    #[test]
    fn a_fast_search_has_no_help() {
        let opens = Arc::default();
        let mut read = Vec::new();
        let touch = |_: &Connection, _: &usize| Ok(());
        let mut helpers = helpers(&opens);
        // However busy the machine is.
        helpers.slow = Duration::MAX;
        let result = helpers.read(
            &PIECES,
            |piece| {
                read.push(*piece);
                Ok(())
            },
            touch,
        );
        assert_eq!((result, read), (Ok(()), PIECES.to_vec()));
        assert_eq!(opens.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn helpers_touch_each_of_the_later_pieces_and_the_search_reads_all_in_order() {
        let (touched, touches) = channel();
        let opens = Arc::default();
        let mut read = Vec::new();
        let result = helpers(&opens).always(1).read(
            &PIECES,
            |piece| {
                if *piece == 1 {
                    // The search waits here until the helpers have touched all that it has not begun.
                    let mut untouched = BTreeSet::from([2, 3, 4, 5]);
                    while !untouched.is_empty() {
                        untouched.remove(&touches.recv_timeout(PATIENCE).unwrap());
                    }
                }
                read.push(*piece);
                Ok(())
            },
            move |_, piece| {
                touched.send(*piece).unwrap_or_default();
                Ok(())
            },
        );
        assert_eq!((result, read), (Ok(()), PIECES.to_vec()));
        assert!(opens.load(Ordering::Relaxed) > 0);
    }

    #[test]
    fn helpers_end_in_the_middle_of_a_piece_when_the_search_is_over() {
        let (began, begun) = channel();
        let (ends, ended_with) = channel();
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        let failure = || rusqlite::Error::InvalidQuery;
        let opens = Arc::default();
        let result = helpers(&opens).always(1).read(
            &PIECES,
            |piece| match piece {
                0 => Ok(()),
                _ => Err(begun.recv().map_or(failure(), |()| failure())),
            },
            move |connection, _| {
                began.send(()).unwrap_or_default();
                let ended = connection.query_row(endless, [], |_| Ok(())).unwrap_err();
                let code = ended.sqlite_error().map(|error| error.extended_code);
                ends.send(code).unwrap_or_default();
                Err(ended)
            },
        );
        assert_eq!(result, Err(failure()));
        assert!(ended_with.iter().all(|code| code == Some(SQLITE_INTERRUPT)));
    }

    #[test]
    fn one_search_has_helpers_at_a_time_and_without_a_connection_a_search_ends_too() {
        let opens = Arc::default();
        let helpers = helpers(&opens).always(1);
        let taken = helpers.taken.lock().unwrap();
        assert_eq!(helpers.read(&PIECES, |_| Ok(()), |_, _| Ok(())), Ok(()));
        assert_eq!(opens.load(Ordering::Relaxed), 0);
        drop(taken);
        let without = Helpers::none().always(1);
        assert_eq!(without.read(&PIECES, |_| Ok(()), |_, _| Ok(())), Ok(()));
    }

    #[test]
    fn a_panic_of_a_helper_does_not_reach_the_search() {
        let (panics, panicking) = channel();
        let result = helpers(&Arc::default()).always(1).read(
            &PIECES,
            |piece| {
                if *piece == 1 {
                    panicking.recv_timeout(PATIENCE).unwrap();
                }
                Ok(())
            },
            move |_, _| {
                panics.send(()).unwrap_or_default();
                panic!("this is a test");
            },
        );
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn rows_are_cut_into_pieces() {
        let pieces = [0, 1, 2000, 2001, 100_000].map(|rows| Helpers::none().pieces(rows));
        assert_eq!(pieces, [1, 1, 1, 2, 50]);
    }
}
