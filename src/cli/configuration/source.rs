//! The places that values of settings come from.

use std::path::PathBuf;

/// The place that a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The command line.
    Flag,
    /// The variable of the flag.
    Variable,
    /// A line of the configuration file.
    File { path: PathBuf, line: usize },
    /// Nothing else has a value.
    Default,
}
