//! The jobs of a store in memory, which has none.

use std::time::Duration;

use uuid::Uuid;

use super::{MemoryStore, Unsupported};
use crate::domain::access::Visibility;
use crate::domain::job::{Job, JobFilter, NewJob};
use crate::storage::{
    CreatedJob, JobListFilter, JobSurvey, Jobs, Listed, Page, Pending, StoreError,
};

impl Jobs for MemoryStore {
    fn survey_job(
        &self,
        _: Visibility,
        _: &JobFilter,
        _: Duration,
    ) -> Result<JobSurvey, StoreError> {
        Err(Unsupported::Jobs.error())
    }

    fn create_job(&self, _: NewJob, _: JobSurvey) -> Pending<CreatedJob> {
        Unsupported::Jobs.pending()
    }

    fn list_jobs(&self, _: &JobListFilter, _: Page) -> Result<Listed<Job>, StoreError> {
        Err(Unsupported::Jobs.error())
    }

    fn find_job(&self, _: Visibility, _: Uuid) -> Result<Job, StoreError> {
        Err(Unsupported::Jobs.error())
    }

    fn cancel_job(&self, _: Visibility, _: Uuid) -> Pending<Job> {
        Unsupported::Jobs.pending()
    }
}
