//! Handlers of `/webhooks/jobs`: redelivering or skipping many events with one request.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;

use super::idempotency::{IDEMPOTENT_REPLAYED, idempotency_key};
use super::job_objects::JobDryRun;
use super::objects::{Rendered, json};
use super::pagination;
use super::route_docs::{OtherMembers, RouteDocs, Success};
use crate::domain::job::Job;
use crate::domain::message::Idempotency;
use crate::server::call::{Call, OF_A_WORKSPACE};
use crate::server::error::{ApiError, ErrorName};
use crate::server::inputs::jobs::{SURVEY_TIME, job_list_filter, new_job};
use crate::server::validate::{Loc, Section, read};
use crate::storage::StoreError;

const TAG: &str = "jobs";

/// The longest look for missing messages of a dry run.
const DRY_RUN_TIME: Duration = Duration::from_secs(5);

/// The description of `POST /webhooks/jobs`.
pub(super) static CREATE: RouteDocs = RouteDocs {
    summary: "Make a job",
    details: "A job redelivers, or skips, all events that match a filter, in the order in which they were published, \
              and for `redeliver` also makes the events of messages that an endpoint missed (`missing`): one request \
              recovers an outage. Its set is fixed when it is made. New events of the endpoint go before those of the \
              job, and the job waits while an endpoint rests.\n\nThe status `missing` needs exactly one `endpoint_id`, \
              which must be enabled, and a `start_timestamp`. Without `status`, `redeliver` selects `failed` and \
              `skipped`, and `skip` selects `pending`, the only status that it may select.\n\nWith `dry_run` nothing \
              is stored: the answer tells how many events match. With an `Idempotency-Key`, a request can be sent \
              again safely.",
    reads: |input| {
        let _ = new_job(input, OF_A_WORKSPACE);
    },
    body: "JobCreate",
    other_members: OtherMembers::Refused,
    conflicts: &[ErrorName::EndpointDisabled, ErrorName::TooManyJobs],
    is_idempotent: true,
    also: Some(Success::json::<JobDryRun>(200)),
    ..RouteDocs::new(TAG, "jobs_create", Success::object::<Job>(202))
};

/// Handles `POST /webhooks/jobs`.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let key = idempotency_key(call.headers())?;
    let visibility = call.caller.visibility;
    let mut input = call.input();
    input.json(body.text()?);
    let new = new_job(&mut input, visibility);
    let (mut new, is_dry_run) = new(&input.finish()?);
    let longest = if is_dry_run {
        DRY_RUN_TIME
    } else {
        SURVEY_TIME
    };
    let filter = new.filter.clone();
    let survey = call
        .read(move |store| store.survey_job(visibility, &filter, longest))
        .await?;
    if is_dry_run {
        let survey = survey.checked()?;
        let counted = JobDryRun {
            matched: survey.matched,
            complete: survey.is_complete,
        };
        return Ok(json(StatusCode::OK, &counted));
    }
    new.idempotency = key.map(|key| Idempotency {
        key,
        fingerprint: body.fingerprint(),
    });
    let created = call.state.store.create_job(new, survey).await;
    let created = created.map_err(in_filter)?;
    let mut response = json(StatusCode::ACCEPTED, &Rendered(&created.job));
    if created.replayed {
        let replayed = HeaderValue::from_static("true");
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, replayed);
    }
    Ok(response)
}

/// Returns the error of a job whose filter names a workspace that is not there.
fn in_filter(error: StoreError) -> ApiError {
    let StoreError::UnknownWorkspace(id) = error else {
        return error.into();
    };
    let loc = Loc::field(Section::Body, "filter").of_member("workspace_id");
    ApiError::unknown_workspace(loc, id)
}

/// The description of `GET /webhooks/jobs`.
pub(super) static LIST: RouteDocs = RouteDocs {
    summary: "List jobs",
    details: "Newest first. A job is kept for 90 days after its end.",
    reads: |input| {
        let _ = job_list_filter(input, OF_A_WORKSPACE);
    },
    ..RouteDocs::new(TAG, "jobs_list", Success::list::<Job>())
};

/// Handles `GET /webhooks/jobs`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let filter = job_list_filter(&mut input, call.caller.visibility);
    let (page, filter) = filter(&input.finish()?);
    let listed = call
        .read(move |store| store.list_jobs(&filter, page))
        .await?;
    Ok(pagination::respond(&listed, page))
}

/// The description of `GET /webhooks/jobs/{id}`.
pub(super) static GET: RouteDocs = RouteDocs {
    summary: "Get a job",
    reads: |input| {
        let _ = input.path(read::id);
    },
    ..RouteDocs::new(TAG, "jobs_get", Success::object::<Job>(200))
};

/// Handles `GET /webhooks/jobs/{id}`.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    let visibility = call.caller.visibility;
    let job = call
        .read(move |store| store.find_job(visibility, id))
        .await?;
    Ok(json(StatusCode::OK, &Rendered(&job)))
}

/// The description of `POST /webhooks/jobs/{id}/cancel`.
pub(super) static CANCEL: RouteDocs = RouteDocs {
    summary: "Cancel a job",
    details: "After the answer the job lets nothing go. What it let go before stays pending; another job, with the \
              action `skip`, can end that. What a job skipped stays skipped. A job that is over stays as it is. A body \
              is ignored.",
    reads: |input| {
        let _ = input.path(read::id);
    },
    ..RouteDocs::new(TAG, "jobs_cancel", Success::object::<Job>(200))
};

/// Handles `POST /webhooks/jobs/{id}/cancel`.
pub(super) async fn cancel(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    let cancelled = call.state.store.cancel_job(call.caller.visibility, id);
    Ok(json(StatusCode::OK, &Rendered(&cancelled.await?)))
}
