//! The handler of `/webhooks/preview`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::objects::json;
use super::route_docs::{RouteDocs, Success};
use crate::server::call::{Body, Call, RawInput};
use crate::server::error::ApiError;
use crate::server::inputs::preview::{PreviewRequest, preview_request};
use crate::server::large_bodies::LARGE_BODY;
use crate::server::preview::preview;
use crate::server::schema::{Schema, object};

const TAG: &str = "endpoints";

object! {
    /// The fate of a message at an endpoint, if it were published.
    pub(crate) struct PreviewJson<'a> = "Preview" {
        /// True if the endpoint would get the message.
        matches: bool,
        /// The reason why it would not: `events` (it is not subscribed to the type), `disabled`, or the member of its filter
        /// that does not match, such as `filter.data.total`. Null if it would get it.
        why: Option<&'a str> = Schema::text("filter.data.total").or_null(),
        /// The body that the endpoint gets, or would get; null if it cannot be made.
        body: Option<&'a str> = Schema::text(r#"{"type":"order.created","timestamp":"2026-01-31T12:00:00Z","data":{"id":"ord_1001"}}"#).or_null(),
        /// The reason why the body cannot be made; null if it can.
        error: Option<&'a str> = Schema::text("").or_null().like(serde_json::Value::Null),
    }
}

/// The description of `POST /webhooks/preview`.
pub(super) static PREVIEW: RouteDocs = RouteDocs {
    summary: "Ask whether an endpoint would get a message",
    details: "Nothing is stored or sent. The endpoint is one that there is (`endpoint_id`), one with the settings in \
              `endpoint`, or one that there is with some settings changed. The answer says why it would not get the \
              message, and shows the body.",
    reads: |input| {
        let _ = preview_request(input);
    },
    body: "PreviewRequest",
    ..RouteDocs::new(
        TAG,
        "endpoints_preview",
        Success::json::<PreviewJson<'static>>(200),
    )
};

/// Handles `POST /webhooks/preview`.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let raw_input = call.raw_input();
    let request = if body.len() < LARGE_BODY {
        read(&raw_input, &body)?
    } else {
        let read = move || read(&raw_input, &body);
        let read = call.state.large_bodies.read(call.caller.owner(), read);
        call.unless_given_up(read).await??
    };
    let (visibility, now) = (call.caller.visibility, call.state.clock.now());
    let preview = call
        .read(move |store| preview(store, visibility, request, now))
        .await?;
    let why = preview.refusal.map(|refusal| refusal.to_text());
    let shown = PreviewJson {
        matches: why.is_none(),
        why: why.as_deref(),
        body: Some(&preview.body),
        error: None,
    };
    Ok(json(StatusCode::OK, &shown))
}

fn read(raw_input: &RawInput, body: &Body) -> Result<PreviewRequest, ApiError> {
    let text = body.text()?;
    let mut input = raw_input.input();
    input.json(text);
    let request = preview_request(&mut input);
    Ok(request(&input.finish()?))
}
