//! Reading the candidates of a pattern.

use std::net::IpAddr;

use ipnet::IpNet;

use super::candidate::{Candidate, Comparison, Leaf, TextForm, Wildcard, WildcardProblem};
use super::number::Number;
use super::reader::{Reader, distinct};
use crate::domain::json::{Kind, Value};

/// The names of the tests that a candidate can be.
const OPERATORS: &str =
    "prefix, suffix, equals-ignore-case, wildcard, anything-but, numeric, cidr, exists";

/// Makes the form of a text.
type MakeForm = fn(String) -> Result<TextForm, WildcardProblem>;

/// Returns what makes the form with this name; `None` if there is no such form.
fn form_named(name: &str) -> Option<MakeForm> {
    Some(match name {
        "prefix" => |text| Ok(TextForm::Prefix(text)),
        "suffix" => |text| Ok(TextForm::Suffix(text)),
        "equals-ignore-case" => |text| Ok(TextForm::ignoring_case(&text)),
        "wildcard" => |text| Wildcard::parse(&text).map(TextForm::Wildcard),
        _ => return None,
    })
}

impl Reader {
    /// Reads a list of candidates.
    pub(super) fn candidates(&mut self, value: Value<'_>) -> Option<Vec<Candidate>> {
        let items = value.members();
        if items.is_empty() {
            return self.fault("a list of candidates should have at least one");
        }
        self.candidates += items.len();
        self.each(&items, Self::candidate)
    }

    fn candidate(&mut self, value: Value<'_>) -> Option<Candidate> {
        match value.kind() {
            Kind::Object => self.operator(value),
            Kind::Array => self.fault("a candidate should be no list"),
            _ => self.leaf(value).map(Candidate::Is),
        }
    }

    /// Reads a candidate that is an object with one member.
    fn operator(&mut self, value: Value<'_>) -> Option<Candidate> {
        let [(name, value)] = &distinct(value)[..] else {
            return self.fault(format!(
                "a candidate that is an object should have exactly one member, of {OPERATORS}"
            ));
        };
        self.inside_member(name, |reader| match name.as_str() {
            "anything-but" => reader.anything_but(*value),
            "numeric" => reader.numeric(*value),
            "cidr" => reader.cidr(*value),
            "exists" => match value.kind() {
                Kind::Bool => Some(Candidate::Exists(value.raw() == "true")),
                _ => reader.fault("`exists` should be true or false"),
            },
            _ => match form_named(name) {
                None => reader.fault(format!("a candidate should be one of {OPERATORS}")),
                Some(make) => reader.text_form(name, make, *value).map(Candidate::Has),
            },
        })
    }

    /// Reads the text of a form.
    fn text_form(&mut self, name: &str, make: MakeForm, value: Value<'_>) -> Option<TextForm> {
        match make(self.text(name, value)?) {
            Ok(form) => Some(form),
            Err(WildcardProblem::TwoStars) => self.fault("no two stars should follow each other"),
            Err(WildcardProblem::Escape) => self.fault(
                r"a backslash should stand before a star or a backslash: `\*` is a star, `\\` a backslash",
            ),
        }
    }

    fn text(&mut self, name: &str, value: Value<'_>) -> Option<String> {
        if value.kind() != Kind::Text {
            return self.fault(format!("`{name}` should be a text"));
        }
        match value.text() {
            Ok(text) => Some(text.into_owned()),
            Err(_) => self.fault("a text should have no half of a surrogate pair"),
        }
    }

    fn anything_but(&mut self, value: Value<'_>) -> Option<Candidate> {
        match value.kind() {
            Kind::Object => self.anything_but_form(value),
            Kind::Array => {
                let items = value.members();
                if items.is_empty() {
                    return self.fault("`anything-but` should have at least one value");
                }
                self.each(&items, Self::leaf).map(Candidate::IsNone)
            }
            _ => self.leaf(value).map(|leaf| Candidate::IsNone(vec![leaf])),
        }
    }

    fn anything_but_form(&mut self, value: Value<'_>) -> Option<Candidate> {
        const FORMS: &str = "prefix, suffix, equals-ignore-case, wildcard";
        let [(name, value)] = &distinct(value)[..] else {
            return self.fault(format!(
                "`anything-but` should be a value, a list of values, or an object with one member, of {FORMS}"
            ));
        };
        self.inside_member(name, |reader| {
            let Some(make) = form_named(name) else {
                return reader.fault(format!("`anything-but` should have one of {FORMS}"));
            };
            if value.kind() != Kind::Array {
                let form = reader.text_form(name, make, *value)?;
                return Some(vec![form]);
            }
            let items = value.members();
            if items.is_empty() {
                return reader.fault(format!("`{name}` should have at least one text"));
            }
            reader.each(&items, |reader, value| reader.text_form(name, make, value))
        })
        .map(Candidate::HasNone)
    }

    fn numeric(&mut self, value: Value<'_>) -> Option<Candidate> {
        let items = match value.kind() {
            Kind::Array => value.members(),
            _ => Vec::new(),
        };
        if !matches!(items.len(), 2 | 4) {
            return self.fault(
                "`numeric` should be a list of a comparison and a number, such as [\">=\", 10], or of two such pairs",
            );
        }
        let comparisons = Comparison::ALL.map(Comparison::as_str).join(" ");
        let mut bounds = Vec::with_capacity(2);
        for (pair, at) in items.chunks_exact(2).zip([0, 2]) {
            let comparison = self.inside_item(at, |reader| {
                let text = (pair[0].value.kind() == Kind::Text).then(|| pair[0].value.lossy_text());
                match text.and_then(|text| Comparison::parse(&text)) {
                    Some(comparison) => Some(comparison),
                    None => reader.fault(format!("a comparison should be one of {comparisons}")),
                }
            });
            let bound = self.inside_item(at + 1, |reader| match pair[1].value.kind() {
                Kind::Number => reader.number(pair[1].value),
                _ => reader.fault("the value of a comparison should be a number"),
            });
            bounds.extend(comparison.zip(bound));
        }
        (bounds.len() * 2 == items.len()).then_some(Candidate::Numeric(bounds))
    }

    fn cidr(&mut self, value: Value<'_>) -> Option<Candidate> {
        let text = self.text("cidr", value)?;
        let network = match text.parse::<IpNet>() {
            Ok(network) => Some(network),
            Err(_) => text.parse::<IpAddr>().ok().map(IpNet::from),
        };
        match network {
            Some(network) => Some(Candidate::Cidr(network)),
            None => self.fault("`cidr` should be a network, such as 10.0.0.0/8 or 2001:db8::/32"),
        }
    }

    /// Reads a number. One beyond the range of double precision would be in the answers that show the filter, and
    /// many programs could not read these.
    fn number(&mut self, value: Value<'_>) -> Option<Number> {
        let number = Number::parse(value.raw());
        if !number.is_finite() {
            return self.fault("a number should be within the range of double precision");
        }
        Some(number)
    }

    fn leaf(&mut self, value: Value<'_>) -> Option<Leaf<'static>> {
        match value.kind() {
            Kind::Text => self
                .text("value", value)
                .map(|text| Leaf::Text(text.into())),
            Kind::Null => Some(Leaf::Null),
            Kind::Bool => Some(Leaf::Bool(value.raw() == "true")),
            Kind::Number => self.number(value).map(Leaf::Number),
            Kind::Array | Kind::Object => {
                self.fault("a value should be a text, a number, true, false or null")
            }
        }
    }
}
