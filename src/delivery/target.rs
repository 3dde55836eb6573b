//! The current state of each endpoint, shared by all threads of the engine.
//!
//! The store's writer replaces a state after a commit and before the API answers the caller. A sender looks
//! at the state when its attempt starts. So no attempt starts after the API has confirmed that the endpoint
//! is disabled, and each attempt uses the URL and the secrets that the endpoint has at that moment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::storage::{EndpointNumber, Notice, Run, Target};
use crate::vital::lock;

/// The current state of one endpoint.
#[derive(Debug)]
pub(super) struct LiveTarget {
    target: Mutex<Arc<Target>>,
    /// Set while the scheduler starts no attempt, because the endpoint rests or its receiver asked to wait.
    held: AtomicBool,
}

/// The reason why an attempt may not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAdmitted {
    /// Its run is skipped.
    Skipped,
    /// Its endpoint is paused.
    Paused,
}

impl LiveTarget {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target: Mutex::new(Arc::new(target)),
            held: AtomicBool::new(false),
        }
    }

    /// Returns the current state.
    pub(super) fn current(&self) -> Arc<Target> {
        lock(&self.target).clone()
    }

    /// Notes whether the scheduler starts no attempt for now. Only metrics read this.
    pub(super) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    fn replace(&self, target: Target) {
        *lock(&self.target) = Arc::new(target);
    }

    /// Returns the current state if an attempt of `run` may start.
    pub(super) fn admit(&self, run: Run) -> Result<Arc<Target>, NotAdmitted> {
        let target = self.current();
        if !target.enabled || run <= target.skip_through {
            Err(NotAdmitted::Skipped)
        } else if target.paused {
            Err(NotAdmitted::Paused)
        } else {
            Ok(target)
        }
    }
}

/// The current states of all endpoints that the engine knows.
#[derive(Debug, Default)]
pub(super) struct LiveTargets(Mutex<HashMap<EndpointNumber, Entry>>);

#[derive(Debug)]
struct Entry {
    live: Arc<LiveTarget>,
    /// Committed changes whose notices the dispatcher has not handled yet. The entry stays while there are
    /// any: if an older notice created it anew, it could show a disabled endpoint as enabled.
    pending_notices: u32,
}

impl Entry {
    fn new(target: &Target) -> Self {
        Self {
            live: Arc::new(LiveTarget::new(target.clone())),
            pending_notices: 0,
        }
    }
}

impl LiveTargets {
    /// Makes the changes of endpoints in a commit visible to all threads. The caller sends the same notices
    /// to the dispatcher afterwards.
    pub(super) fn apply(&self, notices: &[Notice]) {
        for notice in notices {
            if let Notice::Endpoint(target, _) = notice {
                self.apply_one(target);
            }
        }
    }

    /// Makes one change visible to all threads.
    pub(super) fn apply_one(&self, target: &Target) {
        let mut targets = lock(&self.0);
        let entry = targets
            .entry(target.number)
            .or_insert_with(|| Entry::new(target));
        entry.live.replace(target.clone());
        entry.pending_notices += 1;
    }

    /// Notes that the dispatcher handles the notice of a change.
    pub(super) fn notice_handled(&self, number: EndpointNumber) {
        if let Some(entry) = lock(&self.0).get_mut(&number) {
            entry.pending_notices = entry.pending_notices.saturating_sub(1);
        }
    }

    /// Reports whether there are notices of changes that the dispatcher has not handled yet.
    pub(super) fn has_pending_notices(&self, number: EndpointNumber) -> bool {
        lock(&self.0)
            .get(&number)
            .is_some_and(|entry| entry.pending_notices > 0)
    }

    /// Returns the shared state of an endpoint, made from `target` if there is none. An existing one is not
    /// changed: `target` may come from an older commit.
    pub(super) fn get_or_insert(&self, target: &Target) -> Arc<LiveTarget> {
        lock(&self.0)
            .entry(target.number)
            .or_insert_with(|| Entry::new(target))
            .live
            .clone()
    }

    /// Reports whether attempts to an endpoint may start now: it is enabled, neither paused nor resting, and its receiver
    /// did not ask to wait.
    pub(super) fn takes_attempts(&self, number: EndpointNumber) -> bool {
        lock(&self.0).get(&number).is_some_and(|entry| {
            let target = entry.live.current();
            target.enabled && !target.paused && !entry.live.held.load(Ordering::Relaxed)
        })
    }

    /// Removes an endpoint that is disabled, unless there are notices of further changes.
    pub(super) fn forget(&self, number: EndpointNumber) {
        let mut targets = lock(&self.0);
        if targets
            .get(&number)
            .is_some_and(|entry| entry.pending_notices == 0 && !entry.live.current().enabled)
        {
            targets.remove(&number);
        }
    }
}
