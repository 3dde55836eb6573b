//! The command line: one file per subcommand.
//!
//! Promises: only results go to stdout. Logs and remarks go to stderr; a command neither waits nor ends when
//! they cannot be written. A failure is one line on stderr and exit code 1; a usage error has exit code 2, a
//! database that `check` finds not sound 3, an internal error 70. This is the only layer that uses `anyhow`; in the layers below it, errors have
//! types.

mod backup;
mod change_events;
mod check;
mod client;
mod command_line;
mod completions;
mod config;
mod configuration;
mod confirm;
mod database;
mod deliveries;
mod dev;
mod endpoint;
mod erase;
mod events;
mod healthcheck;
mod help;
mod hiding;
mod job_run;
mod jobs;
mod log;
mod man;
mod message_arguments;
mod message_data;
mod messages;
mod openapi;
mod output;
mod preview;
mod publish;
mod recover;
mod redeliver;
mod request;
mod restore;
mod rotate_key;
mod seed;
mod serve;
mod signal;
mod size_text;
mod skip;
mod stopping;
mod supervisor;
mod table;
mod time_stamp;
mod token;
mod token_command;
mod version;
mod welcome;
mod workspace;

pub use self::command_line::{command, run};
