//! The boundary of a request: where it ends and the next begins.
//!
//! actix-http knows where a request ends but does not expose it, so this module tracks the framing itself, no
//! further than needed: the lines of the head up to an empty one, and a body with a length or in chunks. It
//! keeps no head, only the start of the current line.
//!
//! The boundary is *lost* where this module and actix-http could disagree, or a request has no end, and so
//! are those of all later requests of the connection: all bytes then count as part of the request. If this
//! module saw an end too early, client and server would wait for each other forever. actix-http itself
//! rejects nearly all such requests, and closes the connection. It accepts those that pad a length with
//! dozens of spaces or zeros, and those whose body lasts as long as the connection.
//!
//! A request to speak another protocol on the connection (`Upgrade`) is changed so that actix-http does not
//! see it. A server may ignore such a request (RFC 9110, section 7.8), and this one speaks only HTTP/1.1. But
//! after `Upgrade: websocket`, actix-http takes all further bytes of the connection for the body, even if the
//! request has a length, so the body never ended. And after `Connection: upgrade`, it claims in the response
//! that the protocol changes, and closes the connection.
//!
//! A body in very many chunks has too many of them: the boundary ends before the data of the first chunk beyond
//! the limit. actix-http makes an item of each chunk, all those of a read in one turn, so 180 KB of chunks of one
//! byte took 0.7 MB of memory and some milliseconds in which no other request of the thread went on.

/// The bytes of a line that are kept: enough for the longest line about the body, which is `content-length`
/// with twenty digits and some space.
const START_MAX_BYTES: usize = 64;

/// The chunks that any body may have: enough for clients that send each part of a small message as they make it.
/// actix-http decodes as many in less than a millisecond.
pub(super) const CHUNKS_MAX: u64 = 1024;

/// The bytes of data for each of which a body may have one chunk more. Clients that stream a large body send
/// kilobytes at a time. With chunks of this size, a chunk's cost is less than that of its data.
pub(super) const CHUNK_MIN_BYTES: u64 = 64;

/// The beginning of a field that asks for another protocol.
const UPGRADE: &[u8] = b"upgrade:";

/// The beginning of the field with the options of the connection.
const CONNECTION: &[u8] = b"connection:";

/// The option of a connection on which another protocol is asked for.
const UPGRADE_OPTION: &[u8] = b"upgrade";

/// The byte that makes another name of the name of a protocol or an option.
const CHANGED: u8 = b'x';

/// The boundary of one request, as its bytes arrive.
#[derive(Debug, Default)]
pub(crate) struct Boundary {
    part: Part,
    line: HeaderLine,
    framing: Framing,
    /// The chunks of the body so far, without the last, which is empty.
    chunks: u64,
    /// The bytes of data in these chunks.
    chunk_bytes: u64,
}

/// The part of a request to which the next byte belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// The first line, or an empty one before it.
    #[default]
    RequestLine,
    Field,
    /// A body with a length, and the bytes of it that are still to come.
    Body(u64),
    ChunkSize,
    /// A chunk with the end of its line, and the bytes of both that are still to come.
    Chunk(u64),
    /// A chunk beyond the limit: nothing of it is followed, nor of what comes after it.
    SurplusChunk,
    Trailer,
    /// A trailer after a bare LF: actix-http takes that for the end of a line only after a CR.
    TrailerGoesOn,
    /// The next request: this one is complete.
    Over,
    Lost,
}

/// The fields of the head that decide how the body is framed.
#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    connect: bool,
}

impl Boundary {
    /// Reads `bytes`, and changes requests for another protocol in them. Returns how many of them belong to the
    /// request: all, unless it ends before, or has too many chunks; none if it had ended already.
    pub(crate) fn follow(&mut self, bytes: &mut [u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &mut bytes[at..];
            match self.part {
                Part::Over | Part::SurplusChunk => return at,
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
                    let end = rest.iter().position(|&byte| byte == b'\n');
                    let length = end.unwrap_or(rest.len());
                    self.line_goes_on(&mut rest[..length]);
                    if end.is_none() {
                        return bytes.len();
                    }
                    at += length + 1;
                    self.part = self.after_line().unwrap_or(Part::Lost);
                    self.line = HeaderLine::default();
                }
            }
        }
        at
    }

    /// Reports whether the request is complete.
    pub(crate) fn is_over(&self) -> bool {
        self.part == Part::Over
    }

    /// Reports whether the head is complete, so that a response may begin.
    pub(crate) fn is_past_head(&self) -> bool {
        !matches!(self.part, Part::RequestLine | Part::Field)
    }

    /// Reports whether the next byte is one of a body with a length.
    pub(crate) fn is_in_sized_body(&self) -> bool {
        matches!(self.part, Part::Body(_))
    }

    /// Reports whether the ends of requests are unknown from here on.
    pub(crate) fn is_lost(&self) -> bool {
        self.part == Part::Lost
    }

    /// Reports whether the body has more chunks than [`CHUNKS_MAX`] and its bytes allow.
    pub(crate) fn has_too_many_chunks(&self) -> bool {
        self.part == Part::SurplusChunk
    }

    /// Returns the number of chunks of the body that have begun.
    pub(crate) fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Gives the boundary up as lost.
    pub(crate) fn lose(&mut self) {
        self.part = Part::Lost;
    }

    /// Reads bytes of a line without its LF. Earlier bytes of the line may have been handed on already.
    fn line_goes_on(&mut self, bytes: &mut [u8]) {
        let before = self.line.length;
        self.line.push(bytes);
        if self.part != Part::Field {
            return;
        }
        if self.line.begins(UPGRADE) {
            let first = UPGRADE.len().checked_sub(before);
            if let Some(first) = first.and_then(|at| bytes.get_mut(at))
                && *first != b'\r'
            {
                *first = CHANGED;
            }
        } else if self.line.begins(CONNECTION)
            && let Some(value) = bytes.get_mut(CONNECTION.len().saturating_sub(before)..)
        {
            self.line.change_option(value);
        }
    }

    /// Returns the part after the line that has just ended; `None` if that is in doubt.
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
            Part::ChunkSize if line.ends_with_cr() => {
                let size = line.chunk_size()?;
                self.begin_chunk(size)
            }
            Part::Trailer | Part::TrailerGoesOn if !line.ends_with_cr() => {
                Some(Part::TrailerGoesOn)
            }
            Part::Trailer if is_empty => Some(Part::Over),
            Part::Trailer | Part::TrailerGoesOn => Some(Part::Trailer),
            _ => None,
        }
    }

    /// Counts a chunk of so many bytes, and returns the part that it is.
    fn begin_chunk(&mut self, size: u64) -> Option<Part> {
        if size == 0 {
            return Some(Part::Trailer);
        }
        let with_end = size.checked_add(2)?;
        // A client must send all of a chunk before the next, so a size that is too large allows it no more.
        self.chunks += 1;
        self.chunk_bytes = self.chunk_bytes.saturating_add(size);
        let is_surplus = self.chunks > CHUNKS_MAX + self.chunk_bytes / CHUNK_MIN_BYTES;
        Some(if is_surplus {
            Part::SurplusChunk
        } else {
            Part::Chunk(with_end)
        })
    }
}

/// Skips the bytes that are left of a part. Returns how many were skipped, and how many are still to come.
fn pass(bytes: &[u8], left: u64) -> (usize, Option<u64>) {
    let passed = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    let left = left - passed as u64;
    (passed, (left > 0).then_some(left))
}

impl Framing {
    /// Records a field; `None` if it makes the length of the body doubtful.
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
        }
        Some(())
    }

    /// Returns the part after the head; `None` if that is in doubt, or has no end.
    fn body(&self) -> Option<Part> {
        match (self.chunked, self.length) {
            (true, Some(_)) => None,
            (true, None) => Some(Part::ChunkSize),
            (false, None | Some(0)) if self.connect => None,
            (false, None | Some(0)) => Some(Part::Over),
            (false, Some(length)) => Some(Part::Body(length)),
        }
    }
}

/// A line of the head, of a chunk's size or of a trailer, without its LF, as far as it has arrived.
#[derive(Debug)]
struct HeaderLine {
    start: [u8; START_MAX_BYTES],
    length: usize,
    last: u8,
    /// The bytes at the end that are the beginning of [`UPGRADE_OPTION`].
    option: usize,
}

impl Default for HeaderLine {
    fn default() -> Self {
        Self {
            start: [0; START_MAX_BYTES],
            length: 0,
            last: 0,
            option: 0,
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

    /// Reports whether the line begins with `text`, in any case.
    fn begins(&self, text: &[u8]) -> bool {
        let start = self.start.get(..text.len().min(self.length));
        start.is_some_and(|start| start.eq_ignore_ascii_case(text))
    }

    /// Changes the last letter of each [`UPGRADE_OPTION`] in the value of `connection`.
    fn change_option(&mut self, value: &mut [u8]) {
        for byte in value {
            if !byte.eq_ignore_ascii_case(&UPGRADE_OPTION[self.option]) {
                self.option = 0;
            }
            // The first letter occurs only once.
            if byte.eq_ignore_ascii_case(&UPGRADE_OPTION[self.option]) {
                self.option += 1;
            }
            if self.option == UPGRADE_OPTION.len() {
                *byte = CHANGED;
                self.option = 0;
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.length <= START_MAX_BYTES
    }

    fn ends_with_cr(&self) -> bool {
        self.last == b'\r'
    }

    /// Returns the line, or its start, without the CR at its end.
    fn text(&self) -> &[u8] {
        let text = &self.start[..self.length.min(START_MAX_BYTES)];
        match text.split_last() {
            Some((b'\r', text)) if self.is_whole() => text,
            _ => text,
        }
    }

    /// Returns the size of a chunk.
    fn chunk_size(&self) -> Option<u64> {
        let text = self.text();
        let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let (digits, behind) = text.split_at(digits.count());
        let is_whole = match behind.first() {
            None => self.is_whole(),
            Some(byte) => b" \t;".contains(byte),
        };
        number(digits, 16).filter(|_| is_whole)
    }
}

/// Parses a number that consists of digits only.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let all_digits = digits.iter().all(|&byte| char::from(byte).is_digit(radix));
    let text = std::str::from_utf8(digits).ok().filter(|_| all_digits)?;
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests;
