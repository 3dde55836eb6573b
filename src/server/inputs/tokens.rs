//! The fields of access tokens.

use std::time::Duration;

use uuid::Uuid;

use super::workspace::workspace_within;
use crate::domain::access::{Caller, Token};
use crate::domain::clock::Timestamp;
use crate::server::validate::{Checked, Field, FieldContext, Input, InputValue, Violation, read};
use crate::storage::{AccessTokenPatch, NewAccessToken};

/// Reads the fields of a new token, which `caller` makes.
pub(crate) fn new_token(
    input: &mut Input<'_>,
    caller: &Caller,
    now: Timestamp,
) -> impl FnOnce(&Checked, &Token) -> NewAccessToken + use<> {
    let comment = input.required("comment", read::comment);
    let scopes = input.required("scopes", read::scopes);
    let bounded = lifetime_within(caller.expires_at, now);
    let expires_in = input.optional("expires_in", bounded);
    let workspace = workspace_within(caller.visibility, input);
    |ok, token| NewAccessToken {
        hash: token.hash(),
        workspace_id: Some(workspace.take(ok)),
        comment: comment.take(ok),
        scopes: scopes.take(ok),
        expires_in: expires_in.take(ok),
    }
}

/// Returns a reader of a time to live that ends no later than `end`, if there is an `end`. It refuses a
/// longer time instead of cutting it, so that no client counts on a later end than the token has.
fn lifetime_within(
    end: Option<Timestamp>,
    now: Timestamp,
) -> impl Fn(InputValue<'_>, &mut FieldContext<'_>) -> Option<Duration> {
    move |value, context| {
        let life = read::lifetime(value, context)?;
        match end {
            Some(end) if now.after(life) > end => {
                let what = format!(
                    "a token ends no later than the one that makes it, which is {end}: \
                     leave expires_in out for the same end"
                );
                context.refuse(value, Violation::Value(what.into()))
            }
            _ => Some(life),
        }
    }
}

/// Reads a change of a token: its id, and the fields that change.
pub(crate) fn token_patch(
    input: &mut Input<'_>,
) -> impl FnOnce(&Checked) -> (Uuid, AccessTokenPatch) + use<> {
    let id = input.path(read::id);
    let comment = input.optional("comment", read::comment);
    let scopes = input.optional("scopes", read::scopes);
    |ok| {
        let patch = AccessTokenPatch {
            comment: comment.take(ok),
            scopes: scopes.take(ok),
        };
        (id.take(ok), patch)
    }
}

/// Reads which token is revoked, and whether those below it are kept.
pub(crate) fn revocation(input: &mut Input<'_>) -> (Field<Uuid>, Field<bool>) {
    let id = input.path(read::id);
    (id, input.query_or("keep_children", false, read::boolean))
}
