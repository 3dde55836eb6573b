//! Jobs, as pages show them.

use uuid::Uuid;

use super::layout::Layout;
use super::view::{Badge, Count, Moment, ShortId};
use crate::domain::clock::Timestamp;
use crate::domain::job::{Job, JobAction, JobState, LeftOut};

/// A job in a list, and the main part of its page.
pub(super) struct JobView {
    pub(super) id: Uuid,
    pub(super) action: &'static str,
    pub(super) is_skip: bool,
    pub(super) state: Badge,
    pub(super) is_running: bool,
    /// The number of events in its set; `None` until they are known.
    pub(super) matched: Option<Count>,
    pub(super) done: Count,
    pub(super) left_out: Count,
    /// The events that it has looked at.
    pub(super) seen: Count,
    /// The name of its workspace, or `all`.
    pub(super) workspace: String,
    pub(super) made: Moment,
    pub(super) ended: Option<Moment>,
}

impl JobView {
    pub(super) fn new(job: &Job, layout: &Layout, now: Timestamp) -> Self {
        Self {
            id: job.id,
            action: action_in_words(job.action),
            is_skip: job.action == JobAction::Skip,
            state: badge(job.state),
            is_running: job.state == JobState::Running,
            matched: job.matched.map(Count),
            done: Count(job.done),
            left_out: Count(job.left_out.total()),
            seen: Count(job.done + job.left_out.total()),
            workspace: job
                .workspace_id
                .map_or_else(|| "all".to_owned(), |id| layout.workspace_name(id)),
            made: Moment::new(job.created_at, now),
            ended: job.finished_at.map(|at| Moment::new(at, now)),
        }
    }

    pub(super) fn short_id(&self) -> ShortId {
        ShortId(self.id)
    }
}

/// Returns the action as a page names it.
pub(super) const fn action_in_words(action: JobAction) -> &'static str {
    match action {
        JobAction::Redeliver => "Redeliver",
        JobAction::Skip => "Skip",
    }
}

const fn badge(state: JobState) -> Badge {
    let kind = match state {
        JobState::Running => "waiting",
        JobState::Finished => "good",
        JobState::Cancelled => "off",
    };
    Badge {
        kind,
        text: state.as_str(),
    }
}

/// Returns the reasons why a job left events out, with their numbers, without those that are 0.
pub(super) fn reasons(left_out: &LeftOut) -> Vec<(Count, &'static str)> {
    let all = [
        (
            left_out.archived,
            "archived: the payload was dropped, so there is nothing to send",
        ),
        (
            left_out.endpoint_disabled,
            "of a disabled endpoint: enable it, then redeliver them",
        ),
        (left_out.endpoint_deleted, "of a deleted endpoint"),
        (
            left_out.changed,
            "changed meanwhile: delivered, redelivered, skipped or deleted in another way",
        ),
    ];
    let some = all.into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, reason)| (Count(count), reason)).collect()
}
