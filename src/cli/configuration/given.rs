//! The flags that a command line has, with their values as they were typed.

use std::ffi::{OsStr, OsString};

use clap::builder::ValueParser;
use clap::{Arg, ArgMatches, Command};

/// The part of a command line that belongs to one command, and to the commands above it.
pub(super) struct GivenFlags {
    /// The names of the commands, from the outermost to the innermost, without the program's.
    commands: Vec<String>,
    matches: Vec<ArgMatches>,
}

impl GivenFlags {
    /// Reads `args` without checking any value. Returns `None` if the command line asks for help, or has flags
    /// or commands that do not exist.
    pub(super) fn read(command: &Command, args: &[OsString]) -> Option<Self> {
        let mut rest = bare(command).try_get_matches_from(args).ok()?;
        let mut given = Self {
            commands: Vec::new(),
            matches: Vec::new(),
        };
        loop {
            let inner = rest.remove_subcommand();
            given.matches.push(rest);
            let Some((name, matches)) = inner else { break };
            given.commands.push(name);
            rest = matches;
        }
        Some(given)
    }

    /// Returns the innermost command of those in `outermost`.
    pub(super) fn command<'c>(&self, outermost: &'c Command) -> &'c Command {
        self.commands.iter().fold(outermost, |command, name| {
            command.find_subcommand(name).unwrap_or(command)
        })
    }

    /// Returns the values of a flag, if it was given. The value of a flag that takes none is `true`.
    pub(super) fn values(&self, arg: &Arg) -> Option<Vec<OsString>> {
        let id = arg.get_id().as_str();
        let has = |matches: &&ArgMatches| {
            matches.try_contains_id(id).unwrap_or(false)
                && matches.value_source(id) == Some(clap::parser::ValueSource::CommandLine)
        };
        let matches = self.matches.iter().rev().find(has)?;
        if !arg.get_action().takes_values() {
            return Some(vec!["true".into()]);
        }
        let values = matches.get_raw(id)?;
        Some(values.map(OsStr::to_owned).collect())
    }
}

/// Returns a definition with the same commands and flags, which takes every value.
fn bare(command: &Command) -> Command {
    let own = |arg: &&Arg| !["help", "version"].contains(&arg.get_id().as_str());
    let is_help = |command: &&Command| command.get_name() == "help";
    Command::new(command.get_name().to_owned())
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .subcommand_required(command.is_subcommand_required_set())
        .args(command.get_arguments().filter(own).map(bare_arg))
        .subcommands(
            command
                .get_subcommands()
                .filter(|command| !is_help(command))
                .map(bare),
        )
}

fn bare_arg(arg: &Arg) -> Arg {
    let mut bare = Arg::new(arg.get_id().clone())
        .action(arg.get_action().clone())
        .allow_hyphen_values(arg.is_allow_hyphen_values_set());
    if let Some(values) = arg.get_num_args() {
        bare = bare.num_args(values);
    }
    if arg.get_action().takes_values() {
        bare = bare.value_parser(ValueParser::os_string());
    }
    match arg.get_long() {
        Some(long) => bare.long(long.to_owned()).short(arg.get_short()),
        None => bare.required(arg.is_required_set()),
    }
}
