//! Texts in JSON whose invisible characters are escaped: JSON itself escapes only those of ASCII, and programs read
//! the escapes as the characters.

use std::fmt::Write as _;

use serde::Serialize;

use crate::domain::invisible::is_invisible;

/// Returns a value on one line.
pub(super) fn compact(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(escaped)
}

/// Returns a value on several lines for people, with an end of line.
pub(in crate::cli) fn pretty(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(value).map(escaped)? + "\n")
}

/// Escapes what could garble a terminal. Beyond ASCII, JSON has characters in texts only.
fn escaped(json: String) -> String {
    let garbles = |c: char| c >= '\u{7f}' && is_invisible(c);
    if !json.contains(garbles) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if !garbles(character) {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_mean_the_same() {
        let text = "é\u{1b}\u{7f}\u{9b}31m\u{202e}\u{e0001}";
        let json = compact(&text).unwrap();
        assert_eq!(json, r#""é\u001b\u007f\u009b31m\u202e\udb40\udc01""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
