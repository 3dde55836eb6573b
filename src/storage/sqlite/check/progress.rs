//! The progress of a check, for a person who waits.

/// The rows between two reports.
const REPORT_ROWS: u64 = 10_000;

/// A function that is told the rows that were looked at, and all rows that are to be looked at, roughly.
pub type CheckWatch<'a> = &'a mut dyn FnMut(u64, u64);

/// The rows that were looked at.
pub(super) struct Progress<'a> {
    done: u64,
    total: u64,
    watch: CheckWatch<'a>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(total: u64, watch: CheckWatch<'a>) -> Self {
        Self {
            done: 0,
            total,
            watch,
        }
    }

    /// Notes that one more row was looked at.
    pub(super) fn advance(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(REPORT_ROWS) {
            self.report();
        }
    }

    /// Reports the progress as it is.
    pub(super) fn report(&mut self) {
        (self.watch)(self.done.min(self.total), self.total);
    }
}
