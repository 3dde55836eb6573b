//! The message that patterns are matched against.

use serde_json::value::RawValue;

use crate::domain::event_type::EventType;
use crate::domain::json::{Kind, Node, Tree};
use crate::domain::tags::Tags;

/// The names of the members that a message has for patterns.
pub(super) const MEMBERS: [&str; 4] = ["type", "timestamp", "data", "tags"];

/// A message, as patterns see it: `{"type", "timestamp", "data", "tags"}`.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its type.
    pub event_type: &'a EventType,
    /// Its timestamp, as receivers get it.
    pub timestamp: &'a str,
    /// The producer's data.
    pub data: &'a RawValue,
    /// The tree of `data`.
    pub tree: &'a Tree,
    /// Its tags.
    pub tags: &'a Tags,
}

/// A place in a message: what a part of a pattern is matched against.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// There is nothing here.
    Absent,
    Message(&'a Subject<'a>),
    Tags(&'a Tags),
    Text(&'a str),
    Json(Node<'a>),
}

impl<'a> Place<'a> {
    /// Returns the array in this place, of which each item may match; `None` if there is no array.
    pub(super) fn array(self) -> Option<Node<'a>> {
        match self {
            Self::Json(node) if node.kind() == Kind::Array => Some(node),
            _ => None,
        }
    }

    /// Reports whether it has members.
    pub(super) fn is_object(self) -> bool {
        match self {
            Self::Message(_) | Self::Tags(_) => true,
            Self::Json(node) => node.kind() == Kind::Object,
            Self::Text(_) | Self::Absent => false,
        }
    }

    /// Returns the member with this name; of members with the same name the last. `looked_at` is called for each
    /// member of the data that is looked at.
    pub(super) fn member(self, name: &str, looked_at: impl FnMut()) -> Place<'a> {
        match self {
            Self::Message(message) => message.member(name),
            Self::Tags(tags) => tags.get(name).map_or(Self::Absent, Self::Text),
            Self::Json(node) => {
                let found = node.member(name, looked_at);
                found.map_or(Self::Absent, Self::Json)
            }
            Self::Text(_) | Self::Absent => Self::Absent,
        }
    }
}

impl<'a> Subject<'a> {
    fn member(&'a self, name: &str) -> Place<'a> {
        match name {
            "type" => Place::Text(self.event_type.as_str()),
            "timestamp" => Place::Text(self.timestamp),
            "tags" => Place::Tags(self.tags),
            "data" => {
                let root = self.tree.root(self.data.get());
                root.map_or(Place::Absent, Place::Json)
            }
            _ => Place::Absent,
        }
    }
}
