//! The queue of a store, in memory: the rows and indexes that `storage::sqlite` keeps in its file.
//!
//! States and disabling follow the rules of `domain`, as in every store. [`super::memory_store`] makes a
//! whole store of it, and `storage::conformance` runs the same tests on that store as on the real one.

mod jobs;
mod reads;

use std::collections::{BTreeSet, HashSet};

use uuid::Uuid;

use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::{Timestamp, due_after_setback};
use crate::domain::disabling::{EndpointAttempt, FailureStreak, after_attempt};
use crate::domain::endpoint::{DisabledReason, Format, TargetSettings};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event_state::{
    EventState, NextState, Progress, next_state, next_state_after_left_run,
};
use crate::domain::secret::Secret;
use crate::domain::signing_secrets::SigningSecrets;
use crate::storage::{
    AttemptRecord, Backlog, EndpointChange, EndpointNumber, EndpointRest, EventBody, Notice,
    QueuedEvent, Recorded, RestNote, Run, Seq, StoredTarget, Target, WorkspaceNumber,
};

/// An event's row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) endpoint: usize,
    pub(super) state: EventState,
    pub(super) run: i64,
    pub(super) run_attempt: u32,
    pub(super) run_started: Timestamp,
    pub(super) attempts: u32,
    pub(super) due: Timestamp,
}

impl Row {
    fn progress(&self) -> Progress {
        Progress {
            state: self.state,
            run: Run(self.run),
            run_attempt: self.run_attempt,
        }
    }

    fn begin(&mut self, progress: Progress) {
        self.state = progress.state;
        self.run = progress.run.0;
        self.run_attempt = progress.run_attempt;
    }
}

/// An endpoint's row and its share of the indexes.
pub(super) struct Endpoint {
    pub(super) target: Target,
    pub(super) deleted: bool,
    /// The reason why the endpoint is disabled; `None` while it is enabled, and if it was deleted while
    /// enabled.
    pub(super) disabled: Option<DisabledReason>,
    pub(super) failures: u32,
    pub(super) rest: EndpointRest,
    pub(super) fresh: BTreeSet<i64>,
    pub(super) retries: BTreeSet<(Timestamp, i64)>,
    pub(super) redeliveries: BTreeSet<i64>,
}

/// The store.
pub(super) struct Store {
    last_run: i64,
    /// The events by number. Redeliveries take numbers of the same sequence, so some places are empty.
    rows: Vec<Option<Row>>,
    /// Runs that jobs began.
    job_runs: HashSet<i64>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) disable_after: u32,
}

impl Store {
    pub(super) fn new(disable_after: u32) -> Self {
        Self {
            last_run: 0,
            rows: vec![None],
            job_runs: HashSet::new(),
            endpoints: Vec::new(),
            disable_after,
        }
    }

    pub(super) fn row(&self, seq: Seq) -> &Row {
        self.rows[usize::try_from(seq.0).expect("numbers are positive")]
            .as_ref()
            .expect("the event was published")
    }

    /// Returns the row of the event with this number, if there is one.
    pub(super) fn get(&self, number: i64) -> Option<&Row> {
        self.rows[usize::try_from(number).expect("numbers are positive")].as_ref()
    }

    fn next_run(&mut self) -> i64 {
        self.last_run += 1;
        self.rows.push(None);
        self.last_run
    }

    /// Returns the highest number given so far.
    pub(super) fn last_run(&self) -> i64 {
        self.last_run
    }

    pub(super) fn create(&mut self, workspace: WorkspaceNumber) -> Notice {
        let number = number_of(self.endpoints.len());
        let target = Target {
            settings: TargetSettings {
                secrets: SigningSecrets::new(
                    Secret::parse("a secret of at least 32 characters").unwrap(),
                ),
                ..TargetSettings::new(EndpointUrl::from_stored(String::new()), Format::Raw)
            },
            ..Target::for_tests(number, workspace)
        };
        self.endpoints.push(Endpoint {
            target: target.clone(),
            deleted: false,
            disabled: None,
            failures: 0,
            rest: EndpointRest::default(),
            fresh: BTreeSet::new(),
            retries: BTreeSet::new(),
            redeliveries: BTreeSet::new(),
        });
        Notice::Endpoint(target, EndpointChange::Created)
    }

    /// Publishes an event; `None` if the endpoint is disabled.
    pub(super) fn publish(
        &mut self,
        endpoint: usize,
        now: Timestamp,
        body: EventBody,
    ) -> Option<QueuedEvent> {
        if !self.endpoints[endpoint].target.enabled {
            return None;
        }
        let seq = self.add(endpoint, now);
        let mut event = self.queued(seq);
        event.body = Some(body);
        Some(event)
    }

    fn queued(&self, seq: i64) -> QueuedEvent {
        let row = self.row(Seq(seq));
        QueuedEvent {
            seq: Seq(seq),
            id: Uuid::nil(),
            endpoint: number_of(row.endpoint),
            workspace: self.endpoints[row.endpoint].target.workspace,
            event_type: 1,
            run: Run(row.run),
            run_attempt: row.run_attempt,
            run_started: row.run_started,
            attempts: row.attempts,
            body: None,
        }
    }

    /// Takes an event out of the indexes, changes it, and puts it back.
    fn change(&mut self, seq: i64, change: impl FnOnce(&mut Row)) {
        let row = self.rows[usize::try_from(seq).expect("numbers are positive")]
            .as_mut()
            .expect("the event was published");
        let indexes = &mut self.endpoints[row.endpoint];
        indexes.fresh.remove(&seq);
        indexes.retries.remove(&(row.due, seq));
        indexes.redeliveries.remove(&seq);
        change(row);
        match (row.state, row.run_attempt) {
            (EventState::Fresh, _) => indexes.fresh.insert(seq),
            (EventState::Retry, 0) if !self.job_runs.contains(&row.run) => {
                indexes.redeliveries.insert(seq)
            }
            (EventState::Retry, _) => indexes.retries.insert((row.due, seq)),
            _ => false,
        };
    }

    /// Gives the event its next state and the endpoint its failures, and disables it if the rules say so.
    pub(super) fn record(&mut self, record: &AttemptRecord, now: Timestamp) -> Vec<Notice> {
        let event = &record.event;
        let before = self.row(event.seq).progress();
        let endpoint = self.row(event.seq).endpoint;
        let skip_through = self.endpoints[endpoint].target.skip_through;
        let NextState { state, due } =
            next_state(record.verdict, event.run.is_skipped(skip_through));
        let due = due.map(|due| due_after_setback(due, record.decided_at, now));
        let is_in_run = before.is_in(event.run);
        self.change(event.seq.0, |row| {
            row.attempts += 1;
            if is_in_run {
                row.state = state;
                row.due = due.unwrap_or_default();
                row.run_attempt += 1;
            } else if let Some(state) = next_state_after_left_run(before, event.run, record.verdict)
            {
                row.state = state;
            }
        });
        let mut notices = Vec::new();
        self.note_rest(endpoint, record.rest);
        notices.extend(self.settle_endpoint(endpoint, record, is_in_run.then_some(state)));
        notices.push(Notice::Recorded(Recorded {
            seq: event.seq,
            endpoint: event.endpoint,
            due: due.filter(|_| is_in_run),
        }));
        notices
    }

    /// Notes the rest of an endpoint, unless it was disabled or began another epoch since.
    fn note_rest(&mut self, endpoint: usize, note: Option<RestNote>) {
        let row = &mut self.endpoints[endpoint];
        if let Some(RestNote { epoch, rest }) = note
            && row.target.enabled
            && row.target.health_epoch == epoch
        {
            row.rest = rest;
        }
    }

    /// Begins another epoch of an endpoint's health.
    fn begin_epoch(&mut self, endpoint: usize) {
        let row = &mut self.endpoints[endpoint];
        row.rest = EndpointRest::default();
        row.target.health_epoch.0 += 1;
    }

    fn settle_endpoint(
        &mut self,
        endpoint: usize,
        record: &AttemptRecord,
        state: Option<EventState>,
    ) -> Option<Notice> {
        let row = &mut self.endpoints[endpoint];
        let streak = FailureStreak {
            failures: row.failures,
            is_enabled: row.target.enabled,
        };
        let attempt = EndpointAttempt {
            verdict: record.verdict,
            state,
            tells: (record.error).is_none_or(AttemptFailure::tells_of_receiver),
        };
        let policy = &row.target.settings.policy;
        let disable_after = policy.disable_after.unwrap_or(self.disable_after);
        let effect = after_attempt(streak, attempt, disable_after);
        row.failures = effect.failures;
        (effect.disable).map(|reason| self.disable_for(endpoint, reason))
    }

    /// Begins a new run of an event; `None` if the endpoint is disabled.
    pub(super) fn redeliver(&mut self, seq: i64, now: Timestamp) -> Option<Notice> {
        let endpoint = self.row(Seq(seq)).endpoint;
        if !self.endpoints[endpoint].target.enabled {
            return None;
        }
        let run = self.next_run();
        self.change(seq, |row| {
            row.begin(Progress::redelivered(Run(run)));
            row.due = now;
            row.run_started = now;
        });
        Some(Notice::Redeliver {
            endpoint: number_of(endpoint),
            seq: Seq(seq),
        })
    }

    pub(super) fn disable(&mut self, endpoint: usize) -> Notice {
        self.disable_for(endpoint, DisabledReason::Manual)
    }

    fn disable_for(&mut self, endpoint: usize, reason: DisabledReason) -> Notice {
        self.endpoints[endpoint].disabled = Some(reason);
        self.skip_pending(endpoint)
    }

    fn skip_pending(&mut self, endpoint: usize) -> Notice {
        let last_run = self.last_run;
        let row = &mut self.endpoints[endpoint];
        row.target.enabled = false;
        row.rest = EndpointRest::default();
        row.target.skip_through = Run(last_run);
        Notice::Endpoint(row.target.clone(), EndpointChange::Disabled)
    }

    pub(super) fn delete(&mut self, endpoint: usize) -> Notice {
        self.endpoints[endpoint].deleted = true;
        self.skip_pending(endpoint)
    }

    pub(super) fn enable(&mut self, endpoint: usize) -> Option<Notice> {
        if self.endpoints[endpoint].deleted {
            return None;
        }
        self.begin_epoch(endpoint);
        let row = &mut self.endpoints[endpoint];
        row.target.enabled = true;
        row.disabled = None;
        row.failures = 0;
        Some(Notice::Endpoint(
            row.target.clone(),
            EndpointChange::Enabled,
        ))
    }

    /// Begins or ends a pause.
    pub(super) fn pause(&mut self, endpoint: usize, paused: bool, now: Timestamp) {
        let target = &mut self.endpoints[endpoint].target;
        if target.paused && !paused {
            target.resumed_at = Some(now);
        }
        target.paused = paused;
    }

    /// Changes the URL or the secret. Returns the notice; `None` if the endpoint is deleted.
    pub(super) fn edit(&mut self, endpoint: usize, change: EndpointChange) -> Option<Notice> {
        if change == EndpointChange::Moved {
            self.begin_epoch(endpoint);
        }
        let row = &self.endpoints[endpoint];
        (!row.deleted).then(|| Notice::Endpoint(row.target.clone(), change))
    }

    /// Marks up to `limit` events of skipped runs as skipped; returns whether there may be more.
    pub(super) fn sweep(&mut self, endpoint: usize, limit: usize) -> bool {
        let row = &self.endpoints[endpoint];
        let through = row.target.skip_through.0;
        let waiting = row.retries.iter().map(|(_, seq)| seq);
        let skipped: Vec<i64> = row
            .fresh
            .iter()
            .take_while(|seq| **seq <= through)
            .chain(waiting.chain(&row.redeliveries))
            .copied()
            .filter(|seq| self.row(Seq(*seq)).run <= through)
            .take(limit)
            .collect();
        for seq in &skipped {
            self.change(*seq, |row| row.state = EventState::Skipped);
        }
        skipped.len() == limit
    }

    /// Returns the enabled endpoints, with the backlog and the rest of each.
    pub(super) fn targets(&self) -> Vec<StoredTarget> {
        let enabled = (self.endpoints.iter()).filter(|endpoint| endpoint.target.enabled);
        let stored = |endpoint: &Endpoint| {
            let backlog = Backlog {
                fresh: !endpoint.fresh.is_empty(),
                next_due: endpoint.retries.first().map(|(due, _)| *due),
                redeliveries: !endpoint.redeliveries.is_empty(),
            };
            StoredTarget {
                target: endpoint.target.clone(),
                backlog,
                rest: endpoint.rest,
            }
        };
        enabled.map(stored).collect()
    }
}

/// Returns the number of the endpoint at `index`. Numbers begin with 1, indexes with 0.
pub(super) fn number_of(index: usize) -> EndpointNumber {
    EndpointNumber(i64::try_from(index).expect("few endpoints") + 1)
}

pub(super) fn index_of(number: EndpointNumber) -> usize {
    usize::try_from(number.0 - 1).expect("numbers begin with 1")
}
