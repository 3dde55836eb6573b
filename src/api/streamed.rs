//! Responses that are rendered slice by slice while the client reads them.
//!
//! A response that fits in one slice is sent whole, with its length. Of a longer one the server renders
//! one slice at a time, off the asynchronous threads, and the next when the client has read the one before.
//! Every slice waits for its turn among the reads of the store. Once the token of the request has ended, the
//! server renders no more.
//!
//! An error after the first slice can't be reported by a status any more. Then the server closes the
//! connection before the last chunk, so that the client sees that the response is incomplete.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::CACHE_CONTROL;
use actix_web::http::{Method, StatusCode, Version};
use actix_web::web::Bytes;

use super::slices::Slices;
use crate::server::access::{Access, authorize};
use crate::server::auth::Authenticated;
use crate::server::call::Call;
use crate::server::connection::Streaming;
use crate::server::error::ApiError;
use crate::server::readers::Lane;
use crate::server::request_notes;
use crate::server::state::ServerState;
use crate::server::static_body::PIECE_BYTES;
use crate::storage::{Store, StoreError};

/// Returns a response that consists of the slices that `find` returns.
pub(super) async fn respond<S: Slices + 'static>(
    call: &Call,
    find: impl FnOnce(&dyn Store) -> Result<S, StoreError> + Send + 'static,
) -> Result<HttpResponse, ApiError> {
    let first = move |store: &dyn Store| {
        let mut slices = find(store)?;
        Ok((slices.next(store)?, slices))
    };
    let (first, rest) = call.read(first).await?;
    let mut response = HttpResponse::build(StatusCode::OK);
    response
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "no-store"));
    if rest.is_over() {
        return Ok(response.body(first));
    }
    let mut body = Streamed::new(call, first, Box::new(rest));
    if call.request.method() == Method::HEAD {
        body.end();
    }
    // HTTP/1.0 has no chunks: the end of the connection is the end of the response.
    if call.request.version() < Version::HTTP_11 {
        let mut response = response.force_close().body(body);
        response.head_mut().no_chunking(true);
        return Ok(response);
    }
    Ok(response.body(body))
}

/// The body of a response of several slices.
struct Streamed {
    source: Rc<Source>,
    state: State,
}

/// All that is needed to render a slice.
struct Source {
    state: Arc<ServerState>,
    lane: Lane,
    known: Cell<Option<Authenticated>>,
    access: Access,
    request_id: Arc<str>,
    /// The connection; `None` in tests without a socket.
    streaming: Option<Streaming>,
}

type Sliced = (Vec<u8>, Box<dyn Slices>);

/// The state of a body between two calls of `poll_next`.
enum State {
    /// These bytes are still to be handed to actix-web.
    Handing(Bytes, Box<dyn Slices>),
    Rendering(Pin<Box<dyn Future<Output = Result<Sliced, ApiError>>>>),
    Over,
}

impl Streamed {
    fn new(call: &Call, first: Vec<u8>, rest: Box<dyn Slices>) -> Self {
        let source = Source {
            state: Arc::clone(&call.state),
            lane: call.lane().of_response(),
            known: Cell::new(call.authenticated),
            access: call.access,
            request_id: request_notes::id_of(&call.request),
            streaming: call.request.conn_data::<Streaming>().cloned(),
        };
        if let Some(streaming) = &source.streaming {
            streaming.begin();
        }
        let mut streamed = Self {
            source: Rc::new(source),
            state: State::Over,
        };
        streamed.hand_over(first.into(), rest);
        streamed
    }

    fn hand_over(&mut self, bytes: Bytes, slices: Box<dyn Slices>) {
        if let Some(streaming) = &self.source.streaming {
            streaming.holds(bytes.len());
        }
        self.state = State::Handing(bytes, slices);
    }

    fn end(&mut self) {
        if let Some(streaming) = &self.source.streaming {
            streaming.end();
        }
        self.state = State::Over;
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.end();
    }
}

impl Source {
    /// Renders the next slice that is not empty.
    async fn next(self: Rc<Self>, mut slices: Box<dyn Slices>) -> Result<Sliced, ApiError> {
        let state = &self.state;
        let now = state.clock.now();
        let outdated = |known: &Authenticated| state.auth.is_outdated(known, now);
        if let Some(known) = self.known.get().filter(outdated) {
            let renewed = state
                .auth
                .reauthenticate(&known, &state.store, &state.readers, now)
                .await?;
            authorize(self.access, &renewed.caller)?;
            self.known.set(Some(renewed));
        }
        let render = move |store: &dyn Store| {
            loop {
                let slice = slices.next(store)?;
                if !slice.is_empty() || slices.is_over() {
                    return Ok((slice, slices));
                }
            }
        };
        state.readers.read(self.lane, &state.store, render).await
    }
}

impl MessageBody for Streamed {
    type Error = BrokenOff;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                // actix-web would take an empty piece for the end.
                State::Handing(mut bytes, slices) if !bytes.is_empty() => {
                    let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
                    self.hand_over(bytes, slices);
                    return Poll::Ready(Some(Ok(piece)));
                }
                State::Handing(_, slices) if slices.is_over() => self.end(),
                State::Handing(_, slices) => {
                    let next = Rc::clone(&self.source).next(slices);
                    self.state = State::Rendering(Box::pin(next));
                }
                State::Rendering(mut next) => {
                    let rendered = next.as_mut().poll(context);
                    if rendered.is_pending() {
                        self.state = State::Rendering(next);
                    }
                    match ready!(rendered) {
                        Ok((slice, slices)) => self.hand_over(slice.into(), slices),
                        Err(error) => {
                            let request_id = &*self.source.request_id;
                            tracing::error!(request_id, %error, "an answer was broken off");
                            return Poll::Ready(Some(Err(BrokenOff)));
                        }
                    }
                }
                State::Over => return Poll::Ready(None),
            }
        }
    }
}

/// The error that ends a response whose rest cannot be rendered.
#[derive(Debug)]
struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the rest of the answer cannot be had")
    }
}

impl std::error::Error for BrokenOff {}
