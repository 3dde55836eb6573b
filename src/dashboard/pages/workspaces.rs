//! The page of workspaces: make, rename and delete them, and set how long each keeps its data.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use serde_json::Value;
use uuid::Uuid;

use crate::dashboard::form::{Form, FormProblems};
use crate::dashboard::layout::{Layout, Section, html_of};
use crate::dashboard::lists::page_of;
use crate::dashboard::pager::Pager;
use crate::dashboard::query::Fields;
use crate::dashboard::view::{ShortId, period};
use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::Scope;
use crate::domain::workspace::Workspace;
use crate::server::error::ApiError;
use crate::server::inputs::workspaces::{WorkspaceChange, new_workspace, taken_workspace};
use crate::server::validate::{Input, read};
use crate::storage::StoreError;

/// The workspaces of a page.
const ROWS: u64 = 25;

/// The seconds of a day, in which the form has its times.
const DAY_S: u64 = 86_400;

struct Row {
    workspace: Workspace,
    id: ShortId,
    archive_after: String,
    delete_after: String,
    /// The same in days, for the form; empty: the server's.
    archive_days: String,
    delete_days: String,
}

#[derive(Template)]
#[template(path = "workspaces.html")]
struct WorkspacesPage {
    layout: Layout,
    rows: Vec<Row>,
    pager: Pager,
    may_write: bool,
    may_create: bool,
    /// The workspace whose form has problems; empty: that of a new one.
    edited: String,
    values: Fields,
    problems: FormProblems,
}

impl WorkspacesPage {
    fn is_edited(&self, row: &Row) -> bool {
        !self.problems.is_empty() && self.edited == row.workspace.id.to_string()
    }

    fn has_new(&self) -> bool {
        !self.problems.is_empty() && self.edited.is_empty()
    }

    /// Reports whether the box for operational events is checked: as it was sent, or as the workspace is.
    fn wants_events(&self, row: &Row) -> bool {
        if self.is_edited(row) {
            self.values.has("operational_events")
        } else {
            row.workspace.operational_events
        }
    }

    /// Returns all problems of the form, as one text.
    fn problem(&self) -> String {
        let all: Vec<_> = self.problems.others(&[]).collect();
        all.join(" ")
    }
}

/// Handles `GET /workspaces`.
pub(crate) async fn list(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&[Scope::WorkspacesRead, Scope::WorkspacesWrite])?;
    page(
        &visit,
        StatusCode::OK,
        String::new(),
        Fields::default(),
        FormProblems::default(),
    )
    .await
}

async fn page(
    visit: &Visit,
    status: StatusCode,
    edited: String,
    values: Fields,
    problems: FormProblems,
) -> Result<HttpResponse, ApiError> {
    let query = visit.query();
    let page = page_of(&query, ROWS);
    let visibility = visit.visibility();
    let listed = visit
        .read(move |store| store.list_workspaces(visibility, page))
        .await?;
    let layout = Layout::new(visit, Section::Workspaces, "Workspaces").await?;
    let page = WorkspacesPage {
        layout,
        rows: listed.items.into_iter().map(row).collect(),
        pager: Pager::new(page, listed.total, "/workspaces", query),
        may_write: visit.may(Scope::WorkspacesWrite),
        may_create: visit.is_admin() && visit.may(Scope::WorkspacesWrite),
        edited,
        values,
        problems,
    };
    html_of(status, &page)
}

fn row(workspace: Workspace) -> Row {
    let retention = workspace.retention;
    let (archive_s, delete_s) = (
        retention.archive_after.seconds(),
        retention.delete_after.seconds(),
    );
    let words = |seconds: u64| match seconds {
        0 => "as the server".to_owned(),
        _ => period(std::time::Duration::from_secs(seconds)),
    };
    let days = |seconds: u64| match seconds {
        0 => String::new(),
        _ => (seconds / DAY_S).to_string(),
    };
    Row {
        id: ShortId(workspace.id),
        archive_after: words(archive_s),
        delete_after: words(delete_s),
        archive_days: days(archive_s),
        delete_days: days(delete_s),
        workspace,
    }
}

/// Returns the form as the body of a request of the API. Its times are in days; an empty one is the server's.
fn body(form: &Form) -> String {
    let mut body = form.to_json(&["name"]);
    let mut set = |name: &str| {
        let days = form.fields.raw(name).trim();
        let seconds = match days {
            "" => Some(0),
            days => days
                .parse::<u64>()
                .ok()
                .and_then(|days| days.checked_mul(DAY_S)),
        };
        body.insert(
            name.to_owned(),
            seconds.map_or(Value::from(days), Value::from),
        );
    };
    set("archive_after");
    set("delete_after");
    // A box that is not checked is not sent.
    let is_checked = form.fields.has("operational_events");
    body.insert("operational_events".to_owned(), is_checked.into());
    Value::Object(body).to_string()
}

/// Handles `POST /workspaces`.
pub(crate) async fn create(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    let form = visit.form().await?;
    visit.require_admin()?;
    visit.require(&[Scope::WorkspacesWrite])?;
    let text = body(&form);
    let mut input = Input::new("", "");
    input.json(&text);
    let fields = new_workspace(&mut input);
    let ok = match input.finish() {
        Ok(ok) => ok,
        Err(problems) => {
            return refused(&visit, String::new(), form, &FormProblems::of(&problems)).await;
        }
    };
    let new = taken_workspace(fields, &ok);
    let made = visit.store().create_workspace_with(new);
    match made.await {
        Ok(made) => {
            visit
                .dashboard
                .sessions
                .choose_workspace(visit.key, Some(made.id));
            visit.notify(format!(
                "The workspace “{}” is made. It is chosen now.",
                made.name.as_str()
            ));
            Ok(redirect("/workspaces"))
        }
        Err(StoreError::NameTaken) => name_taken(&visit, String::new(), form).await,
        Err(other) => Err(other.into()),
    }
}

/// Handles `POST /workspaces/{id}/edit`.
pub(crate) async fn update(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    let form = visit.form().await?;
    visit.require(&[Scope::WorkspacesWrite])?;
    let id: Uuid = visit.path(read::workspace_id)?;
    let text = body(&form);
    let given = visit.id.clone();
    let mut input = Input::new(&given, "");
    input.json(&text);
    let change = WorkspaceChange::read(&mut input);
    let patch = match input.finish() {
        Ok(ok) => change.take(&ok).1,
        Err(problems) => {
            return refused(&visit, id.to_string(), form, &FormProblems::of(&problems)).await;
        }
    };
    match visit
        .store()
        .update_workspace(visit.visibility(), id, patch)
        .await
    {
        Ok(changed) => {
            visit.notify(format!(
                "The workspace “{}” is changed.",
                changed.name.as_str()
            ));
            Ok(redirect("/workspaces"))
        }
        Err(StoreError::NameTaken) => name_taken(&visit, id.to_string(), form).await,
        Err(other) => Err(other.into()),
    }
}

async fn name_taken(visit: &Visit, edited: String, form: Form) -> Result<HttpResponse, ApiError> {
    let mut problems = FormProblems::default();
    problems.add("name", "Another workspace has this name.");
    refused(visit, edited, form, &problems).await
}

async fn refused(
    visit: &Visit,
    edited: String,
    form: Form,
    problems: &FormProblems,
) -> Result<HttpResponse, ApiError> {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    page(visit, status, edited, form.fields, problems.clone()).await
}

/// Handles `POST /workspaces/{id}/delete`. The form repeats the name, since nothing brings a workspace back.
pub(crate) async fn delete(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    let form = visit.form().await?;
    visit.require_admin()?;
    visit.require(&[Scope::WorkspacesWrite])?;
    let id: Uuid = visit.path(read::workspace_id)?;
    let visibility = visit.visibility();
    let workspace = visit
        .read(move |store| store.find_workspace(visibility, id))
        .await?;
    let name = workspace.name.as_str();
    if form.fields.get("name") != Some(name) {
        visit.notify_error(format!("Nothing was deleted: type “{name}” to delete it."));
        return Ok(redirect("/workspaces"));
    }
    visit.store().delete_workspace(visibility, id).await?;
    visit.dashboard.server.auth.invalidate();
    if visit.session.workspace == Some(id) {
        visit.dashboard.sessions.choose_workspace(visit.key, None);
    }
    visit.notify(format!("The workspace “{name}” is deleted."));
    Ok(redirect("/workspaces"))
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn times_are_in_days() {
        let form = |text: &str| Form {
            fields: Fields::parse(text.as_bytes()),
        };
        let body = |text: &str| -> Value { serde_json::from_str(&body(&form(text))).unwrap() };
        let read = body("name=shop&archive_after=2&delete_after=");
        assert_eq!(read["archive_after"], 172_800);
        assert_eq!(read["delete_after"], 0);
        assert_eq!(body("archive_after=x")["archive_after"], "x");
    }

    #[test]
    fn a_box_that_is_not_checked_is_false() {
        let form = |text: &str| Form {
            fields: Fields::parse(text.as_bytes()),
        };
        let body = |text: &str| -> Value { serde_json::from_str(&body(&form(text))).unwrap() };
        assert_eq!(body("name=a")["operational_events"], false);
        assert_eq!(body("operational_events=true")["operational_events"], true);
    }
}
