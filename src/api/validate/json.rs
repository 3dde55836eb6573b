//! A JSON scanner that checks a whole text, but decodes nothing until it is asked to.
//!
//! Why not a ready-made parser: `data` must keep its bytes (key order, `1e400`, lone surrogates), a
//! depth that somebody else chose must not end in a stack overflow, and a syntax error has to be
//! reported by its offset. So the text is checked in one pass without recursion, and the members
//! of the outermost object or array come out as slices of it. RFC 8259 is followed to the letter,
//! so `NaN` is an error; a repeated key is not, and its last value counts.

use std::borrow::Cow;

/// Where and why a text is not JSON. The reasons are worded as upstream words them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// The byte at which reading stopped.
    pub(crate) at: usize,
    /// What was wrong there.
    pub(crate) why: &'static str,
}

/// What sort of value a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
}

/// One value: its text, which was checked, and how deep it nests (a scalar: 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    raw: &'a str,
    depth: usize,
}

/// A member of an object, or an item of an array (its key is then empty).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    key: &'a str,
    /// Its value.
    pub(crate) value: Value<'a>,
}

/// A checked text, split at its outermost level.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// The whole of it.
    pub(crate) value: Value<'a>,
    /// What an object or an array holds; empty for a scalar.
    pub(crate) members: Vec<Member<'a>>,
}

/// A string with half of a surrogate pair, which no Unicode text can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoneSurrogate;

impl<'a> Value<'a> {
    /// The bytes as sent.
    pub(crate) fn raw(self) -> &'a str {
        self.raw
    }

    /// How many arrays and objects enclose the innermost scalar.
    pub(crate) fn depth(self) -> usize {
        self.depth
    }

    /// What sort of value it is.
    pub(crate) fn kind(self) -> Kind {
        match self.raw.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The members of an object or the items of an array.
    pub(crate) fn members(self) -> Vec<Member<'a>> {
        // The text was checked as part of the document it came from.
        scan(self.raw).map_or_else(|_| Vec::new(), |document| document.members)
    }

    /// The text of a string; borrowed where nothing is escaped.
    pub(crate) fn text(self) -> Result<Cow<'a, str>, LoneSurrogate> {
        unescape(self.raw, |_| Err(LoneSurrogate))
    }

    /// The text of a string, with U+FFFD for what is no Unicode.
    pub(crate) fn lossy_text(self) -> Cow<'a, str> {
        unescape(self.raw, |text| {
            text.push(char::REPLACEMENT_CHARACTER);
            Ok::<_, LoneSurrogate>(())
        })
        .unwrap_or_default()
    }
}

impl<'a> Member<'a> {
    /// The name of the member.
    pub(crate) fn name(self) -> Cow<'a, str> {
        Value {
            raw: self.key,
            depth: 0,
        }
        .lossy_text()
    }

    /// Whether the member is called `name`.
    pub(crate) fn is(self, name: &str) -> bool {
        let inner = self.key.get(1..self.key.len().saturating_sub(1));
        inner == Some(name) || (self.key.contains('\\') && self.name() == name)
    }
}

/// Checks `text` and splits its outermost level.
pub(crate) fn scan(text: &str) -> Result<Document<'_>, SyntaxError> {
    let mut scanner = Scanner {
        text,
        bytes: text.as_bytes(),
        at: 0,
    };
    scanner.document()
}

const NO_VALUE: &str = "Expecting value";
const NO_KEY: &str = "Expecting property name enclosed in double quotes";
const NO_COLON: &str = "Expecting ':' delimiter";
const NO_COMMA: &str = "Expecting ',' delimiter";
const EXTRA: &str = "Extra data";
const UNTERMINATED: &str = "Unterminated string starting at";
const CONTROL: &str = "Invalid control character at";
const ESCAPE: &str = "Invalid \\escape";
const UNICODE_ESCAPE: &str = "Invalid \\uXXXX escape";

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

/// What may come next.
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
    fn document(&mut self) -> Result<Document<'a>, SyntaxError> {
        let mut members = Vec::new();
        // One entry per open array (`b'['`) or object (`b'{'`): the heap's, not the stack's, and at
        // most as long as the text.
        let mut open: Vec<u8> = Vec::new();
        let mut deepest = 0;
        let mut member = (0, 0, 0); // key from, key to, value from
        let mut deepest_in_member = 0;
        let mut expect = Expect::Value;
        self.space();
        let start = self.at;
        loop {
            self.space();
            let next = self.peek();
            let ends = matches!(
                expect,
                Expect::CommaOrEnd | Expect::ItemOrEnd | Expect::KeyOrEnd
            ) && match open.last() {
                Some(b'[') => next == Some(b']'),
                Some(_) => next == Some(b'}'),
                None => false,
            };
            if ends {
                self.at += 1;
                open.pop();
            } else {
                match expect {
                    Expect::CommaOrEnd => {
                        if next != Some(b',') {
                            return Err(self.error(NO_COMMA));
                        }
                        self.at += 1;
                        expect = if open.last() == Some(&b'{') {
                            Expect::Key
                        } else {
                            Expect::Value
                        };
                        continue;
                    }
                    Expect::Key | Expect::KeyOrEnd => {
                        let key = self.key()?;
                        if open.len() == 1 {
                            member = (key.0, key.1, 0);
                        }
                        expect = Expect::Value;
                        continue;
                    }
                    Expect::Value | Expect::ItemOrEnd => {}
                }
                if open.len() == 1 {
                    member.2 = self.at;
                    deepest_in_member = 0;
                }
                if let Some(bracket @ (b'[' | b'{')) = next {
                    self.at += 1;
                    open.push(bracket);
                    deepest = deepest.max(open.len());
                    deepest_in_member = deepest_in_member.max(open.len() - 1);
                    expect = if bracket == b'[' {
                        Expect::ItemOrEnd
                    } else {
                        Expect::KeyOrEnd
                    };
                    continue;
                }
                self.scalar()?;
            }
            // A value has just ended.
            if open.len() == 1 && (member.2 > start) {
                members.push(Member {
                    key: &self.text[member.0..member.1],
                    value: Value {
                        raw: &self.text[member.2..self.at],
                        depth: deepest_in_member,
                    },
                });
            }
            if open.is_empty() {
                let value = Value {
                    raw: &self.text[start..self.at],
                    depth: deepest,
                };
                self.space();
                if self.at < self.bytes.len() {
                    return Err(self.error(EXTRA));
                }
                return Ok(Document { value, members });
            }
            expect = Expect::CommaOrEnd;
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

    /// A key and its colon: the bounds of the key, quotes included.
    fn key(&mut self) -> Result<(usize, usize), SyntaxError> {
        if self.peek() != Some(b'"') {
            return Err(self.error(NO_KEY));
        }
        let start = self.at;
        self.string()?;
        let end = self.at;
        self.space();
        if self.peek() != Some(b':') {
            return Err(self.error(NO_COLON));
        }
        self.at += 1;
        Ok((start, end))
    }

    fn scalar(&mut self) -> Result<(), SyntaxError> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => {
                let rest = &self.bytes[self.at..];
                let word = ["true", "false", "null"]
                    .into_iter()
                    .find(|word| rest.starts_with(word.as_bytes()))
                    .ok_or(self.error(NO_VALUE))?;
                self.at += word.len();
                Ok(())
            }
            None => Err(self.error(NO_VALUE)),
        }
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

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    /// Digits after a prefix of some bytes; without digits the prefix is left for the next token,
    /// where it is an error.
    fn optional_digits(&mut self, prefix: usize) {
        let start = self.at;
        self.at += prefix;
        if self.digits() == 0 {
            self.at = start;
        }
    }
}

/// Decodes a checked string; `lone` decides about half a surrogate pair.
fn unescape<E>(raw: &str, lone: impl Fn(&mut String) -> Result<(), E>) -> Result<Cow<'_, str>, E> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let code = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
        let mut length = 2;
        match code {
            b'b' => text.push('\u{8}'),
            b'f' => text.push('\u{c}'),
            b'n' => text.push('\n'),
            b'r' => text.push('\r'),
            b't' => text.push('\t'),
            b'u' => {
                let first = unit(rest, at);
                length = 6;
                let pair = [first, unit(rest, at + 6)];
                let decoded = if is_high(first) && rest[at + 6..].starts_with("\\u") {
                    char::decode_utf16(pair).next()
                } else {
                    char::decode_utf16([first]).next()
                };
                match decoded {
                    Some(Ok(c)) => {
                        length = if is_high(first) { 12 } else { 6 };
                        text.push(c);
                    }
                    _ => lone(&mut text)?,
                }
            }
            other => text.push(char::from(other)),
        }
        rest = rest.get(at + length..).unwrap_or_default();
    }
    text.push_str(rest);
    Ok(Cow::Owned(text))
}

/// The UTF-16 unit of the `\uXXXX` at `at`.
fn unit(text: &str, at: usize) -> u16 {
    text.get(at + 2..at + 6)
        .and_then(|digits| u16::from_str_radix(digits, 16).ok())
        .unwrap_or_default()
}

fn is_high(unit: u16) -> bool {
    (0xD800..0xDC00).contains(&unit)
}

#[cfg(test)]
mod tests;
