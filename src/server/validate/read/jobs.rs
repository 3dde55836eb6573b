//! The readers of the fields of jobs.

use super::super::{FieldContext, InputValue, Violation};
use super::objects::{Others, object};
use super::{choice, code_class, filter_text, id, list, time, workspace_id};
use crate::domain::job::{EVENT_IDS_MAX, JobAction, JobFilter, JobState, RATE_MAX, SelectedStatus};
use crate::server::schema::Schema;
use crate::server::validate::FILTER_VALUES_MAX;

/// The descriptions of some members of a filter.
const STATUSES: &str =
    "With these statuses. Default: `failed` and `skipped` to redeliver, `pending` to skip.";
const CODES: &str = "Whose last attempt was answered with a status of this class.";
const WORKSPACE: &str = "Of this workspace. A workspace token sees only its own, in any case.";

/// Reads the action of a job.
pub(crate) fn job_action(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<JobAction> {
    let names = JobAction::ALL.map(JobAction::as_str);
    choice(value, context, &names, JobAction::parse, Violation::Enum)
}

/// Reads the state of a job, for a filter.
pub(crate) fn job_state(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<JobState> {
    let names = JobState::ALL.map(JobState::as_str);
    choice(value, context, &names, JobState::parse, Violation::Enum)
}

/// Reads the rate of a job, in events a minute.
pub(crate) fn rate(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<u32> {
    context.accepts(|| Schema::integer(1, 600).with("maximum", u64::from(RATE_MAX)))?;
    let rate = super::positive(value, context)?;
    match u32::try_from(rate) {
        Ok(rate) if rate <= RATE_MAX => Some(rate),
        _ => context.refuse(value, Violation::LessThanEqual(u64::from(RATE_MAX))),
    }
}

/// Returns a reader of the filter of a job with this action; `None` if the action could not be read.
pub(crate) fn job_filter(
    action: Option<JobAction>,
) -> impl Fn(InputValue<'_>, &mut FieldContext<'_>) -> Option<JobFilter> {
    move |value, context| {
        let about = "What the job selects. It has at least one member besides `workspace_id`.";
        let filter = object(value, context, about, Others::Refused, |members| {
            let endpoints = members.optional(
                "endpoint_id",
                "To these endpoints.",
                up_to(FILTER_VALUES_MAX, id),
            );
            let types = members.optional(
                "event_type",
                "Of these types.",
                up_to(FILTER_VALUES_MAX, filter_text),
            );
            let statuses = members.optional(
                "status",
                STATUSES,
                up_to(FILTER_VALUES_MAX, selected(action)),
            );
            let after = members.optional("start_timestamp", "Made after this time.", time);
            let before = members.optional("end_timestamp", "Made before this time.", time);
            let code_class = members.optional("http_code_class", CODES, code_class);
            let event_ids =
                members.optional("event_ids", "With these ids.", up_to(EVENT_IDS_MAX, id));
            let workspace = members.optional("workspace_id", WORKSPACE, workspace_id);
            Some(JobFilter {
                endpoints: endpoints?.unwrap_or_default(),
                event_types: types?.unwrap_or_default(),
                statuses: statuses?.unwrap_or_default(),
                after: after?,
                before: before?,
                code_class: code_class?,
                event_ids: event_ids?.unwrap_or_default(),
                workspace_id: workspace?,
            })
        })?;
        let selects_all = JobFilter {
            workspace_id: filter.workspace_id,
            ..JobFilter::default()
        };
        if filter == selects_all {
            return context.refuse(value, Violation::Missing);
        }
        match refusal(&filter) {
            None => Some(with_default_statuses(filter, action)),
            Some(why) => context.refuse(value, Violation::Value(why.into())),
        }
    }
}

fn up_to<T>(
    max: usize,
    read: impl Fn(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
) -> impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<Vec<T>> {
    move |value, context| list(value, context, 0..=max, read)
}

/// Returns a reader of a status that a job with this action may select.
fn selected(
    action: Option<JobAction>,
) -> impl Fn(InputValue<'_>, &mut FieldContext<'_>) -> Option<SelectedStatus> {
    move |value, context| {
        let selectable = action.map_or(&SelectedStatus::ALL[..], JobAction::selectable);
        let names: Vec<&str> = selectable.iter().map(|it| it.as_str()).collect();
        let parse = |name: &str| SelectedStatus::parse(name).filter(|it| selectable.contains(it));
        choice(value, context, &names, parse, Violation::Enum)
    }
}

/// Returns the reason why a filter that selects missing messages is refused.
fn refusal(filter: &JobFilter) -> Option<&'static str> {
    if !filter.selects_missing() {
        None
    } else if filter.endpoints.len() != 1 {
        Some(
            "the status `missing` needs exactly one endpoint_id: messages are missing for one endpoint",
        )
    } else if filter.after.is_none() {
        Some(
            "the status `missing` needs a start_timestamp: the time from which on messages are looked for",
        )
    } else if filter.code_class.is_some() || !filter.event_ids.is_empty() {
        Some(
            "the status `missing` cannot be combined with http_code_class or event_ids: a missing message has no event",
        )
    } else {
        None
    }
}

fn with_default_statuses(filter: JobFilter, action: Option<JobAction>) -> JobFilter {
    match action {
        Some(action) if filter.statuses.is_empty() => JobFilter {
            statuses: action.default_statuses().to_vec(),
            ..filter
        },
        _ => filter,
    }
}
