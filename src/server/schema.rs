//! The schemas of JSON values, and the ordered JSON of the OpenAPI document.
//!
//! Readers, rendered objects and errors describe themselves with these types, and [`openapi`](super::openapi)
//! collects the descriptions. `serde_json` sorts the members of an object; a document for people keeps the
//! order in which they are written.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::clock::Timestamp;

/// JSON that keeps the order of its members.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// A scalar, or JSON whose order does not matter.
    Value(Value),
    /// A list.
    List(Vec<Node>),
    /// An object, its members in the order in which they are printed.
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Returns the member of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let found = members.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

macro_rules! node_from {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Node {
            fn from(value: $kind) -> Self {
                Self::Value(Value::from(value))
            }
        })*
    };
}

node_from!(&str, String, bool, i64, u16, u64, usize, Value);

impl From<Vec<Node>> for Node {
    fn from(items: Vec<Node>) -> Self {
        Self::List(items)
    }
}

impl<const N: usize> From<[Node; N]> for Node {
    fn from(items: [Node; N]) -> Self {
        Self::List(items.into())
    }
}

impl From<&[&'static str]> for Node {
    fn from(words: &[&'static str]) -> Self {
        Self::List(words.iter().map(|word| Self::from(*word)).collect())
    }
}

/// Makes an object of ordered JSON.
macro_rules! node {
    ($($key:expr => $value:expr),* $(,)?) => {
        $crate::server::schema::Node::Object(
            vec![$((String::from($key), $crate::server::schema::Node::from($value))),*]
        )
    };
}
pub(crate) use node;

/// The keyword for a list of words to which a newer server may add: a convention of Zalando's guidelines for APIs.
const OPEN_WORDS: &str = "x-extensible-enum";

/// The schema of a JSON value, with an example of it.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    keywords: Vec<(String, Node)>,
    example: Node,
    is_reference: bool,
}

/// A schema that others refer to, with its name.
pub(crate) type Definition = (String, Schema);

/// A property of an object: its name, its schema, and whether it is always there.
pub(crate) type Property = (String, Schema, bool);

impl Schema {
    fn new(kind: &str, example: Node) -> Self {
        Self {
            keywords: vec![("type".to_owned(), kind.into())],
            example,
            is_reference: false,
        }
    }

    /// Returns the schema of a text.
    pub(crate) fn text(example: &str) -> Self {
        Self::new("string", example.into())
    }

    /// Returns the schema of one of several words that clients send.
    pub(crate) fn words(words: &[&'static str]) -> Self {
        let example = words.first().copied().unwrap_or_default();
        Self::text(example).with("enum", words)
    }

    /// Returns the schema of one of several words that clients get. A newer server may have more of them, and
    /// generated clients refuse a word that is not in an `enum`. So the list is a keyword that they do not check.
    pub(crate) fn open_words(words: &[&'static str]) -> Self {
        let example = words.first().copied().unwrap_or_default();
        Self::text(example).with(OPEN_WORDS, words)
    }

    /// Returns the schema of a whole number from `minimum` on.
    pub(crate) fn integer(minimum: u64, example: u64) -> Self {
        Self::new("integer", example.into()).with("minimum", minimum)
    }

    /// Returns the schema of a boolean.
    pub(crate) fn boolean() -> Self {
        Self::new("boolean", true.into())
    }

    /// Returns the schema of a null.
    pub(crate) fn null() -> Self {
        Self::new("null", Value::Null.into())
    }

    /// Returns the schema of any JSON.
    pub(crate) fn any(example: Node) -> Self {
        Self {
            keywords: Vec::new(),
            example,
            is_reference: false,
        }
    }

    /// Returns the schema of a list.
    pub(crate) fn list(item: Self) -> Self {
        let example = Node::List(vec![item.example.clone()]);
        Self::new("array", example).with("items", item)
    }

    /// Returns the schema of one of several alternatives; the example is that of the first.
    pub(crate) fn any_of(schemas: Vec<Self>) -> Self {
        let example = schemas.first().map_or(Value::Null.into(), Self::example);
        let schemas: Vec<Node> = schemas.into_iter().map(Node::from).collect();
        Self::any(example).with("anyOf", schemas)
    }

    /// Returns the schema of an object with these properties.
    pub(crate) fn object(about: &str, properties: Vec<Property>) -> Self {
        let example = |(name, schema, _): &Property| (name.clone(), schema.example.clone());
        let required = properties.iter().filter(|(_, _, required)| *required);
        let required: Vec<Node> = required.map(|(name, ..)| name.as_str().into()).collect();
        let mut object = Self::new(
            "object",
            Node::Object(properties.iter().map(example).collect()),
        );
        object
            .keywords
            .push(("description".to_owned(), about.into()));
        let properties = properties
            .into_iter()
            .map(|(name, schema, _)| (name, schema.into()));
        let properties = Node::Object(properties.collect());
        object.keywords.push(("properties".to_owned(), properties));
        if required.is_empty() {
            return object;
        }
        object.with("required", required)
    }

    /// Returns the schema of an object with one property more, and another description.
    pub(crate) fn extended(mut self, about: &str, (name, schema, is_required): Property) -> Self {
        if let Node::Object(members) = &mut self.example {
            members.push((name.clone(), schema.example.clone()));
        }
        for (keyword, value) in &mut self.keywords {
            match (keyword.as_str(), value) {
                ("description", value) => *value = about.into(),
                ("properties", Node::Object(properties)) => {
                    properties.push((name.clone(), schema.clone().into()));
                }
                ("required", Node::List(required)) if is_required => {
                    required.push(name.as_str().into());
                }
                _ => {}
            }
        }
        self
    }

    /// Returns the schema of an object whose members are not listed.
    pub(crate) fn any_object(example: Node) -> Self {
        Self::new("object", example)
    }

    /// Returns a reference to a schema that the document has under this name.
    pub(crate) fn reference((name, schema): &Definition) -> Self {
        let target = format!("#/components/schemas/{name}");
        Self {
            keywords: vec![("$ref".to_owned(), target.into())],
            example: schema.example.clone(),
            is_reference: true,
        }
    }

    /// Returns the schema with another keyword.
    pub(crate) fn with(mut self, keyword: &str, value: impl Into<Node>) -> Self {
        self.keywords.push((keyword.to_owned(), value.into()));
        self
    }

    /// Returns the schema without a keyword.
    pub(crate) fn without(mut self, keyword: &str) -> Self {
        self.keywords.retain(|(key, _)| key != keyword);
        self
    }

    /// Returns the schema with another example.
    pub(crate) fn like(mut self, example: impl Into<Node>) -> Self {
        self.example = example.into();
        self
    }

    /// Returns the schema with a description; one that it has already stays.
    pub(crate) fn about(self, text: &str) -> Self {
        if self.keywords.iter().any(|(key, _)| key == "description") {
            return self;
        }
        self.with("description", text)
    }

    /// Returns the schema of the same values and of null.
    pub(crate) fn or_null(mut self) -> Self {
        if self.is_reference || !self.keywords.iter().any(|(key, _)| key == "type") {
            let example = self.example.clone();
            return Self::any_of(vec![self, Self::null()]).like(example);
        }
        for (key, value) in &mut self.keywords {
            match (key.as_str(), value) {
                ("type", kind @ Node::Value(_)) => {
                    *kind = Node::List(vec![kind.clone(), "null".into()]);
                }
                ("enum", Node::List(words)) => words.push(Value::Null.into()),
                _ => {}
            }
        }
        self
    }

    /// Returns the schema of a property, as JSON.
    pub(crate) fn property(&self, name: &str) -> Option<&Node> {
        let properties = self.keywords.iter().find(|(key, _)| key == "properties");
        properties.and_then(|(_, properties)| properties.get(name))
    }

    /// Returns a value that fits the schema.
    pub(crate) fn example(&self) -> Node {
        self.example.clone()
    }
}

impl From<Schema> for Node {
    fn from(schema: Schema) -> Self {
        let mut examples = vec![schema.example];
        let open_words = schema.keywords.iter().find(|(key, _)| key == OPEN_WORDS);
        if let Some((_, Self::List(words))) = open_words {
            let others = words.iter().filter(|word| **word != examples[0]);
            let others: Vec<_> = others.cloned().collect();
            examples.extend(others);
        }
        let mut members = schema.keywords;
        let is_composed = members
            .iter()
            .any(|(key, _)| ["$ref", "properties", "items", "anyOf"].contains(&key.as_str()));
        if !is_composed {
            members.push(("examples".to_owned(), Node::List(examples)));
        }
        Self::Object(members)
    }
}

/// A type whose JSON has a schema.
pub(crate) trait Described {
    /// Returns the schema.
    fn schema() -> Schema;
}

/// The pattern of an id in its regular spelling: a UUID of version 4.
const UUID_PATTERN: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$";

macro_rules! described {
    ($($kind:ty => $schema:expr),* $(,)?) => {
        $(impl Described for $kind {
            fn schema() -> Schema {
                $schema
            }
        })*
    };
}

described! {
    bool => Schema::boolean(),
    u16 => Schema::integer(0, 200),
    u32 => Schema::integer(0, 1),
    u64 => Schema::integer(0, 1),
    Timestamp => Schema::text("2026-01-31T12:00:00.000000Z").with("format", "date-time"),
    () => Schema::null(),
    Uuid => Schema::text("0190a5f2-6b1c-4d3e-8f00-3c5d7a9b1e24")
        .with("format", "uuid")
        .with("pattern", UUID_PATTERN),
}

impl<T: Described> Described for Option<T> {
    fn schema() -> Schema {
        T::schema().or_null()
    }
}

impl<T: Described> Described for Vec<T> {
    fn schema() -> Schema {
        Schema::list(T::schema())
    }
}

/// Defines an object of the API: the type that is rendered, its name, and the description of every field.
/// A field without a description does not compile. The schema of a field is that of its type, or the one
/// after `=`. A field with an attribute of serde may be absent.
macro_rules! object {
    (
        $(#[doc = $about:literal])+
        $visibility:vis struct $rust:ident $(<$life:lifetime>)? = $name:literal {
            $(
                $(#[doc = $text:literal])+
                $(#[serde($($serde:tt)+)])?
                $field:ident: $kind:ty $(= $schema:expr)?,
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(serde::Serialize)]
        $visibility struct $rust $(<$life>)? {
            $(
                $(#[doc = $text])+
                $(#[serde($($serde)+)])?
                $visibility $field: $kind,
            )+
        }

        impl $(<$life>)? $rust $(<$life>)? {
            /// Returns the definition of the object.
            pub(crate) fn definition() -> $crate::server::schema::Definition {
                let properties = vec![
                    $((
                        stringify!($field).trim_start_matches("r#").to_owned(),
                        $crate::server::schema::object!(@schema $kind $(, $schema)?)
                            .about(concat!($($text),+).trim()),
                        stringify!($($($serde)+)?).is_empty(),
                    ),)+
                ];
                let about = concat!($($about),+).trim();
                ($name.to_owned(), $crate::server::schema::Schema::object(about, properties))
            }
        }

        impl $(<$life>)? $crate::server::schema::Described for $rust $(<$life>)? {
            fn schema() -> $crate::server::schema::Schema {
                $crate::server::schema::Schema::reference(&Self::definition())
            }
        }
    };
    (@schema $kind:ty, $schema:expr) => { $schema };
    (@schema $kind:ty) => { <$kind as $crate::server::schema::Described>::schema() };
}
pub(crate) use object;
