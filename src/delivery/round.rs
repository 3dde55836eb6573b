//! One round of the dispatcher, without its thread: messages go in, commands come out.
//!
//! A round has three steps: [`handle_messages`] tells the scheduler of all messages, [`Scheduler::tick`]
//! tells it of the time, and [`next_command`], called until it returns `None`, returns what to do. The
//! dispatcher's thread carries the commands out with senders, reader and store; the simulation carries them
//! out with models of these. Both call the functions here, so the simulation checks the code that ships.

use super::mailbox::Messages;
use super::protocol::{AttemptJob, Now, ReadRequest};
use super::scheduler::Scheduler;
use crate::storage::{AttemptRecord, WorkspaceNumber};

/// One thing for the dispatcher to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Give the job to the senders.
    Send(AttemptJob),
    /// Tell the reader to read the body of the job's event, and then to give the job to the senders.
    LoadAndSend(AttemptJob),
    /// Tell the store to record a run that ended without another attempt.
    Record(AttemptRecord),
    /// Tell the reader to make a read, in the turn of this workspace.
    Read(WorkspaceNumber, ReadRequest),
}

/// Gives all messages to the scheduler. Returns the attempts for the store to record.
///
/// The scheduler looks at the wall clock first: a step ends rests earlier, but not those that begin after it.
/// Overflow comes after the notices: the notice that an endpoint was created may be among them, and events of
/// an endpoint that the scheduler does not know would be forgotten.
pub(super) fn handle_messages(
    scheduler: &mut Scheduler,
    messages: Messages,
    now: Now,
) -> Vec<AttemptRecord> {
    scheduler.look_at_wall_clock(now);
    for notice in messages.notices {
        scheduler.handle_notice(notice, now);
    }
    for (endpoint, highest) in messages.overflow {
        scheduler.handle_overflow(endpoint, highest);
    }
    for read in messages.reads {
        scheduler.handle_read_result(read, now);
    }
    let reports = messages.reports.into_iter();
    reports
        .filter_map(|report| scheduler.handle_report(report, now))
        .collect()
}

/// Returns the next thing to do: first all attempts, then all records, then all reads.
pub(super) fn next_command(scheduler: &mut Scheduler, now: Now) -> Option<Command> {
    if let Some(job) = scheduler.next_start(now) {
        return Some(if job.event.body.is_some() {
            Command::Send(job)
        } else {
            Command::LoadAndSend(job)
        });
    }
    if let Some(record) = scheduler.next_expired() {
        return Some(Command::Record(record));
    }
    let (workspace, request) = scheduler.next_read(now)?;
    Some(Command::Read(workspace, request))
}
