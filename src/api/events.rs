//! Handlers of `/webhooks/events`: publishing a message, and reading and redelivering its events.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use uuid::Uuid;

use super::idempotency::{IDEMPOTENT_REPLAYED, idempotency_key};
use super::objects::{Rendered, json};
use super::pagination;
use super::route_docs::{RouteDocs, Success};
use super::slices::{READ_BYTES, Rows};
use super::streamed;
use crate::domain::event::Event;
use crate::domain::message::{Idempotency, Message, NewMessage};
use crate::server::call::{Body, Call, OF_A_WORKSPACE, RawInput};
use crate::server::error::{ApiError, ErrorName};
use crate::server::inputs::filters::event_filter;
use crate::server::inputs::message::message_fields;
use crate::server::large_bodies::LARGE_BODY;
use crate::server::publish_trace;
use crate::server::publishing;
use crate::server::validate::read;
use crate::storage::{Store, StoreError};

const TAG: &str = "events";

/// The description of `POST /webhooks/events`.
pub(super) static PUBLISH: RouteDocs = RouteDocs {
    summary: "Publish a message",
    details: "Every enabled endpoint of the workspace whose `events` and `filter` match gets the message. The \
              message and its events are on disk before the answer. With an `Idempotency-Key`, a request can be \
              sent again safely.",
    reads: |input| {
        let _ = message_fields(input, OF_A_WORKSPACE);
    },
    body: "MessagePublish",
    is_idempotent: true,
    is_publish: true,
    ..RouteDocs::new(TAG, "events_publish", Success::object::<Message>(202))
};

/// Handles `POST /webhooks/events`, the busiest route. Parses a small body at once, and a large one on a
/// blocking thread.
pub(super) async fn publish(mut call: Call) -> Result<HttpResponse, ApiError> {
    publishing::check_open(&call.state)?;
    let trace = publish_trace::begin(&call.request, &call.state.spans);
    let body = call.body().await?;
    let received = Instant::now();
    let size = body.len();
    let key = idempotency_key(call.headers());
    let (raw_input, state) = (call.raw_input(), call.state.clone());
    let read = move || read_message(&raw_input, &body, key, &*state.store);
    let mut new = if size < LARGE_BODY {
        read()?
    } else {
        let read = call.state.large_bodies.read(call.caller.owner(), read);
        call.unless_given_up(read).await??
    };
    new.trace = trace;
    let published = publishing::publish(&call.state, &call.request, new, size, received).await?;
    let mut response = json(StatusCode::ACCEPTED, &Rendered(&published.message));
    if published.replayed {
        let replayed = HeaderValue::from_static("true");
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, replayed);
    }
    Ok(response)
}

/// Reads the message from the body. Asks `store` what the endpoints of the workspace need of its data.
fn read_message(
    raw_input: &RawInput,
    body: &Body,
    key: Result<Option<String>, ApiError>,
    store: &dyn Store,
) -> Result<NewMessage, ApiError> {
    let text = body.text()?;
    let key = key?;
    let mut input = raw_input.input();
    input.json(text);
    let message = message_fields(&mut input, raw_input.visibility);
    let mut message = message(&input.finish()?);
    publishing::read_data(&mut message, store);
    message.idempotency = key.map(|key| Idempotency {
        key,
        fingerprint: body.fingerprint(),
    });
    Ok(message)
}

/// The description of `GET /webhooks/events`.
pub(super) static LIST: RouteDocs = RouteDocs {
    summary: "List events",
    reads: |input| {
        let _ = event_filter(input, OF_A_WORKSPACE);
    },
    ..RouteDocs::new(TAG, "events_list", Success::list::<Event>())
};

/// Handles `GET /webhooks/events`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let filter = event_filter(&mut input, call.caller.visibility);
    let (page, filter) = filter(&input.finish()?);
    pagination::stream(
        &call,
        page,
        move |store, bytes| store.list_events(&filter, page, bytes),
        |store, numbers, bytes| store.read_events(numbers, bytes),
    )
    .await
}

/// The description of `GET /webhooks/events/{id}`.
pub(super) static GET: RouteDocs = RouteDocs {
    summary: "Get an event",
    reads: |input| {
        let _ = input.path(read::id);
    },
    ..RouteDocs::new(TAG, "events_get", Success::object::<Event>(200))
};

/// Handles `GET /webhooks/events/{id}`.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    let visibility = call.caller.visibility;
    let find = move |store: &dyn Store| store.find_event(visibility, id, READ_BYTES).map(Rows::one);
    match streamed::respond(&call, find).await {
        Err(error) => Err(unless_message(&call, id, error).await),
        found => found,
    }
}

/// Returns the error of a request for the event `id`. If the caller gave the id of one of its messages, which
/// is the `id` in the response to a publish, the error says so.
async fn unless_message(call: &Call, id: Uuid, error: ApiError) -> ApiError {
    if !matches!(error, ApiError::Store(StoreError::NotFound)) {
        return error;
    }
    let visibility = call.caller.visibility;
    match call
        .read(move |store| store.has_message(visibility, id))
        .await
    {
        Ok(true) => ApiError::MessageNotEvent(id),
        Ok(false) => error,
        Err(failed) => failed,
    }
}

/// The description of `POST /webhooks/events/{id}/redeliver`.
pub(super) static REDELIVER: RouteDocs = RouteDocs {
    summary: "Send an event again",
    details: "Makes the event pending again, whatever its state, with the same id and body. The whole retry \
              schedule begins anew; the first attempt is due at once. A body is ignored.",
    reads: |input| {
        let _ = input.path(read::id);
    },
    conflicts: &[ErrorName::EventArchived, ErrorName::EndpointDisabled],
    ..RouteDocs::new(TAG, "events_redeliver", Success::json::<()>(202))
};

/// Handles `POST /webhooks/events/{id}/redeliver`.
pub(super) async fn redeliver(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    let redelivered = call.state.store.redeliver(call.caller.visibility, id);
    match redelivered.await {
        Ok(()) => Ok(json(StatusCode::ACCEPTED, &())),
        Err(error) => Err(unless_message(&call, id, error.into()).await),
    }
}

/// The description of `POST /webhooks/events/{id}/skip`.
pub(super) static SKIP: RouteDocs = RouteDocs {
    summary: "Skip a pending event",
    details: "No further attempt starts. An attempt that is under way is recorded, and if it succeeds, the event has \
              succeeded. The event can be redelivered later. A body is ignored.",
    reads: |input| {
        let _ = input.path(read::id);
    },
    conflicts: &[ErrorName::NotPending],
    ..RouteDocs::new(TAG, "events_skip", Success::json::<()>(202))
};

/// Handles `POST /webhooks/events/{id}/skip`.
pub(super) async fn skip(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    let skipped = call.state.store.skip_event(call.caller.visibility, id);
    match skipped.await {
        Ok(()) => Ok(json(StatusCode::ACCEPTED, &())),
        Err(error) => Err(unless_message(&call, id, error.into()).await),
    }
}
