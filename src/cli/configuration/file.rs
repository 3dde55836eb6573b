//! The configuration file: TOML with one key for each setting of `serve`, named like its flag.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Arg, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, nearest};
use super::source::Source;
use crate::config::read_small_file;

/// The flag that names the configuration file.
pub(super) const FILE_FLAG: &str = "config";

/// The most bytes of a file of which all mistakes of syntax are told; of a longer one, the first is. To go on after a
/// mistake takes the parser time that grows with the square of the length.
const RECOVERED_MAX: usize = 16 << 10;

/// The most problems of a file that are told. More only hide the first ones.
const PROBLEMS_MAX: usize = 20;

/// The values of a configuration file.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    /// By the variable of the setting: a command has the settings of the file whose variables it has.
    entries: BTreeMap<OsString, Entry>,
}

#[derive(Debug)]
struct Entry {
    values: Vec<OsString>,
    line: usize,
}

impl ConfigFile {
    /// Reads a file whose keys are the settings of `server`. Returns what it has, and its problems, but for those with
    /// values: the settings check these.
    pub(super) fn read(
        path: PathBuf,
        named_by: &Source,
        server: &Command,
    ) -> (Option<Self>, Vec<Problem>) {
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(reason) => {
                let place = match named_by {
                    Source::Variable => "HOOKPOST_CONFIG",
                    _ => "--config",
                };
                let place = place.to_owned();
                let text = format!("cannot read {}: {reason}", path.display());
                return (None, vec![Problem { place, text }]);
            }
        };
        let mut reader = Reader {
            path: &path,
            text: &text,
            problems: Vec::new(),
        };
        let entries = reader.entries(server);
        let problems = reader.problems;
        (Some(Self { path, entries }), problems)
    }

    /// Returns the values of the setting with that variable, and their place.
    pub(super) fn get(&self, variable: &OsStr) -> Option<(&[OsString], Source)> {
        let entry = self.entries.get(variable)?;
        let source = Source::File {
            path: self.path.clone(),
            line: entry.line,
        };
        Some((&entry.values, source))
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    String::from_utf8(read_small_file(path)?).map_err(|_| "it is not text in UTF-8".to_owned())
}

/// The reader of a file's text, and the problems that it has found.
struct Reader<'t> {
    path: &'t Path,
    text: &'t str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn entries(&mut self, server: &Command) -> BTreeMap<OsString, Entry> {
        let (table, errors) = if self.text.len() <= RECOVERED_MAX {
            DeTable::parse_recoverable(self.text)
        } else {
            match DeTable::parse(self.text) {
                Ok(table) => (table, Vec::new()),
                Err(error) => (Spanned::new(0..0, DeTable::new()), vec![error]),
            }
        };
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            self.refuse(at, error.message().to_owned());
        }
        let mut entries = BTreeMap::new();
        for (key, value) in table.get_ref() {
            let (name, at) = (key.get_ref(), key.span().start);
            let Some(arg) = argument(server, name) else {
                let meant = nearest(name, server.get_arguments().filter_map(Arg::get_long));
                let hint = meant.map_or(String::new(), |name| format!("; did you mean '{name}'?"));
                self.refuse(at, format!("'{name}' is no setting{hint}"));
                continue;
            };
            let Some(values) = self.values(arg, value) else {
                continue;
            };
            let line = self.line(at);
            let variable = arg.get_env().unwrap_or_default().to_owned();
            entries.insert(variable, Entry { values, line });
        }
        entries
    }

    /// Returns the values of a key as they would be on a command line.
    fn values(&mut self, arg: &Arg, value: &Spanned<DeValue<'_>>) -> Option<Vec<OsString>> {
        let repeats = matches!(arg.get_action(), clap::ArgAction::Append);
        let values = match value.get_ref() {
            DeValue::Array(all) if repeats && !all.is_empty() => {
                all.iter().map(|value| scalar(value.get_ref())).collect()
            }
            other => scalar(other).map(|one| vec![one]),
        };
        if values.is_none() {
            let name = arg.get_long().unwrap_or_default();
            let form = match (repeats, arg.get_action().takes_values()) {
                (true, _) => "a text or a list of texts",
                (false, true) => "a text or a number",
                (false, false) => "true or false",
            };
            self.refuse(value.span().start, format!("'{name}' takes {form}"));
        }
        values
    }

    fn refuse(&mut self, at: usize, text: String) {
        if self.problems.len() >= PROBLEMS_MAX {
            return;
        }
        let place = format!("{}, line {}", self.path.display(), self.line(at));
        self.problems.push(Problem { place, text });
    }

    /// Returns the number of the line that has the byte `at`.
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().iter().take(at);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

/// Returns the setting that a key names.
fn argument<'c>(server: &'c Command, name: &str) -> Option<&'c Arg> {
    // The file cannot name itself.
    let is_setting = |arg: &&Arg| arg.get_env().is_some() && arg.get_long() != Some(FILE_FLAG);
    let mut settings = server.get_arguments().filter(is_setting);
    settings.find(|arg| arg.get_long() == Some(name))
}

/// Returns a single value as a text. Whole numbers are decimal, as on the command line.
fn scalar(value: &DeValue<'_>) -> Option<OsString> {
    match value {
        DeValue::String(text) => Some(text.as_ref().into()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().into()),
        DeValue::Boolean(value) => Some(value.to_string().into()),
        _ => None,
    }
}
