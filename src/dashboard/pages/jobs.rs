//! The list of jobs, the page of one, and what cancels it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use crate::dashboard::endpoint_names::{EndpointName, EndpointNames};
use crate::dashboard::filter_links::{FilterLink, by_word, filter_links};
use crate::dashboard::form::FormProblems;
use crate::dashboard::job_view::{self, JobView};
use crate::dashboard::layout::{Layout, Section, html, html_of};
use crate::dashboard::lists::{self, ROWS};
use crate::dashboard::pager::Pager;
use crate::dashboard::query::Fields;
use crate::dashboard::view::{Count, Moment};
use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::Scope;
use crate::domain::delivery::CodeClass;
use crate::domain::job::{Job, JobAction, JobFilter, JobState};
use crate::server::access::SEEING_WEBHOOKS;
use crate::server::error::ApiError;
use crate::server::inputs::jobs::job_list_filter;
use crate::server::validate::Input;
use crate::storage::Store;

/// The parameters of the list.
const PARAMETERS: [&str; 4] = ["state", "action", "page", "limit"];

/// The most endpoints of a filter that a page names.
const NAMED_MAX: usize = 10;

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    layout: Layout,
    states: Vec<FilterLink>,
    actions: Vec<FilterLink>,
    problems: Vec<String>,
    rows: Vec<JobView>,
    pager: Pager,
    total: Count,
    has_filter: bool,
    may_write: bool,
    /// Set on the first page, which new jobs come to.
    is_live: bool,
}

/// Handles `GET /jobs`.
pub(crate) async fn list(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&SEEING_WEBHOOKS)?;
    let query = visit.query().only(|name| PARAMETERS.contains(&name));
    let mut asked = query.clone();
    if asked.get("limit").is_none() {
        asked = asked.with("limit", &ROWS.to_string());
    }
    let asked = asked.to_query();
    let mut input = Input::new("", &asked);
    let filter = job_list_filter(&mut input, visit.listed());
    let (page, listed, problems) = match input.finish() {
        Ok(ok) => {
            let (page, filter) = filter(&ok);
            let listed = visit
                .read(move |store| store.list_jobs(&filter, page))
                .await?;
            (page, listed, FormProblems::default())
        }
        Err(problems) => (lists::FIRST, lists::empty(), FormProblems::of(&problems)),
    };
    let layout = Layout::new(&visit, Section::Jobs, "Jobs").await?;
    let status = if problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let rows = listed.items.iter();
    let rows = rows
        .map(|job| JobView::new(job, &layout, visit.now()))
        .collect();
    html_of(
        status,
        &JobsPage {
            layout,
            states: links(&query, "state", JobState::ALL.map(JobState::as_str)),
            actions: links(&query, "action", JobAction::ALL.map(JobAction::as_str)),
            problems: problems.others(&[]).map(str::to_owned).collect(),
            rows,
            pager: Pager::new(page, listed.total, "/jobs", query.clone()),
            total: Count(listed.total),
            has_filter: ["state", "action"]
                .iter()
                .any(|name| query.get(name).is_some()),
            may_write: visit.may(Scope::WebhooksWrite),
            is_live: page.number == 1,
        },
    )
}

fn links<const N: usize>(
    query: &Fields,
    parameter: &str,
    values: [&'static str; N],
) -> Vec<FilterLink> {
    let current = query.get(parameter).unwrap_or_default();
    filter_links("/jobs", query, parameter, by_word(values), |value| {
        value == current
    })
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    layout: Layout,
    job: JobView,
    reasons: Vec<(Count, &'static str)>,
    endpoints: Vec<EndpointName>,
    /// The number of endpoints that are not named.
    further_endpoints: usize,
    types: String,
    statuses: String,
    after: Option<Moment>,
    before: Option<Moment>,
    code: &'static str,
    /// The number of events that the filter names by their ids.
    named_events: Option<Count>,
    rate: Option<Count>,
    may_write: bool,
}

/// Handles `GET /jobs/{id}`.
pub(crate) async fn show(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&SEEING_WEBHOOKS)?;
    let (id, visibility) = (visit.path_id()?, visit.visibility());
    let read = move |store: &dyn Store| {
        let job = store.find_job(visibility, id)?;
        let named = job.filter.endpoints.iter().copied().take(NAMED_MAX);
        let names = EndpointNames::of_ids(store, visibility, named)?;
        Ok((job, names))
    };
    let (job, names) = visit.read(read).await?;
    let title = format!("{} job", job_view::action_in_words(job.action));
    let layout = Layout::new(&visit, Section::Jobs, title).await?;
    html(&page(&visit, layout, &job, &names))
}

fn page(visit: &Visit, layout: Layout, job: &Job, names: &EndpointNames) -> JobPage {
    let now = visit.now();
    let JobFilter {
        endpoints,
        event_types,
        statuses,
        after,
        before,
        code_class,
        event_ids,
        workspace_id: _,
    } = &job.filter;
    let statuses: Vec<_> = statuses.iter().map(|it| it.as_str()).collect();
    let shown = endpoints.iter().take(NAMED_MAX);
    JobPage {
        job: JobView::new(job, &layout, now),
        reasons: job_view::reasons(&job.left_out),
        endpoints: shown.map(|id| names.name(*id)).collect(),
        further_endpoints: endpoints.len().saturating_sub(NAMED_MAX),
        types: event_types.join(", "),
        statuses: statuses.join(", "),
        after: after.map(|at| Moment::new(at, now)),
        before: before.map(|at| Moment::new(at, now)),
        code: code_class.map_or("", CodeClass::as_str),
        named_events: (!event_ids.is_empty()).then_some(Count(event_ids.len() as u64)),
        rate: job.rate.map(|rate| Count(rate.into())),
        may_write: visit.may(Scope::WebhooksWrite),
        layout,
    }
}

/// Handles `POST /jobs/{id}/cancel`.
pub(crate) async fn cancel(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.form().await?;
    visit.require(&[Scope::WebhooksWrite])?;
    let id = visit.path_id()?;
    let job = visit.store().cancel_job(visit.visibility(), id).await?;
    visit.notify(match (job.state, job.action) {
        (JobState::Cancelled, JobAction::Redeliver) => {
            "The job is cancelled: it lets no further event go. What it let go before stays pending."
        }
        (JobState::Cancelled, JobAction::Skip) => {
            "The job is cancelled: it skips no further event. What it skipped stays skipped."
        }
        _ => "The job was over before.",
    });
    Ok(redirect(&format!("/jobs/{id}")))
}
