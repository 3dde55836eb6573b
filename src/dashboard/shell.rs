//! Commands for a shell, which send a request again as it was sent.

use std::fmt::Write;

/// Returns a command that posts `body` to `url` with these headers, for `sh`; for `bash` and `zsh` if a text
/// has control characters.
pub(super) fn curl(url: &str, headers: &[(&str, String)], body: &str) -> String {
    // Without `--globoff`, curl takes brackets in a URL for a pattern.
    let mut command = format!("curl --globoff -i {}", quoted(url));
    for (name, value) in headers {
        // Writing into a text does not fail.
        let _ = write!(command, " \\\n  -H {}", quoted(&format!("{name}: {value}")));
    }
    // A body that `--data` gets may name a file.
    let _ = write!(command, " \\\n  --data-raw {}", quoted(body));
    command
}

/// Returns a text as one word of a shell. Within single quotes, everything but a single quote stands for itself. A
/// terminal acts on control characters when a command is pasted, so they are written as escapes.
fn quoted(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    let mut word = "$'".to_owned();
    for character in text.chars() {
        match character {
            '\'' | '\\' => word.extend(['\\', character]),
            _ if character.is_control() => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(word, "\\x{byte:02x}");
                }
                // The next character must not be read as a digit of this escape.
                word.push_str("'$'");
            }
            _ => word.push(character),
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_command_has_all_of_a_request() {
        let headers = [("webhook-id", "1".to_owned()), ("x", "it's".to_owned())];
        let command = curl("https://a.example/?x='$(id)", &headers, r#"{"a":"`b`\n"}"#);
        insta::assert_snapshot!(command, @r#"
        curl --globoff -i 'https://a.example/?x='\''$(id)' \
          -H 'webhook-id: 1' \
          -H 'x: it'\''s' \
          --data-raw '{"a":"`b`\n"}'
        "#);
    }

    #[test]
    fn control_characters_are_escapes() {
        assert_eq!(quoted("a\tb\u{9b}"), "$'a\\x09'$'b\\xc2\\x9b'$''");
        assert!(!quoted("\r\n\u{7f}").contains(char::is_control));
    }

    /// Returns the words that bash reads; `None` without bash.
    fn words_of_bash(word: &str) -> Option<Vec<u8>> {
        let output = Command::new("bash")
            .args(["-c", &format!("printf %s {word}")])
            .output()
            .ok()?;
        Some(output.stdout)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_reads_the_same_text(text in "[^\u{0}]{0,40}") {
            if let Some(read) = words_of_bash(&quoted(&text)) {
                prop_assert_eq!(String::from_utf8(read).unwrap(), text);
            }
        }
    }
}
