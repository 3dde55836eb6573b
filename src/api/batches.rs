//! The handler of `/webhooks/events/batch`: publishing several messages together.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::idempotency::refuse_idempotency_key;
use super::message_objects::{BatchMessage, PublishedBatch};
use super::objects::json;
use super::route_docs::{RouteDocs, Success};
use crate::domain::message::BATCH_MAX;
use crate::server::call::{Call, OF_A_WORKSPACE, RawInput};
use crate::server::error::ApiError;
use crate::server::inputs::message_batch::{BatchItem, message_batch};
use crate::server::large_bodies::LARGE_BODY;
use crate::server::publish_trace;
use crate::server::publishing;
use crate::server::publishing::batch;
use crate::storage::Store;

/// The description of `POST /webhooks/events/batch`.
pub(super) static PUBLISH: RouteDocs = RouteDocs {
    summary: "Publish several messages",
    details: "All or none: if one message is not valid, nothing is stored, and the answer lists every problem of \
              every message. Each message is as in a single publish, has at most 256 KiB, and may have an \
              `idempotency_key` of its own; the header `Idempotency-Key` is refused. The messages are numbered, and so \
              sent to each endpoint, in the order of the list. Each counts as a publish towards \
              `--publish-rate-limit`.",
    reads: |input| {
        let _ = message_batch(input, OF_A_WORKSPACE, BATCH_MAX);
    },
    body: "BatchPublish",
    is_publish: true,
    ..RouteDocs::new(
        "events",
        "events_publish_batch",
        Success::json::<PublishedBatch<'static>>(202),
    )
};

/// Handles `POST /webhooks/events/batch`. Parses a small body at once, and a large one on a blocking thread.
pub(super) async fn publish(mut call: Call) -> Result<HttpResponse, ApiError> {
    publishing::check_open(&call.state)?;
    let trace = publish_trace::begin(&call.request, &call.state.spans);
    let body = call.body().await?;
    let received = Instant::now();
    let size = body.len();
    let header = refuse_idempotency_key(call.headers());
    let most = batch::most_messages(&call.state);
    let (raw_input, state) = (call.raw_input(), call.state.clone());
    let read = move || {
        let text = body.text()?;
        header?;
        read_batch(&raw_input, text, most, &*state.store)
    };
    let mut items = if size < LARGE_BODY {
        read()?
    } else {
        let read = call.state.large_bodies.read(call.caller.owner(), read);
        call.unless_given_up(read).await??
    };
    for item in &mut items {
        item.message.trace.clone_from(&trace);
    }
    let published = batch::publish(&call.state, &call.request, &call.caller, items, received);
    let published = published.await?;
    let data = published.iter().map(BatchMessage).collect();
    Ok(json(StatusCode::ACCEPTED, &PublishedBatch { data }))
}

/// Reads the messages from the body. Asks `store` whether an endpoint of their workspace needs summaries of them.
fn read_batch(
    raw_input: &RawInput,
    text: &str,
    most: usize,
    store: &dyn Store,
) -> Result<Vec<BatchItem>, ApiError> {
    let mut input = raw_input.input();
    input.json(text);
    let items = message_batch(&mut input, raw_input.visibility, most);
    let mut items = items(&input.finish()?);
    for item in &mut items {
        publishing::read_data(&mut item.message, store);
    }
    Ok(items)
}
