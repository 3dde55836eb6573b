//! An endpoint as it is at this moment, seen by all threads of the engine.
//!
//! The store's writer swaps it after a commit and before the caller is answered. A sender looks at it
//! when its attempt starts: so no attempt starts after a disable was answered, and each one uses the URL
//! and the secret that the endpoint has then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::storage::{EndpointNumber, Run, Target};
use crate::vital::lock;

/// The current state of one endpoint.
#[derive(Debug)]
pub(super) struct LiveTarget(Mutex<Arc<Target>>);

impl LiveTarget {
    pub(super) fn new(target: Target) -> Self {
        Self(Mutex::new(Arc::new(target)))
    }

    /// The endpoint as it is now.
    pub(super) fn current(&self) -> Arc<Target> {
        lock(&self.0).clone()
    }

    fn swap(&self, target: Target) {
        *lock(&self.0) = Arc::new(target);
    }

    /// The endpoint as it is now, if an attempt of `run` may start.
    pub(super) fn admit(&self, run: Run) -> Option<Arc<Target>> {
        let target = self.current();
        (target.enabled && run > target.skip_through).then_some(target)
    }
}

/// All endpoints in use.
#[derive(Debug, Default)]
pub(super) struct LiveTargets(Mutex<HashMap<EndpointNumber, Known>>);

#[derive(Debug)]
struct Known {
    live: Arc<LiveTarget>,
    /// Changes that were committed and that the dispatcher has not heard of. While there are any, the
    /// entry must stay: one made anew from an older change would take a disabled endpoint for enabled.
    unheard: u32,
}

impl Known {
    fn new(target: &Target) -> Self {
        Self {
            live: Arc::new(LiveTarget::new(target.clone())),
            unheard: 0,
        }
    }
}

impl LiveTargets {
    /// A change of an endpoint was committed; the dispatcher is going to hear of it.
    pub(super) fn committed(&self, target: &Target) {
        let mut targets = lock(&self.0);
        let known = targets
            .entry(target.number)
            .or_insert_with(|| Known::new(target));
        known.live.swap(target.clone());
        known.unheard += 1;
    }

    /// The dispatcher hears of a change.
    pub(super) fn heard(&self, number: EndpointNumber) {
        if let Some(known) = lock(&self.0).get_mut(&number) {
            known.unheard = known.unheard.saturating_sub(1);
        }
    }

    /// Whether the dispatcher is going to hear of further changes.
    pub(super) fn is_ahead(&self, number: EndpointNumber) -> bool {
        lock(&self.0)
            .get(&number)
            .is_some_and(|known| known.unheard > 0)
    }

    /// An endpoint in use. What is known of it is kept: whoever heard of a commit late must not bring
    /// back an older state.
    pub(super) fn get_or_insert(&self, target: &Target) -> Arc<LiveTarget> {
        lock(&self.0)
            .entry(target.number)
            .or_insert_with(|| Known::new(target))
            .live
            .clone()
    }

    /// Forgets an endpoint that is disabled, and stays so as far as is known.
    pub(super) fn forget(&self, number: EndpointNumber) {
        let mut targets = lock(&self.0);
        if targets
            .get(&number)
            .is_some_and(|known| known.unheard == 0 && !known.live.current().enabled)
        {
            targets.remove(&number);
        }
    }
}
