//! The implementation of the trait `Jobs`: each method reads, or queues one write.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::SqliteStore;
use crate::domain::access::Visibility;
use crate::domain::job::{Job, JobFilter, NewJob};
use crate::storage::sqlite::maintenance::background::WakeUp;
use crate::storage::sqlite::writer::operation::{Operation, OperationError, WriteContext};
use crate::storage::sqlite::{reads, writes};
use crate::storage::{
    CreatedJob, JobListFilter, JobSurvey, Jobs, Listed, Page, Pending, ResultSender, StoreError,
    Unavailable, pending,
};

impl Jobs for SqliteStore {
    fn survey_job(
        &self,
        visibility: Visibility,
        filter: &JobFilter,
        longest: Duration,
    ) -> Result<JobSurvey, StoreError> {
        reads::job_survey::survey(&self.readers, visibility, filter, longest)
    }

    fn create_job(&self, new: NewJob, survey: JobSurvey) -> Pending<CreatedJob> {
        let (sender, pending) = pending();
        let owner = new.workspace_id;
        let operation = Box::new(CreateJob {
            new,
            survey,
            created: None,
            sender,
            wake_up: self.background.as_ref().map(|it| it.jobs.wake_up()),
        });
        if self.holds_lock {
            self.writer.submit_of(owner, operation);
        } else {
            operation.finish(Err(StoreError::Unavailable(Unavailable::Locked)));
        }
        pending
    }

    fn list_jobs(&self, filter: &JobListFilter, page: Page) -> Result<Listed<Job>, StoreError> {
        self.read(|connection| Ok(reads::jobs::list(connection, filter, page)?))
    }

    fn find_job(&self, visibility: Visibility, id: Uuid) -> Result<Job, StoreError> {
        self.read_one(|connection| reads::jobs::find(connection, visibility, id))
    }

    fn cancel_job(&self, visibility: Visibility, id: Uuid) -> Pending<Job> {
        self.write_as_lock_holder(visibility.workspace(), 0, move |context| {
            writes::jobs::cancel(context, visibility, id)
        })
    }
}

/// The write that makes a job. After its commit it wakes the thread of the jobs.
struct CreateJob {
    new: NewJob,
    survey: JobSurvey,
    created: Option<CreatedJob>,
    sender: ResultSender<CreatedJob>,
    wake_up: Option<Arc<WakeUp>>,
}

impl Operation for CreateJob {
    fn apply(&mut self, context: &mut WriteContext<'_>) -> Result<(), OperationError> {
        self.created = Some(writes::jobs::create(context, &self.new, &self.survey)?);
        Ok(())
    }

    fn finish(self: Box<Self>, result: Result<(), StoreError>) {
        let lost = || StoreError::Internal("a job was committed without a result".to_owned());
        if let Some(wake_up) = &self.wake_up {
            wake_up.wake();
        }
        let created = self.created;
        self.sender
            .send(result.and_then(|()| created.ok_or_else(lost)));
    }

    fn size(&self) -> usize {
        256 + self.new.filter.event_ids.len() * 16 + self.survey.endpoints.len() * 8
    }
}
