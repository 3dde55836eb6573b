//! Writes: the statements of each change, run by the writer thread inside a transaction.

pub(super) mod archive;
pub(super) mod delete_charts;
pub(super) mod delete_messages;
pub(super) mod drop_bodies;
pub(super) mod empty_blocks;
pub(super) mod endpoints;
pub(super) mod erase_payload;
pub(super) mod erasure_notes;
pub(super) mod jobs;
pub(super) mod operational_events;
pub(super) mod publish;
pub(super) mod record_attempt;
pub(super) mod redeliver;
pub(crate) mod reschedule;
pub(super) mod reseal;
pub(super) mod settings_token;
pub(super) mod skip;
pub(super) mod sweep;
mod token_family;
pub(super) mod tokens;
pub(super) mod tombstones;
pub(super) mod workspaces;
