//! Handlers of `/workspace-access-tokens`. A token can make no token that has scopes beyond its own or
//! that lives longer.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::call::Call;
use super::error::ApiError;
use super::objects::{CreatedToken, Rendered, json};
use super::pagination;
use super::validate::{FieldContext, InputValue, Violation, read};
use crate::domain::access::{Actor, Token, TokenKind};
use crate::domain::clock::Timestamp;
use crate::storage::{AccessTokenPatch, Descendants, NewAccessToken};

/// Handles `POST /workspace-access-tokens`; `expires_in` is in seconds.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let comment = input.required("comment", read::comment);
    let scopes = input.required("scopes", read::scopes);
    let bounded = lifetime_within(call.caller.expires_at, call.state.clock.now());
    let expires_in = input.optional("expires_in", bounded);
    let workspace = call.workspace(&mut input);
    let ok = input.finish()?;
    let token = Token::generate(TokenKind::Workspace);
    let new = NewAccessToken {
        hash: token.hash(),
        workspace_id: Some(workspace.take(&ok)),
        comment: comment.take(&ok),
        scopes: scopes.take(&ok),
        expires_in: expires_in.take(&ok),
    };
    let by = Actor::Caller(call.caller);
    let created = call.state.store.create_token(by, new).await?;
    let body = CreatedToken {
        workspace_access_token: Rendered(&created),
        token: token.reveal(),
    };
    Ok(json(StatusCode::CREATED, &body))
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

/// Handles `GET /workspace-access-tokens`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let page = pagination::page(&mut input);
    let workspaces = input.query_list("workspace_id", read::workspace_id);
    let ok = input.finish()?;
    let (page, visibility) = (page.take(&ok), call.caller.visibility);
    let workspaces = workspaces.take(&ok);
    let listed = call
        .read(move |store| store.list_tokens(visibility, &workspaces, page))
        .await?;
    Ok(pagination::respond(&listed, page))
}

/// Handles `PATCH /workspace-access-tokens/{id}`.
pub(super) async fn update(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let id = input.path(read::id);
    let comment = input.optional("comment", read::comment);
    let scopes = input.optional("scopes", read::scopes);
    let ok = input.finish()?;
    let patch = AccessTokenPatch {
        comment: comment.take(&ok),
        scopes: scopes.take(&ok),
    };
    let (id, by) = (id.take(&ok), Actor::Caller(call.caller));
    let token = call.state.store.update_token(by, id, patch).await?;
    call.state.auth.invalidate();
    Ok(json(StatusCode::OK, &Rendered(&token)))
}

/// Handles `DELETE /workspace-access-tokens/{id}`. Also revokes the tokens that the token made, unless the
/// query has `keep_children`.
pub(super) async fn revoke(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let id = input.path(read::id);
    let keep = input.query("keep_children", read::boolean).or(false);
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
