//! Handlers of `/workspace-access-tokens`. A token can make no token that has scopes beyond its own or
//! that lives longer.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::objects::{CreatedToken, Rendered, json};
use super::pagination;
use super::route_docs::{RouteDocs, Success};
use crate::domain::access::{AccessToken, Actor, Token, TokenKind};
use crate::domain::clock::Timestamp;
use crate::server::call::{Call, NOBODY};
use crate::server::error::ApiError;
use crate::server::inputs::filters::token_filter;
use crate::server::inputs::tokens::{new_token, revocation, token_patch};
use crate::storage::Descendants;

const TAG: &str = "workspace access tokens";

/// The description of `POST /workspace-access-tokens`.
pub(super) static CREATE: RouteDocs = RouteDocs {
    summary: "Create an access token",
    details: "The token can have only scopes that the caller has, and ends no later than the token that makes it.",
    reads: |input| {
        let _ = new_token(input, &NOBODY, Timestamp::default());
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
    let new = new_token(&mut input, &call.caller, call.state.clock.now());
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

/// The description of `GET /workspace-access-tokens`.
pub(super) static LIST: RouteDocs = RouteDocs {
    summary: "List access tokens",
    reads: |input| {
        let _ = token_filter(input);
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
    let filter = token_filter(&mut input);
    let (page, workspaces) = filter(&input.finish()?);
    let visibility = call.caller.visibility;
    let listed = call
        .read(move |store| store.list_tokens(visibility, &workspaces, page))
        .await?;
    Ok(pagination::respond(&listed, page))
}

/// The description of `PATCH /workspace-access-tokens/{id}`.
pub(super) static UPDATE: RouteDocs = RouteDocs {
    summary: "Change an access token",
    details: "Absent and null members stay as they are. A token can change itself, and other tokens that have no more scopes than it has, but none above it.",
    reads: |input| {
        let _ = token_patch(input);
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
    let patch = token_patch(&mut input);
    let ((id, patch), by) = (patch(&input.finish()?), Actor::Caller(call.caller));
    let token = call.state.store.update_token(by, id, patch).await?;
    call.state.auth.invalidate();
    Ok(json(StatusCode::OK, &Rendered(&token)))
}

/// The description of `DELETE /workspace-access-tokens/{id}`.
pub(super) static REVOKE: RouteDocs = RouteDocs {
    summary: "Revoke an access token",
    details: "Also revokes all tokens below it: those that it made, those that these made, and so on.",
    reads: |input| {
        let _ = revocation(input);
    },
    ..RouteDocs::new(TAG, "workspace_access_tokens_revoke", Success::empty())
};

/// Handles `DELETE /workspace-access-tokens/{id}`. Also revokes the tokens that the token made, unless the
/// query has `keep_children`.
pub(super) async fn revoke(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let (id, keep) = revocation(&mut input);
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
