//! A group whose transaction failed: its operations one by one, and what is kept for later.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::Thread;
use crate::storage::sqlite::writer::failure::{Condition, Failure};
use crate::storage::sqlite::writer::fair_queue::Entry;
use crate::storage::sqlite::writer::operation::Operation;
use crate::storage::{StoreError, Unavailable};
use crate::vital;

/// How long outcomes rest before they are tried again on a failing disk.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

impl Thread<'_> {
    /// The group failed as a whole: gives each operation its own transaction and its own error.
    pub(super) fn write_one_by_one(
        &mut self,
        outcomes: Vec<Box<dyn Operation>>,
        others: Vec<Entry<Box<dyn Operation>>>,
        failure: &Failure,
    ) -> ControlFlow<()> {
        let others: Vec<_> = others.into_iter().map(|entry| entry.item).collect();
        if failure.condition == Condition::Locked {
            // Each would wait for the lock as long again, one after the other.
            for operation in others {
                operation.finish(Err(failure.error.clone()));
            }
            return self.keep(outcomes.into());
        }
        if !outcomes.is_empty() || !others.is_empty() {
            tracing::warn!(error = %failure.text, "a group of writes failed; trying them one by one");
        }
        let tried = outcomes.len() + others.len();
        let mut written = 0;
        let mut kept = VecDeque::new();
        for mut outcome in outcomes {
            // After one could not be written, the ones behind it must not overtake it.
            if kept.is_empty() && self.transact(1, &mut [&mut outcome]).is_ok() {
                written += 1;
                self.note_whole(written == tried);
                outcome.finish(Ok(()));
            } else {
                kept.push_back(outcome);
            }
        }
        for mut operation in others {
            let result = match self.transact(1, &mut [&mut operation]) {
                Ok(mut results) => {
                    written += 1;
                    self.note_whole(written == tried);
                    results.pop().map_or(Ok(()), |(result, _)| result)
                }
                Err(failure) => Err(failure.error),
            };
            operation.finish(result);
        }
        self.keep(kept)
    }

    /// After a group that failed was written one by one, to its last operation: the trouble has passed.
    fn note_whole(&self, whole: bool) {
        if whole {
            self.shared.set(Condition::Healthy);
        }
    }

    /// Puts outcomes back at the head of the queue and rests a while.
    fn keep(&mut self, mut kept: VecDeque<Box<dyn Operation>>) -> ControlFlow<()> {
        if kept.is_empty() {
            return ControlFlow::Continue(());
        }
        if self.shared.is_healthy() {
            // What failed is no trouble of the disk that is known here, and holds up everything.
            self.shared.set(Condition::Failing);
        }
        let mut waiting = self.shared.lock();
        kept.append(&mut waiting.outcomes);
        waiting.outcomes = kept;
        if waiting.stopping {
            tracing::error!(
                outcomes = waiting.outcomes.len(),
                "stopping with attempts unrecorded; they will be made again"
            );
            return ControlFlow::Break(());
        }
        let others = waiting.others.drain();
        drop(waiting);
        let error = self.check_error();
        for operation in others {
            operation.finish(Err(error.clone()));
        }
        self.shared.stall.end(Instant::now());
        let rest_until = Instant::now() + RETRY_PAUSE;
        let mut waiting = self.shared.lock();
        while !waiting.stopping {
            let left = rest_until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting = vital::wait_timeout(&self.shared.arrived, waiting, left).0;
        }
        ControlFlow::Continue(())
    }

    fn check_error(&self) -> StoreError {
        StoreError::Unavailable(if self.shared.is(Condition::Full) {
            Unavailable::DiskFull
        } else if self.shared.is(Condition::Locked) {
            Unavailable::Locked
        } else if self.shared.is(Condition::Moved) {
            Unavailable::Moved
        } else {
            Unavailable::DiskError
        })
    }
}
