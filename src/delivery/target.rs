//! An endpoint as it is at this moment, seen by all threads of the engine.
//!
//! The store's writer swaps it after a commit and before the caller is answered. A sender looks at it
//! when its attempt starts: so no attempt starts after a disable was answered, and each one uses the URL
//! and the secret that the endpoint has then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::storage::{EndpointNumber, Run, Target};

/// The current state of one endpoint.
#[derive(Debug)]
pub(super) struct LiveTarget(Mutex<Arc<Target>>);

impl LiveTarget {
    pub(super) fn new(target: Target) -> Self {
        Self(Mutex::new(Arc::new(target)))
    }

    /// The endpoint as it is now.
    pub(super) fn current(&self) -> Arc<Target> {
        locked(&self.0).clone()
    }

    fn swap(&self, target: Target) {
        *locked(&self.0) = Arc::new(target);
    }

    /// The endpoint as it is now, if an attempt of `run` may start.
    pub(super) fn admit(&self, run: Run) -> Option<Arc<Target>> {
        let target = self.current();
        (target.enabled && run > target.skip_through).then_some(target)
    }
}

/// All endpoints in use.
#[derive(Debug, Default)]
pub(super) struct LiveTargets(Mutex<HashMap<EndpointNumber, Arc<LiveTarget>>>);

impl LiveTargets {
    /// Takes the newest state of an endpoint.
    pub(super) fn set(&self, target: &Target) -> Arc<LiveTarget> {
        let mut targets = locked(&self.0);
        if let Some(live) = targets.get(&target.number) {
            live.swap(target.clone());
            return live.clone();
        }
        let live = Arc::new(LiveTarget::new(target.clone()));
        targets.insert(target.number, live.clone());
        live
    }

    /// An endpoint in use. What is known of it is kept: whoever heard of a commit late must not bring
    /// back an older state.
    pub(super) fn get_or_insert(&self, target: &Target) -> Arc<LiveTarget> {
        locked(&self.0)
            .entry(target.number)
            .or_insert_with(|| Arc::new(LiveTarget::new(target.clone())))
            .clone()
    }

    /// Forgets an endpoint, unless it has been enabled again.
    pub(super) fn forget(&self, number: EndpointNumber) {
        let mut targets = locked(&self.0);
        if targets
            .get(&number)
            .is_some_and(|live| !live.current().enabled)
        {
            targets.remove(&number);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one assignment: what a panic left is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
