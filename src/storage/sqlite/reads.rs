//! Reads: the pool of read-only connections, and the statements that run on it.

pub(super) mod backlog;
pub(super) mod charts;
pub(super) mod connections;
pub(super) mod endpoints;
pub(super) mod growth;
pub(super) mod job_survey;
pub(super) mod jobs;
pub(super) mod lists;
pub(super) mod messages;
pub(super) mod missing;
pub(super) mod overview;
pub(super) mod queue;
pub(super) mod summaries;
pub(super) mod tokens;
mod visible;
pub(super) mod workspaces;
