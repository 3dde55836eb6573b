//! The whole command line: reads it, runs its subcommand, and ends with its exit code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::backup::BackUp;
use super::check::Check;
use super::completions::Completions;
use super::config::{self, Config};
use super::configuration::{self, Configuration, Environment, Refusal};
use super::deliveries::Deliveries;
use super::dev::Dev;
use super::endpoint::EndpointCommand;
use super::erase::Erase;
use super::events::{Events, ShowEvent};
use super::healthcheck::Healthcheck;
use super::help;
use super::hiding::hidden;
use super::jobs::{Jobs, ShowJob};
use super::log::{self, LogSettings};
use super::man::ManPages;
use super::messages::{Messages, ShowMessage};
use super::openapi::OpenApi;
use super::output::{self, ReaderGone, Unsound, UsageError};
use super::preview::Preview;
use super::publish::Publish;
use super::recover::Recover;
use super::redeliver::Redeliver;
use super::restore::Restore;
use super::rotate_key::RotateKey;
use super::serve::{Serve, UnusableSettings};
use super::skip::Skip;
use super::token::Token;
use super::version;
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
    /// A configuration file (TOML) with settings of `serve`; `hookpost config --example` prints one.
    ///
    /// Each key has the name of a flag, without the dashes before it. A flag wins over its variable, and the
    /// variable over the file.
    #[arg(
        long,
        env = "HOOKPOST_CONFIG",
        value_name = "FILE",
        global = true,
        help_heading = "Settings"
    )]
    config: Option<PathBuf>,
    #[command(flatten)]
    log: LogSettings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(Serve),
    /// Try Hookpost on this machine: server, receiver and a first message, on loopback only.
    Dev(Dev),
    /// Publish a message to a server, or all messages of a file.
    Publish(Publish),
    /// Ask a server whether an endpoint would get a message.
    Preview(Preview),
    /// Make, list, change and delete endpoints of a server.
    #[command(subcommand)]
    Endpoint(EndpointCommand),
    /// List the messages that were published to a server.
    Messages(Messages),
    /// Show a message of a server with its data.
    Message(ShowMessage),
    /// Erase the payload of a message of a server.
    Erase(Erase),
    /// List the events of a server.
    Events(Events),
    /// Show an event of a server with its attempts.
    Event(ShowEvent),
    /// List the deliveries of a server.
    Deliveries(Deliveries),
    /// Have a server send events again.
    Redeliver(Redeliver),
    /// Have a server send everything that an endpoint missed.
    Recover(Recover),
    /// Have a server make no further attempt for pending events.
    Skip(Skip),
    /// List the jobs of a server: redeliveries and skips of many events.
    Jobs(Jobs),
    /// Show a job of a server, wait for its end, or cancel it.
    Job(ShowJob),
    /// Make, list and revoke access tokens; works beside a running server.
    #[command(subcommand)]
    Token(Token),
    /// Make and list workspaces, and set how long they keep data; works beside a running server.
    #[command(subcommand)]
    Workspace(Workspace),
    /// Write a copy of the database to a file; works beside a running server.
    Backup(BackUp),
    /// Put a backup in the place of the database; no server may run on it.
    Restore(Restore),
    /// Encrypt what is secret in the database with another key, or decrypt it; no server may run on it.
    RotateKey(RotateKey),
    /// Check that a database is sound, and repair it; checks beside a running server.
    Check(Check),
    /// Ask a running server whether it is ready.
    Healthcheck(Healthcheck),
    /// Print the settings of the server, and where each comes from.
    Config(Config),
    /// Print the OpenAPI document of the API.
    #[command(name = "openapi")]
    OpenApi(OpenApi),
    /// Print a script with which a shell completes commands and flags.
    Completions(Completions),
    /// Print the manual page, or write those of all commands into a folder.
    Man(ManPages),
}

/// Reads the command line and runs its subcommand.
#[must_use]
pub fn run() -> ExitCode {
    let args = std::env::args_os().collect();
    let configuration = match configuration::read(command(), args, &Environment::of_process()) {
        Ok(configuration) => configuration,
        Err(Refusal::Usage(usage)) => return output::usage(&usage),
        Err(Refusal::Problems(found)) => {
            return output::usage_error(&configuration::problems(&found));
        }
    };
    let cli = match Cli::from_arg_matches(&configuration.matches) {
        Ok(cli) => cli,
        Err(usage) => return output::usage(&usage),
    };
    let work = || {
        let logging = log::init(&cli.log, cli.command.default_filter());
        // A tool does without the thread: its lines are few, and written at its end.
        if cli.command.is_server() {
            logging?;
        }
        for unknown in &configuration.unknown_variables {
            tracing::warn!("{unknown}");
        }
        cli.command.run(&configuration)
    };
    let code = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) if error.is::<ReaderGone>() => ExitCode::SUCCESS,
        Ok(Err(error)) if error.is::<UsageError>() => {
            output::usage_error(&format!("hookpost: {}", one_line(&error)))
        }
        Ok(Err(error)) if error.is::<Unsound>() => {
            output::remark(&format!("hookpost: {}", one_line(&error)));
            ExitCode::from(output::UNSOUND)
        }
        Ok(Err(error)) => {
            match error.downcast_ref() {
                Some(UnusableSettings(lines)) => output::remark(&configuration::list(lines)),
                None => output::remark(&format!("hookpost: {}", one_line(&error))),
            }
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

/// Returns the definition of the whole command line; tests compare the documents with it.
#[must_use]
pub fn command() -> clap::Command {
    help::with_variables(Cli::command()).long_version(version::long())
}

/// Reads all settings again, and gives the running log its level. Variables and flags are those of the start: only
/// the configuration file can have changed.
fn reload_log() {
    let args = std::env::args_os().collect();
    let read = configuration::read(command(), args, &Environment::of_process());
    match read.map(|read| Cli::from_arg_matches(&read.matches)) {
        Ok(Ok(cli)) => log::set_level(&cli.log, cli.command.default_filter()),
        Ok(Err(error)) => tracing::error!(%error, "the settings cannot be read again"),
        Err(Refusal::Usage(error)) => tracing::error!(%error, "the settings cannot be read again"),
        Err(Refusal::Problems(found)) => {
            let problems = configuration::problems(&found);
            tracing::error!(problems, "the log keeps its level");
        }
    }
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

    fn run(self, configuration: &Configuration) -> anyhow::Result<()> {
        SystemClock::check(SystemTime::now())?;
        match self {
            Self::Serve(serve) => serve.run(config::shown(&configuration.settings), reload_log),
            Self::Dev(dev) => dev.run(),
            Self::Publish(publish) => publish.run(&configuration.settings),
            Self::Preview(preview) => preview.run(&configuration.settings),
            Self::Endpoint(endpoint) => endpoint.run(&configuration.settings),
            Self::Messages(messages) => messages.run(&configuration.settings),
            Self::Message(message) => message.run(&configuration.settings),
            Self::Erase(erase) => erase.run(&configuration.settings),
            Self::Events(events) => events.run(&configuration.settings),
            Self::Event(event) => event.run(&configuration.settings),
            Self::Deliveries(deliveries) => deliveries.run(&configuration.settings),
            Self::Redeliver(redeliver) => redeliver.run(&configuration.settings),
            Self::Recover(recover) => recover.run(&configuration.settings),
            Self::Skip(skip) => skip.run(&configuration.settings),
            Self::Jobs(jobs) => jobs.run(&configuration.settings),
            Self::Job(job) => job.run(&configuration.settings),
            Self::Token(token) => token.run(),
            Self::Workspace(workspace) => workspace.run(),
            Self::Backup(backup) => backup.run(),
            Self::Restore(restore) => restore.run(),
            Self::RotateKey(rotate) => rotate.run(),
            Self::Check(check) => check.run(),
            Self::Healthcheck(healthcheck) => healthcheck.run(),
            Self::Config(config) => config.run(&command(), &configuration.settings),
            Self::OpenApi(openapi) => openapi.run(),
            Self::Completions(completions) => completions.run(command()),
            Self::Man(pages) => pages.run(command()),
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
    hidden(&line)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    /// The flags that say what one call of a command does. They are no settings: in a variable, they would
    /// change other calls unseen.
    const OF_ONE_CALL: [&str; 38] = [
        "help",
        "version",
        "example",
        "key",
        "lines",
        "endpoint",
        "timestamp",
        "workspace-id",
        "wait",
        "cancel",
        "dry-run",
        "disabled",
        "paused",
        "metadata",
        "header-file",
        "remove-header",
        "endpoint",
        "event",
        "filter",
        "tag",
        "format",
        "name",
        "description",
        "secret-file",
        "secret-type",
        "overlap",
        "show-secret",
        "yes",
        "to",
        "keep",
        "compress",
        "rate",
        "verify",
        "force",
        "replace",
        "repair",
        "type",
        "decrypt",
    ];

    #[test]
    fn every_setting_has_its_variable_and_other_flags_have_none() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                let variable = arg.get_env().and_then(|name| name.to_str());
                // They have the names of settings of the server, but are not these settings.
                let is_of_workspace = command.get_name() == "retention" && long.ends_with("-after");
                let heading = arg.get_help_heading().unwrap_or_default();
                let is_of_object = heading == "Filters"
                    || heading.starts_with("Policy:")
                    || (command.get_name() == "update" && long == "url");
                if OF_ONE_CALL.contains(&long) || is_of_workspace || is_of_object {
                    assert_eq!(variable, None, "{} --{long}", command.get_name());
                    continue;
                }
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
