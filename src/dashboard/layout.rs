//! The frame around each page: its title, the navigation, and who is signed in.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use askama::Template;
use uuid::Uuid;

use super::sessions::Notice;
use super::view::{Assets, Moment};
use super::visit::Visit;
use crate::domain::access::{Scope, Visibility};
use crate::domain::clock::Timestamp;
use crate::server::error::ApiError;
use crate::storage::{Page, StoreError};

/// The policy of a page: scripts, styles and requests of this server only, and none inside the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The most workspaces that the switcher offers; the page of workspaces leads to all of them.
const SWITCHER_MAX: u64 = 100;

/// A part of the dashboard, as the navigation shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Endpoints,
    Deliveries,
    Messages,
    Jobs,
    Publish,
    Tokens,
    Workspaces,
    System,
}

/// A link of the navigation.
pub(super) struct NavLink {
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    /// The key that leads there, after `g`.
    pub(super) key: &'static str,
    pub(super) is_current: bool,
}

/// A workspace of the switcher.
pub(super) struct Choice {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) is_chosen: bool,
}

/// The frame around a page.
pub(super) struct Layout {
    pub(super) assets: Assets,
    pub(super) title: String,
    pub(super) nav: Vec<NavLink>,
    pub(super) form_token: String,
    /// The workspaces that an admin chooses from; empty for a workspace's token.
    pub(super) workspaces: Vec<Choice>,
    /// The name of the workspace whose token is signed in; empty for an admin.
    pub(super) workspace: String,
    pub(super) notice: Option<Notice>,
    pub(super) version: &'static str,
    /// The path and query of the page.
    pub(super) path: String,
    /// Set if an admin is signed in, who sees all workspaces.
    pub(super) is_admin: bool,
    now: Timestamp,
}

impl Layout {
    /// Makes the frame of a page, and takes the notice that waits for it.
    ///
    /// # Errors
    /// Those of reading the store.
    pub(super) async fn new(
        visit: &Visit,
        section: Section,
        title: impl Into<String>,
    ) -> Result<Self, ApiError> {
        let visibility = visit.visibility();
        let may_list = visit.is_admin() || may_see_workspaces(visit);
        let listed = visit
            .read(move |store| {
                let page = Page {
                    number: 1,
                    limit: SWITCHER_MAX,
                };
                match visibility {
                    Visibility::Workspace(_) if !may_list => Ok(Vec::new()),
                    _ => Ok(store.list_workspaces(visibility, page)?.items),
                }
            })
            .await?;
        let mut workspace = String::new();
        let mut workspaces = Vec::new();
        if visit.is_admin() {
            let chosen = visit.session.workspace;
            let choices = listed.into_iter().map(|item| Choice {
                id: item.id.to_string(),
                name: item.name.as_str().to_owned(),
                is_chosen: chosen == Some(item.id),
            });
            workspaces = choices.collect();
            if let Some(chosen) = chosen
                && !workspaces.iter().any(|choice| choice.is_chosen)
            {
                workspaces.extend(further_choice(visit, chosen).await?);
            }
        } else if let Some(own) = listed.first() {
            own.name.as_str().clone_into(&mut workspace);
        }
        let uri = visit.request.uri();
        Ok(Self {
            assets: Assets::new(),
            title: title.into(),
            nav: navigation(visit, section),
            form_token: visit.session.form_token.clone(),
            workspaces,
            workspace,
            notice: visit
                .is_seen()
                .then(|| visit.dashboard.sessions.take_notice(visit.key))
                .flatten(),
            version: env!("CARGO_PKG_VERSION"),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            is_admin: visit.is_admin(),
            now: visit.now(),
        })
    }

    /// Reports whether an admin looks at all workspaces.
    pub(super) fn shows_all(&self) -> bool {
        self.is_admin && !self.workspaces.iter().any(|choice| choice.is_chosen)
    }

    /// Returns the name of a workspace of the switcher; a part of the id of another one.
    pub(super) fn workspace_name(&self, id: Uuid) -> String {
        let id = id.to_string();
        let found = self.workspaces.iter().find(|choice| choice.id == id);
        found.map_or_else(
            || id.get(id.len() - 8..).unwrap_or_default().to_owned(),
            |choice| choice.name.clone(),
        )
    }

    /// Returns the time of the server's clock, from which the script counts.
    pub(super) fn clock(&self) -> String {
        self.now.to_string()
    }

    /// Returns a time as pages show it.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "templates pass references"
    )]
    pub(super) fn time(&self, at: &Timestamp) -> Moment {
        Moment::new(*at, self.now)
    }
}

/// Returns the chosen workspace, if it is not among the newest; `None` if it was deleted.
async fn further_choice(visit: &Visit, chosen: uuid::Uuid) -> Result<Option<Choice>, ApiError> {
    let found = visit
        .read(move |store| store.find_workspace(Visibility::All, chosen))
        .await;
    match found {
        Ok(workspace) => Ok(Some(Choice {
            id: workspace.id.to_string(),
            name: workspace.name.as_str().to_owned(),
            is_chosen: true,
        })),
        Err(ApiError::Store(StoreError::NotFound)) => {
            visit.dashboard.sessions.choose_workspace(visit.key, None);
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

fn may_see_workspaces(visit: &Visit) -> bool {
    visit.may(Scope::WorkspacesRead) || visit.may(Scope::WorkspacesWrite)
}

/// Returns the links to the parts that the signed-in token may see.
fn navigation(visit: &Visit, current: Section) -> Vec<NavLink> {
    let sees_webhooks = visit.sees_webhooks();
    let sees_tokens = visit.may(Scope::TokensRead) || visit.may(Scope::TokensWrite);
    let links = [
        (Section::Overview, "/", "Overview", "o", true),
        (
            Section::Endpoints,
            "/endpoints",
            "Endpoints",
            "e",
            sees_webhooks,
        ),
        (
            Section::Deliveries,
            "/deliveries",
            "Deliveries",
            "d",
            sees_webhooks,
        ),
        (
            Section::Messages,
            "/messages",
            "Messages",
            "m",
            sees_webhooks,
        ),
        (Section::Jobs, "/jobs", "Jobs", "j", sees_webhooks),
        (
            Section::Publish,
            "/publish",
            "Publish",
            "p",
            visit.may(Scope::WebhooksPublish),
        ),
        (Section::Tokens, "/tokens", "Tokens", "t", sees_tokens),
        (
            Section::Workspaces,
            "/workspaces",
            "Workspaces",
            "w",
            may_see_workspaces(visit),
        ),
        (Section::System, "/system", "System", "s", visit.is_admin()),
    ];
    let offered = links.into_iter().filter(|(.., is_offered)| *is_offered);
    let link = |(section, path, name, key, _)| NavLink {
        path,
        name,
        key,
        is_current: section == current,
    };
    offered.map(link).collect()
}

/// Returns a response with a page.
///
/// # Errors
/// [`StoreError::Internal`] if the template cannot be rendered, which is a bug.
pub(super) fn html(page: &impl Template) -> Result<HttpResponse, ApiError> {
    html_of(StatusCode::OK, page)
}

/// Returns a response with a page and this status.
///
/// # Errors
/// Those of [`html`].
pub(super) fn html_of(status: StatusCode, page: &impl Template) -> Result<HttpResponse, ApiError> {
    let text = page
        .render()
        .map_err(|error| StoreError::Internal(error.to_string()))?;
    Ok(HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "same-origin"))
        .insert_header(("cross-origin-opener-policy", "same-origin"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text))
}
