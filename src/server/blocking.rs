//! Work that would hold an asynchronous thread, handed over to a blocking one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actix_web::web;

use super::error::ApiError;
use crate::fail_point::{FailPoint, hit};
use crate::storage::{StoreError, Unavailable};

/// Runs `work` on a blocking thread of the worker.
///
/// # Errors
/// [`Unavailable::NoThread`] if no such thread is idle and the system cannot start one. The runtime panics
/// then; not caught, the panic would close the connection without a response. Idle threads end after ten
/// seconds, so this can happen at any time.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let started = catch_unwind(AssertUnwindSafe(|| {
        hit(FailPoint::BlockingThread);
        web::block(work)
    }));
    let done = started.map_err(|_| StoreError::Unavailable(Unavailable::NoThread))?;
    Ok(done
        .await
        .map_err(|error| StoreError::Internal(error.to_string()))?)
}
