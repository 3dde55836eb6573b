//! The test that panic messages have no values in them: they go to the log as they are.
//!
//! The test reads the source, since it looks for panics that are not known and cannot be provoked. A
//! `Debug` in the message of a failed `expect` is that of an error; errors have no values either, see
//! `debug`. `fail_point.rs` is in no build that ships.

use std::path::Path;

/// The calls that panic with a message of their own; it has no value in it unless a value is formatted.
const MESSAGES: [&str; 6] = [
    "panic!",
    "unreachable!",
    "todo!",
    "unimplemented!",
    "assert!",
    "debug_assert!",
];

/// The calls that show values, whatever the message.
const VALUES: [&str; 7] = [
    "assert_eq!",
    "assert_ne!",
    "debug_assert_eq!",
    "debug_assert_ne!",
    "expect_err",
    "dbg!",
    "panic_any",
];

/// The code with comments left blank and literals filled up: what is left of parentheses, quotes and
/// names is what it seems. As long as the code, byte by byte.
fn masked(code: &str) -> Vec<u8> {
    let bytes = code.as_bytes();
    let mut out = bytes.to_vec();
    let find = |from: usize, what: &str| {
        code.get(from..)
            .and_then(|rest| rest.find(what))
            .map_or(bytes.len(), |at| from + at)
    };
    let mut at = 0;
    while at < bytes.len() {
        let rest = &code[at..];
        let hashes = rest.strip_prefix('r').map(|raw| {
            let quote = raw.trim_start_matches('#');
            (raw.len() - quote.len(), quote.starts_with('"'))
        });
        let in_name = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        let (from, to, fill) = match rest.as_bytes() {
            [b'/', b'/', ..] => (at, find(at, "\n"), b' '),
            [b'"', ..] => {
                let mut end = at + 1;
                while end < bytes.len() && bytes[end] != b'"' {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                (at + 1, end, b'_')
            }
            [b'\'', b'\\', ..] => (at + 1, find(at + 3, "'"), b'_'),
            [b'\'', ..] => {
                let mut two = rest.chars().skip(1);
                let length = two.next().map_or(0, char::len_utf8);
                match two.next() {
                    Some('\'') => (at + 1, at + 1 + length, b'_'),
                    _ => (at, at, b'_'), // A lifetime.
                }
            }
            _ => match hashes {
                Some((hashes, true)) if !in_name => {
                    let from = at + hashes + 2;
                    (from, find(from, &format!("\"{}", "#".repeat(hashes))), b'_')
                }
                _ => (at, at, b'_'),
            },
        };
        let to = to.min(bytes.len());
        out[from.min(to)..to].fill(fill);
        at = (to.max(at) + 1).min(bytes.len());
        while !code.is_char_boundary(at) {
            at += 1;
        }
    }
    out
}

/// The calls of `name` in `code`: where the parentheses begin and end.
fn calls(masked: &[u8], name: &str) -> Vec<(usize, usize)> {
    let text = std::str::from_utf8(masked).unwrap();
    let begun = text.match_indices(name).filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
    });
    let opened = begun.map(|(at, _)| at + name.len());
    let opened = opened.filter(|&from| matches!(masked.get(from), Some(b'(' | b'[' | b'{')));
    opened
        .map(|from| {
            let mut depth = 0;
            let length = masked[from..].iter().position(|byte| {
                match byte {
                    b'(' | b'[' | b'{' => depth += 1,
                    b')' | b']' | b'}' => depth -= 1,
                    _ => {}
                }
                depth == 0
            });
            (from + 1, from + length.expect("it is closed somewhere"))
        })
        .collect()
}

/// All that could panic with a message in `code`, and whether that may have a value in it.
fn panics(code: &str) -> Vec<(String, bool)> {
    let mut masked = masked(code);
    let tests = std::str::from_utf8(&masked)
        .unwrap()
        .find("#[cfg(test)]\nmod tests {");
    masked.truncate(tests.unwrap_or(masked.len()));
    let mut found = Vec::new();
    for name in MESSAGES {
        for (from, to) in calls(&masked, name) {
            // Literals begin and end with a quote that is a real one.
            let quotes: Vec<_> = (from..to).filter(|&at| masked[at] == b'"').collect();
            let telling = quotes.chunks(2).any(|pair| {
                let literal = &code[pair[0]..pair[1]];
                literal.replace("{{", "").contains('{')
            });
            found.push((format!("{name}({})", &code[from..to]), telling));
        }
    }
    for name in VALUES {
        let all = calls(&masked, name).into_iter();
        found.extend(all.map(|(from, to)| (format!("{name}({})", &code[from..to]), true)));
    }
    for (from, to) in calls(&masked, "expect") {
        let words = std::str::from_utf8(&masked[from..to]).unwrap();
        let words = words.trim().trim_end_matches(',');
        // One literal, and nothing else: `&format!("{value}")` has one, too.
        let plain = words.starts_with('"') && words.find(|c| c != '"' && c != '_').is_none();
        let is_attribute = code[..from].ends_with("[expect(");
        if !is_attribute {
            found.push((format!("expect({})", &code[from..to]), !plain));
        }
    }
    found
}

#[test]
fn panic_messages_have_no_values() {
    let mut messages = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "tests" | "simulation" | "conformance") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|end| end == "rs")
                && !matches!(
                    name.as_str(),
                    "tests.rs" | "audit.rs" | "conformance.rs" | "fail_point.rs"
                )
            {
                let code = std::fs::read_to_string(&path).unwrap();
                let found = panics(&code).into_iter();
                messages.extend(found.map(|(call, telling)| (format!("{name}: {call}"), telling)));
            }
        }
    }
    assert!(messages.len() >= 5, "{messages:?}");
    let telling: Vec<_> = messages.iter().filter(|(_, telling)| *telling).collect();
    assert!(telling.is_empty(), "{telling:#?}");
}

#[test]
fn values_in_panic_messages_are_found() {
    for telling in [
        r#"panic!("it is {token}")"#,
        r#"panic!("no; it is {}", token)"#,
        r#"panic!("it is {{}} {token:?}")"#,
        r#"panic!(r"it is \ {token}")"#,
        r#"std::unreachable!("{token}")"#,
        r#"assert!(token.is_empty(), "it (is) {token}")"#,
        r#"assert!(matches!(c, '"' | '\'' | ')'), "{token}")"#,
        "assert_eq!(token, other)",
        r#"assert_ne!(token, other, "they differ")"#,
        "debug_assert_eq!(token, other)",
        "read(token).expect(&token)",
        r#"read(token).expect(&format!("it is {token}"))"#,
        "read(token)\n    .expect(why)",
        r#"read(token).expect_err("it is none")"#,
        "std::panic::panic_any(token)",
    ] {
        for around in [
            "fn f() { CALL; }",
            "#[cfg(test)]\nmod audit;\n\nfn f<'a>() { CALL; }\n",
            "/// Nobody's \"quote.\nfn f() { let c = '\"'; CALL }",
            "fn f() { g(r#\"\"#, \"\\\"\", b'\\\\', \"https://a\"); CALL }",
        ] {
            let found = panics(&around.replace("CALL", telling));
            assert!(
                matches!(&found[..], [(_, true)]),
                "{telling} in {around}: {found:?}"
            );
        }
    }
    for plain in [
        r#"panic!("it is none")"#,
        r#"unreachable!("{{ and }}")"#,
        "unreachable!()",
        r#"assert!(matches!(x, X { .. }), "it is none")"#,
        "read(token)\n    .expect(\n        \"a reason (and more)\",\n    )",
    ] {
        let found = panics(&format!("fn f() {{ {plain}; }}"));
        assert!(matches!(&found[..], [(_, false)]), "{plain}: {found:?}");
    }
    for none in [
        r#"#[expect(dead_code, reason = "x")] fn f() {}"#,
        r#"// panic!("{token}")"#,
        r#"let text = "panic!({token})";"#,
        "fn f() {}\n#[cfg(test)]\nmod tests {\n    fn f() { assert_eq!(a, b) }\n}",
    ] {
        let found = panics(none);
        assert!(found.is_empty(), "{none}: {found:?}");
    }
}
