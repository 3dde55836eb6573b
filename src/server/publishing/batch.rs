//! Publishing several messages together.

use std::time::Instant;

use actix_web::HttpRequest;
use uuid::Uuid;

use crate::domain::access::Caller;
use crate::domain::message::{BATCH_MAX, NewMessage};
use crate::server::error::ApiError;
use crate::server::inputs::message_batch::BatchItem;
use crate::server::publish_trace;
use crate::server::rate_limit_headers::note_counted_again;
use crate::server::request_metrics::mark_as_replay;
use crate::server::request_notes::note;
use crate::server::state::ServerState;
use crate::storage::Published;

/// Returns the most messages of a batch: no more than a workspace may ever publish at once.
pub(crate) fn most_messages(state: &ServerState) -> usize {
    match usize::try_from(state.settings.publish_rate_limit) {
        Ok(limit) if limit > 0 => limit.min(BATCH_MAX),
        _ => BATCH_MAX,
    }
}

/// Publishes the messages of a batch, all or none, which were received at `received`. Counts each of them, and its
/// bytes, towards the limits, and the batch in metrics, log and trace.
///
/// # Errors
/// [`ApiError::RateLimited`], [`ApiError::TooManyBytes`], and those of the store.
pub(crate) async fn publish(
    state: &ServerState,
    request: &HttpRequest,
    caller: &Caller,
    items: Vec<BatchItem>,
    received: Instant,
) -> Result<Vec<Published>, ApiError> {
    count(state, request, caller, &items)?;
    let messages: Vec<NewMessage> = items.into_iter().map(|item| item.message).collect();
    let queued = Instant::now();
    let published = state.store.publish_batch(messages).await?;
    let events = published.iter().map(|it| it.message.events.len()).sum();
    note(request, |facts| {
        facts.batch = Some((published.len(), events));
        facts.workspace_id = facts.workspace_id.or(only_workspace(&published));
    });
    if published.iter().all(|it| it.replayed) {
        mark_as_replay(request);
    } else {
        state.metrics.observe_publish(received.elapsed());
        publish_trace::note_commit(request, queued);
    }
    Ok(published)
}

/// Counts the messages and their bytes.
fn count(
    state: &ServerState,
    request: &HttpRequest,
    caller: &Caller,
    items: &[BatchItem],
) -> Result<(), ApiError> {
    let (limits, now) = (&state.rate_limits, state.clock.monotonic());
    if let Some(status) = limits.count_as_several(caller, items.len(), now) {
        note_counted_again(request, status);
        if status.retry_in.is_some() {
            return Err(ApiError::RateLimited(status));
        }
    }
    limits
        .count_bytes_of_all(&bytes_by_workspace(items), now)
        .map_err(|retry_in| ApiError::TooManyBytes(state.settings.publish_byte_limit, retry_in))
}

/// Returns the bytes of each workspace's messages. There are few workspaces, most often one.
fn bytes_by_workspace(items: &[BatchItem]) -> Vec<(Uuid, u64)> {
    let mut all: Vec<(Uuid, u64)> = Vec::new();
    for item in items {
        let (workspace, bytes) = (item.message.workspace_id, item.size as u64);
        match all.iter_mut().find(|(own, _)| *own == workspace) {
            Some((_, sum)) => *sum += bytes,
            None => all.push((workspace, bytes)),
        }
    }
    all
}

/// Returns the workspace of the messages, if all have the same.
fn only_workspace(published: &[Published]) -> Option<Uuid> {
    let mut all = published.iter().map(|it| it.message.workspace_id);
    let first = all.next()?;
    all.all(|it| it == first).then_some(first)
}
