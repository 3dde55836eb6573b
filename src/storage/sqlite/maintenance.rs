//! Maintenance: the threads that make checkpoints and delete what is old, and the checkpoint of a clean stop.

pub(super) mod alerts;
pub(super) mod background;
pub(super) mod checkpoint;
pub(super) mod clock_watch;
mod erase;
mod guarded_clock;
pub(super) mod janitor;
pub(super) mod jobs;
mod old_jobs;
mod old_secrets;
pub(super) mod retention;
mod size_limit;
mod tokens;
pub(super) mod truncate;
mod vacuum;
mod work;
