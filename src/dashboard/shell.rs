//! Commands for a shell, which send a request again as it was sent.

use std::fmt::Write;

/// Returns a command for `sh` that posts `body` to `url` with these headers. A terminal acts on control characters
/// when a command is pasted, and shells have no common way to write them. So a body that has any is read from the
/// file `file`.
pub(super) fn curl(url: &str, headers: &[(&str, String)], body: &str, file: &str) -> String {
    // Without `--globoff`, curl takes brackets in a URL for a pattern.
    let mut command = format!("curl --globoff -i {}", quoted(url));
    for (name, value) in headers {
        // Writing into a text does not fail.
        let _ = write!(command, " \\\n  -H {}", quoted(&format!("{name}: {value}")));
    }
    // A body that `--data` gets may name a file.
    let _ = if needs_file(body) {
        write!(
            command,
            " \\\n  --data-binary {}",
            quoted(&format!("@{file}"))
        )
    } else {
        write!(command, " \\\n  --data-raw {}", quoted(body))
    };
    command
}

/// Reports whether a command reads this body from a file.
pub(super) fn needs_file(body: &str) -> bool {
    body.chars().any(char::is_control)
}

/// Returns a text without control characters as one word of a shell: within single quotes, everything but a single
/// quote stands for itself.
fn quoted(text: &str) -> String {
    let text: String = text
        .chars()
        .filter(|character| !character.is_control())
        .collect();
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_command_has_all_of_a_request() {
        let headers = [("webhook-id", "1".to_owned()), ("x", "it's".to_owned())];
        let command = curl(
            "https://a.example/?x='$(id)",
            &headers,
            r#"{"a":"`b`\n"}"#,
            "b.json",
        );
        insta::assert_snapshot!(command, @r#"
        curl --globoff -i 'https://a.example/?x='\''$(id)' \
          -H 'webhook-id: 1' \
          -H 'x: it'\''s' \
          --data-raw '{"a":"`b`\n"}'
        "#);
    }

    #[test]
    fn a_body_with_control_characters_is_in_a_file() {
        let body = "{\n\t\"a\": \"'; touch /tmp/x #\"}";
        let command = curl("https://a.example/", &[], body, "b.json");
        insta::assert_snapshot!(command, @r#"
        curl --globoff -i 'https://a.example/' \
          --data-binary '@b.json'
        "#);
    }

    /// Returns the word that a shell reads; `None` without that shell.
    fn read_by(shell: &str, word: &str) -> Option<Vec<u8>> {
        let output = Command::new(shell)
            .args(["-c", &format!("printf %s {word}")])
            .output()
            .ok()?;
        Some(output.stdout)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_shell_reads_the_same_text(text in "[^\\p{Cc}]{0,40}") {
            for shell in ["sh", "bash", "dash", "zsh"] {
                if let Some(read) = read_by(shell, &quoted(&text)) {
                    prop_assert_eq!(String::from_utf8(read).unwrap(), text.clone(), "{}", shell);
                }
            }
        }
    }
}
