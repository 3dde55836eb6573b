//! `/workspace-access-tokens`: nobody can give away more than they hold.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::call::Call;
use super::error::ApiError;
use super::objects::{CreatedToken, Rendered, json};
use super::pagination;
use super::validate::read;
use crate::domain::access::{Scopes, Token, TokenKind};
use crate::storage::{AccessTokenPatch, NewAccessToken};

/// `POST /workspace-access-tokens`; `expires_in` is in seconds.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let comment = input.required("comment", read::comment);
    let scopes = input.required("scopes", read::scopes);
    let expires_in = input.optional("expires_in", read::lifetime);
    let workspace = call.workspace(&mut input);
    let ok = input.finish()?;
    let scopes = held_by(&call, scopes.take(&ok))?;
    let token = Token::generate(TokenKind::Workspace);
    let new = NewAccessToken {
        hash: token.hash(),
        workspace_id: Some(workspace.take(&ok)),
        comment: comment.take(&ok),
        scopes,
        expires_in: expires_in.take(&ok),
    };
    let created = call.state.store.create_token(new).await?;
    let body = CreatedToken {
        workspace_access_token: Rendered(&created),
        token: token.reveal(),
    };
    Ok(json(StatusCode::CREATED, &body))
}

/// `GET /workspace-access-tokens`
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let page = pagination::page(&mut input);
    let workspaces = input.query_list("workspace_id", read::id);
    let ok = input.finish()?;
    let (page, reach) = (page.take(&ok), call.caller.reach);
    let workspaces = workspaces.take(&ok);
    let listed = call
        .read(move |store| store.list_tokens(reach, &workspaces, page))
        .await?;
    Ok(pagination::respond(&listed, page))
}

/// `PATCH /workspace-access-tokens/{id}`
pub(super) async fn update(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let id = input.path(read::id);
    let comment = input.optional("comment", read::comment);
    let scopes = input.optional("scopes", read::scopes);
    let ok = input.finish()?;
    let scopes = scopes.take(&ok).map(|scopes| held_by(&call, scopes));
    let patch = AccessTokenPatch {
        comment: comment.take(&ok),
        scopes: scopes.transpose()?,
    };
    let (id, reach) = (id.take(&ok), call.caller.reach);
    let token = call.state.store.update_token(reach, id, patch).await?;
    call.state.auth.forget();
    Ok(json(StatusCode::OK, &Rendered(&token)))
}

/// `DELETE /workspace-access-tokens/{id}`
pub(super) async fn revoke(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    call.state.store.revoke_token(call.caller.reach, id).await?;
    call.state.auth.forget();
    Ok(HttpResponse::NoContent().finish())
}

/// `scopes`, if the caller holds them all.
fn held_by(call: &Call, scopes: Scopes) -> Result<Scopes, ApiError> {
    if call.caller.scopes.includes(scopes) {
        return Ok(scopes);
    }
    let lacking = scopes.iter().filter(|s| !call.caller.scopes.contains(*s));
    Err(ApiError::MissingScope(lacking.collect()))
}
