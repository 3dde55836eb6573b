//! Hookpost: a self-hosted webhook sender in one binary.
//!
//! The crate is a library plus a thin binary, so that tests start the whole application in-process. Folders
//! are layers; each may use only those below it: `cli` > `app` > `api`, `dashboard` > `server` > `delivery` > `storage` >
//! `config` > `domain`. Six modules are below all of them: `vital` starts the threads that the server cannot work
//! without, `fatal` ends the process, `log_queue` writes the log to stderr, `metrics` counts what the server
//! does, `spans` exports traces, and `fail_point` lets tests make the process fail.

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod dashboard;
pub mod delivery;
pub mod domain;
pub mod fail_point;
pub mod fatal;
pub mod log_queue;
pub mod metrics;
pub mod server;
pub mod spans;
pub mod storage;
pub mod vital;
