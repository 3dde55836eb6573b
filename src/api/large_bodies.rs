//! The reading of large bodies.
//!
//! Checking the JSON of a quarter of a megabyte takes a millisecond. On an asynchronous thread all of its
//! other connections wait for that, and some hundred such bodies can be there at once. So large ones are
//! read on blocking threads, few at a time: many at a time would take the processors from everybody else.
//! Those that wait get their turns by workspace, so that one workspace's crowd does not delay the others.

use std::num::NonZeroUsize;
use std::sync::Arc;

use uuid::Uuid;

use super::blocking;
use super::error::ApiError;
use super::places::{Places, Share};

/// Bodies from this size on, in bytes, are large: reading a smaller one takes some ten microseconds for each
/// of its 16 KiB, which is what handing it over would cost.
pub(super) const LARGE_BODY: usize = 64 * 1024;

/// The places for reading large bodies.
pub(super) struct LargeBodies(Arc<Places>);

impl LargeBodies {
    /// As many places as half of the processors.
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self(Places::new((processors / 2).max(1), Share::All))
    }

    /// Runs `work` of this workspace, or admin token, off the asynchronous threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        account: Uuid,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        // No limit on how many wait: their bytes are limited, see `connection`.
        let place = self.0.wait(account).place().await;
        let work = move || {
            // With the work, not with the request: one that hangs up leaves it behind.
            let _place = place;
            work()
        };
        blocking::run(work).await?
    }
}
