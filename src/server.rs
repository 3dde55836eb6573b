//! The HTTP server: what the API and the dashboard share.
//!
//! The path of a request: [`connection`] reads its bytes; [`request_log`] gives it an id, and
//! [`request_metrics`] counts it; the layer above finds its route; [`auth`] finds the caller, [`access`] says
//! what the caller may do, and [`rate_limits`] counts the request; a handler reads the input through
//! [`validate`] and reads the store through [`readers`]. [`error`] turns errors into responses.
//!
//! [`listen`] runs the server on its sockets, for the services that it is given.
//!
//! This layer must not know any route: which paths exist, and what they do, is told by the layers above.

pub(crate) mod access;
pub(crate) mod auth;
pub(crate) mod blocking;
pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod client_address;
pub(crate) mod connection;
pub(crate) mod erasing;
pub(crate) mod error;
pub(crate) mod inputs;
pub(crate) mod large_bodies;
pub(crate) mod listen;
pub(crate) mod path;
pub(crate) mod places;
pub(crate) mod preview;
pub(crate) mod publish_trace;
pub(crate) mod publishing;
pub(crate) mod rate_limit_headers;
pub(crate) mod rate_limits;
pub(crate) mod readers;
pub(crate) mod request_log;
pub(crate) mod request_metrics;
pub(crate) mod request_notes;
pub mod same_machine;
pub(crate) mod schema;
pub(crate) mod state;
pub(crate) mod static_body;
pub(crate) mod test_send;
pub(crate) mod validate;

pub use self::listen::{Listener, ServerCertificate, Services, TlsError, serve};
pub use self::state::{Delivering, Readiness, ReadyCheck, ServerState};

/// The longest head of a request, in bytes. actix-web reads twice as much and then closes the connection,
/// with a response that few clients can still read; they can read this one. No request needs so many filters.
pub const HEAD_MAX_BYTES: usize = 64 * 1024;
