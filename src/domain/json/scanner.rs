//! The check of a text against RFC 8259, byte by byte.

use std::ops::Range;

use super::value::{Member, Value};

/// The place and the reason of a syntax error. The reasons have the words of Python's `json` module, because
/// clients may match on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// The byte at which reading stopped.
    pub(crate) at: usize,
    /// The reason.
    pub(crate) why: &'static str,
}

pub(super) const NO_VALUE: &str = "Expecting value";
pub(super) const NO_KEY: &str = "Expecting property name enclosed in double quotes";
pub(super) const NO_COLON: &str = "Expecting ':' delimiter";
pub(super) const NO_COMMA: &str = "Expecting ',' delimiter";
pub(super) const EXTRA: &str = "Extra data";
pub(super) const UNTERMINATED: &str = "Unterminated string starting at";
pub(super) const CONTROL: &str = "Invalid control character at";
pub(super) const ESCAPE: &str = "Invalid \\escape";
pub(super) const UNICODE_ESCAPE: &str = "Invalid \\uXXXX escape";

/// Checks `text`, and calls `each` with every member of the outermost object or item of the outermost array.
/// Returns the whole value. Before an error, `each` may already have been called.
pub(crate) fn walk<'a>(
    text: &'a str,
    each: impl FnMut(Member<'a>),
) -> Result<Value<'a>, SyntaxError> {
    let scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        at: 0,
        open: Vec::new(),
        deepest: 0,
        key: 0..0,
        member_start: 0,
        member_depth: 0,
    };
    scanner.walk(each)
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The closing bracket of each open array or object, innermost last. This stack is on the heap, and at
    /// most as long as the text.
    open: Vec<u8>,
    /// The most brackets that were open at the same time.
    deepest: usize,
    /// The last key of the outermost object.
    key: Range<usize>,
    /// The start of the last value in the outermost object or array.
    member_start: usize,
    /// The depth of that value, as far as it has been read.
    member_depth: usize,
}

/// The tokens that may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// A value, or the end of an array that has just begun.
    ItemOrEnd,
    Key,
    /// A key, or the end of an object that has just begun.
    KeyOrEnd,
    CommaOrEnd,
}

impl<'a> Scanner<'a> {
    fn walk(mut self, mut each: impl FnMut(Member<'a>)) -> Result<Value<'a>, SyntaxError> {
        self.space();
        let start = self.at;
        let mut expect = Expect::Value;
        loop {
            self.space();
            if let Some(next) = self.token(expect)? {
                expect = next;
                continue;
            }
            match self.open.len() {
                0 => return self.end(start),
                1 => each(self.member()),
                _ => {}
            }
            expect = Expect::CommaOrEnd;
        }
    }

    /// Reads one token. Returns the tokens that may follow, or `None` at the end of a value.
    fn token(&mut self, expect: Expect) -> Result<Option<Expect>, SyntaxError> {
        let may_end = !matches!(expect, Expect::Value | Expect::Key);
        let is_end = self
            .open
            .last()
            .is_some_and(|end| self.peek() == Some(*end));
        if may_end && is_end {
            self.open.pop();
            self.at += 1;
            return Ok(None);
        }
        match expect {
            Expect::Value | Expect::ItemOrEnd => self.value(),
            Expect::Key | Expect::KeyOrEnd => self.key().map(Some),
            Expect::CommaOrEnd => self.comma().map(Some),
        }
    }

    /// Reads a scalar, or the first bracket of an array or an object.
    fn value(&mut self) -> Result<Option<Expect>, SyntaxError> {
        if self.open.len() == 1 {
            self.member_start = self.at;
            self.member_depth = 0;
        }
        match self.peek() {
            Some(b'[') => Ok(Some(self.enter(b']', Expect::ItemOrEnd))),
            Some(b'{') => Ok(Some(self.enter(b'}', Expect::KeyOrEnd))),
            _ => self.scalar().map(|()| None),
        }
    }

    fn enter(&mut self, end: u8, expect: Expect) -> Expect {
        self.at += 1;
        self.member_depth = self.member_depth.max(self.open.len());
        self.open.push(end);
        self.deepest = self.deepest.max(self.open.len());
        expect
    }

    fn comma(&mut self) -> Result<Expect, SyntaxError> {
        if self.peek() != Some(b',') {
            return Err(self.error(NO_COMMA));
        }
        self.at += 1;
        let in_object = self.open.last() == Some(&b'}');
        Ok(if in_object {
            Expect::Key
        } else {
            Expect::Value
        })
    }

    /// Reads a key and its colon.
    fn key(&mut self) -> Result<Expect, SyntaxError> {
        if self.peek() != Some(b'"') {
            return Err(self.error(NO_KEY));
        }
        let start = self.at;
        self.string()?;
        if self.open.len() == 1 {
            self.key = start..self.at;
        }
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.error(NO_COLON));
        }
        self.at += 1;
        Ok(Expect::Value)
    }

    /// Returns the member whose value has just ended.
    fn member(&self) -> Member<'a> {
        let raw = &self.text[self.member_start..self.at];
        Member::new(
            &self.text[self.key.clone()],
            Value::new(raw, self.member_depth),
        )
    }

    /// Returns the whole value, which has just ended; only white space may follow.
    fn end(mut self, start: usize) -> Result<Value<'a>, SyntaxError> {
        let value = Value::new(&self.text[start..self.at], self.deepest);
        self.space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.error(EXTRA)),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn error(&self, why: &'static str) -> SyntaxError {
        SyntaxError { at: self.at, why }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn scalar(&mut self) -> Result<(), SyntaxError> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err(self.error(NO_VALUE)),
        }
    }

    fn word(&mut self) -> Result<(), SyntaxError> {
        let rest = &self.bytes[self.at..];
        let word = ["true", "false", "null"]
            .into_iter()
            .find(|word| rest.starts_with(word.as_bytes()))
            .ok_or(self.error(NO_VALUE))?;
        self.at += word.len();
        Ok(())
    }

    fn string(&mut self) -> Result<(), SyntaxError> {
        let unterminated = self.error(UNTERMINATED);
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(unterminated),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(unterminated)?,
                Some(..0x20) => return Err(self.error(CONTROL)),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self, unterminated: SyntaxError) -> Result<(), SyntaxError> {
        match self.bytes.get(self.at + 1) {
            None => Err(unterminated),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6);
                if digits.is_some_and(|four| four.iter().all(u8::is_ascii_hexdigit)) {
                    self.at += 6;
                    Ok(())
                } else {
                    Err(self.error(UNICODE_ESCAPE))
                }
            }
            Some(_) => Err(self.error(ESCAPE)),
        }
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1; // A leading zero stands alone.
        } else if self.digits() == 0 {
            self.at = start;
            return Err(self.error(NO_VALUE));
        }
        if self.peek() == Some(b'.') {
            self.optional_digits(1);
        }
        if let Some(b'e' | b'E') = self.peek() {
            let sign = matches!(self.bytes.get(self.at + 1), Some(b'+' | b'-'));
            self.optional_digits(1 + usize::from(sign));
        }
        Ok(())
    }

    /// Reads digits, and returns how many there are.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    /// Reads a prefix of that many bytes and the digits after it. If no digits follow, nothing is read; the
    /// prefix is then an error as the next token.
    fn optional_digits(&mut self, prefix: usize) {
        let start = self.at;
        self.at += prefix;
        if self.digits() == 0 {
            self.at = start;
        }
    }
}
