//! The demonstration's data: a workspace, a token, an endpoint.

use std::net::SocketAddr;
use std::sync::Arc;

use url::Url;

use super::guide::{Guide, INBOX};
use super::inbox::FindSecrets;
use crate::cli::{database, seed};
use crate::config::NetworkSettings;
use crate::domain::access::{Actor, Scopes, Token, TokenKind, Visibility};
use crate::domain::endpoint::{Endpoint, EndpointPatch, EndpointSettings, NewEndpoint};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::workspace::Workspace;
use crate::storage::{Descendants, EndpointFilter, NewAccessToken, Page, Store, StoreError};

/// The name of the demonstration's endpoint.
const ENDPOINT_NAME: &str = "The built-in receiver";

/// The comment of the tokens made here, by which the next start on the same database finds and revokes them.
const TOKEN_COMMENT: &str = "hookpost dev";

/// Returns the settings that allow plain HTTP and loopback addresses.
pub(super) fn network() -> NetworkSettings {
    let loopback = ["127.0.0.0/8", "::1/128"];
    NetworkSettings {
        allow_http: true,
        allow_network: loopback
            .map(|net| net.parse().expect("a network in CIDR notation"))
            .to_vec(),
    }
}

/// Makes a token in place of earlier ones, and the workspace and the endpoint if they are missing. Returns
/// the texts that show them. Blocks.
pub(super) fn make(
    store: &dyn Store,
    api: SocketAddr,
    inbox: SocketAddr,
    sign_in: String,
) -> anyhow::Result<Guide> {
    let (workspace, _) = database::ensure_workspace(store, seed::DEFAULT_WORKSPACE)?;
    revoke_earlier(store, &workspace)?;
    let token = Token::generate(TokenKind::Workspace);
    store
        .create_token(
            Actor::Operator,
            NewAccessToken {
                hash: token.hash(),
                workspace_id: Some(workspace.id),
                comment: TOKEN_COMMENT.to_owned(),
                scopes: Scopes::webhooks(),
                expires_in: None,
            },
        )
        .wait()?;
    let mut guide = Guide {
        api,
        inbox,
        token: token.reveal().to_owned(),
        endpoint: uuid::Uuid::nil(),
        sign_in,
    };
    let url = EndpointUrl::parse(&guide.inbox_url(), &network().policy())
        .map_err(|problem| anyhow::anyhow!("the inbox has no usable URL: {problem:?}"))?;
    guide.endpoint = point_to(store, &workspace, url)?.id;
    Ok(guide)
}

fn revoke_earlier(store: &dyn Store, workspace: &Workspace) -> Result<(), StoreError> {
    let tokens = database::all(|page| store.list_tokens(Visibility::All, &[workspace.id], page))?;
    for token in tokens {
        if token.comment == TOKEN_COMMENT {
            store
                .revoke_token(Actor::Operator, token.id, Descendants::Revoked)
                .wait()?;
        }
    }
    Ok(())
}

/// Sets the URL of the demonstration's endpoint, which is made if it is missing, and returns the endpoint. An
/// earlier start may have used another port.
fn point_to(
    store: &dyn Store,
    workspace: &Workspace,
    url: EndpointUrl,
) -> Result<Endpoint, StoreError> {
    let visibility = Visibility::Workspace(workspace.id);
    let earlier = with_path(store, visibility, &format!("/inbox/{INBOX}"))?;
    match earlier.first() {
        Some(endpoint) => {
            let patch = EndpointPatch {
                url: Some(url),
                enabled: Some(true),
                ..EndpointPatch::default()
            };
            store.update_endpoint(visibility, endpoint.id, patch).wait()
        }
        None => store
            .create_endpoint(NewEndpoint::new(
                workspace.id,
                EndpointSettings {
                    name: ENDPOINT_NAME.to_owned(),
                    ..EndpointSettings::raw(url)
                },
            ))
            .wait(),
    }
}

/// Returns the function with which the inboxes find the secrets for checking signatures.
pub(super) fn secrets_in(store: Arc<dyn Store>) -> FindSecrets {
    Arc::new(
        move |path| match with_path(&*store, Visibility::All, path) {
            Ok(endpoints) => endpoints
                .into_iter()
                .map(|endpoint| endpoint.settings.target.secrets.present().clone())
                .collect(),
            Err(error) => {
                tracing::warn!("cannot look the secrets of {path} up: {error}");
                Vec::new()
            }
        },
    )
}

/// Returns the endpoints whose URL has this path and a loopback host, newest first. Only the newest 100 with
/// the path in their URL are read.
fn with_path(
    store: &dyn Store,
    visibility: Visibility,
    path: &str,
) -> Result<Vec<Endpoint>, StoreError> {
    let filter = EndpointFilter {
        visibility,
        workspaces: Vec::new(),
        states: Vec::new(),
        keys: Vec::new(),
        url: Some(path.to_owned()),
    };
    let page = Page {
        number: 1,
        limit: 100,
    };
    let endpoints = store.list_endpoints(&filter, page, usize::MAX)?;
    let mut endpoints: Vec<Endpoint> = endpoints.rows.into_iter().map(|row| row.item).collect();
    endpoints.retain(|endpoint| {
        let url = endpoint.settings.target.url.url();
        url.is_some_and(|url| url.path() == path && is_local(&url))
    });
    Ok(endpoints)
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
