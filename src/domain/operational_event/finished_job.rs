//! The operational event of a job that has finished, and its data.

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{WorkspaceFacts, number_of_events, of_workspace, raw};
use crate::domain::job::{JobAction, LeftOut};

/// A job that has finished.
#[derive(Clone, Copy, Debug)]
pub struct FinishedJob {
    /// Its id.
    pub id: Uuid,
    /// Its action.
    pub action: JobAction,
    /// The number of events of its set.
    pub matched: u64,
    /// The number of events that it acted on.
    pub done: u64,
    /// The events that it left out.
    pub left_out: LeftOut,
}

impl FinishedJob {
    /// Returns the data of [`OperationalType::JobFinished`](super::OperationalType::JobFinished). `workspace`: the owner
    /// of the job, unless it is told itself, or the job was for all workspaces.
    #[must_use]
    pub fn data(&self, workspace: Option<&WorkspaceFacts>) -> Box<RawValue> {
        #[derive(Serialize)]
        struct Job {
            id: Uuid,
            action: &'static str,
            matched: u64,
            done: u64,
            left_out: LeftOut,
        }
        #[derive(Serialize)]
        struct Data<'a> {
            text: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            workspace: Option<&'a WorkspaceFacts>,
            job: Job,
        }
        let of = of_workspace(workspace);
        let (action, done) = (self.action.as_str(), self.done);
        let left = self.left_out.total();
        let data = Data {
            text: format!(
                "A job{of} has finished: {action}, {}, {left} left out.",
                number_of_events(done)
            ),
            workspace,
            job: Job {
                id: self.id,
                action,
                matched: self.matched,
                done,
                left_out: self.left_out,
            },
        };
        raw(&data)
    }
}
