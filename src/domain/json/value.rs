//! Values and members as slices of a checked text.

use std::borrow::Cow;

use super::string::unescape;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
}

impl Kind {
    /// Returns the type of a checked value that starts with this byte.
    pub(super) const fn of(first: Option<u8>) -> Self {
        match first {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::Text,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }
}

/// A value: its text, which the scanner has checked, and its depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    raw: &'a str,
    depth: usize,
}

/// A member of an object, or an item of an array, whose key is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    /// The key with its quotes.
    key: &'a str,
    /// Its value.
    pub(crate) value: Value<'a>,
}

/// The error for a string with one half of a surrogate pair, which is not valid Unicode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoneSurrogate;

impl<'a> Value<'a> {
    /// Makes a value of a checked text.
    pub(super) fn new(raw: &'a str, depth: usize) -> Self {
        Self { raw, depth }
    }

    /// Returns the bytes as sent.
    pub(crate) fn raw(self) -> &'a str {
        self.raw
    }

    /// Returns how deep arrays and objects are nested; 0 for a scalar, 1 for an array of scalars.
    pub(crate) fn depth(self) -> usize {
        self.depth
    }

    /// Returns the type of the value.
    pub(crate) fn kind(self) -> Kind {
        Kind::of(self.raw.as_bytes().first().copied())
    }

    /// Returns the decoded text of a string; borrowed if it has no escapes.
    pub(crate) fn text(self) -> Result<Cow<'a, str>, LoneSurrogate> {
        unescape(self.raw, None).ok_or(LoneSurrogate)
    }

    /// Returns the decoded text of a string, with U+FFFD in place of each lone surrogate.
    pub(crate) fn lossy_text(self) -> Cow<'a, str> {
        self.text_with("\u{fffd}")
    }

    /// Returns the decoded text of a string, with `replacement` in place of each lone surrogate.
    pub(crate) fn text_with(self, replacement: &str) -> Cow<'a, str> {
        unescape(self.raw, Some(replacement)).unwrap_or_default()
    }
}

impl<'a> Member<'a> {
    pub(super) fn new(key: &'a str, value: Value<'a>) -> Self {
        Self { key, value }
    }

    /// Returns the key as a string value; `None` for an item of an array.
    pub(crate) fn key(self) -> Option<Value<'a>> {
        (!self.key.is_empty()).then(|| Value::new(self.key, 0))
    }

    /// Returns the decoded key; empty for an item of an array.
    pub(crate) fn name(self) -> Cow<'a, str> {
        self.key().map(Value::lossy_text).unwrap_or_default()
    }

    /// Reports whether `name` is the decoded key.
    pub(crate) fn is(self, name: &str) -> bool {
        let inner = self.key.get(1..self.key.len().saturating_sub(1));
        // An escape is longer than what it stands for, so a key that has one is longer than its name.
        let may_have_escape = || self.key.len() > name.len() + 2;
        inner == Some(name) || (may_have_escape() && self.key.contains('\\') && self.name() == name)
    }
}
