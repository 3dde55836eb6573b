//! The reader of an object in a field, member by member.

use super::super::{FieldContext, InputValue, Violation, schema_of};
use crate::domain::json::{Kind, Member};
use crate::server::schema::{Property, Schema};
use crate::server::validate::Section;
use crate::server::validate::other_members::{no_such_member, other_members};

/// The members of an object that is read, or only described.
pub(super) enum Members<'a, 'c, 'r> {
    /// The members that the client sent.
    Sent(Sent<'a, 'c, 'r>),
    /// The members that the reader asks for.
    Described(Section, Vec<Property>),
}

/// The members that the client sent.
pub(super) struct Sent<'a, 'c, 'r> {
    object: InputValue<'a>,
    members: Vec<Member<'a>>,
    /// The context of the object.
    context: &'c mut FieldContext<'r>,
    /// The names that were read.
    known: Vec<&'static str>,
}

impl<'a> Sent<'a, '_, '_> {
    /// Returns the member with this name, which is known from now on. Of a repeated key the last one counts.
    fn find(&mut self, name: &'static str) -> Option<Member<'a>> {
        self.known.push(name);
        let mut members = self.members.iter();
        members.rfind(|member| member.is(name)).copied()
    }
}

/// The treatment of members that are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// They are refused: a filter that is misspelt would select more than was meant.
    Refused,
    /// They are ignored.
    Ignored,
}

impl Members<'_, '_, '_> {
    /// Reads a member that must be there; `about` describes it. The outer `None`: it is only described; the inner one: a
    /// problem was reported.
    #[expect(
        clippy::option_option,
        reason = "whether it is only described, and whether it could be read"
    )]
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        about: &str,
        read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self {
            Self::Described(section, properties) => {
                properties.push((
                    name.to_owned(),
                    schema_of(*section, read).about(about),
                    true,
                ));
                None
            }
            Self::Sent(sent) => {
                let member = sent.find(name);
                let mut context = sent.context.member(name);
                Some(match member {
                    Some(member) => read(InputValue::Json(member.value), &mut context),
                    None => context.refuse(sent.object, Violation::Missing),
                })
            }
        }
    }

    /// Reads a member that may be absent or null; `about` describes it. `None`: a problem was reported.
    #[expect(
        clippy::option_option,
        reason = "whether it could be read, and whether it is there"
    )]
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        about: &str,
        read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self {
            Self::Described(section, properties) => {
                let schema = schema_of(*section, read).or_null().about(about);
                properties.push((name.to_owned(), schema, false));
                Some(None)
            }
            Self::Sent(sent) => {
                let member = sent.find(name);
                let mut context = sent.context.member(name);
                match member {
                    Some(member) if member.value.kind() != Kind::Null => {
                        read(InputValue::Json(member.value), &mut context).map(Some)
                    }
                    _ => Some(None),
                }
            }
        }
    }

    /// Refuses all members that were not read. `None`: a problem was reported.
    fn refuse_others(self) -> Option<()> {
        let Self::Sent(sent) = self else {
            return Some(());
        };
        let Sent {
            members,
            context,
            known,
            ..
        } = sent;
        let others = other_members(&members, &known);
        let has_others = !others.is_empty();
        for (name, value) in others {
            let _: Option<()> = context.member(name).refuse(value, no_such_member(&known));
        }
        (!has_others).then_some(())
    }
}

/// Reads an object. `read` reads its members, all of them, so that all problems are reported.
pub(super) fn object<T>(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
    about: &str,
    others: Others,
    read: impl Fn(&mut Members<'_, '_, '_>) -> Option<T>,
) -> Option<T> {
    let section = context.section();
    context.accepts(|| {
        let mut members = Members::Described(section, Vec::new());
        let _ = read(&mut members);
        let properties = match members {
            Members::Described(_, properties) => properties,
            Members::Sent(..) => Vec::new(),
        };
        let schema = Schema::object(about, properties);
        match others {
            Others::Refused => schema.with("additionalProperties", false),
            Others::Ignored => schema,
        }
    })?;
    match value {
        InputValue::Json(json) if json.kind() == Kind::Object => {
            let mut members = Members::Sent(Sent {
                object: value,
                members: json.members(),
                context,
                known: Vec::new(),
            });
            let read = read(&mut members);
            match others {
                Others::Refused => members.refuse_others().and(read),
                Others::Ignored => read,
            }
        }
        _ => context.refuse(value, Violation::NotAnObject),
    }
}
