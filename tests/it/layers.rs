//! The test of the layer rule: each folder uses only the folders below it.

use std::fs;
use std::path::{Path, PathBuf};

/// Top to bottom.
const FLOORS: [&str; 9] = [
    "main",
    "cli",
    "app",
    "api",
    "dashboard",
    "server",
    "delivery",
    "storage",
    "config",
];

/// The crates and modules that only these folders may use.
const WALLS: [(&str, &[&str]); 3] = [
    ("rusqlite", &["src/storage/sqlite"]),
    ("ureq", &["src/delivery", "src/spans", "src/cli"]),
    (
        "actix_web",
        &[
            "src/api",
            "src/dashboard",
            "src/server",
            "src/app",
            "src/cli",
        ],
    ),
];

pub(crate) fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// The code of a file that is no test: tests may start what is above them.
pub(crate) fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap()
        .to_owned()
}

fn breaches(path: &str, code: &str) -> Vec<String> {
    let inside = path
        .trim_start_matches("src/")
        .split(['/', '.'])
        .next()
        .unwrap();
    let floor = FLOORS.iter().position(|name| *name == inside);
    let mut found = Vec::new();
    for line in code
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
    {
        for (above, name) in FLOORS.iter().enumerate() {
            let used = line.contains(&format!("crate::{name}::"))
                || line.contains(&format!("crate::{name};"));
            if used && floor.is_none_or(|floor| above < floor) {
                found.push(format!("{path} uses {name}: {line}"));
            }
        }
        for (name, allowed) in WALLS {
            let used = line.contains(&format!("{name}::"));
            if used && !allowed.iter().any(|folder| path.starts_with(folder)) {
                found.push(format!("{path} knows {name}: {line}"));
            }
        }
    }
    found
}

#[test]
fn no_layer_uses_what_is_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    assert!(files.len() > 40);
    let mut found = Vec::new();
    for file in files {
        let path = file
            .strip_prefix(root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        if path == "src/lib.rs" || path.ends_with("/tests.rs") || path.contains("/tests/") {
            continue;
        }
        found.extend(breaches(&path, &code(&file)));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_breach_would_be_found() {
    assert_eq!(breaches("src/storage.rs", "use crate::api::x;").len(), 1);
    assert_eq!(
        breaches("src/domain/id.rs", "use crate::config::X;").len(),
        1
    );
    assert_eq!(breaches("src/api.rs", "use rusqlite::Row;").len(), 1);
    assert_eq!(
        breaches("src/api.rs", "use crate::storage::Store;").len(),
        0
    );
}
