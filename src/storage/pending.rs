//! The result of a write that is not done yet.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::error::{StoreError, Unavailable};

/// The result of a write, available once the write is on disk or has failed. Dropping it does not undo the
/// write.
#[derive(Debug)]
pub struct Pending<T>(oneshot::Receiver<Result<T, StoreError>>);

/// The sender of the result that a [`Pending`] waits for.
#[derive(Debug)]
pub struct ResultSender<T>(oneshot::Sender<Result<T, StoreError>>);

/// Returns the sender of a write's result, and the result to wait for.
#[must_use]
pub fn pending<T>() -> (ResultSender<T>, Pending<T>) {
    let (sender, receiver) = oneshot::channel();
    (ResultSender(sender), Pending(receiver))
}

impl<T> Pending<T> {
    /// Waits on this thread; only for threads that run no asynchronous tasks.
    pub fn wait(self) -> Result<T, StoreError> {
        self.0.blocking_recv().unwrap_or(Err(ABANDONED))
    }
}

/// The error of a write that was not done when the store ended.
const ABANDONED: StoreError = StoreError::Unavailable(Unavailable::Stopping);

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|result| result.unwrap_or(Err(ABANDONED)))
    }
}

impl<T> ResultSender<T> {
    /// Sends the result. The caller may be gone already, which is no error.
    pub fn send(self, result: Result<T, StoreError>) {
        let _ = self.0.send(result);
    }
}
