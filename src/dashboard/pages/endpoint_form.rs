//! The form in which an endpoint is made or changed.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::dashboard::endpoint_form::{EndpointForm, body_of};
use crate::dashboard::field_problem::{Described, FieldProblem};
use crate::dashboard::form::FormProblems;
use crate::dashboard::layout::{Layout, Section, html_of};
use crate::dashboard::url_text::short_name;
use crate::dashboard::view::Count;
use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::{Scope, Visibility};
use crate::domain::endpoint::{Endpoint, EndpointPatch, Format};
use crate::domain::overview::CappedCount;
use crate::server::error::ApiError;
use crate::server::inputs::endpoint_fields::{endpoint_patch, new_endpoint};
use crate::server::validate::{Input, Problem};
use crate::storage::StoreError;

/// The most event types that the form suggests: as many as an endpoint can be subscribed to.
const SUGGESTIONS_MAX: usize = 100;

/// The fields beside which problems are shown.
const FIELDS: [&str; 18] = [
    "workspace_id",
    "url",
    "format",
    "events",
    "filter",
    "name",
    "description",
    "secret",
    "secret_type",
    "key",
    "metadata",
    "headers",
    "retry_schedule",
    "expire_after",
    "timeout",
    "rate_limit",
    "max_concurrency",
    "disable_after",
];

#[derive(Template)]
#[template(path = "endpoint_form.html")]
struct FormPage {
    layout: Layout,
    heading: String,
    /// The endpoint that is changed; `None` for a new one.
    id: Option<Uuid>,
    form: EndpointForm,
    problems: FormProblems,
    /// The event types that were published.
    known: Vec<String>,
    /// Set if an admin must choose the workspace.
    asks_workspace: bool,
    /// The effect of disabling on its pending events.
    skipped: String,
}

impl FormPage {
    fn problem<'a>(&'a self, field: &'a str) -> FieldProblem<'a> {
        FieldProblem::new(&self.problems, field)
    }

    fn described<'a>(&'a self, field: &'a str) -> Described<'a> {
        Described::new(&self.problems, field)
    }

    /// Reports whether the fields of settings that most endpoints do without are shown at once.
    fn shows_settings(&self) -> bool {
        let has_problem = |field: &&str| !self.problems.of_field(field).is_empty();
        !self.form.settings.is_empty() || FIELDS[9..].iter().any(has_problem)
    }

    fn others(&self) -> Vec<&str> {
        self.problems.others(&FIELDS).collect()
    }
}

/// Handles `GET /endpoints/new`.
pub(crate) async fn new(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&[Scope::WebhooksWrite])?;
    let form = EndpointForm::blank(visit.query().raw("url"));
    new_page(&visit, form, FormProblems::default()).await
}

/// Handles `POST /endpoints/new`.
pub(crate) async fn create(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    let sent = visit.form().await?;
    visit.require(&[Scope::WebhooksWrite])?;
    let form = EndpointForm::of(&sent.fields);
    let mut json = form.to_json();
    if form.events().is_empty() {
        json.remove("events");
    }
    let text = body_of(json);
    let mut input = Input::new(&visit.id, "");
    input.json(&text);
    let policy = &visit.dashboard.server.policy;
    let new = new_endpoint(&mut input, policy, visit.listed());
    let new = match input.finish() {
        Ok(ok) => new(&ok),
        Err(problems) => return new_page(&visit, form.clone(), form.problems(&problems)).await,
    };
    match visit.store().create_endpoint(new).await {
        Ok(endpoint) => {
            visit.notify(created_notice(&form, &endpoint));
            Ok(redirect(&format!("/endpoints/{}", endpoint.id)))
        }
        Err(error) => {
            let mut problems = FormProblems::default();
            match &error {
                StoreError::UnknownWorkspace(_) => {
                    problems.add("workspace_id", "There is no such workspace any more");
                }
                StoreError::TooManyEndpoints(_) => {
                    problems.add("", &format!("Not created: {error}. Delete one first."));
                }
                _ => problems = settings_problem(error)?,
            }
            new_page(&visit, form, problems).await
        }
    }
}

/// Returns an error of the store that concerns a field of the settings as its problem.
fn settings_problem(error: StoreError) -> Result<FormProblems, ApiError> {
    let mut problems = FormProblems::default();
    match &error {
        StoreError::KeyTaken => {
            problems.add("key", "Another endpoint of the workspace has this key");
        }
        StoreError::NoSuchHeader(name) => {
            problems.add(
                "headers",
                &format!("{name}: no value is stored, so *** stands for nothing"),
            );
        }
        _ => return Err(error.into()),
    }
    Ok(problems)
}

fn created_notice(form: &EndpointForm, endpoint: &Endpoint) -> String {
    let format = endpoint.settings.target.format;
    if form.picks_format() && format != Format::Raw {
        format!(
            "Endpoint created. It gets the messages that are published from now on, as {} messages, as its URL \
             suggests.",
            format.as_str()
        )
    } else {
        "Endpoint created. It gets the messages that are published from now on.".to_owned()
    }
}

async fn new_page(
    visit: &Visit,
    form: EndpointForm,
    problems: FormProblems,
) -> Result<HttpResponse, ApiError> {
    let known = known_types(visit, visit.listed(), visit.workspace()).await?;
    let layout = Layout::new(visit, Section::Endpoints, "New endpoint").await?;
    answer(&FormPage {
        asks_workspace: visit.workspace().is_none(),
        heading: "New endpoint".to_owned(),
        id: None,
        skipped: String::new(),
        layout,
        form,
        problems,
        known,
    })
}

/// The parameter with which the box that enables an endpoint is checked at first.
const ENABLE: &str = "enable";

/// Handles `GET /endpoints/{id}/edit`.
pub(crate) async fn edit(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&[Scope::WebhooksWrite])?;
    let endpoint = find(&visit).await?;
    let mut form = EndpointForm::of_endpoint(&endpoint);
    // Who follows the link of a disabled endpoint wants it to work again.
    form.enabled |= visit.query().has(ENABLE);
    edit_page(&visit, &endpoint, form, FormProblems::default()).await
}

/// Handles `POST /endpoints/{id}/edit`: changes what differs, so that a change that somebody else made meanwhile to
/// another field stays, and fields that are no longer valid stay as they are unless they are edited.
pub(crate) async fn update(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    let sent = visit.form().await?;
    visit.require(&[Scope::WebhooksWrite])?;
    let endpoint = find(&visit).await?;
    let form = EndpointForm::of(&sent.fields);
    let json = form.changes(&endpoint);
    let patch = match read_patch(&visit, json) {
        Ok(patch) => patch,
        Err(problems) => {
            let problems = form.problems(&problems);
            return edit_page(&visit, &endpoint, form, problems).await;
        }
    };
    let is_changed = !patch.is_empty();
    let url_changed = patch.url.is_some();
    let enabled = patch.enabled;
    let visibility = visit.visibility();
    let changed = visit
        .store()
        .update_endpoint(visibility, endpoint.id, patch)
        .await;
    if let Err(error) = changed {
        let problems = settings_problem(error)?;
        return edit_page(&visit, &endpoint, form, problems).await;
    }
    if is_changed {
        visit.notify(changed_notice(url_changed, enabled));
    }
    Ok(redirect(&format!("/endpoints/{}", endpoint.id)))
}

fn read_patch(visit: &Visit, json: Map<String, Value>) -> Result<EndpointPatch, Vec<Problem>> {
    let text = body_of(json);
    let mut input = Input::new(&visit.id, "");
    input.json(&text);
    let patch = endpoint_patch(&mut input, &visit.dashboard.server.policy);
    let ok = input.finish()?;
    Ok(patch(&ok).1)
}

/// The notice after an endpoint was enabled.
pub(super) const ENABLED: &str =
    "The endpoint is enabled and gets what is published from now on. Recover what it missed below.";

fn changed_notice(url_changed: bool, enabled: Option<bool>) -> &'static str {
    match (enabled, url_changed) {
        (Some(false), _) => "Saved. The endpoint is disabled; its pending events were skipped.",
        (Some(true), _) => ENABLED,
        (None, true) => {
            "Saved. Attempts go to the new URL from now on, those of pending events too. Redeliver what failed below."
        }
        (None, false) => "Saved.",
    }
}

async fn edit_page(
    visit: &Visit,
    endpoint: &Endpoint,
    form: EndpointForm,
    problems: FormProblems,
) -> Result<HttpResponse, ApiError> {
    let (visibility, workspace, id) = (visit.visibility(), endpoint.workspace_id, endpoint.id);
    let known = known_types(visit, visibility, Some(workspace)).await?;
    let now = visit.now();
    let summaries = visit
        .read(move |store| store.endpoint_summaries(visibility, &[id], now))
        .await?;
    let pending = summaries.first().map(|summary| summary.pending);
    let settings = &endpoint.settings;
    let name = short_name(&settings.name, &settings.target.url);
    let layout = Layout::new(visit, Section::Endpoints, format!("Edit {name}")).await?;
    answer(&FormPage {
        layout,
        heading: format!("Edit {name}"),
        id: Some(id),
        form,
        problems,
        known,
        asks_workspace: false,
        skipped: skipped_in_words(pending.unwrap_or_default()),
    })
}

/// Returns the effect of disabling or deleting an endpoint on its pending events, as a sentence.
pub(super) fn skipped_in_words(pending: CappedCount) -> String {
    match (pending.count, pending.is_more) {
        (0, _) => "Nothing is pending, so nothing is skipped.".to_owned(),
        (1, false) => "Its pending event is skipped.".to_owned(),
        (_, false) => format!("Its {} pending events are skipped.", Count(pending.count)),
        (_, true) => format!(
            "Its pending events, more than {}, are skipped.",
            Count(pending.count)
        ),
    }
}

async fn find(visit: &Visit) -> Result<Endpoint, ApiError> {
    let (visibility, id) = (visit.visibility(), visit.path_id()?);
    visit
        .read(move |store| store.find_endpoint(visibility, id))
        .await
}

/// Returns the event types that were published in the workspace; none if there is no such workspace any more.
async fn known_types(
    visit: &Visit,
    visibility: Visibility,
    workspace: Option<Uuid>,
) -> Result<Vec<String>, ApiError> {
    let Some(workspace) = workspace else {
        return Ok(Vec::new());
    };
    let read = move |store: &dyn crate::storage::Store| match store.event_types(
        visibility,
        workspace,
        SUGGESTIONS_MAX,
    ) {
        Err(StoreError::NotFound) => Ok(Vec::new()),
        other => other,
    };
    visit.read(read).await
}

fn answer(page: &FormPage) -> Result<HttpResponse, ApiError> {
    let status = if page.problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    html_of(status, page)
}
