//! The heads of answers, made regular before ureq parses them.
//!
//! ureq refuses an answer if any line of its head is malformed. Real servers send such lines: nginx passes on a
//! header value of several lines as it is configured. These receivers have accepted the webhook, and only their
//! answer looks odd. A refusal would make a retry of each success, and in the end disable the endpoint.
//!
//! # Rules
//!
//! - A header folded over several lines becomes one line (RFC 9112, section 5.2).
//! - Any other malformed header is dropped: no colon, a space before the colon, a forbidden byte.
//! - A header that decides where the answer ends ([`FRAMING`]), or that may be meant to, is never changed. If it
//!   is malformed or folded, ureq refuses the answer. ureq also refuses a NUL, and a CR that ends no line, because
//!   programs differ in what they take these for (RFC 9112, section 2.2; RFC 9110, section 5.5).
//!
//! # Method
//!
//! All changes write spaces over bytes, so the length of a head stays the same, and with it the meaning of
//! every limit. A dropped line becomes white space at the end of the line before it, which a parser ignores.
//!
//! ureq parses what has arrived so far each time more arrives. So it is shown a header only when the header is
//! complete, which is when the next line has begun and is no continuation. It sees the status line at once.

use std::io::BufRead;

/// The headers that decide where an answer ends and what follows it.
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "connection"];

/// The progress through the head of an answer. All positions count from the first byte that ureq has not
/// consumed.
#[derive(Debug, Default)]
pub(super) struct Head {
    expects: Expects,
    /// The status is an interim one (1xx), so another head follows this one.
    interim: bool,
    /// The start of the header that is not complete yet, or of the status line.
    start: usize,
    /// The end of the part that was searched for line ends.
    searched: usize,
    /// The end of the part that ureq may see.
    shown: usize,
}

/// The part of an answer that comes next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Expects {
    #[default]
    Status,
    Fields,
    Body,
}

impl Head {
    /// Returns how many of the bytes that ureq has not consumed it may see.
    pub(super) fn shown(&self) -> usize {
        self.shown
    }

    /// Makes regular what is complete of `input`: all bytes that ureq has not consumed, with some that are
    /// new.
    pub(super) fn advance(&mut self, input: &mut [u8]) {
        while self.expects != Expects::Body {
            if self.expects == Expects::Status {
                self.shown = input.len();
            }
            let Some(length) = line_length(&input[self.searched..]) else {
                self.searched = input.len();
                return;
            };
            let end = self.searched + length;
            if !self.take_line(input, end) {
                return;
            }
        }
        self.shown = input.len();
    }

    /// Notes that ureq has consumed `amount` bytes. It consumes nothing of a head until it has seen all of it.
    pub(super) fn consumed(&mut self, amount: usize) {
        for position in [&mut self.start, &mut self.searched, &mut self.shown] {
            *position = position.saturating_sub(amount);
        }
    }

    /// Takes in the line that ends before `end`. Returns false if the next byte is needed to go on.
    fn take_line(&mut self, input: &mut [u8], end: usize) -> bool {
        let line = without_end(&input[self.start..end]);
        match self.expects {
            // ureq skips empty lines before the status.
            Expects::Status if line.is_empty() => {}
            Expects::Status => {
                self.interim = is_interim(line);
                self.expects = Expects::Fields;
            }
            _ if line.is_empty() => {
                self.expects = if self.interim {
                    Expects::Status
                } else {
                    Expects::Body
                };
            }
            _ => match input.get(end) {
                None => {
                    // The same end of line is found again when the next byte has come.
                    self.searched = end - 1;
                    return false;
                }
                Some(b' ' | b'\t') => {
                    self.searched = end;
                    return true;
                }
                Some(_) => make_regular(input, self.start, end),
            },
        }
        (self.start, self.searched, self.shown) = (end, end, end);
        true
    }
}

/// Reports whether a status line is that of an interim answer, which another one follows. 101 is the last
/// answer of its connection.
fn is_interim(status_line: &[u8]) -> bool {
    matches!(status_line.get(8..12), Some([b' ', b'1', rest @ ..]) if rest != b"01")
}

/// Makes the header regular that is at `start..end`, with all its lines. The head's status line, at least, is
/// before `start`.
fn make_regular(input: &mut [u8], start: usize, end: usize) {
    let header = &input[start..end];
    let content = without_end(header);
    let last = start + content.len();
    match judge(content) {
        Judgement::Regular | Judgement::Doubtful => {}
        Judgement::Folded => {
            for byte in &mut input[start..last] {
                if matches!(byte, b'\r' | b'\n') {
                    *byte = b' ';
                }
            }
        }
        Judgement::Malformed => {
            let line_before = without_end(&input[..start]).len();
            input[line_before..last].fill(b' ');
        }
    }
}

/// The kinds of headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Regular,
    /// Has several lines, and otherwise is regular.
    Folded,
    /// Means nothing, and can be dropped.
    Malformed,
    /// Is left as it is, so that ureq refuses it.
    Doubtful,
}

/// Returns the kind of a header. `content` is all its lines, without the last line end.
fn judge(content: &[u8]) -> Judgement {
    let name = content.iter().position(|&byte| !is_token(byte));
    let (name, value) = content.split_at(name.unwrap_or(content.len()));
    let has_name = !name.is_empty() && value.starts_with(b":");
    // Looking at all bytes, also after a bad one, takes a fraction of the instructions.
    if has_name && value.iter().fold(true, |all, &byte| all & is_text(byte)) {
        return Judgement::Regular;
    }
    if is_dangerous(content) || may_frame(content) {
        return Judgement::Doubtful;
    }
    let is_line_end = |byte| matches!(byte, b'\r' | b'\n');
    if has_name && (value.iter().copied()).all(|byte| is_text(byte) || is_line_end(byte)) {
        Judgement::Folded
    } else {
        Judgement::Malformed
    }
}

/// Reports whether a malformed or folded header is one of [`FRAMING`], or may be meant as one: a word before
/// its first colon says so, or one of its further lines looks like such a header.
fn may_frame(content: &[u8]) -> bool {
    let before_colon = content.split(|&byte| byte == b':').next();
    let mut words = (before_colon.unwrap_or_default()).split(|&byte| !is_token(byte));
    let mut further_lines = content.split(|&byte| byte == b'\n').skip(1);
    words.any(is_framing)
        || further_lines.any(|line| {
            let colon = line.iter().position(|&byte| byte == b':');
            colon.is_some_and(|colon| is_framing(line[..colon].trim_ascii()))
        })
}

fn is_framing(name: &[u8]) -> bool {
    FRAMING
        .iter()
        .any(|framing| name.eq_ignore_ascii_case(framing.as_bytes()))
}

/// Reports whether a header has a NUL, or a CR that ends no line.
fn is_dangerous(content: &[u8]) -> bool {
    let mut following = content.iter().copied().skip(1);
    content.iter().any(|&byte| {
        let next = following.next();
        byte == 0 || (byte == b'\r' && next != Some(b'\n'))
    })
}

/// Returns the length of the first line with its end; `None` if it does not end. The standard library searches
/// several bytes at a time only as a reader.
fn line_length(bytes: &[u8]) -> Option<usize> {
    let mut reader = bytes;
    let length = reader.skip_until(b'\n').ok()?;
    bytes[..length].ends_with(b"\n").then_some(length)
}

/// Returns the line without its end: LF, with or without a CR before it.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Reports whether a byte may occur in the name of a header.
fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// The bytes that may occur in the name of a header (RFC 9110, section 5.6.2).
const TOKEN: [bool; 256] = {
    let mut token = [false; 256];
    let symbols = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < symbols.len() {
        token[symbols[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 128u8 {
        if byte.is_ascii_alphanumeric() {
            token[byte as usize] = true;
        }
        byte += 1;
    }
    token
};

/// Reports whether a byte may occur in the value of a header (RFC 9110, section 5.5).
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests;
