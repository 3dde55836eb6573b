//! A group whose transaction failed: its operations one by one, and what is kept for later.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::Thread;
use crate::storage::sqlite::writer::failure::{Failure, WriterCondition};
use crate::storage::sqlite::writer::fair_queue::Entry;
use crate::storage::sqlite::writer::operation::Operation;
use crate::storage::{StoreError, Unavailable};
use crate::vital;

/// The pause before attempt records are tried again on a failing disk.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

impl Thread<'_> {
    /// Gives each operation of a failed group its own transaction and its own error.
    pub(super) fn write_one_by_one(
        &mut self,
        records: Vec<Box<dyn Operation>>,
        others: Vec<Entry<Box<dyn Operation>>>,
        failure: &Failure,
    ) -> ControlFlow<()> {
        let others: Vec<_> = others.into_iter().map(|entry| entry.item).collect();
        if failure.condition == WriterCondition::Locked {
            // Each would wait for the lock as long again, one after the other.
            for operation in others {
                operation.finish(Err(failure.error.clone()));
            }
            return self.keep(records.into());
        }
        if !records.is_empty() || !others.is_empty() {
            tracing::warn!(error = %failure.text, "a group of writes failed; trying them one by one");
        }
        let tried = records.len() + others.len();
        let mut written = 0;
        let mut kept = VecDeque::new();
        for mut record in records {
            // Records must not overtake one that could not be written.
            if kept.is_empty() && self.transact(1, &mut [&mut record]).is_ok() {
                written += 1;
                self.note_whole(written == tried);
                record.finish(Ok(()));
            } else {
                kept.push_back(record);
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

    /// Notes that the writer is healthy if every operation of the failed group was written by itself.
    fn note_whole(&self, whole: bool) {
        if whole {
            self.shared.set(WriterCondition::Healthy);
        }
    }

    /// Puts attempt records back at the head of their queue, refuses all other operations that wait, and
    /// pauses.
    fn keep(&mut self, mut kept: VecDeque<Box<dyn Operation>>) -> ControlFlow<()> {
        if kept.is_empty() {
            return ControlFlow::Continue(());
        }
        if self.shared.is_healthy() {
            // The failure has no condition of its own, but it holds up all writes.
            self.shared.set(WriterCondition::Failing);
        }
        let mut waiting = self.shared.lock();
        kept.append(&mut waiting.records);
        waiting.records = kept;
        if waiting.stopping {
            tracing::error!(
                outcomes = waiting.records.len(),
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
        let pause_until = Instant::now() + RETRY_PAUSE;
        let mut waiting = self.shared.lock();
        while !waiting.stopping {
            let left = pause_until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            waiting = vital::wait_timeout(&self.shared.arrived, waiting, left).0;
        }
        ControlFlow::Continue(())
    }

    fn check_error(&self) -> StoreError {
        StoreError::Unavailable(if self.shared.is(WriterCondition::Full) {
            Unavailable::DiskFull
        } else if self.shared.is(WriterCondition::Locked) {
            Unavailable::Locked
        } else if self.shared.is(WriterCondition::Moved) {
            Unavailable::Moved
        } else {
            Unavailable::DiskError
        })
    }
}
