//! Maintenance: the threads that make checkpoints and delete what is old, and the checkpoint of a clean stop.

pub(super) mod checkpoint;
mod erase;
pub(super) mod janitor;
pub(super) mod truncate;
