//! The command that makes a token, as texts for the operator show it.

use std::path::Path;

/// The characters besides letters and digits that a shell takes as they are.
const PLAIN: &str = "/._-+:@%,=";

/// Returns the command `token create` with `flags` for a database. It works in every folder: the program is
/// on the search path, or has its whole path; so has the database.
pub(super) fn token_command(flags: &str, database: &Path) -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let is_on_path = Path::new(&called).components().count() == 1;
    let program = match std::env::current_exe() {
        Ok(path) if !is_on_path => quoted(&path),
        _ => "hookpost".to_owned(),
    };
    let database = database.canonicalize().unwrap_or_else(|_| database.into());
    let database = quoted(&database);
    format!("{program} token create {flags} --database {database}")
}

/// Returns a path as a shell reads it.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || PLAIN.contains(c);
    if path.chars().all(is_plain) {
        path.into_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        for (path, word) in [
            ("/var/lib/hookpost.db", "/var/lib/hookpost.db"),
            ("/my data/x.db", "'/my data/x.db'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}
