//! The form of a job: it counts the events that match, asks, and makes the job.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use uuid::Uuid;

use crate::dashboard::endpoint_names::{EndpointName, EndpointNames};
use crate::dashboard::form::FormProblems;
use crate::dashboard::job_form::JobForm;
use crate::dashboard::job_view::action_in_words;
use crate::dashboard::layout::{Layout, Section, html_of};
use crate::dashboard::query::Fields;
use crate::dashboard::type_suggestions::event_types;
use crate::dashboard::view::Count;
use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::{Scope, Visibility};
use crate::domain::job::{NewJob, RATE_MAX};
use crate::server::error::ApiError;
use crate::server::inputs::jobs::SURVEY_TIME;
use crate::storage::{JobSurvey, Store, StoreError};

/// The longest look for missing messages before the page asks. A page that takes longer seems broken; the number is
/// then a lower bound, and the job finds the others.
const COUNT_TIME: Duration = Duration::from_secs(2);

/// The fields that the form shows the problem of beside them.
const SHOWN: [&str; 6] = [
    "endpoint_id",
    "event_type",
    "start_timestamp",
    "end_timestamp",
    "http_code_class",
    "rate",
];

/// The number of events that match.
struct Counted {
    number: u64,
    is_complete: bool,
}

impl Counted {
    fn count(&self) -> Count {
        Count(self.number)
    }
}

#[derive(Template)]
#[template(path = "job_form.html")]
struct JobFormPage {
    layout: Layout,
    form: JobForm,
    verb: &'static str,
    endpoints: Vec<EndpointName>,
    /// The chosen endpoint, if the form does not offer it.
    other_endpoint: Option<EndpointName>,
    event_types: Vec<String>,
    problems: FormProblems,
    counted: Option<Counted>,
}

impl JobFormPage {
    fn is_endpoint(&self, endpoint: &EndpointName) -> bool {
        self.form.value("endpoint_id") == endpoint.id.to_string()
    }

    fn others(&self) -> impl Iterator<Item = &str> {
        self.problems.others(&SHOWN)
    }

    const fn rate_max() -> Count {
        Count(RATE_MAX as u64)
    }
}

/// Handles `GET /jobs/new`: the form, and the number of the events that match, if it is filled in.
pub(crate) async fn new(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&[Scope::WebhooksWrite])?;
    let form = form_of(&visit, visit.query());
    if form.is_empty() {
        return page(&visit, form, FormProblems::default(), None).await;
    }
    let counted = match form.read(visit.visibility()) {
        Ok(new) => known_problem(survey(&visit, &new, COUNT_TIME).await?.checked())?,
        Err(problems) => Err(problems),
    };
    match counted {
        Ok(found) => {
            let counted = Counted {
                number: found.matched,
                is_complete: found.is_complete,
            };
            page(&visit, form, FormProblems::default(), Some(counted)).await
        }
        Err(problems) => page(&visit, form, problems, None).await,
    }
}

/// Handles `POST /jobs`.
pub(crate) async fn create(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    let sent = visit.form().await?;
    visit.require(&[Scope::WebhooksWrite])?;
    let form = form_of(&visit, sent.fields);
    let made = match form.read(visit.visibility()) {
        Ok(new) => {
            let found = survey(&visit, &new, SURVEY_TIME).await?;
            known_problem(visit.store().create_job(new, found).await)?
        }
        Err(problems) => Err(problems),
    };
    match made {
        Ok(made) => {
            visit.notify("The job is made. This page shows how far it is.");
            Ok(redirect(&format!("/jobs/{}", made.job.id)))
        }
        Err(problems) => page(&visit, form, problems, None).await,
    }
}

/// Returns the form of these fields. A job of an admin who has chosen a workspace is of that one, as are the endpoints
/// that the form offers, unless the form names another.
fn form_of(visit: &Visit, fields: Fields) -> JobForm {
    let form = JobForm::new(fields);
    match visit.workspace().filter(|_| visit.is_admin()) {
        Some(chosen) => form.in_workspace(chosen),
        None => form,
    }
}

/// Looks at the set of a job.
async fn survey(visit: &Visit, new: &NewJob, longest: Duration) -> Result<JobSurvey, ApiError> {
    let (visibility, filter) = (visit.visibility(), new.filter.clone());
    let survey = move |store: &dyn Store| store.survey_job(visibility, &filter, longest);
    visit.read(survey).await
}

/// Returns an error of the store that a person can do something about as a problem of the form.
fn known_problem<T>(result: Result<T, StoreError>) -> Result<Result<T, FormProblems>, ApiError> {
    let (field, text) = match result {
        Ok(good) => return Ok(Ok(good)),
        Err(StoreError::EndpointDisabled) => (
            "endpoint_id",
            "The endpoint is disabled: enable it first.".to_owned(),
        ),
        Err(StoreError::TooManyJobs(running)) => (
            "",
            format!("{running} jobs of this workspace run already: wait for one, or cancel one."),
        ),
        Err(StoreError::UnknownWorkspace(_)) => {
            ("workspace_id", "There is no such workspace.".to_owned())
        }
        Err(other) => return Err(other.into()),
    };
    let mut problems = FormProblems::default();
    problems.add(field, &text);
    Ok(Err(problems))
}

async fn page(
    visit: &Visit,
    form: JobForm,
    problems: FormProblems,
    counted: Option<Counted>,
) -> Result<HttpResponse, ApiError> {
    let (listed_in, visible): (Visibility, Visibility) = (visit.listed(), visit.visibility());
    let workspace = visit.workspace();
    let chosen: Option<Uuid> = form.endpoints().first().copied();
    let read = move |store: &dyn Store| {
        let names = EndpointNames::read(store, listed_in, visible, chosen)?;
        let types = event_types(store, visible, workspace)?;
        Ok((names, types))
    };
    let (names, types) = visit.read(read).await?;
    let verb = action_in_words(form.action());
    let layout = Layout::new(visit, Section::Jobs, format!("{verb} events")).await?;
    let other = chosen.filter(|id| names.choices.iter().all(|name| name.id != *id));
    let status = if problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    html_of(
        status,
        &JobFormPage {
            layout,
            verb,
            other_endpoint: other.map(|id| names.name(id)),
            endpoints: names.choices,
            event_types: types,
            form,
            problems,
            counted,
        },
    )
}
