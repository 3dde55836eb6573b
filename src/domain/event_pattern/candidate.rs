//! Candidates: the tests of a value, of which one must match.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;

use super::number::Number;
use crate::domain::json::{Kind, Value};
use crate::domain::words::words;

/// A leaf: a value that is neither an array nor an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Leaf<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
}

impl<'a> Leaf<'a> {
    /// Reads a leaf; `None` if the value is an array or an object. Half a surrogate pair becomes U+FFFD.
    pub(super) fn of(value: Value<'a>) -> Option<Self> {
        Some(match value.kind() {
            Kind::Null => Self::Null,
            Kind::Bool => Self::Bool(value.raw() == "true"),
            Kind::Number => Self::Number(Number::parse(value.raw())),
            Kind::Text => Self::Text(value.lossy_text()),
            Kind::Array | Kind::Object => return None,
        })
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

words! {
    /// A comparison of `numeric`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Comparison {
        Equal = "=",
        Less = "<",
        LessOrEqual = "<=",
        Greater = ">",
        GreaterOrEqual = ">=",
    }
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// A test of a leaf.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Candidate {
    /// Equal to this.
    Is(Leaf<'static>),
    /// Equal to none of these.
    IsNone(Vec<Leaf<'static>>),
    /// A text of this form.
    Has(TextForm),
    /// Anything but a text of one of these forms.
    HasNone(Vec<TextForm>),
    /// A number for which all of these hold.
    Numeric(Vec<(Comparison, Number)>),
    /// A text that is an address in this network.
    Cidr(IpNet),
    /// Any leaf; or, if false, none.
    Exists(bool),
}

impl Candidate {
    /// Reports whether a leaf matches.
    pub(super) fn matches(&self, leaf: &Leaf<'_>) -> bool {
        let has = |form: &TextForm| leaf.text().is_some_and(|text| form.matches(text));
        match self {
            Self::Is(value) => value == leaf,
            Self::IsNone(values) => values.iter().all(|value| value != leaf),
            Self::Has(form) => has(form),
            Self::HasNone(forms) => !forms.iter().any(has),
            Self::Numeric(bounds) => match leaf {
                Leaf::Number(number) => bounds
                    .iter()
                    .all(|(comparison, bound)| comparison.holds(number.compare(*bound))),
                _ => false,
            },
            Self::Cidr(network) => leaf
                .text()
                .and_then(|text| text.parse::<IpAddr>().ok())
                .is_some_and(|address| network.contains(&address)),
            Self::Exists(exists) => *exists,
        }
    }

    /// Returns how many texts, numbers and networks a leaf is compared with.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Is(_) | Self::Has(_) | Self::Cidr(_) | Self::Exists(_) => 1,
            Self::IsNone(values) => values.len(),
            Self::HasNone(forms) => forms.len(),
            Self::Numeric(bounds) => bounds.len(),
        }
    }
}

/// The form of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TextForm {
    Prefix(String),
    Suffix(String),
    /// A text that is equal without regard to case: here it is [folded](folded).
    IgnoringCase(String),
    Wildcard(Wildcard),
}

impl TextForm {
    /// Returns the form of texts that are equal to `text` but for case.
    pub(super) fn ignoring_case(text: &str) -> Self {
        Self::IgnoringCase(folded(text).collect())
    }

    /// Reports whether a text has the form, in a time that grows with the length of the text and no faster.
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix),
            Self::Suffix(suffix) => text.ends_with(suffix),
            Self::IgnoringCase(other) => folded(text).eq(other.chars()),
            Self::Wildcard(wildcard) => wildcard.matches(text),
        }
    }
}

/// Returns the characters of a text without their case. To go by the upper case first makes letters equal that have two
/// lower cases, such as the Greek sigma.
fn folded(text: &str) -> impl Iterator<Item = char> {
    let upper = text.chars().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase)
}

/// A text in which stars stand for any text, also an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wildcard {
    /// The text before the first star, or all of it.
    first: String,
    /// The texts between two stars.
    middle: Vec<String>,
    /// The text behind the last star; `None` if there is no star.
    last: Option<String>,
}

/// The reason why a text is no wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WildcardProblem {
    /// Two stars follow each other, which mean no more than one.
    TwoStars,
    /// A backslash stands before another character than a star or a backslash, or at the end.
    Escape,
}

impl Wildcard {
    /// Reads a text in which `*` is a star, `\*` the character and `\\` a backslash.
    pub(super) fn parse(text: &str) -> Result<Self, WildcardProblem> {
        let mut pieces = vec![String::new()];
        let mut characters = text.chars();
        let mut is_after_star = false;
        while let Some(character) = characters.next() {
            let is_star = character == '*';
            if is_star && is_after_star {
                return Err(WildcardProblem::TwoStars);
            }
            is_after_star = is_star;
            if is_star {
                pieces.push(String::new());
                continue;
            }
            let character = match character {
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '\\')) => escaped,
                    _ => return Err(WildcardProblem::Escape),
                },
                other => other,
            };
            if let Some(piece) = pieces.last_mut() {
                piece.push(character);
            }
        }
        let last = if pieces.len() > 1 { pieces.pop() } else { None };
        let middle = pieces.split_off(1);
        Ok(Self {
            first: pieces.concat(),
            middle,
            last,
        })
    }

    /// Looks for the pieces one after the other, each as early as possible. To find one later could not help those
    /// behind it, so there is no second try, and the time is linear.
    fn matches(&self, text: &str) -> bool {
        let Some(last) = &self.last else {
            return text == self.first;
        };
        let rest = text.strip_prefix(self.first.as_str());
        let Some(mut rest) = rest.and_then(|rest| rest.strip_suffix(last.as_str())) else {
            return false;
        };
        for piece in &self.middle {
            match rest.find(piece.as_str()) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_match(wildcard: &str, text: &str) -> bool {
        Wildcard::parse(wildcard).unwrap().matches(text)
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (wildcard, text, expected) in [
            ("a*b", "ab", true),
            ("a*b", "axxb", true),
            ("a*b", "axbx", false),
            ("a*b", "a", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*", "", true),
            ("*x*", "aaxbb", true),
            ("*x*y*", "yx", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            ("", "", true),
            ("", "a", false),
            ("abc", "abc", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            (r"a\\*", r"a\b", true),
            ("é*ü", "é\u{1f600}ü", true),
        ] {
            assert_eq!(is_match(wildcard, text), expected, "{wildcard} {text}");
        }
    }

    #[test]
    fn two_stars_and_other_escapes_are_refused() {
        assert_eq!(Wildcard::parse("a**b"), Err(WildcardProblem::TwoStars));
        for bad in [r"\a", r"a\", r"\\\"] {
            assert_eq!(Wildcard::parse(bad), Err(WildcardProblem::Escape), "{bad}");
        }
        assert!(Wildcard::parse(r"*\**").is_ok());
    }

    #[test]
    fn case_is_that_of_unicode() {
        for (one, other) in [("É", "é"), ("ΣΑΣ", "σας"), ("K", "\u{212a}"), ("ß", "SS")] {
            let form = TextForm::ignoring_case(one);
            assert!(form.matches(other), "{one} {other}");
            assert!(TextForm::ignoring_case(other).matches(one), "{one} {other}");
        }
        assert!(!TextForm::ignoring_case("a").matches("aa"));
        assert!(!TextForm::ignoring_case("aa").matches("a"));
    }

    /// Matches by trying everything.
    fn slowly(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|at| slowly(rest, &text[at..])),
            Some((first, rest)) => text.first() == Some(first) && slowly(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn the_quick_way_finds_what_the_slow_one_does(
            wildcard in "[ab*]{0,8}", text in "[ab]{0,10}",
        ) {
            if let Ok(parsed) = Wildcard::parse(&wildcard) {
                let (wildcard, characters): (Vec<_>, Vec<_>) =
                    (wildcard.chars().collect(), text.chars().collect());
                prop_assert_eq!(parsed.matches(&text), slowly(&wildcard, &characters));
            }
        }
    }
}
