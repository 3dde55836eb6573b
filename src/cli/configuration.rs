//! The settings of a command: from its flags, environment variables, a configuration file and defaults. The
//! first of these that has a value wins.
//!
//! `clap` defines each setting once: flag, variable, default and check. It could read variables by itself, but
//! it knows no files, and it stops at the first bad value. So this module finds the values, checks each by
//! itself, and gives `clap` a command line on which all of them are flags.

mod environment;
mod file;
mod given;
mod problem;
mod setting;
mod source;
mod usage;

use std::ffi::OsString;

use clap::{ArgMatches, Command};

pub(super) use self::environment::{Environment, UnknownVariable};
use self::file::{ConfigFile, FILE_FLAG};
use self::given::GivenFlags;
use self::problem::Problem;
pub(super) use self::problem::{list, problems};
pub(super) use self::setting::Setting;
use self::source::Source;
use crate::config::without_environment;

/// The command whose settings are the keys of a configuration file.
const SERVER: &str = "serve";

/// The meaning of a command line, with all that belongs to it.
pub(super) struct Configuration {
    /// The values, as `clap` read them.
    pub(super) matches: ArgMatches,
    /// The settings of the command, with the places that their values come from.
    pub(super) settings: Vec<Setting>,
    /// The variables that are no settings of any command.
    pub(super) unknown_variables: Vec<UnknownVariable>,
}

/// The reason why a command does not run.
pub(super) enum Refusal {
    /// Help, a version, or flags that do not fit together.
    Usage(Box<clap::Error>),
    /// All settings that cannot be used. There is at least one.
    Problems(Vec<Problem>),
}

/// Reads the command line `args`, which begins with the program's name.
///
/// # Errors
/// [`Refusal::Usage`] also for a request for help: `clap` treats it so.
pub(super) fn read(
    mut command: Command,
    args: Vec<OsString>,
    environment: &Environment,
) -> Result<Configuration, Refusal> {
    // Copies the flags of all commands to the subcommands.
    command.build();
    let plain = without_environment(command.clone());
    let Some(given) = GivenFlags::read(&command, &args) else {
        // Now it is `clap` that prints help, a version or an error.
        let matches = plain.try_get_matches_from(args).map_err(usage)?;
        return Ok(Configuration {
            matches,
            settings: Vec::new(),
            unknown_variables: Vec::new(),
        });
    };
    let chosen = given.command(&command);
    let mut problems = Vec::new();
    let file = config_file(&command, &given, environment, &mut problems);
    let settings: Vec<Setting> = chosen
        .get_arguments()
        .filter_map(|arg| Setting::find(arg, &given, environment, file.as_ref()))
        .collect();
    for setting in &settings {
        problems.extend(setting.problems(chosen));
    }
    if !problems.is_empty() {
        return Err(Refusal::Problems(problems));
    }
    let matches = plain
        .try_get_matches_from(with_flags(args, &settings))
        .map_err(|error| usage(usage::name_sources(error, chosen, &settings)))?;
    Ok(Configuration {
        matches,
        unknown_variables: environment.unknown(&command),
        settings,
    })
}

fn usage(error: clap::Error) -> Refusal {
    Refusal::Usage(Box::new(error))
}

/// Returns the configuration file, if there is a setting for one. A file that cannot be used is a problem.
fn config_file(
    command: &Command,
    given: &GivenFlags,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) -> Option<ConfigFile> {
    let arg = command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(FILE_FLAG))?;
    let setting = Setting::find(arg, given, environment, None)?;
    let path = setting.values.first()?;
    let server = command.find_subcommand(SERVER)?;
    let (file, found) = ConfigFile::read(path.into(), &setting.source, server);
    problems.extend(found);
    file
}

/// Returns the command line with a flag for each setting that has none and is not at its default. They come
/// before `--`, which ends the flags.
fn with_flags(mut args: Vec<OsString>, settings: &[Setting]) -> Vec<OsString> {
    let end = args.iter().position(|arg| arg == "--");
    let rest = args.split_off(end.unwrap_or(args.len()));
    let elsewhere = |setting: &&Setting| !matches!(setting.source, Source::Flag | Source::Default);
    args.extend(settings.iter().filter(elsewhere).flat_map(Setting::flags));
    args.extend(rest);
    args
}

#[cfg(test)]
mod tests;
