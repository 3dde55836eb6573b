//! Members of an object that the server does not know, in a body in which a misspelt one would make the request do more
//! than was meant.

use std::collections::BTreeMap;

use super::context::InputValue;
use super::echo;
use super::problem::Violation;
use crate::domain::json::Member;

/// The most names of parameters, or of members, that one response reports as unknown; a request has room for
/// thousands.
pub(super) const UNKNOWN_NAMES_MAX: usize = 100;

/// Returns the members that are not among `known`, each once, with its name as it is shown. There are at most
/// [`UNKNOWN_NAMES_MAX`].
pub(super) fn other_members<'a>(
    members: &[Member<'a>],
    known: &[&str],
) -> BTreeMap<String, InputValue<'a>> {
    let others = members
        .iter()
        .filter(|member| !known.iter().any(|name| member.is(name)));
    let others = others.map(|member| {
        let name = echo::shortened(&member.name()).into_owned();
        (name, InputValue::Json(member.value))
    });
    others.take(UNKNOWN_NAMES_MAX).collect()
}

/// Returns the problem of a member that there is not.
pub(super) fn no_such_member(known: &[&str]) -> Violation {
    Violation::Value(format!("there is no such member: use {}", known.join(", ")).into())
}
