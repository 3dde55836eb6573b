//! The JSON objects of jobs in responses.

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::objects::{Render, Rendered};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::CodeClass;
use crate::domain::job::{Job, JobAction, JobFilter, JobState, LeftOut, SelectedStatus};
use crate::server::schema::{Definition, Described, Schema, object};

object! {
    /// A job: an action on all events that match a filter.
    pub(crate) struct JobJson<'a> = "Job" {
        /// The time at which the job was made.
        created_at: Timestamp,
        /// The time of its last step; null before the first one.
        modified_at: Option<Timestamp>,
        /// The id of the job.
        id: Uuid,
        /// The workspace of the job; null for one on all workspaces.
        workspace_id: Option<Uuid>,
        /// The action on each event.
        action: &'static str = Schema::open_words(&JobAction::ALL.map(JobAction::as_str)),
        /// The filter, with the statuses that it selects if it named none.
        filter: Rendered<'a, JobFilter>,
        /// The most events that the job lets go in a minute; null: as many as get through.
        rate: Option<u32>,
        /// The state. A job is never failed: it waits until it can go on.
        state: &'static str = Schema::open_words(&JobState::ALL.map(JobState::as_str)),
        /// The events and messages in the set of the job; null until they were counted.
        matched: Option<u64>,
        /// The events that the job redelivered, made or skipped.
        done: u64,
        /// The events that the job left out, by reason. With `done` they add up to `matched` when the job is finished.
        left_out: Rendered<'a, LeftOut>,
        /// The time at which the job finished or was cancelled; null while it runs.
        finished_at: Option<Timestamp>,
    }
}

object! {
    /// The filter of a job.
    pub(crate) struct JobFilterJson<'a> = "JobFilter" {
        /// The workspace; null: all that the caller may see.
        workspace_id: Option<Uuid>,
        /// The endpoints; empty: all.
        endpoint_id: &'a [Uuid] = Schema::list(Uuid::schema()),
        /// The event types; empty: all.
        event_type: &'a [String] = Schema::list(Schema::text("order.created")),
        /// The statuses.
        status: Vec<&'static str> = Schema::list(Schema::open_words(&SelectedStatus::ALL.map(SelectedStatus::as_str))),
        /// Events and messages made after this time; null: from the first on.
        start_timestamp: Option<Timestamp>,
        /// Events and messages made before this time; null: to the last.
        end_timestamp: Option<Timestamp>,
        /// The class of the status code of the last attempt; null: any, also no answer.
        http_code_class: Option<&'static str> = Schema::open_words(&CodeClass::ALL.map(CodeClass::as_str)).or_null(),
        /// The ids of events; empty: any.
        event_ids: &'a [Uuid] = Schema::list(Uuid::schema()),
    }
}

object! {
    /// The events that a job left out.
    pub(crate) struct LeftOutJson = "JobLeftOut" {
        /// Their payload was dropped.
        archived: u64,
        /// Their endpoint was disabled when their turn came.
        endpoint_disabled: u64,
        /// Their endpoint was deleted.
        endpoint_deleted: u64,
        /// They had another state when their turn came, or were redelivered or deleted since the job was made.
        changed: u64,
    }
}

object! {
    /// The number of events and messages that a job would have in its set.
    pub(crate) struct JobDryRun = "JobDryRun" {
        /// The events and messages that match.
        matched: u64,
        /// False if not all messages could be looked at in the time: there are more than `matched`, or as many.
        complete: bool,
    }
}

impl Render for Job {
    fn definition() -> Definition {
        JobJson::definition()
    }

    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        JobJson {
            created_at: self.created_at,
            modified_at: self.modified_at,
            id: self.id,
            workspace_id: self.workspace_id,
            action: self.action.as_str(),
            filter: Rendered(&self.filter),
            rate: self.rate,
            state: self.state.as_str(),
            matched: self.matched,
            done: self.done,
            left_out: Rendered(&self.left_out),
            finished_at: self.finished_at,
        }
        .serialize(serializer)
    }
}

impl Render for JobFilter {
    fn definition() -> Definition {
        JobFilterJson::definition()
    }

    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        JobFilterJson {
            workspace_id: self.workspace_id,
            endpoint_id: &self.endpoints,
            event_type: &self.event_types,
            status: self.statuses.iter().map(|it| it.as_str()).collect(),
            start_timestamp: self.after,
            end_timestamp: self.before,
            http_code_class: self.code_class.map(CodeClass::as_str),
            event_ids: &self.event_ids,
        }
        .serialize(serializer)
    }
}

impl Render for LeftOut {
    fn definition() -> Definition {
        LeftOutJson::definition()
    }

    fn render<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        LeftOutJson {
            archived: self.archived,
            endpoint_disabled: self.endpoint_disabled,
            endpoint_deleted: self.endpoint_deleted,
            changed: self.changed,
        }
        .serialize(serializer)
    }
}
