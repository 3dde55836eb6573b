//! The whole command line: reads it, runs its subcommand, and ends with its exit code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{CommandFactory, Parser, Subcommand};

use super::dev::Dev;
use super::healthcheck::Healthcheck;
use super::log::{self, LogSettings};
use super::openapi::OpenApi;
use super::output::{self, ReaderGone};
use super::serve::Serve;
use super::token::Token;
use super::variables::name_variables;
use super::workspace::Workspace;
use crate::domain::clock::SystemClock;
use crate::fatal;
use crate::log_queue::{self, FLUSH_TIMEOUT};

/// A self-hosted webhook sender: durable, signed, retried, replayable.
#[derive(Debug, Parser)]
#[command(name = "hookpost", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogSettings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(Serve),
    /// Try Hookpost on this machine: server, receiver and a first message, on loopback only.
    Dev(Dev),
    /// Make, list and revoke access tokens; works beside a running server.
    #[command(subcommand)]
    Token(Token),
    /// Make and list workspaces; works beside a running server.
    #[command(subcommand)]
    Workspace(Workspace),
    /// Ask a running server whether it is ready.
    Healthcheck(Healthcheck),
    /// Print the OpenAPI document of the API.
    #[command(name = "openapi")]
    OpenApi(OpenApi),
}

/// Reads the command line and runs its subcommand.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            let args: Vec<_> = std::env::args_os().skip(1).collect();
            return output::usage(&name_variables(usage, command(), &args));
        }
    };
    let work = || {
        let logging = log::init(&cli.log, cli.command.default_filter());
        // A tool does without the thread: its lines are few, and written at its end.
        if cli.command.is_server() {
            logging?;
        }
        cli.command.run()
    };
    let code = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) if error.is::<ReaderGone>() => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            output::remark(&format!("hookpost: {}", one_line(&error)));
            ExitCode::FAILURE
        }
        // The panic hook has logged the panic.
        Err(_) => fatal::EXIT_CODE
            .try_into()
            .map_or(ExitCode::FAILURE, u8::into),
    };
    log_queue::flush(FLUSH_TIMEOUT);
    code
}

/// Returns the definition of the whole command line; tests compare the README with it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

impl Command {
    fn is_server(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Dev(_))
    }

    /// Returns the log filter that applies unless the operator sets another one: `info` for `serve`, `warn`
    /// for all other commands.
    fn default_filter(&self) -> &'static str {
        match self {
            // At `info`, the HTTP library logs a line for each of its workers.
            Self::Serve(_) => "info,actix_server=warn",
            _ => "warn",
        }
    }

    fn run(self) -> anyhow::Result<()> {
        SystemClock::check(SystemTime::now())?;
        match self {
            Self::Serve(serve) => serve.run(),
            Self::Dev(dev) => dev.run(),
            Self::Token(token) => token.run(),
            Self::Workspace(workspace) => workspace.run(),
            Self::Healthcheck(healthcheck) => healthcheck.run(),
            Self::OpenApi(openapi) => openapi.run(),
        }
    }
}

/// Returns an error and its causes on one line. A cause that the text already contains is left out.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().replace(['\n', '\r'], " ");
        if line.contains(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_has_its_variable() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                if ["help", "version"].contains(&long) {
                    continue;
                }
                let variable = arg.get_env().and_then(|name| name.to_str());
                assert!(
                    variable.is_some_and(|name| name.starts_with("HOOKPOST_")),
                    "{} --{long}",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }

    #[test]
    fn an_error_is_one_line_without_repetition() {
        let error = std::io::Error::other("disk\non fire");
        let error = Err::<(), _>(error).context("cannot open x: disk on fire");
        let error = error.context("cannot start").unwrap_err();
        assert_eq!(
            one_line(&error),
            "cannot start: cannot open x: disk on fire"
        );
    }
}
