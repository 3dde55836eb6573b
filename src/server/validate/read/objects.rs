//! The reader of an object in a field, member by member.

use super::super::{FieldContext, InputValue, Violation, schema_of};
use crate::domain::json::{Kind, Member};
use crate::server::schema::{Property, Schema};
use crate::server::validate::Section;

/// The members of an object that is read, or only described.
pub(super) enum Members<'a, 'c, 'r> {
    /// The members that the client sent, and the context of the object.
    Sent(Vec<Member<'a>>, &'c mut FieldContext<'r>),
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
            Self::Sent(members, context) => {
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
}

/// Reads an object. `read` reads its members, all of them, so that all problems are reported; members that it does
/// not read are ignored.
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
        Schema::object(about, properties)
    })?;
    match value {
        InputValue::Json(json) if json.kind() == Kind::Object => {
            read(&mut Members::Sent(json.members(), context))
        }
        _ => context.refuse(value, Violation::NotAnObject),
    }
}
