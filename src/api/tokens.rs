//! Handlers of `/workspace-access-tokens`. A token can make no token that has scopes beyond its own or
//! that lives longer.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use uuid::Uuid;

use super::call::{Call, NOBODY, workspace_within};
use super::error::ApiError;
use super::objects::{CreatedToken, Rendered, json};
use super::pagination;
use super::route_docs::{RouteDocs, Success};
use super::validate::{Checked, Field, FieldContext, Input, InputValue, Violation, read};
use crate::domain::access::{AccessToken, Actor, Caller, Token, TokenKind};
use crate::domain::clock::Timestamp;
use crate::storage::{AccessTokenPatch, Descendants, NewAccessToken, Page};

const TAG: &str = "workspace access tokens";

/// The description of `POST /workspace-access-tokens`.
pub(super) static CREATE: RouteDocs = RouteDocs {
    summary: "Create an access token",
    details: "The token can have only scopes that the caller has, and ends no later than the token that makes it.",
    reads: |input| {
        let _ = read_new(input, &NOBODY, Timestamp::default());
    },
    body: "WorkspaceAccessTokenCreate",
    ..RouteDocs::new(
        TAG,
        "workspace_access_tokens_create",
        Success::json::<CreatedToken<'static>>(201),
    )
};

/// Handles `POST /workspace-access-tokens`; `expires_in` is in seconds.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let new = read_new(&mut input, &call.caller, call.state.clock.now());
    let ok = input.finish()?;
    let token = Token::generate(TokenKind::Workspace);
    let new = new(&ok, &token);
    let by = Actor::Caller(call.caller);
    let created = call.state.store.create_token(by, new).await?;
    let body = CreatedToken {
        workspace_access_token: Rendered(&created),
        token: token.reveal(),
    };
    Ok(json(StatusCode::CREATED, &body))
}

fn read_new(
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

/// The description of `GET /workspace-access-tokens`.
pub(super) static LIST: RouteDocs = RouteDocs {
    summary: "List access tokens",
    reads: |input| {
        let _ = read_filter(input);
    },
    ..RouteDocs::new(
        TAG,
        "workspace_access_tokens_list",
        Success::list::<AccessToken>(),
    )
};

/// Handles `GET /workspace-access-tokens`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let filter = read_filter(&mut input);
    let (page, workspaces) = filter(&input.finish()?);
    let visibility = call.caller.visibility;
    let listed = call
        .read(move |store| store.list_tokens(visibility, &workspaces, page))
        .await?;
    Ok(pagination::respond(&listed, page))
}

fn read_filter(input: &mut Input<'_>) -> impl FnOnce(&Checked) -> (Page, Vec<Uuid>) + use<> {
    let page = pagination::page(input);
    let workspaces = input.query_list("workspace_id", read::workspace_id);
    |ok| (page.take(ok), workspaces.take(ok))
}

/// The description of `PATCH /workspace-access-tokens/{id}`.
pub(super) static UPDATE: RouteDocs = RouteDocs {
    summary: "Change an access token",
    details: "Absent and null members stay as they are. A token can change itself, and other tokens that have no more scopes than it has, but none above it.",
    reads: |input| {
        let _ = read_patch(input);
    },
    body: "WorkspaceAccessTokenUpdate",
    ..RouteDocs::new(
        TAG,
        "workspace_access_tokens_update",
        Success::object::<AccessToken>(200),
    )
};

/// Handles `PATCH /workspace-access-tokens/{id}`.
pub(super) async fn update(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let patch = read_patch(&mut input);
    let ((id, patch), by) = (patch(&input.finish()?), Actor::Caller(call.caller));
    let token = call.state.store.update_token(by, id, patch).await?;
    call.state.auth.invalidate();
    Ok(json(StatusCode::OK, &Rendered(&token)))
}

fn read_patch(input: &mut Input<'_>) -> impl FnOnce(&Checked) -> (Uuid, AccessTokenPatch) + use<> {
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

/// The description of `DELETE /workspace-access-tokens/{id}`.
pub(super) static REVOKE: RouteDocs = RouteDocs {
    summary: "Revoke an access token",
    details: "Also revokes all tokens below it: those that it made, those that these made, and so on.",
    reads: |input| {
        let _ = read_revocation(input);
    },
    ..RouteDocs::new(TAG, "workspace_access_tokens_revoke", Success::empty())
};

/// Handles `DELETE /workspace-access-tokens/{id}`. Also revokes the tokens that the token made, unless the
/// query has `keep_children`.
pub(super) async fn revoke(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let (id, keep) = read_revocation(&mut input);
    let ok = input.finish()?;
    let (id, by) = (id.take(&ok), Actor::Caller(call.caller));
    let descendants = if keep.take(&ok) {
        Descendants::Kept
    } else {
        Descendants::Revoked
    };
    call.state.store.revoke_token(by, id, descendants).await?;
    call.state.auth.invalidate();
    Ok(HttpResponse::NoContent().finish())
}

fn read_revocation(input: &mut Input<'_>) -> (Field<Uuid>, Field<bool>) {
    let id = input.path(read::id);
    (id, input.query_or("keep_children", false, read::boolean))
}
