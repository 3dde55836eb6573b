//! The stderr of a server, and its reader.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use crate::fixture::PATIENCE;

/// The behaviour of the reader of a server's stderr once the server has started.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Reader {
    /// Reads on.
    #[default]
    Reads,
    /// Goes away.
    Leaves,
    /// Reads nothing until it is told to.
    Stalls,
}

#[derive(Default)]
struct State {
    text: String,
    ended: bool,
    stalls: bool,
}

/// The output of a server on stderr.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<(Mutex<State>, Condvar)>);

impl Log {
    pub(super) fn of(child: &mut Child, reader: Reader) -> Self {
        let log = Self::default();
        log.0.0.lock().unwrap().stalls = reader == Reader::Stalls;
        let (mut lines, kept) = (BufReader::new(child.stderr.take().unwrap()), log.clone());
        std::thread::spawn(move || {
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
                let mut state = kept.0.0.lock().unwrap();
                state.text.push_str(&line);
                kept.0.1.notify_all();
                if line.contains("started addr=") {
                    if reader == Reader::Leaves {
                        break;
                    }
                    while state.stalls {
                        state = kept.0.1.wait(state).unwrap();
                    }
                }
                line.clear();
            }
            kept.0.0.lock().unwrap().ended = true;
            kept.0.1.notify_all();
        });
        log
    }

    /// Has a reader that stalls read on.
    pub(super) fn read_on(&self) {
        self.0.0.lock().unwrap().stalls = false;
        self.0.1.notify_all();
    }

    /// Waits until the log says `what` so many times; `None` if it ended before.
    #[track_caller]
    pub(super) fn wait(&self, what: &str, times: usize) -> Option<String> {
        let end = Instant::now() + PATIENCE;
        let mut state = self.0.0.lock().unwrap();
        loop {
            if state.text.matches(what).count() >= times {
                return Some(state.text.clone());
            }
            if state.ended {
                return None;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what:?} ({times}) in {}", state.text);
            state = self.0.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// All of it, once the process has ended.
    pub(super) fn whole(&self) -> String {
        self.read_on();
        let mut state = self.0.0.lock().unwrap();
        while !state.ended {
            state = self.0.1.wait(state).unwrap();
        }
        state.text.clone()
    }

    pub(super) fn count(&self, what: &str) -> usize {
        self.0.0.lock().unwrap().text.matches(what).count()
    }
}
