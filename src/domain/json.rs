//! A JSON scanner that checks a whole text, but decodes nothing until a caller asks for it.
//!
//! A ready-made parser does not fit, for three reasons. `data` must keep its bytes: the order of its keys,
//! `1e400`, lone surrogates. A sender chooses how deep a text nests, which must not overflow the stack. And a
//! syntax error is reported with its offset. So one pass without recursion checks the text and returns the
//! members of the outermost object or array as slices of it. RFC 8259 is followed to the letter, so `NaN` is
//! an error. A repeated key is none; its last value counts.

mod scanner;
mod string;
mod value;

pub(crate) use self::scanner::{SyntaxError, walk};
pub(crate) use self::value::{Kind, LoneSurrogate, Member, Value};

/// A checked text, split at its outermost level.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// The whole of it.
    pub(crate) value: Value<'a>,
    /// The members of an object or the items of an array; empty for a scalar.
    pub(crate) members: Vec<Member<'a>>,
}

/// Checks `text` and splits its outermost level.
pub(crate) fn scan(text: &str) -> Result<Document<'_>, SyntaxError> {
    let mut members = Vec::new();
    let value = walk(text, |member| members.push(member))?;
    Ok(Document { value, members })
}

impl<'a> Value<'a> {
    /// Returns the members of an object or the items of an array.
    pub(crate) fn members(self) -> Vec<Member<'a>> {
        // The text was checked as part of the document it came from.
        scan(self.raw()).map_or_else(|_| Vec::new(), |document| document.members)
    }
}

#[cfg(test)]
mod tests;
