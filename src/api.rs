//! The HTTP API.
//!
//! Clients rely on the *contract*, `docs/API.md`. It orders the errors: a response reports the first one that
//! applies, and for bad input all problems at once. More promises: a success is sent only after the change is
//! on disk; no input gives a 5xx; no token or secret is logged. This layer turns the input into domain types,
//! once; the layers below do not check it again.
//!
//! [`application`] responds to a CORS preflight; [`routes`] finds the route and its caller; a handler reads the
//! input through [`validate`](crate::server::validate), calls the store and renders the result with
//! [`objects`]. [`streamed`] sends a long response in [`slices`].
//!
//! Routes, readers, objects and errors also describe themselves, with the types of
//! [`schema`](crate::server::schema); [`openapi`] makes the OpenAPI document from that, and [`pages`] shows it.
//!
//! This layer must not know SQL, how a store is made, or how deliveries are sent. Reads of the store run on
//! blocking threads; writes are awaited and hold no thread.

mod application;
mod batches;
mod choices;
mod deliveries;
mod endpoint_object;
mod endpoints;
mod events;
mod health;
mod idempotency;
mod job_objects;
mod jobs;
mod message_objects;
mod message_slices;
mod messages;
pub(crate) mod objects;
mod openapi;
mod pages;
mod pagination;
mod previews;
mod route_docs;
mod routes;
mod slices;
mod streamed;
mod test_send;
mod tokens;
mod workspaces;

#[cfg(test)]
mod tests;

pub use self::application::configure;
pub use self::openapi::document;
pub use self::routes::{RouteInfo, table};
pub use crate::server::HEAD_MAX_BYTES;
pub use crate::server::access::Access;
pub use crate::server::path::BASES;
