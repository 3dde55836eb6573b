//! Reads: the pool of read-only connections, and the statements that run on it.

pub(super) mod backlog;
pub(super) mod connections;
pub(super) mod endpoints;
pub(super) mod growth;
pub(super) mod lists;
pub(super) mod queue;
pub(super) mod tokens;
pub(super) mod workspaces;
