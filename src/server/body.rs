//! The body of a request: received within limits of size, time and memory.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use actix_web::body::{BodyStream, MessageBody};
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap};
use actix_web::web::{self, Bytes, BytesMut};

use super::connection::{GivenUp, RequestHandle};
use super::error::ApiError;

/// The time in which a body must arrive. A few hundred kilobytes need less on any network; a client that
/// needs more only holds a connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

impl From<GivenUp> for ApiError {
    fn from(why: GivenUp) -> Self {
        match why {
            GivenUp::ForOthers => Self::TooMuchUnanswered,
            GivenUp::Overdue => Self::Timeout,
            GivenUp::TooManyChunks => Self::TooManyChunks,
        }
    }
}

/// Returns the length of the body that the headers announce, in bytes; `None` if they announce none.
///
/// # Errors
/// [`ApiError::TooLarge`] if it is greater than `limit`.
pub(crate) fn announced(headers: &HeaderMap, limit: usize) -> Result<Option<usize>, ApiError> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<u64>().ok());
    if announced > u64::try_from(limit).ok() {
        return Err(ApiError::TooLarge(limit));
    }
    Ok(announced.and_then(|bytes| usize::try_from(bytes).ok()))
}

/// Receives a body of at most `limit` bytes, of which `announced` were announced. `handle` is that of its
/// connection.
///
/// # Errors
/// [`ApiError::TooLarge`], [`ApiError::Timeout`], [`ApiError::Encoding`] if the body is cut off, and the reasons
/// for which the server gives a request up.
pub(crate) async fn receive(
    payload: web::Payload,
    handle: Option<&RequestHandle>,
    announced: Option<usize>,
    limit: usize,
) -> Result<Bytes, ApiError> {
    if let (Some(handle), Some(bytes)) = (handle, announced) {
        handle.announce(bytes)?;
    }
    // A body with a length has room reserved already.
    let growing = handle.filter(|_| announced.is_none());
    let body = tokio::time::timeout(BODY_TIMEOUT, collect(payload, limit, growing));
    let body = match handle {
        Some(handle) => handle.unless_given_up(body).await?,
        None => body.await,
    };
    let body = body.map_err(|_| ApiError::Timeout)?;
    let cut_off = handle.and_then(RequestHandle::why_cut_off);
    body.map_err(|error| cut_off.map_or(error, ApiError::from))
}

/// Collects a body of at most `limit` bytes. A body that came in one piece is not copied. `growing` is set if
/// the length was not announced; the body is then refused as soon as memory has no room for more of it.
async fn collect(
    payload: web::Payload,
    limit: usize,
    growing: Option<&RequestHandle>,
) -> Result<Bytes, ApiError> {
    let mut chunks = pin!(BodyStream::new(payload));
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(chunk) = poll_fn(|context| chunks.as_mut().poll_next(context)).await {
        let chunk = chunk.map_err(|_| ApiError::Encoding("The body ended before its time"))?;
        if first.len() + all.len() + chunk.len() > limit {
            return Err(ApiError::TooLarge(limit));
        }
        growing.map_or(Ok(()), RequestHandle::check_growth)?;
        if first.is_empty() && all.is_empty() {
            first = chunk;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(&chunk);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}
