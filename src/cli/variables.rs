//! Usage errors about environment variables: each names the variable, and shows an example of it.
//!
//! `clap` names the flag, also if the bad value came from the flag's variable. The operator may not know the
//! flag, because the variable stands in a unit, a container or a file of settings.

use std::ffi::OsString;

use clap::builder::{StyledStr, ValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

/// Returns the usage error with variables in place of the flags that were not given. `args` is the command
/// line.
pub(super) fn name_variables(mut error: Error, mut command: Command, args: &[OsString]) -> Error {
    // Copies the flags of every command to the subcommands.
    command.build();
    let command = subcommand(&command, args);
    let mut tips = Vec::new();
    let mut named = |shown: &str| {
        let mut arguments = command.get_arguments();
        let arg = arguments.find(|arg| arg.to_string() == shown && !is_given(arg, args));
        let Some(variable) = arg.and_then(variable) else {
            return shown.to_owned();
        };
        tips.extend(arg.and_then(tip));
        variable.to_owned()
    };
    for kind in [ContextKind::InvalidArg, ContextKind::PriorArg] {
        let value = match error.get(kind) {
            Some(ContextValue::String(shown)) => ContextValue::String(named(shown)),
            Some(ContextValue::Strings(all)) => {
                ContextValue::Strings(all.iter().map(|shown| named(shown)).collect())
            }
            _ => continue,
        };
        error.insert(kind, value);
    }
    if error.kind() == ErrorKind::InvalidUtf8 {
        let unreadable = command.get_arguments().filter(|arg| is_unreadable(arg));
        tips.extend(unreadable.filter_map(tip));
    }
    // A flag that is missing has variables that are not set: they are no part of the problem.
    if !tips.is_empty() && error.kind() != ErrorKind::MissingRequiredArgument {
        let tips = tips.into_iter().map(StyledStr::from).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// Returns the subcommand that `args` name.
fn subcommand<'a>(command: &'a Command, args: &[OsString]) -> &'a Command {
    args.iter().fold(command, |command, arg| {
        command.find_subcommand(arg).unwrap_or(command)
    })
}

/// Reports whether the command line has the flag.
fn is_given(arg: &Arg, args: &[OsString]) -> bool {
    let Some(long) = arg.get_long() else {
        return true;
    };
    args.iter().filter_map(|arg| arg.to_str()).any(|given| {
        let flag = given.strip_prefix("--").unwrap_or_default();
        flag.split('=').next() == Some(long)
    })
}

/// Returns the name of a flag's variable, if the variable is set.
fn variable(arg: &Arg) -> Option<&str> {
    let name = arg.get_env()?.to_str()?;
    std::env::var_os(name).map(|_| name)
}

/// Reports whether a flag's variable is set to something that is no text, and must be one.
fn is_unreadable(arg: &Arg) -> bool {
    let value = arg.get_env().and_then(std::env::var_os);
    let takes_any_bytes = arg.get_value_parser().type_id() == ValueParser::path_buf().type_id();
    value.is_some_and(|value| value.to_str().is_none()) && !takes_any_bytes
}

/// Returns a line that says what a variable sets, with an example.
fn tip(arg: &Arg) -> Option<String> {
    let (name, long, value) = (variable(arg)?, arg.get_long()?, example(arg)?);
    Some(format!("{name} sets --{long}; an example: {name}={value}"))
}

/// Returns a value that the variable of a flag may have.
fn example(arg: &Arg) -> Option<String> {
    let name = arg.get_env()?.to_str()?;
    if let Some((_, value)) = EXAMPLES.iter().find(|(variable, _)| *variable == name) {
        return Some((*value).to_owned());
    }
    if !arg.get_action().takes_values() {
        return Some("true".to_owned());
    }
    if let [default] = arg.get_default_values() {
        return Some(default.to_string_lossy().into_owned());
    }
    let possible = arg.get_possible_values();
    possible.first().map(|value| value.get_name().to_owned())
}

/// Examples for variables whose flag takes a value and has no default, or none that explains much.
const EXAMPLES: [(&str, &str); 12] = [
    ("HOOKPOST_ADMIN_TOKEN_FILE", "/etc/hookpost/admin-token"),
    ("HOOKPOST_ALLOW_NETWORK", "10.0.0.0/8"),
    ("HOOKPOST_CA_FILE", "/etc/hookpost/ca.pem"),
    ("HOOKPOST_COMMENT", "the shop"),
    ("HOOKPOST_CORS_ORIGIN", "https://admin.example.com"),
    ("HOOKPOST_DEV_DATABASE", "./hookpost.db"),
    ("HOOKPOST_DEV_LISTEN", "127.0.0.1:8080"),
    ("HOOKPOST_EXPIRES_IN", "30d"),
    ("HOOKPOST_HEALTHCHECK_URL", "http://127.0.0.1:8080"),
    ("HOOKPOST_LOG", "info"),
    ("HOOKPOST_TRUSTED_PROXY", "127.0.0.1"),
    ("HOOKPOST_WORKSPACE", "default"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    #[test]
    fn every_variable_has_an_example_that_its_flag_accepts() {
        fn check(command: &Command) {
            let settings = || {
                command
                    .get_arguments()
                    .filter(|arg| arg.get_env().is_some())
            };
            let unset = || settings().map(|arg| arg.clone().env(None::<&str>));
            for arg in settings() {
                let example = example(arg).unwrap_or_else(|| panic!("{arg} has no example"));
                let flag = format!("--{}={example}", arg.get_long().unwrap());
                let read = Command::new("x")
                    .args(unset())
                    .try_get_matches_from(["x", &flag]);
                let refused = read.err().filter(|error| {
                    // Another flag that is missing, and a value for a flag without one.
                    let others = [ErrorKind::MissingRequiredArgument, ErrorKind::TooManyValues];
                    !others.contains(&error.kind())
                });
                assert!(refused.is_none(), "{arg}: {}", refused.unwrap());
            }
            command.get_subcommands().for_each(check);
        }
        let mut command = command();
        command.build();
        check(&command);
    }

    #[test]
    fn a_flag_is_given_with_its_value_or_before_it() {
        let arg = Arg::new("x").long("listen");
        for (line, given) in [
            ("--listen 1", true),
            ("--listen=1", true),
            ("--listener=1", false),
            ("listen", false),
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(is_given(&arg, &args), given, "{line}");
        }
    }
}
