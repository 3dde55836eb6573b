//! Where large bodies are read.
//!
//! Checking the JSON of a quarter of a megabyte takes a millisecond. On an asynchronous thread all of its
//! other connections wait for that, and some hundred such bodies can be there at once. So large ones are
//! read on blocking threads, few at a time: many at a time would take the processors from everybody else.

use std::num::NonZeroUsize;
use std::sync::Arc;

use actix_web::web;
use tokio::sync::Semaphore;

use super::error::ApiError;
use crate::storage::StoreError;

/// Bodies from this size on, in bytes, are large: reading a smaller one takes some ten microseconds for each
/// of its 16 KiB, which is what handing it over would cost.
pub(super) const LARGE_BODY: usize = 64 * 1024;

/// The places for reading large bodies.
pub(super) struct LargeBodies(Arc<Semaphore>);

impl LargeBodies {
    /// As many places as half of the processors.
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }

    /// Runs `work` off the asynchronous threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = Arc::clone(&self.0).acquire_owned().await.ok();
        let work = move || {
            // With the work, not with the request: one that hangs up leaves it behind.
            let _place = place;
            work()
        };
        let done = web::block(work).await;
        done.map_err(|error| StoreError::Internal(error.to_string()))?
    }
}
