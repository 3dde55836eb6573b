//! The text query of a list: its meaning, and its matches.

use std::cmp::Reverse;

use uuid::Uuid;

use crate::storage::filter::{Page, RowNumber};
use crate::storage::part::{Paged, Part};

/// The meaning of a query.
#[derive(Clone, Debug)]
pub(crate) enum Query {
    /// A whole UUID: the objects that have it.
    Id(Uuid),
    /// Other text: the objects that have it in an id or code.
    Text(Pattern),
}

impl Query {
    /// Reads a query; `None` if it is empty.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        // The parser also accepts braces and URNs, which are longer.
        match Uuid::try_parse(text) {
            Ok(id) if matches!(text.len(), 32 | 36) => Some(Self::Id(id)),
            _ => Some(Self::Text(Pattern::new(text))),
        }
    }
}

/// A text to search for in ids, as they are written with hyphens, and in codes; upper and lower case are
/// equal.
///
/// Ids are not converted to text for this. The text can begin at a few places of an id only, and at each
/// place it fixes some digits. So the pattern holds a mask and a value for each place, and an id is compared
/// with them as one number.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: String,
    places: Vec<(u128, u128)>,
    /// Set for each code that contains it; empty if no code can.
    codes: Vec<bool>,
}

/// The number of codes: they have three digits.
const CODES: u16 = 1000;

/// The characters of an id with its hyphens.
const ID_LENGTH: usize = 36;
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl Pattern {
    /// Returns the pattern for `text`.
    pub(crate) fn new(text: &str) -> Self {
        let places = (0..ID_LENGTH)
            .filter_map(|start| place(text, start))
            .collect();
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let codes = 0..if digits && text.len() <= 3 { CODES } else { 0 };
        Self {
            text: text.to_owned(),
            places,
            codes: codes.map(|code| code.to_string().contains(text)).collect(),
        }
    }

    /// Returns the text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Reports whether nothing can match.
    pub(crate) fn matches_nothing(&self) -> bool {
        self.places.is_empty() && self.codes.is_empty()
    }

    /// Reports whether the text is in an id.
    pub(crate) fn in_id(&self, id: Uuid) -> bool {
        let id = id.as_u128();
        self.places.iter().any(|(mask, value)| id & mask == *value)
    }

    /// Reports whether the text can be in a code.
    pub(crate) fn seeks_codes(&self) -> bool {
        !self.codes.is_empty()
    }

    /// Reports whether the text is in a code.
    pub(crate) fn in_code(&self, code: Option<u16>) -> bool {
        code.is_some_and(|code| self.codes.get(usize::from(code)) == Some(&true))
    }
}

/// Returns the mask and the value of the digits that `text` fixes if it begins at character `start` of an id.
fn place(text: &str, start: usize) -> Option<(u128, u128)> {
    if start + text.len() > ID_LENGTH {
        return None;
    }
    let (mut mask, mut value) = (0, 0);
    for (at, character) in (start..).zip(text.chars()) {
        if HYPHENS.contains(&at) {
            if character != '-' {
                return None;
            }
            continue;
        }
        let digit = character.to_digit(16)?;
        let hyphens_before = HYPHENS.iter().filter(|hyphen| **hyphen < at).count();
        let shift = 4 * (31 - (at - hyphens_before));
        mask |= 0xf << shift;
        value |= u128::from(digit) << shift;
    }
    Some((mask, value))
}

/// The result of a list: the rows of one page, and the total.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// The numbers of the page's rows, newest first.
    pub(crate) seqs: Vec<i64>,
    /// The number of rows on all pages.
    pub(crate) total: u64,
    /// The number of rows that were searched, if there was a text.
    pub(crate) searched: Option<u64>,
}

impl Found {
    /// Returns the result for these matches, which come in any order.
    pub(crate) fn of(mut matches: Vec<i64>, page: Page) -> Self {
        matches.sort_unstable_by_key(|seq| Reverse(*seq));
        let mut found = Self::default();
        for seq in matches {
            found.add(seq, page);
        }
        found
    }

    /// Counts a match and keeps it if it is on the page. Matches come newest first.
    pub(crate) fn add(&mut self, seq: i64, page: Page) {
        if self.total >= page.offset() && (self.seqs.len() as u64) < page.limit {
            self.seqs.push(seq);
        }
        self.total += 1;
    }

    /// Returns the page, with the first of its rows as `read` reads them.
    pub(crate) fn read<T>(
        self,
        read: impl FnOnce(&[RowNumber]) -> rusqlite::Result<Part<T>>,
    ) -> rusqlite::Result<Paged<T>> {
        let mut rest: Vec<RowNumber> = self.seqs.into_iter().map(RowNumber).collect();
        let first = read(&rest)?;
        rest.drain(..first.done);
        Ok(Paged {
            rows: first.rows,
            rest,
            total: self.total,
            searched: self.searched,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_finds_what_is_in_the_hyphenated_text() {
        let id = Uuid::parse_str("018bcfe5-6800-4abc-8def-0123456789ab").unwrap();
        let text = id.to_string();
        for start in 0..text.len() {
            for end in start + 1..=text.len() {
                let part = &text[start..end];
                assert!(Pattern::new(part).in_id(id), "{part}");
                assert!(Pattern::new(&part.to_uppercase()).in_id(id), "{part}");
            }
        }
        for other in [
            "56800", "018bcfe6", "--", "g", "é", "%", "-4abd", "9ab-", "-018",
        ] {
            assert!(!Pattern::new(other).in_id(id), "{other}");
        }
        assert!(Pattern::new("x1").matches_nothing());
        assert!(Pattern::new(&"1".repeat(37)).matches_nothing());
    }

    #[test]
    fn a_pattern_finds_what_is_in_a_code() {
        assert!(Pattern::new("50").in_code(Some(503)));
        assert!(Pattern::new("503").in_code(Some(503)));
        assert!(!Pattern::new("53").in_code(Some(503)));
        assert!(!Pattern::new("5 03").in_code(Some(503)));
        assert!(!Pattern::new("0").in_code(None));
    }

    #[test]
    fn only_whole_uuids_are_looked_up() {
        let id = Uuid::from_u128(0x018b_cfe5_6800_4abc_8def_0123_4567_89ab);
        for text in [
            id.to_string(),
            id.simple().to_string(),
            id.to_string().to_uppercase(),
            format!(" {id} "),
        ] {
            assert!(matches!(Query::parse(&text), Some(Query::Id(found)) if found == id));
        }
        for text in [
            id.braced().to_string(),
            id.urn().to_string(),
            id.to_string()[1..].to_owned(),
        ] {
            assert!(
                matches!(Query::parse(&text), Some(Query::Text(_))),
                "{text}"
            );
        }
        assert!(Query::parse(" ").is_none());
    }
}
