//! The tests against hostile clients: malformed and ambiguous requests, crowds of connections, and access
//! to other workspaces.

mod crowds;
mod framing;
mod grammar;
mod isolation;
mod log_lines;
mod pipelines;
mod server;
mod wire;

/// An id of version 4 that nothing has.
const NOBODY: &str = "0190a000-0000-4000-8000-000000000000";
