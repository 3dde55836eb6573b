//! The escapes of strings.

use std::borrow::Cow;

/// Decodes a checked string, given with its quotes. `replacement` takes the place of each lone surrogate,
/// which is one half of a surrogate pair without the other; without `replacement`, such a string is `None`.
pub(super) fn unescape<'a>(raw: &'a str, replacement: Option<&str>) -> Option<Cow<'a, str>> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let (decoded, length) = escape(&rest[at..]);
        match decoded {
            Some(character) => text.push(character),
            None => text.push_str(replacement?),
        }
        rest = rest.get(at + length..).unwrap_or_default();
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

/// Decodes the escape at the start of `text`. Returns its character, or `None` for a lone surrogate, and the
/// length of the escape.
fn escape(text: &str) -> (Option<char>, usize) {
    let character = match text.as_bytes().get(1).copied().unwrap_or(b'\\') {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(text),
        other => char::from(other),
    };
    (Some(character), 2)
}

/// Decodes the `\uXXXX` at the start of `text`, or two of them that are a surrogate pair. Returns the same as
/// [`escape`].
fn unicode_escape(text: &str) -> (Option<char>, usize) {
    let first = unit(text);
    if let Some(character) = char::from_u32(first.into()) {
        return (Some(character), 6);
    }
    let second = text.get(6..).filter(|rest| rest.starts_with("\\u"));
    let pair = [first, second.map_or(0, unit)];
    match char::decode_utf16(pair).next() {
        Some(Ok(character)) => (Some(character), 12),
        _ => (None, 6),
    }
}

/// Reads the UTF-16 unit of the `\uXXXX` at the start of `text`.
fn unit(text: &str) -> u16 {
    text.get(2..6)
        .and_then(|digits| u16::from_str_radix(digits, 16).ok())
        .unwrap_or_default()
}
