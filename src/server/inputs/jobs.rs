//! The fields of jobs.

use std::time::Duration;

use crate::domain::access::Visibility;
use crate::domain::job::NewJob;
use crate::server::validate::{Checked, Input, read};
use crate::storage::{JobListFilter, Page};

use super::page::page;

/// The longest look for missing messages when a job is made: the count of a short range is exact at once, and that of
/// a long one is known when the job has gone through it. In this time some 50,000 messages are counted.
pub(crate) const SURVEY_TIME: Duration = Duration::from_secs(1);

/// Reads a new job of a caller with this visibility, without its idempotency key, and whether it is only to be
/// counted.
pub(crate) fn new_job(
    input: &mut Input<'_>,
    visibility: Visibility,
) -> impl FnOnce(&Checked) -> (NewJob, bool) + use<> {
    let action = input.required("action", read::job_action);
    let filter = input.required("filter", read::job_filter(action.known()));
    let rate = input.optional("rate", read::rate);
    let dry_run = input.optional("dry_run", read::boolean).or(false);
    input.refuse_other_members();
    move |ok| {
        let filter = filter.take(ok);
        let new = NewJob {
            workspace_id: visibility.workspace().or(filter.workspace_id),
            action: action.take(ok),
            filter,
            rate: rate.take(ok),
            idempotency: None,
        };
        (new, dry_run.take(ok))
    }
}

/// Reads the page and the filter of a list of jobs.
pub(crate) fn job_list_filter(
    input: &mut Input<'_>,
    visibility: Visibility,
) -> impl FnOnce(&Checked) -> (Page, JobListFilter) + use<> {
    let page = page(input);
    let states = input.query_list("state", read::job_state);
    let action = input.query("action", read::job_action);
    let workspaces = input.query_list("workspace_id", read::workspace_id);
    move |ok| {
        let filter = JobListFilter {
            visibility,
            workspaces: workspaces.take(ok),
            states: states.take(ok),
            action: action.take(ok),
        };
        (page.take(ok), filter)
    }
}
