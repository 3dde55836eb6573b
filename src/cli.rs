//! The command line: one file per subcommand.
//!
//! Promises: only results go to stdout. Logs and remarks go to stderr; when they cannot be written, nothing
//! waits and nothing ends. A failure is one line on stderr and exit code 1, a usage error exit code 2, an
//! internal error 70. This is the only layer that uses `anyhow`; below it, errors have types.

mod command_line;
mod database;
mod dev;
mod healthcheck;
mod log;
mod output;
mod request;
mod seed;
mod serve;
mod signal;
mod table;
mod token;
mod workspace;

pub use self::command_line::{command, run};
