//! The page of access tokens: make one, see which are used, and revoke them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use serde_json::{Value, json};

use crate::dashboard::form::{Form, FormProblems};
use crate::dashboard::layout::{Layout, Section, html_of};
use crate::dashboard::lists::page_of;
use crate::dashboard::pager::Pager;
use crate::dashboard::query::Fields;
use crate::dashboard::view::ShortId;
use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::{AccessToken, Scope, Scopes, Token, TokenKind};
use crate::server::error::ApiError;
use crate::server::inputs::tokens::new_token;
use crate::server::validate::Input;
use crate::storage::{Descendants, Listed, StoreError};

/// The tokens of a page.
const ROWS: u64 = 25;

/// The times to live that the form offers, in seconds, in words.
const LIVES: [(&str, &str); 5] = [
    ("", "never"),
    ("86400", "after a day"),
    ("2592000", "after 30 days"),
    ("7776000", "after 90 days"),
    ("31536000", "after a year"),
];

/// A scope of the form.
struct ScopeChoice {
    name: &'static str,
    words: &'static str,
    is_chosen: bool,
    /// Set if the signed-in token has it: a token grants no more than it has.
    is_held: bool,
}

/// A token of the list.
struct Row {
    token: AccessToken,
    id: ShortId,
    scopes: String,
    workspace: String,
    has_ended: bool,
    is_own: bool,
    /// Set if the signed-in token may revoke it: no token revokes one with a scope that it lacks itself.
    may_revoke: bool,
}

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    layout: Layout,
    rows: Vec<Row>,
    pager: Pager,
    may_write: bool,
    /// Set if the form must ask for the workspace.
    asks_workspace: bool,
    scopes: Vec<ScopeChoice>,
    lives: Vec<(&'static str, &'static str, bool)>,
    values: Fields,
    problems: FormProblems,
}

const FORM_FIELDS: [&str; 4] = ["comment", "scopes", "expires_in", "workspace_id"];

impl TokensPage {
    fn other_problems(&self) -> Vec<&str> {
        self.problems.others(&FORM_FIELDS).collect()
    }
}

const fn words(scope: Scope) -> &'static str {
    match scope {
        Scope::WebhooksRead => "See endpoints with their secrets, messages, events and deliveries",
        Scope::WebhooksView => "See the same without the secrets of endpoints",
        Scope::WebhooksWrite => "Change endpoints and send events again; includes seeing them",
        Scope::WebhooksPublish => "Publish messages: what an application needs",
        Scope::WorkspacesRead => "See the workspace",
        Scope::WorkspacesWrite => "Change the workspace",
        Scope::TokensRead => "See access tokens, but never the tokens themselves",
        Scope::TokensWrite => "Make, change and revoke access tokens",
    }
}

/// Handles `GET /tokens`.
pub(crate) async fn list(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&[Scope::TokensRead, Scope::TokensWrite])?;
    page(
        &visit,
        StatusCode::OK,
        Fields::default(),
        FormProblems::default(),
    )
    .await
}

async fn page(
    visit: &Visit,
    status: StatusCode,
    values: Fields,
    problems: FormProblems,
) -> Result<HttpResponse, ApiError> {
    let query = visit.query();
    let page = page_of(&query, ROWS);
    let visibility = visit.listed();
    let listed = visit
        .read(move |store| store.list_tokens(visibility, &[], page))
        .await?;
    let layout = Layout::new(visit, Section::Tokens, "Access tokens").await?;
    let chosen: Vec<_> = values.all("scopes").map(str::to_owned).collect();
    let is_new = !values.has("comment");
    let choices = Scope::ALL.into_iter().map(|scope| ScopeChoice {
        name: scope.as_str(),
        words: words(scope),
        is_chosen: if is_new {
            Scopes::webhooks().contains(scope) && visit.may(scope)
        } else {
            chosen.iter().any(|name| name == scope.as_str())
        },
        is_held: visit.may(scope),
    });
    let life = values.raw("expires_in");
    let lives = LIVES.map(|(seconds, words)| (seconds, words, seconds == life));
    let page = TokensPage {
        rows: rows(visit, &layout, &listed),
        pager: Pager::new(page, listed.total, "/tokens", query),
        may_write: visit.may(Scope::TokensWrite),
        asks_workspace: visit.workspace().is_none(),
        scopes: choices.collect(),
        lives: lives.to_vec(),
        layout,
        values,
        problems,
    };
    html_of(status, &page)
}

fn rows(visit: &Visit, layout: &Layout, listed: &Listed<AccessToken>) -> Vec<Row> {
    let now = visit.now();
    let row = |token: &AccessToken| Row {
        id: ShortId(token.id),
        scopes: scopes_in_words(token.scopes),
        workspace: match token.workspace_id {
            None => "all (admin)".to_owned(),
            Some(id) => layout.workspace_name(id),
        },
        has_ended: token.expires_at.is_some_and(|end| end <= now),
        is_own: token.id == visit.caller.token_id,
        may_revoke: token.id == visit.caller.token_id || visit.caller.scopes.includes(token.scopes),
        token: token.clone(),
    };
    listed.items.iter().map(row).collect()
}

fn scopes_in_words(scopes: Scopes) -> String {
    if scopes == Scopes::all() {
        return "all".to_owned();
    }
    let names: Vec<_> = scopes.iter().map(Scope::as_str).collect();
    names.join(", ")
}

/// Handles `POST /tokens`.
pub(crate) async fn create(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    let form = visit.form().await?;
    visit.require(&[Scope::TokensWrite])?;
    let text = body(&visit, &form).to_string();
    let mut input = Input::new("", "");
    input.json(&text);
    let new = new_token(&mut input, &visit.caller, visit.now());
    let ok = match input.finish() {
        Ok(ok) => ok,
        Err(problems) => {
            let problems = FormProblems::of(&problems);
            return page(
                &visit,
                StatusCode::UNPROCESSABLE_ENTITY,
                form.fields,
                problems,
            )
            .await;
        }
    };
    let token = Token::generate(TokenKind::Workspace);
    match visit
        .store()
        .create_token(visit.actor, new(&ok, &token))
        .await
    {
        Ok(_) => {
            visit.notify_secret(
                "The token is made. Copy it now: it is shown only once.",
                token.reveal(),
            );
            Ok(redirect("/tokens"))
        }
        Err(StoreError::TooManyTokens(most)) => {
            let mut problems = FormProblems::default();
            problems.add(
                "",
                &format!("A workspace can have at most {most} tokens: revoke one first."),
            );
            page(
                &visit,
                StatusCode::UNPROCESSABLE_ENTITY,
                form.fields,
                problems,
            )
            .await
        }
        Err(other) => Err(other.into()),
    }
}

/// Returns the form as the body of a request of the API.
fn body(visit: &Visit, form: &Form) -> Value {
    let mut body = form.to_json(&["comment", "workspace_id"]);
    let scopes: Vec<_> = form.fields.all("scopes").collect();
    body.insert("scopes".to_owned(), json!(scopes));
    if let Some(life) = form.fields.get("expires_in") {
        let seconds = life
            .parse::<u64>()
            .map_or_else(|_| json!(life), |life| json!(life));
        body.insert("expires_in".to_owned(), seconds);
    }
    if let Some(workspace) = visit.workspace() {
        body.insert("workspace_id".to_owned(), json!(workspace));
    }
    Value::Object(body)
}

/// Handles `POST /tokens/{id}/revoke`.
pub(crate) async fn revoke(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.form().await?;
    visit.require(&[Scope::TokensWrite])?;
    let id = visit.path_id()?;
    let below = visit
        .store()
        .revoke_token(visit.actor, id, Descendants::Revoked)
        .await?;
    visit.dashboard.server.auth.invalidate();
    visit.notify(match below {
        0 => "The token is revoked.".to_owned(),
        1 => "The token is revoked, and one that it had made.".to_owned(),
        more => format!("The token is revoked, and {more} that it had made."),
    });
    Ok(redirect("/tokens"))
}
