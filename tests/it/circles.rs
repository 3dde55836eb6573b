//! The test that no file of `src/` uses a file that, directly or through others, uses it.
//!
//! The test reads the imports from the text: `use` statements, and paths that begin with `crate`, `self` or
//! `super`. A name that a file only passes on (`pub use`) counts for the file that defines it. Tests are
//! left out, and so is the simulation, which is one test program in several files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::layers::{code, sources};

type Module = Vec<String>;

/// The names that one file imports and passes on.
#[derive(Default)]
struct Imports {
    /// Absolute paths (from the crate's root) that the file uses.
    uses: Vec<Module>,
    /// Names that it passes on, and the absolute paths that they stand for.
    exports: BTreeMap<String, Module>,
}

fn split(path: &str) -> Module {
    path.split("::")
        .map(|part| part.trim().to_owned())
        .collect()
}

/// The module of a file: `src/a/b.rs` is `a::b`.
fn module_of(path: &str) -> Module {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    match path {
        "lib" | "main" => Vec::new(),
        path => path.split('/').map(str::to_owned).collect(),
    }
}

/// Expands `a::{b, c::{d}}` to `a::b` and `a::c::d`.
fn expand(tree: &str, found: &mut Vec<String>) {
    let Some((before, rest)) = tree.split_once('{') else {
        found.push(tree.trim().to_owned());
        return;
    };
    let inner = rest
        .trim()
        .strip_suffix('}')
        .expect("a tree ends with its brace");
    let (mut depth, mut start) = (0, 0);
    let mut branches = Vec::new();
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    branches.push(&inner[start..]);
    for branch in branches
        .into_iter()
        .map(str::trim)
        .filter(|it| !it.is_empty())
    {
        expand(&format!("{}{branch}", before.trim()), found);
    }
}

/// The absolute path; `None` for a path into another crate.
fn absolute(path: &Module, module: &Module) -> Option<Module> {
    let mut path = path.as_slice();
    let mut base = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => module.clone(),
        _ => return None,
    };
    while let Some((first, rest)) = path.split_first() {
        match first.as_str() {
            "crate" | "self" => {}
            "super" => drop(base.pop()),
            _ => break,
        }
        path = rest;
    }
    base.extend(path.iter().cloned());
    Some(base)
}

fn is_part_of_a_path(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == ':'
}

/// The code without comments, and with every visibility written as `pub`.
fn plain(code: &str) -> String {
    let lines = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut parts = text.split("pub(");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once(')').expect("a visibility ends");
        plain.push_str("pub");
        plain.push_str(rest);
    }
    plain
}

fn imports(module: &Module, code: &str) -> Imports {
    let mut found = Imports::default();
    for statement in plain(code).split(';') {
        let start = statement.lines().position(|line| {
            line.starts_with("use ") || (line.starts_with("pub") && line.contains(" use "))
        });
        let lines: Vec<&str> = statement.lines().collect();
        let (code, import) = lines.split_at(start.unwrap_or(lines.len()));
        for word in code.join(" ").split(|letter| !is_part_of_a_path(letter)) {
            found.uses.extend(absolute(&split(word), module));
        }
        if import.is_empty() {
            continue;
        }
        let whole = import.join(" ");
        let (before, tree) = whole.split_once("use ").expect("as was looked for");
        let mut paths = Vec::new();
        expand(tree, &mut paths);
        for path in paths {
            let (path, name) = match path.split_once(" as ") {
                Some((path, name)) => (split(path), name.to_owned()),
                None => (split(&path), split(&path).pop().unwrap_or_default()),
            };
            let Some(path) = absolute(&path, module) else {
                continue;
            };
            if before.starts_with("pub") {
                found.exports.insert(name, path);
            } else {
                found.uses.push(path);
            }
        }
    }
    found
}

/// The file that defines what `path` names: the longest module in it, or the one that it passes on from.
fn definer(path: &Module, files: &BTreeMap<Module, Imports>) -> Option<Module> {
    let mut path = path.clone();
    for _ in 0..8 {
        let length = (1..=path.len())
            .rev()
            .find(|n| files.contains_key(&path[..*n]))?;
        let module = path[..length].to_vec();
        let exported = path
            .get(length)
            .and_then(|name| files[&module].exports.get(name));
        match exported {
            Some(target) => {
                let rest = path[length + 1..].iter().cloned();
                path = target.iter().cloned().chain(rest).collect();
            }
            None => return Some(module),
        }
    }
    None
}

/// The circles that a depth-first search meets; breaking them may show more.
fn circles(edges: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    fn visit<'a>(
        module: &'a Module,
        edges: &'a BTreeMap<Module, BTreeSet<Module>>,
        path: &mut Vec<&'a Module>,
        done: &mut BTreeSet<&'a Module>,
        found: &mut Vec<String>,
    ) {
        if let Some(start) = path.iter().position(|it| *it == module) {
            let circle = path[start..].iter().chain([&module]);
            let names: Vec<String> = circle.map(|it| it.join("::")).collect();
            found.push(names.join(" -> "));
            return;
        }
        if !done.insert(module) {
            return;
        }
        path.push(module);
        for next in edges.get(module).into_iter().flatten() {
            visit(next, edges, path, done, found);
        }
        path.pop();
    }
    let (mut done, mut found) = (BTreeSet::new(), Vec::new());
    for module in edges.keys() {
        visit(module, edges, &mut Vec::new(), &mut done, &mut found);
    }
    found
}

fn circles_of(files: &BTreeMap<Module, Imports>) -> Vec<String> {
    let mut edges: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, imports) in files {
        let used = imports.uses.iter().filter_map(|path| definer(path, files));
        let used = used.filter(|it| it != module);
        edges.insert(module.clone(), used.collect());
    }
    circles(&edges)
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    sources(&root.join("src"), &mut paths);
    let mut files = BTreeMap::new();
    for file in paths {
        let path = file.strip_prefix(root).unwrap().to_str().unwrap();
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        if is_test || path.contains("/simulation") || path == "src/main.rs" {
            continue;
        }
        let module = module_of(path);
        let imports = imports(&module, &code(&file));
        files.insert(module, imports);
    }
    assert!(files.len() > 40);
    let found = circles_of(&files);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn tree(files: &[(&str, &str)]) -> BTreeMap<Module, Imports> {
    let file = |(path, code): &(&str, &str)| {
        let module = module_of(path);
        let imports = imports(&module, code);
        (module, imports)
    };
    files.iter().map(file).collect()
}

#[test]
fn a_circle_would_be_found() {
    let direct = [
        ("src/a.rs", "use crate::b::{C, d::E};"),
        ("src/b.rs", "fn f() -> crate::a::G {}"),
    ];
    assert!(!circles_of(&tree(&direct)).is_empty());
    let by_a_room = [
        ("src/room.rs", "mod x;\nmod y;\npub use self::x::X;"),
        ("src/room/x.rs", "use super::y::Y;"),
        ("src/room/y.rs", "use crate::room::X;"),
    ];
    assert!(!circles_of(&tree(&by_a_room)).is_empty());
    let none = [
        ("src/room.rs", "mod x;\nmod y;\npub use self::x::X;"),
        ("src/room/x.rs", "use super::y::Y;"),
        ("src/room/y.rs", "// crate::room::X\nuse std::fmt;"),
    ];
    assert!(circles_of(&tree(&none)).is_empty());
}
