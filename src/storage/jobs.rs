//! Jobs, as a store offers them. A store carries out the jobs by itself, in the background.

use std::time::Duration;

use uuid::Uuid;

use super::error::StoreError;
use super::filter::{Listed, Page};
use super::pending::Pending;
use super::queue::EndpointNumber;
use crate::domain::access::Visibility;
use crate::domain::job::{Job, JobAction, JobFilter, JobState, NewJob};

/// The interest of an endpoint: the types of messages, and the pattern that they must match, as the store keeps both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Its subscriptions.
    pub(super) subscriptions: String,
    /// Its filter.
    pub(super) filter: String,
}

/// The set of a job, as it is when the job is about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSurvey {
    /// The number of events and messages in it; if it is not complete, of those that were looked at.
    pub matched: u64,
    /// False if the time was over before all messages were looked at.
    pub is_complete: bool,
    /// Set if the missing messages of a disabled endpoint are selected: there is no such job. A repeated request gets
    /// its job all the same.
    pub(super) is_endpoint_disabled: bool,
    /// The endpoints that have some of them, or that may have.
    pub(super) endpoints: Vec<EndpointNumber>,
    /// The highest number of an event that may be in it.
    pub(super) through_event: i64,
    /// The highest number of a message that may be in it.
    pub(super) through_message: i64,
    /// The interest of the endpoint whose missing messages are selected.
    pub(super) interest: Option<Interest>,
}

impl JobSurvey {
    /// Checks that a job can have this set. Errors: [`StoreError::EndpointDisabled`] if it selects the missing messages
    /// of such an endpoint.
    pub fn checked(self) -> Result<Self, StoreError> {
        if self.is_endpoint_disabled {
            return Err(StoreError::EndpointDisabled);
        }
        Ok(self)
    }
}

/// The result of making a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedJob {
    /// The job, new or as it is now if it was made before.
    pub job: Job,
    /// Set if an earlier request with the same idempotency key made it.
    pub replayed: bool,
}

/// A filter of jobs. If a field has several values, any of them matches.
#[derive(Clone, Debug)]
pub struct JobListFilter {
    /// The objects that the caller may see.
    pub visibility: Visibility,
    /// Of these workspaces; empty: of all, and those that are of no single workspace.
    pub workspaces: Vec<Uuid>,
    /// In these states; empty: in any.
    pub states: Vec<JobState>,
    /// With this action.
    pub action: Option<JobAction>,
}

/// The jobs of a store. Every method that takes a [`Visibility`] treats objects that the caller may not see as
/// absent. A job on all workspaces is visible to admins alone.
pub trait Jobs: Send + Sync {
    /// Looks at the set that a job with this filter would have. Looks at messages for at most `longest`.
    fn survey_job(
        &self,
        visibility: Visibility,
        filter: &JobFilter,
        longest: Duration,
    ) -> Result<JobSurvey, StoreError>;
    /// Makes a job on the set of `survey`, which must be of the same filter. Errors:
    /// [`StoreError::UnknownWorkspace`], [`StoreError::IdempotencyKeyReused`], [`StoreError::EndpointDisabled`] (see
    /// [`JobSurvey::checked`]), [`StoreError::TooManyJobs`].
    fn create_job(&self, new: NewJob, survey: JobSurvey) -> Pending<CreatedJob>;
    /// Returns jobs, newest first.
    fn list_jobs(&self, filter: &JobListFilter, page: Page) -> Result<Listed<Job>, StoreError>;
    /// Returns a job. Errors: [`StoreError::NotFound`].
    fn find_job(&self, visibility: Visibility, id: Uuid) -> Result<Job, StoreError>;
    /// Cancels a job: it lets nothing go any more. A job that is over stays as it is. Errors:
    /// [`StoreError::NotFound`].
    fn cancel_job(&self, visibility: Visibility, id: Uuid) -> Pending<Job>;
}
