//! Usage errors about settings that were not given as flags: each names the place of the value.
//!
//! `clap` names the flag. The operator may not know the flag, because the value stands in a unit, a container
//! or a file.

use clap::error::{ContextKind, ContextValue};
use clap::{Command, Error};

use super::setting::Setting;
use super::source::Source;

/// Returns the usage error with places instead of the flags that the command line did not have.
pub(super) fn name_sources(mut error: Error, command: &Command, settings: &[Setting]) -> Error {
    let named = |shown: &str| {
        let mut arguments = command.get_arguments();
        let arg = arguments.find(|arg| arg.to_string() == shown);
        let name = arg.and_then(clap::Arg::get_long);
        let mut settings = settings.iter();
        let setting = settings.find(|setting| Some(setting.name.as_str()) == name);
        match setting {
            Some(setting) if !matches!(setting.source, Source::Flag | Source::Default) => {
                setting.place()
            }
            _ => shown.to_owned(),
        }
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
    error
}
