//! The version: one line for `-V`, and what it is made of for `--version`.

use std::fmt::Write as _;

use crate::storage::sqlite;

/// The commit that was built; the build script sets it for releases. `None` for a build from a tarball.
const COMMIT: Option<&str> = option_env!("COMMIT_OF_HOOKPOST");

/// Returns the lines after the name of the program.
pub(super) fn long() -> String {
    text(COMMIT, sqlite::version())
}

fn text(commit: Option<&str>, sqlite: &str) -> String {
    let mut text = env!("CARGO_PKG_VERSION").to_owned();
    if let Some(commit) = commit {
        let _ = write!(text, "\ncommit  {commit}");
    }
    let _ = write!(text, "\nSQLite  {sqlite}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_a_commit_leaves_its_line_out() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            text(Some("0123abc"), "3.0.0"),
            format!("{version}\ncommit  0123abc\nSQLite  3.0.0")
        );
        assert_eq!(text(None, "3.0.0"), format!("{version}\nSQLite  3.0.0"));
    }
}
