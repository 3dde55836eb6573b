//! What a panic would say: it goes to the log as it is.

use std::collections::HashMap;
use std::path::Path;

/// A panic shows its message; so none may have values in it. (A `Debug` in the message of a failed
/// `expect` is that of an error: those are without values too, see `debug`. `fail_point.rs` is in no build
/// that ships.)
#[test]
fn panic_messages_have_no_values() {
    let mut messages = HashMap::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "tests" | "simulation") {
                    folders.push(path);
                }
            } else if !matches!(name.as_str(), "tests.rs" | "audit.rs" | "fail_point.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
                for macro_name in [
                    "panic!(",
                    "unreachable!(",
                    "assert!(",
                    "assert_eq!(",
                    "todo!(",
                ] {
                    for (at, _) in code.match_indices(macro_name) {
                        let call = code[at..].split(';').next().unwrap();
                        messages.insert(format!("{name}: {call}"), call.contains('{'));
                    }
                }
                for (at, _) in code.match_indices(".expect(") {
                    let call = code[at..].split(')').next().unwrap();
                    messages.insert(format!("{name}: {call}"), !call.contains('"'));
                }
            }
        }
    }
    assert!(messages.len() >= 5, "{messages:?}");
    let telling: Vec<_> = messages.iter().filter(|(_, telling)| **telling).collect();
    assert!(telling.is_empty(), "{telling:?}");
}
