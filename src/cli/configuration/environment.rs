//! The environment variables of this program, and those that look like them but are none.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;

use clap::Command;

use super::super::seed::ADMIN_TOKEN_VARIABLE;
use super::problem::nearest;

/// The beginning of the name of every variable of this program.
const PREFIX: &str = "HOOKPOST_";

/// The variables whose names begin with [`PREFIX`] and that have a value. An empty one counts as not set: files
/// for containers often set every variable, and leave most of them empty.
#[derive(Debug, Default)]
pub(in crate::cli) struct Environment {
    variables: BTreeMap<String, OsString>,
}

/// A variable that is no setting.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct UnknownVariable {
    name: String,
    /// The variable that was most likely meant.
    nearest: Option<String>,
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, nearest } = self;
        match nearest {
            Some(nearest) => write!(
                f,
                "the variable {name} is no setting; did you mean {nearest}?"
            ),
            None => write!(f, "the variable {name} is no setting"),
        }
    }
}

impl Environment {
    /// Reads the variables of this process.
    pub(in crate::cli) fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect()
    }

    /// Returns the value of a variable, if it is set and not empty.
    pub(super) fn get(&self, name: &OsStr) -> Option<&OsString> {
        self.variables.get(name.to_str()?)
    }

    /// Returns the variables that are settings of no command.
    pub(super) fn unknown(&self, command: &Command) -> Vec<UnknownVariable> {
        let mut known = BTreeSet::from([ADMIN_TOKEN_VARIABLE.to_owned()]);
        add_variables(command, &mut known);
        let unknown = |name: &&String| !known.contains(*name) && !is_of_kubernetes(name);
        let names = self.variables.keys().filter(unknown);
        names
            .map(|name| UnknownVariable {
                name: name.clone(),
                nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
            })
            .collect()
    }
}

impl FromIterator<(String, OsString)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, OsString)>>(all: I) -> Self {
        let ours = |(name, value): &(String, OsString)| {
            name.starts_with(PREFIX) && name != FAIL_POINT && !value.is_empty()
        };
        Self {
            variables: all.into_iter().filter(ours).collect(),
        }
    }
}

/// The variable that sets the fail point of a test; it is no setting of a user.
const FAIL_POINT: &str = "HOOKPOST_FAIL_POINT";

/// Collects the variables of a command and of its subcommands.
fn add_variables(command: &Command, names: &mut BTreeSet<String>) {
    let variables = command.get_arguments().filter_map(clap::Arg::get_env);
    names.extend(variables.filter_map(OsStr::to_str).map(str::to_owned));
    for subcommand in command.get_subcommands() {
        add_variables(subcommand, names);
    }
}

/// Reports whether Kubernetes sets the variable in every container that runs beside a service named `hookpost`
/// or `hookpost-…`.
fn is_of_kubernetes(name: &str) -> bool {
    let mut ports = name.split("_PORT_").skip(1);
    name.ends_with("_PORT")
        || name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || ports.any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}
