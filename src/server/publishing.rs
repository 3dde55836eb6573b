//! Publishing a message, for the API and for the dashboard.

pub(crate) mod batch;

use std::time::Instant;

use actix_web::HttpRequest;

use super::error::ApiError;
use super::publish_trace;
use super::request_metrics::mark_as_replay;
use super::request_notes::note;
use super::state::ServerState;
use crate::domain::format::Summary;
use crate::domain::json::Tree;
use crate::domain::message::NewMessage;
use crate::storage::{Published, Store, StoreError, Unavailable};

/// Checks that the server still takes messages.
///
/// # Errors
/// [`Unavailable::Stopping`]
pub(crate) fn check_open(state: &ServerState) -> Result<(), ApiError> {
    if state.is_stopping() {
        return Err(StoreError::Unavailable(Unavailable::Stopping).into());
    }
    Ok(())
}

/// Reads the data of a message for the endpoints of its workspace that need more of it than its bytes. Takes time for a
/// large message.
pub(crate) fn read_data(message: &mut NewMessage, store: &dyn Store) {
    if store.shows_summaries(message.workspace_id) {
        message.summary = Some(Summary::of(&message.data));
    }
    if store.filters(message.workspace_id, &message.event_type) {
        message.tree = Some(Tree::of(message.data.get()));
    }
}

/// Publishes a message, whose body of `size` bytes was received at `received`. Counts the bytes towards the limit of
/// the workspace, and the publish in metrics, log and trace.
///
/// # Errors
/// [`ApiError::TooManyBytes`], and those of the store.
pub(crate) async fn publish(
    state: &ServerState,
    request: &HttpRequest,
    new: NewMessage,
    size: usize,
    received: Instant,
) -> Result<Published, ApiError> {
    let now = state.clock.monotonic();
    state
        .rate_limits
        .count_bytes(new.workspace_id, size, now)
        .map_err(|retry_in| ApiError::TooManyBytes(state.settings.publish_byte_limit, retry_in))?;
    let queued = Instant::now();
    let published = state.store.publish(new).await?;
    let message = &published.message;
    note(request, |facts| {
        facts.workspace_id = Some(message.workspace_id);
        facts.published = Some((message.id, message.events.len()));
    });
    if published.replayed {
        mark_as_replay(request);
    } else {
        state.metrics.observe_publish(received.elapsed());
        publish_trace::note_commit(request, queued);
    }
    Ok(published)
}
