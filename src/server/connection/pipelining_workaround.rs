//! A workaround for requests that a client sends before it has the response to an earlier one (HTTP/1.1
//! pipelining).
//!
//! # The fault
//! actix-http reads ahead, and has one flag for each connection, not for each request: "the response has no
//! body" (`HEAD`). So the response to a `GET` with a pipelined `HEAD` behind it had a `Content-Length` and no
//! body, and the client read the next response as that body.
//!
//! # The workaround
//! The [`gate`] passes one request at a time to actix-http. actix-http knows where a request ends but does
//! not expose it, so [`boundary`] follows the framing itself, no further than needed.
//!
//! # The second fault
//! A request with `Upgrade: websocket` has a body without end for actix-http, even if the request has a
//! length. After `Connection: upgrade`, actix-http closes the connection. `boundary` changes both on the way.
//!
//! # The time to remove it
//! When a released actix-http keeps the flag with each queued request, this folder can go. Then the test
//! `tests/it/hostile_clients/pipelines.rs` passes without it; it also has requests with `Upgrade`.

mod boundary;
mod gate;

pub(super) use self::gate::PipelineGate;
