//! Tags: short labels that a producer gives to a message.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::invisible::first_invisible;

/// The most tags of one message: they are stored with it, and lists look at them.
pub const TAGS_MAX: usize = 20;
/// The longest name of a tag, in characters.
pub const TAG_NAME_MAX: usize = 64;
/// The longest value of a tag, in characters.
pub const TAG_VALUE_MAX: usize = 256;

/// The character between the name and the value of a tag in a filter. No name has it.
pub const TAG_SEPARATOR: char = ':';

/// The reason why a text cannot be the name or the value of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagProblem {
    /// A name is empty.
    Empty,
    /// It has more characters than this.
    TooLong(usize),
    /// A name has [`TAG_SEPARATOR`].
    Separator,
    /// It has this character, which cannot be seen.
    Invisible(char),
}

/// A tag: a name and a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// 1 to [`TAG_NAME_MAX`] visible characters without [`TAG_SEPARATOR`].
    pub name: String,
    /// At most [`TAG_VALUE_MAX`] visible characters; may be empty.
    pub value: String,
}

impl Tag {
    /// Checks a name.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check_name(name: &str) -> Result<(), TagProblem> {
        if name.is_empty() {
            return Err(TagProblem::Empty);
        }
        if name.contains(TAG_SEPARATOR) {
            return Err(TagProblem::Separator);
        }
        check_text(name, TAG_NAME_MAX)
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check_value(value: &str) -> Result<(), TagProblem> {
        check_text(value, TAG_VALUE_MAX)
    }

    /// Reads `name:value`, the form of filters; `None` if there is no [`TAG_SEPARATOR`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once(TAG_SEPARATOR)?;
        Some(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }

    /// Returns the text that [`Tags::to_stored`] has in it if, and only if, the tag is among the tags.
    #[must_use]
    pub fn to_stored(&self) -> String {
        stored_line(&self.name, &self.value)
    }
}

/// A tag in the text for the database. It begins with a line break, which JSON escapes within names and values: so no
/// part of another tag looks the same.
fn stored_line(name: &str, value: &str) -> String {
    format!("\n{}:{}", Value::from(name), Value::from(value))
}

fn check_text(text: &str, max: usize) -> Result<(), TagProblem> {
    if text.chars().nth(max).is_some() {
        return Err(TagProblem::TooLong(max));
    }
    match first_invisible(text) {
        None => Ok(()),
        Some(character) => Err(TagProblem::Invisible(character)),
    }
}

/// The tags of a message, at most [`TAGS_MAX`], in the order of their names. Receivers never get them: they are for the
/// filters of endpoints and of lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// No tags.
    pub const NONE: Self = Self(BTreeMap::new());

    /// Reports whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of tags.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a tag whose name and value were checked. A tag of the same name is replaced.
    pub fn set(&mut self, name: String, value: String) {
        self.0.insert(name, value);
    }

    /// Returns the value of the tag with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Reports whether a filter selects these tags: for each name in it, one of the values with this name. An empty filter
    /// selects all.
    #[must_use]
    pub fn has(&self, wanted: &[Tag]) -> bool {
        wanted.iter().all(|tag| {
            let mut same_name = wanted.iter().filter(|it| it.name == tag.name);
            same_name.any(|it| self.get(&it.name) == Some(&it.value))
        })
    }

    /// Returns the tags, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let tags = self.0.iter();
        tags.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the bytes of all names and values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.iter()
            .map(|(name, value)| name.len() + value.len())
            .sum()
    }

    /// Returns the text for the database, a JSON object with a line for each tag; `None` if there are no tags.
    #[must_use]
    pub fn to_stored(&self) -> Option<String> {
        let lines: Vec<String> = self
            .iter()
            .map(|(name, value)| stored_line(name, value))
            .collect();
        (!lines.is_empty()).then(|| format!("{{{}}}", lines.join(",")))
    }

    /// Takes a stored text; `None` stands for no tags.
    #[must_use]
    pub fn from_stored(text: Option<&str>) -> Self {
        let read = |text| serde_json::from_str(text).unwrap_or_default();
        Self(text.map(read).unwrap_or_default())
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_characters() {
        assert_eq!(Tag::check_name(&"é".repeat(64)), Ok(()));
        assert_eq!(
            Tag::check_name(&"é".repeat(65)),
            Err(TagProblem::TooLong(64))
        );
        assert_eq!(Tag::check_value(&"é".repeat(256)), Ok(()));
        assert_eq!(
            Tag::check_value(&"é".repeat(257)),
            Err(TagProblem::TooLong(256))
        );
        assert_eq!(Tag::check_value(""), Ok(()));
        assert_eq!(Tag::check_name(""), Err(TagProblem::Empty));
        assert_eq!(Tag::check_name("a:b"), Err(TagProblem::Separator));
        assert_eq!(Tag::check_value("a:b"), Ok(()));
        assert_eq!(Tag::check_value("a\nb"), Err(TagProblem::Invisible('\n')));
    }

    #[test]
    fn a_filter_is_split_at_the_first_separator() {
        let tag = |name: &str, value: &str| {
            Some(Tag {
                name: name.to_owned(),
                value: value.to_owned(),
            })
        };
        assert_eq!(Tag::parse("region:eu"), tag("region", "eu"));
        assert_eq!(Tag::parse("url:http://a"), tag("url", "http://a"));
        assert_eq!(Tag::parse("a:"), tag("a", ""));
        assert_eq!(Tag::parse("a"), None);
    }

    #[test]
    fn a_filter_wants_one_value_of_each_name() {
        let mut tags = Tags::default();
        tags.set("region".to_owned(), "eu".to_owned());
        tags.set("tier".to_owned(), "gold".to_owned());
        let has = |wanted: &[&str]| {
            let wanted: Vec<Tag> = wanted.iter().filter_map(|text| Tag::parse(text)).collect();
            tags.has(&wanted)
        };
        assert!(has(&[]));
        assert!(has(&["region:eu"]));
        assert!(has(&["region:us", "region:eu"]));
        assert!(has(&["region:eu", "tier:gold"]));
        assert!(!has(&["region:eu", "tier:silver"]));
        assert!(!has(&["region:us"]));
        assert!(!has(&["zone:eu"]));
    }

    #[test]
    fn stored_tags_are_read_again() {
        let mut tags = Tags::default();
        assert_eq!(tags.to_stored(), None);
        tags.set("region".to_owned(), "e\"u".to_owned());
        tags.set("a".to_owned(), String::new());
        let stored = tags.to_stored().unwrap();
        assert_eq!(stored, "{\n\"a\":\"\",\n\"region\":\"e\\\"u\"}");
        assert_eq!(Tags::from_stored(Some(&stored)), tags);
        assert_eq!(Tags::from_stored(None), Tags::default());
    }
}
