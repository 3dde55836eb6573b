//! The handler of `POST /webhooks/endpoints/{id}/test`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use uuid::Uuid;

use super::objects::{Rendered, json};
use super::route_docs::{RouteDocs, Success};
use crate::domain::delivery::Delivery;
use crate::server::call::{Body, Call, RawInput};
use crate::server::error::ApiError;
use crate::server::inputs::test_send::{TestMessage, test_message};
use crate::server::large_bodies::LARGE_BODY;
use crate::server::publishing;
use crate::server::test_send::{TestSend, send};
use crate::storage::Store;

/// The description of `POST /webhooks/endpoints/{id}/test`.
pub(super) static TEST: RouteDocs = RouteDocs {
    summary: "Send a test to an endpoint",
    details: "Makes one attempt at once, whether or not the endpoint is enabled and subscribed to the type, and answers \
              with its result: within the time of an attempt (`timeout` in its policy, else `--request-timeout`) and five seconds. It is signed and \
              rendered as an event is. Nothing of it is stored: neither the delivery nor its event can be found, listed, \
              counted or redelivered, and it has no effect on the state of the endpoint. With a `type` of yours, the \
              receiver cannot tell it from a real one. At most two tests of a workspace are sent at a time, and eight in \
              all; another one is a 429. Without a `type` it is `hookpost.test`, and without `data` the data is \
              `{\"test\": true}`.",
    reads: |input| {
        let _ = test_message(input);
    },
    body: "MessageTest",
    is_body_optional: true,
    ..RouteDocs::new(
        "endpoints",
        "endpoints_test",
        Success::object::<Delivery>(200),
    )
};

/// Handles `POST /webhooks/endpoints/{id}/test`. Parses a large body on a blocking thread.
pub(super) async fn test(mut call: Call) -> Result<HttpResponse, ApiError> {
    publishing::check_open(&call.state)?;
    let body = call.body().await?;
    let (raw_input, size) = (call.raw_input(), body.len());
    let read = move || read_message(&raw_input, &body);
    let (id, message) = if size < LARGE_BODY {
        read()?
    } else {
        let read = call.state.large_bodies.read(call.caller.owner(), read);
        call.unless_given_up(read).await??
    };
    let (visibility, now) = (call.caller.visibility, call.state.clock.now());
    let prepare = move |store: &dyn Store| TestSend::prepare(store, visibility, id, &message, now);
    let prepared = call.read(prepare).await?;
    let sent = send(&call.state, &call.request, prepared);
    let delivery = call.unless_given_up(sent).await??;
    Ok(json(StatusCode::OK, &Rendered(&delivery)))
}

fn read_message(raw_input: &RawInput, body: &Body) -> Result<(Uuid, TestMessage), ApiError> {
    let mut input = raw_input.input();
    input.optional_json(body.text()?);
    let message = test_message(&mut input);
    Ok(message(&input.finish()?))
}
