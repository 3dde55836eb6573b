//! A JSON scanner that checks a whole text, but decodes nothing until a caller asks for it.
//!
//! A ready-made parser does not fit, for three reasons. `data` must keep its bytes: the order of its keys,
//! `1e400`, lone surrogates. The sender of a text chooses how deep it is nested, and this must not overflow
//! the stack. And a syntax error is reported with its offset. So one pass without recursion checks the text
//! and returns the members of the outermost object or array as slices of the text. The grammar is exactly
//! that of RFC 8259, so `NaN` is an error. A repeated key is no error; callers use its last value.

mod scanner;
mod string;
mod tree;
mod value;

pub(crate) use self::scanner::{SyntaxError, walk};
pub(crate) use self::tree::Node;
pub use self::tree::Tree;
pub(crate) use self::value::{Kind, LoneSurrogate, Member, Value};

/// A checked text, and the members of its outermost level.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// The whole value.
    pub(crate) value: Value<'a>,
    /// The members of an object or the items of an array; empty for a scalar.
    pub(crate) members: Vec<Member<'a>>,
}

/// Checks `text`, and returns it with the members of its outermost level.
pub(crate) fn scan(text: &str) -> Result<Document<'_>, SyntaxError> {
    let mut members = Vec::new();
    let value = walk(text, |member| members.push(member))?;
    Ok(Document { value, members })
}

impl<'a> Value<'a> {
    /// Returns the members of an object or the items of an array.
    pub(crate) fn members(self) -> Vec<Member<'a>> {
        // The text was checked as part of its document, so there is no error.
        scan(self.raw()).map_or_else(|_| Vec::new(), |document| document.members)
    }
}

#[cfg(test)]
pub(crate) mod tests;
