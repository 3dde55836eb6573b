//! Texts that are escaped for a service and cut to its limits.

use crate::domain::clock::Timestamp;

/// The replacement for an empty or blank text; Discord refuses a message that has one.
pub(super) const BLANK: &str = "–";

/// The escaping rule of a service's markup. It writes the character `next` to `out`, escaped if necessary.
/// `after` is the text that follows; `line_start` is true if the character begins a line.
pub(super) type Escape = fn(next: char, after: &str, line_start: bool, out: &mut String);

/// Returns `text` escaped, and cut to `limit` UTF-16 units. An ellipsis replaces the part that is left out.
pub(super) fn fit(text: &str, limit: usize, escape: Escape) -> String {
    const ELLIPSIS: char = '…';
    let mut out = String::new();
    let mut length = 0;
    // The place to cut if the rest does not fit: the last one that leaves room for the ellipsis.
    let mut cut = 0;
    let mut line_start = true;
    let mut piece = String::new();
    for (at, next) in text.char_indices() {
        piece.clear();
        // Some services refuse control characters, and none shows them.
        let shown = match next {
            '\n' | '\t' => next,
            _ if next.is_control() => char::REPLACEMENT_CHARACTER,
            _ => next,
        };
        escape(shown, &text[at + next.len_utf8()..], line_start, &mut piece);
        line_start = next == '\n' || (line_start && next.is_whitespace());
        let piece_length = utf16(&piece);
        if length + piece_length > limit {
            out.truncate(cut);
            out.push(ELLIPSIS);
            break;
        }
        out.push_str(&piece);
        length += piece_length;
        if length < limit {
            cut = out.len();
        }
    }
    if out.trim().is_empty() {
        BLANK.to_owned()
    } else {
        out
    }
}

/// Returns the length of `text` in UTF-16 units.
pub(super) fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Returns `timestamp` in UTC, in the spelling that every service reads. `None` if it is no time, or in UTC
/// outside of the years 0 to 9999.
pub(super) fn iso8601(timestamp: &str) -> Option<String> {
    let time = Timestamp::parse(timestamp).ok()?;
    let text = time.to_string();
    (Timestamp::parse(&text) == Ok(time)).then_some(text)
}
