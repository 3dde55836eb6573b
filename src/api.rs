//! The HTTP API.
//!
//! Clients rely on the *contract*, `docs/API.md`. It orders the errors: a response reports the first one that
//! applies, and for bad input all problems at once. More promises: a success is sent only after the change is
//! on disk; no input gives a 5xx; no token or secret is logged. This layer turns the input into domain types,
//! once; the layers below do not check it again.
//!
//! The path of a request: [`connection`] reads its bytes; [`request_log`] gives it an id, and
//! [`request_metrics`] counts it; [`application`]
//! responds to a CORS preflight; [`routes`] finds the route, [`auth`] the caller, and [`rate_limits`] counts the
//! request; a handler reads the input through [`validate`], calls the store and renders the result with
//! [`objects`]. [`streamed`] sends a long response in [`slices`]. [`error`] turns errors into responses.
//!
//! Routes, readers, objects and errors also describe themselves, with the types of [`schema`]; [`openapi`] makes
//! the OpenAPI document from that, and [`pages`] shows it.
//!
//! This layer must not know SQL, how a store is made, or how deliveries are sent. Reads of the store run on
//! blocking threads; writes are awaited and hold no thread.

mod access;
mod application;
mod auth;
mod blocking;
mod call;
mod choices;
mod client_address;
mod connection;
mod deliveries;
mod endpoint_fields;
mod endpoints;
mod error;
mod events;
mod health;
mod large_bodies;
pub(crate) mod objects;
mod openapi;
mod pages;
mod pagination;
mod path;
mod places;
mod publish_trace;
mod rate_limit_headers;
mod rate_limits;
mod readers;
mod request_log;
mod request_metrics;
mod request_notes;
mod route_docs;
mod routes;
pub mod same_machine;
mod schema;
mod server;
mod slices;
mod state;
mod static_body;
mod streamed;
mod tokens;
mod validate;
mod workspaces;

#[cfg(test)]
mod tests;

pub use self::access::Access;
pub use self::application::configure;
pub use self::openapi::document;
pub use self::routes::{BASES, HEAD_MAX_BYTES, RouteInfo, table};
pub use self::server::{Listener, ServerCertificate, TlsError, serve};
pub use self::state::{ApiState, Readiness, ReadyCheck};
