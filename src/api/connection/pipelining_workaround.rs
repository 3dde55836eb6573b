//! A workaround for requests that a client sends ahead of the answers (HTTP/1.1 pipelining).
//!
//! # The fault
//! actix-http stores "the answer to this request has no body" (`HEAD`) for the connection, and not for the
//! request. It reads ahead. So a `GET` with a pipelined `HEAD` behind it was answered with a
//! `Content-Length` and no body, and the client read the next response as that body.
//!
//! # The workaround
//! The [`gate`] passes one request at a time to the framework. actix-http knows where a request ends but
//! does not expose it, so [`boundary`] follows the framing itself, no further than needed.
//!
//! # The end
//! This folder can go when a released actix-http keeps the flag with each queued request. Then the test
//! `tests/it/hostile_clients/pipelines.rs` passes without it.

mod boundary;
mod gate;

pub(super) use self::gate::PipelineGate;
