//! A setting of a command: its value, and the place that the value comes from.

use std::error::Error as _;
use std::ffi::{OsStr, OsString};

use clap::builder::{BoolishValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use super::environment::Environment;
use super::file::ConfigFile;
use super::given::GivenFlags;
use super::problem::Problem;
use super::source::Source;
use crate::cli::hiding::hidden;

/// A setting with its values as they were written: several only for a setting that may be repeated.
#[derive(Debug)]
pub(in crate::cli) struct Setting {
    /// The name of the flag, without `--`.
    pub(in crate::cli) name: String,
    variable: String,
    pub(super) values: Vec<OsString>,
    pub(super) source: Source,
    /// True if values of this setting are never shown.
    is_secret: bool,
    /// False for a flag without a value: its values are `true` and `false`.
    takes_values: bool,
}

impl Setting {
    /// Returns the setting of `arg`; `None` if it is none, but a part of what the command does.
    pub(super) fn find(
        arg: &Arg,
        given: &GivenFlags,
        environment: &Environment,
        file: Option<&ConfigFile>,
    ) -> Option<Self> {
        let (name, variable) = (arg.get_long()?, arg.get_env()?);
        let takes_values = arg.get_action().takes_values();
        let from_flag = given.values(arg).map(|values| (values, Source::Flag));
        let from_variable = || {
            let value = environment.get(variable)?;
            Some((vec![value.clone()], Source::Variable))
        };
        let from_file = || {
            let (values, source) = file?.get(variable)?;
            Some((values.to_vec(), source))
        };
        let default = || {
            let values = arg.get_default_values();
            let values = values.iter().map(|value| value.as_os_str().to_owned());
            (values.collect(), Source::Default)
        };
        let (values, source) = from_flag
            .or_else(from_variable)
            .or_else(from_file)
            .unwrap_or_else(default);
        Some(Self {
            name: name.to_owned(),
            variable: variable.to_string_lossy().into_owned(),
            values,
            source,
            is_secret: arg.is_hide_env_values_set(),
            takes_values,
        })
    }

    /// Returns the flags that say the same.
    pub(super) fn flags(&self) -> Vec<OsString> {
        let flag = |value: &OsString| {
            let mut flag = OsString::from(format!("--{}", self.name));
            if self.takes_values {
                flag.push("=");
                flag.push(value);
            }
            flag
        };
        let is_meant = |value: &&OsString| self.takes_values || boolean(value) == Some(true);
        self.values.iter().filter(is_meant).map(flag).collect()
    }

    /// Returns the problems with values that cannot be used.
    pub(super) fn problems(&self, command: &Command) -> Vec<Problem> {
        let mut arguments = command.get_arguments();
        let arg = arguments.find(|arg| arg.get_long() == Some(&self.name));
        let Some(arg) = arg.filter(|_| self.source != Source::Default) else {
            return Vec::new();
        };
        let problem = |value: &OsString| {
            let (shown, reason) = refused(arg, value)?;
            let text = if self.is_secret {
                reason
            } else {
                format!("'{shown}': {reason}")
            };
            Some(Problem {
                place: self.place(),
                text,
            })
        };
        self.values.iter().filter_map(problem).collect()
    }

    /// Returns the place of the value, as a person finds it.
    pub(in crate::cli) fn place(&self) -> String {
        match &self.source {
            Source::Flag => format!("--{}", self.name),
            Source::Variable => self.variable.clone(),
            Source::File { path, line } => {
                format!("{}, line {line}, {}", path.display(), self.name)
            }
            Source::Default => "default".to_owned(),
        }
    }

    /// Returns the value for a person; a secret one is not shown.
    pub(in crate::cli) fn shown(&self) -> String {
        let values: Vec<_> = self.values.iter().map(|v| v.to_string_lossy()).collect();
        let shown = hidden(&values.join(","));
        // Of the URL of a proxy, all but its password helps.
        let has_no_secret = self.values.is_empty() || shown.contains("://");
        if self.is_secret && !has_no_secret {
            return "(hidden)".to_owned();
        }
        shown
    }
}

/// Returns what a text for a flag without a value means.
fn boolean(value: &OsStr) -> Option<bool> {
    let parser = BoolishValueParser::new();
    parser.parse_ref(&Command::new("x"), None, value).ok()
}

/// Returns the part of a value that the setting does not accept, and the reason.
fn refused(arg: &Arg, value: &OsStr) -> Option<(String, String)> {
    let whole = || value.to_string_lossy().into_owned();
    if !arg.get_action().takes_values() {
        return boolean(value)
            .is_none()
            .then(|| (whole(), "expected true or false".to_owned()));
    }
    // A definition with this flag alone: others would be asked for, too.
    let mut alone = Arg::new("value")
        .long("value")
        .value_parser(arg.get_value_parser().clone());
    if let Some(delimiter) = arg.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    let mut flag = OsString::from("--value=");
    flag.push(value);
    let read = Command::new("x")
        .arg(alone)
        .try_get_matches_from([OsString::from("x"), flag]);
    let error = read.err()?;
    let part = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(part)) => part.clone(),
        _ => whole(),
    };
    Some((part, reason(&error)))
}

fn reason(error: &clap::Error) -> String {
    let names = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(names)) => names.join(", "),
        _ => String::new(),
    };
    match (error.kind(), error.source()) {
        (ErrorKind::InvalidUtf8, _) => "not a text in UTF-8".to_owned(),
        (_, Some(source)) => source.to_string(),
        (_, None) if !names.is_empty() => format!("expected one of {names}"),
        _ => "expected a value".to_owned(),
    }
}
