//! The reader of an object in a field, member by member.

use super::super::{FieldContext, InputValue, Violation, schema_of};
use crate::domain::json::{Kind, Member};
use crate::server::schema::{Property, Schema};
use crate::server::validate::Section;
use crate::server::validate::other_members::{no_such_member, other_members};

/// The members of an object that is read, or only described.
pub(super) enum Members<'a, 'c, 'r> {
    /// The members that the client sent, the context of the object, and the names that were read.
    Sent(Vec<Member<'a>>, &'c mut FieldContext<'r>, Vec<&'static str>),
    /// The members that the reader asks for.
    Described(Section, Vec<Property>),
}

impl Members<'_, '_, '_> {
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
            Self::Sent(members, context, names) => {
                names.push(name);
                // Of a repeated key the last one counts.
                let member = members.iter().rfind(|member| member.is(name));
                match member {
                    Some(member) if member.value.kind() != Kind::Null => {
                        read(InputValue::Json(member.value), &mut context.member(name)).map(Some)
                    }
                    _ => Some(None),
                }
            }
        }
    }

    /// Refuses all members that were not read. `None`: a problem was reported.
    fn refuse_others(self) -> Option<()> {
        let Self::Sent(members, context, known) = self else {
            return Some(());
        };
        let others = other_members(&members, &known);
        let has_others = !others.is_empty();
        for (name, value) in others {
            let _: Option<()> = context.member(name).refuse(value, no_such_member(&known));
        }
        (!has_others).then_some(())
    }
}

/// Reads an object. `read` reads its members, all of them, so that all problems are reported. Members that it does
/// not read are refused: a filter that is misspelt would select more than was meant.
pub(super) fn object<T>(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
    about: &str,
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
        Schema::object(about, properties).with("additionalProperties", false)
    })?;
    match value {
        InputValue::Json(json) if json.kind() == Kind::Object => {
            let mut members = Members::Sent(json.members(), context, Vec::new());
            let value = read(&mut members);
            members.refuse_others().and(value)
        }
        _ => context.refuse(value, Violation::NotAnObject),
    }
}
