//! Where a request ends.
//!
//! The framework knows, but does not tell. So its reading is followed here, byte for byte and no
//! further than needed: lines of the head up to an empty one, and a body with a length or in chunks.
//! No head is kept, only the start of the line under way.
//!
//! Wherever the two could disagree, or there is no end to be found, the boundary is *lost*, and with it
//! that of all later requests of the connection: an end that is seen too early would be waited at for
//! ever, by both sides. Next to all such requests are refused by the framework, which then closes the
//! connection. The others are those that pad a length with dozens of spaces or zeros, and those whose
//! body lasts as long as the connection does.

/// How much of a line is kept: enough for the longest that says something about the body, which is
/// `content-length` with twenty digits, and some space.
const START_MAX_BYTES: usize = 64;

/// What a connection is to become for the framework to take all that follows for the body.
const WEBSOCKET: &[u8] = b"websocket";

/// Follows one request through its bytes.
#[derive(Debug, Default)]
pub(crate) struct Boundary {
    part: Part,
    line: HeaderLine,
    framing: Framing,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// The first line, or an empty one before it.
    #[default]
    RequestLine,
    Field,
    /// A body, of which so many bytes are to come.
    Body(u64),
    ChunkSize,
    /// A chunk and the end of its line, of which so many bytes are to come.
    Chunk(u64),
    Trailer,
    /// What follows a LF in a trailer: in there the framework takes none for the end of a line that has
    /// no CR before it.
    TrailerGoesOn,
    /// The next request.
    Over,
    Lost,
}

/// What the head says about the body.
#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    websocket: bool,
    connect: bool,
}

impl Boundary {
    /// Follows the request through `bytes`. Returns how many of them belong to it: all, unless it ends
    /// before; none if it had ended already.
    pub(crate) fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.part {
                Part::Over => return at,
                Part::Lost => return bytes.len(),
                Part::Body(left) => {
                    let (passed, left) = pass(rest, left);
                    at += passed;
                    self.part = left.map_or(Part::Over, Part::Body);
                }
                Part::Chunk(left) => {
                    let (passed, left) = pass(rest, left);
                    at += passed;
                    self.part = left.map_or(Part::ChunkSize, Part::Chunk);
                }
                Part::RequestLine
                | Part::Field
                | Part::ChunkSize
                | Part::Trailer
                | Part::TrailerGoesOn => {
                    let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
                        self.line.push(rest);
                        return bytes.len();
                    };
                    self.line.push(&rest[..end]);
                    at += end + 1;
                    self.part = self.after_line().unwrap_or(Part::Lost);
                    self.line = HeaderLine::default();
                }
            }
        }
        at
    }

    /// Whether the request has come whole.
    pub(crate) fn is_over(&self) -> bool {
        self.part == Part::Over
    }

    /// Whether enough of the request has come to be answered.
    pub(crate) fn is_past_head(&self) -> bool {
        !matches!(self.part, Part::RequestLine | Part::Field)
    }

    /// Whether a body is under way whose length was told.
    pub(crate) fn is_in_sized_body(&self) -> bool {
        matches!(self.part, Part::Body(_))
    }

    /// Returns whether it is unknown where requests end.
    pub(crate) fn is_lost(&self) -> bool {
        self.part == Part::Lost
    }

    /// Looks for no boundary any more.
    pub(crate) fn lose(&mut self) {
        self.part = Part::Lost;
    }

    /// What comes behind the line that has just ended; `None` if that is in doubt.
    fn after_line(&mut self) -> Option<Part> {
        let line = &self.line;
        let is_empty = line.text().is_empty();
        match self.part {
            Part::RequestLine if is_empty => Some(Part::RequestLine),
            Part::RequestLine => {
                self.framing.connect = line.text().starts_with(b"CONNECT ");
                Some(Part::Field)
            }
            Part::Field if is_empty => self.framing.body(),
            Part::Field => self.framing.note(line).map(|()| Part::Field),
            Part::ChunkSize if line.ends_with_cr() => line.chunk_size(),
            Part::Trailer | Part::TrailerGoesOn if !line.ends_with_cr() => {
                Some(Part::TrailerGoesOn)
            }
            Part::Trailer if is_empty => Some(Part::Over),
            Part::Trailer | Part::TrailerGoesOn => Some(Part::Trailer),
            _ => None,
        }
    }
}

/// Passes by what is left of something; returns how much that was, and what then is left, if anything.
fn pass(bytes: &[u8], left: u64) -> (usize, Option<u64>) {
    let passed = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    let left = left - passed as u64;
    (passed, (left > 0).then_some(left))
}

impl Framing {
    /// Takes note of a field; `None` if it makes the length of the body doubtful.
    fn note(&mut self, line: &HeaderLine) -> Option<()> {
        let text = line.text();
        let Some(colon) = text.iter().position(|&byte| byte == b':') else {
            return Some(());
        };
        let (name, value) = (&text[..colon], text[colon + 1..].trim_ascii());
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"content-length") {
            let is_first = self.length.is_none();
            self.length = Some(number(value, 10).filter(|_| is_first && line.is_whole())?);
        } else if is(b"transfer-encoding") {
            let is_known = value.eq_ignore_ascii_case(b"chunked") && line.is_whole();
            (is_known && !self.chunked).then_some(())?;
            self.chunked = true;
        } else if is(b"upgrade") {
            let may_come = !line.is_whole() && value.len() < WEBSOCKET.len();
            self.websocket |= value.eq_ignore_ascii_case(WEBSOCKET) || may_come;
        }
        Some(())
    }

    /// What comes behind the head; `None` if nobody can tell, or it has no end.
    fn body(&self) -> Option<Part> {
        match (self.chunked, self.length) {
            (true, Some(_)) => None,
            (true, None) => Some(Part::ChunkSize),
            _ if self.websocket => None,
            (false, None | Some(0)) if self.connect => None,
            (false, None | Some(0)) => Some(Part::Over),
            (false, Some(length)) => Some(Part::Body(length)),
        }
    }
}

/// A line without its LF, as far as it has come.
#[derive(Debug)]
struct HeaderLine {
    start: [u8; START_MAX_BYTES],
    length: usize,
    last: u8,
}

impl Default for HeaderLine {
    fn default() -> Self {
        Self {
            start: [0; START_MAX_BYTES],
            length: 0,
            last: 0,
        }
    }
}

impl HeaderLine {
    fn push(&mut self, bytes: &[u8]) {
        let Some(&last) = bytes.last() else {
            return;
        };
        if let Some(room) = self.start.get_mut(self.length..) {
            let kept = bytes.len().min(room.len());
            room[..kept].copy_from_slice(&bytes[..kept]);
        }
        self.length = self.length.saturating_add(bytes.len());
        self.last = last;
    }

    fn is_whole(&self) -> bool {
        self.length <= START_MAX_BYTES
    }

    fn ends_with_cr(&self) -> bool {
        self.last == b'\r'
    }

    /// The line, or its start, without the CR at its end.
    fn text(&self) -> &[u8] {
        let text = &self.start[..self.length.min(START_MAX_BYTES)];
        match text.split_last() {
            Some((b'\r', text)) if self.is_whole() => text,
            _ => text,
        }
    }

    /// What comes behind a line with a chunk's size.
    fn chunk_size(&self) -> Option<Part> {
        let text = self.text();
        let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let (digits, behind) = text.split_at(digits.count());
        let is_whole = match behind.first() {
            None => self.is_whole(),
            Some(byte) => b" \t;".contains(byte),
        };
        match number(digits, 16).filter(|_| is_whole)? {
            0 => Some(Part::Trailer),
            size => size.checked_add(2).map(Part::Chunk),
        }
    }
}

/// A number of nothing but digits.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let all_digits = digits.iter().all(|&byte| char::from(byte).is_digit(radix));
    let text = std::str::from_utf8(digits).ok().filter(|_| all_digits)?;
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests;
