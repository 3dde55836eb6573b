//! Readers of the input of requests: the fields of objects, and the filters of lists.
//!
//! Each reader returns a function that gives the values once all input is valid, so that a request reports all
//! of its problems at once.

pub(crate) mod endpoint_fields;
pub(crate) mod filters;
pub(crate) mod jobs;
pub(crate) mod message;
pub(crate) mod message_batch;
pub(crate) mod page;
pub(crate) mod preview;
pub(crate) mod secret_rotation;
pub(crate) mod test_send;
pub(crate) mod tokens;
pub(crate) mod workspace;
pub(crate) mod workspaces;
