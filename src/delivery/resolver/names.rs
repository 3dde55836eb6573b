//! The resolver's cache of names and its queues of look-ups: the rules, without threads. The caller hands in
//! the time.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lookup::LookupError;

/// The addresses of a name; never empty.
pub(super) type Addresses = Arc<[IpAddr]>;

/// The age up to which addresses are used without another look-up. Short, because operators move a name to
/// another address to fail over.
const MAX_AGE: Duration = Duration::from_secs(5);
/// The age from which a use of addresses renews them in the background, so that users of a busy name never
/// wait.
const REFRESH_AFTER: Duration = Duration::from_secs(4);
/// The age up to which the last addresses are used while a look-up is slow: name servers that are down for
/// minutes should not stop deliveries to receivers that are up.
const STALE: Duration = Duration::from_mins(5);
/// The time above which a look-up is slow. A healthy one takes milliseconds, and one where the first of two
/// name servers is down takes 5 s.
const SLOW: Duration = Duration::from_secs(1);
/// The time for which a failure is remembered: enough for all attempts of one burst.
const FAILED: Duration = Duration::from_secs(1);
/// The most names that are remembered. Each takes a few hundred bytes, and one process delivers to fewer at a
/// time.
const MAX_NAMES: usize = 4096;
/// The most look-ups that may wait for a thread. Each sender waits for at most one name, so only renewals and
/// the names of attempts that reached their deadlines add to that.
const MAX_QUEUED: usize = 1024;

/// The names, their wanted look-ups, and their running ones.
pub(super) struct Names {
    entries: HashMap<Arc<str>, Name>,
    /// Wanted look-ups of names whose last one was quick.
    quick: VecDeque<Arc<str>>,
    /// Wanted look-ups of names that were never looked up.
    new: VecDeque<Arc<str>>,
    /// Wanted look-ups of names whose last one was slow.
    slow: VecDeque<Arc<str>>,
    /// Running look-ups that came from `new` or `slow`.
    doubtful_running: usize,
    /// The most of those that may run at a time.
    doubtful_limit: usize,
}

struct Name {
    /// The last addresses that were found, and when.
    good: Option<(Addresses, Instant)>,
    /// The last failure, and when it came. Never beside addresses.
    failed: Option<(LookupError, Instant)>,
    /// The look-up that is wanted or runs, and since when.
    pending: Option<(Arc<PendingLookUp>, Instant)>,
    /// The last look-up was quick; `None` before the first one ended.
    quick: Option<bool>,
    last_used: Instant,
}

/// The result of [`Names::find`].
pub(super) enum Found {
    /// Addresses that are recent enough.
    Addresses(Addresses),
    /// A failure that is recent enough.
    Failed(LookupError),
    /// A look-up is queued or running.
    Wait {
        look_up: Arc<PendingLookUp>,
        /// The last addresses, and how long to wait before they are used instead.
        stale: Option<(Addresses, Duration)>,
    },
    /// Nothing is known and too many look-ups wait already.
    Full,
}

/// A look-up to run now.
pub(super) struct Job {
    pub(super) host: Arc<str>,
    doubtful: bool,
}

impl Names {
    /// Returns a cache without names. At most `doubtful_limit` look-ups of names not known to be quick run at
    /// a time.
    pub(super) fn new(doubtful_limit: usize) -> Self {
        Self {
            entries: HashMap::new(),
            quick: VecDeque::new(),
            new: VecDeque::new(),
            slow: VecDeque::new(),
            doubtful_running: 0,
            doubtful_limit,
        }
    }

    /// Returns the cached addresses or failure of `host`, or the look-up to wait for. Queues a look-up if one
    /// is due.
    pub(super) fn find(&mut self, host: &str, now: Instant) -> Found {
        if let Some(name) = self.entries.get_mut(host) {
            name.last_used = now;
            if let Some(settled) = name.settled(now) {
                return settled;
            }
        }
        let pending = self.pending_look_up(host, now);
        let name = self.entries.get(host);
        let good = name.and_then(|name| name.good_at(now));
        match (good, pending) {
            (Some((addresses, age)), _) if age < MAX_AGE => Found::Addresses(addresses),
            (Some((addresses, age)), None) if age < STALE => Found::Addresses(addresses),
            (Some((addresses, age)), Some((look_up, since))) if age < STALE => {
                let known_slow = name.is_some_and(|name| name.quick == Some(false));
                let patience = if known_slow {
                    Duration::ZERO
                } else {
                    SLOW.saturating_sub(now.duration_since(since))
                };
                Found::Wait {
                    look_up,
                    stale: Some((addresses, patience)),
                }
            }
            (_, Some((look_up, _))) => Found::Wait {
                look_up,
                stale: None,
            },
            (_, None) => Found::Full,
        }
    }

    /// Returns the wanted or running look-up of `host`, else a new one, and since when it is wanted. `None`
    /// if too many wait already.
    fn pending_look_up(
        &mut self,
        host: &str,
        now: Instant,
    ) -> Option<(Arc<PendingLookUp>, Instant)> {
        if let Some(Name {
            pending: Some((look_up, since)),
            ..
        }) = self.entries.get(host)
        {
            return Some((Arc::clone(look_up), *since));
        }
        if self.queued() >= MAX_QUEUED {
            return None;
        }
        self.make_room(now);
        let key: Arc<str> = match self.entries.get_key_value(host) {
            Some((key, _)) => Arc::clone(key),
            None => host.into(),
        };
        let name = self
            .entries
            .entry(Arc::clone(&key))
            .or_insert_with(|| Name::unknown(now));
        let look_up = Arc::new(PendingLookUp::default());
        name.pending = Some((Arc::clone(&look_up), now));
        match name.quick {
            Some(true) => self.quick.push_back(key),
            None => self.new.push_back(key),
            Some(false) => self.slow.push_back(key),
        }
        Some((look_up, now))
    }

    /// Returns the next look-up to run, if one may run now.
    pub(super) fn take(&mut self) -> Option<Job> {
        if let Some(host) = self.quick.pop_front() {
            return Some(Job {
                host,
                doubtful: false,
            });
        }
        if self.doubtful_running >= self.doubtful_limit {
            return None;
        }
        // A new name is more likely to resolve than one that was slow before.
        let host = self.new.pop_front().or_else(|| self.slow.pop_front())?;
        self.doubtful_running += 1;
        Some(Job {
            host,
            doubtful: true,
        })
    }

    /// Returns how many waiting look-ups may run now, if there are threads.
    pub(super) fn runnable(&self) -> usize {
        let doubtful = self.doubtful_limit - self.doubtful_running;
        self.quick.len() + doubtful.min(self.new.len() + self.slow.len())
    }

    /// Records the result of a look-up that ran for `took`, and wakes the senders that wait for it.
    pub(super) fn finish(
        &mut self,
        job: &Job,
        result: Result<Addresses, LookupError>,
        took: Duration,
        now: Instant,
    ) {
        if job.doubtful {
            self.doubtful_running -= 1;
        }
        let Some(name) = self.entries.get_mut(&job.host) else {
            return;
        };
        let quick = took <= SLOW;
        name.quick = Some(quick);
        let outcome = match result {
            Ok(addresses) => {
                name.good = Some((Arc::clone(&addresses), now));
                name.failed = None;
                Ok(addresses)
            }
            Err(error) => match &name.good {
                // A slow failure means that no name server answered; it says nothing about the name.
                Some((addresses, at)) if !quick && now.duration_since(*at) < STALE => {
                    Ok(Arc::clone(addresses))
                }
                _ => {
                    name.good = None;
                    name.failed = Some((error.clone(), now));
                    Err(error)
                }
            },
        };
        if let Some((look_up, _)) = name.pending.take() {
            look_up.settle(outcome);
        }
    }

    /// Returns the number of look-ups that wait for a thread.
    fn queued(&self) -> usize {
        self.quick.len() + self.new.len() + self.slow.len()
    }

    /// Forgets names when there are too many: first those that were not used for [`STALE`], then the least
    /// recently used quarter. Names with a wanted or running look-up stay.
    fn make_room(&mut self, now: Instant) {
        if self.entries.len() < MAX_NAMES {
            return;
        }
        self.entries
            .retain(|_, name| name.pending.is_some() || now.duration_since(name.last_used) < STALE);
        if self.entries.len() < MAX_NAMES {
            return;
        }
        let mut used: Vec<Instant> = self.entries.values().map(|name| name.last_used).collect();
        let (_, oldest_kept, _) = used.select_nth_unstable(MAX_NAMES / 4);
        let oldest_kept = *oldest_kept;
        self.entries
            .retain(|_, name| name.pending.is_some() || name.last_used > oldest_kept);
    }
}

impl Name {
    fn unknown(now: Instant) -> Self {
        Self {
            good: None,
            failed: None,
            pending: None,
            quick: None,
            last_used: now,
        }
    }

    /// Returns the addresses or the failure if they are recent enough to need no look-up.
    fn settled(&self, now: Instant) -> Option<Found> {
        if let Some((addresses, at)) = &self.good
            && now.duration_since(*at) < REFRESH_AFTER
        {
            return Some(Found::Addresses(Arc::clone(addresses)));
        }
        match &self.failed {
            Some((error, at)) if now.duration_since(*at) < FAILED => {
                Some(Found::Failed(error.clone()))
            }
            _ => None,
        }
    }

    /// Returns the last addresses and their age.
    fn good_at(&self, now: Instant) -> Option<(Addresses, Duration)> {
        let (addresses, at) = self.good.as_ref()?;
        Some((Arc::clone(addresses), now.duration_since(*at)))
    }
}

/// A wanted or running look-up: senders wait here for its result.
#[derive(Default)]
pub(super) struct PendingLookUp {
    outcome: Mutex<Option<Result<Addresses, LookupError>>>,
    settled: Condvar,
}

impl PendingLookUp {
    /// Waits for the result of the look-up; `None` if there is none after `within`.
    pub(super) fn wait(&self, within: Duration) -> Option<Result<Addresses, LookupError>> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let (outcome, _) = self
            .settled
            .wait_timeout_while(outcome, within, |outcome| outcome.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        outcome.clone()
    }

    fn settle(&self, outcome: Result<Addresses, LookupError>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.settled.notify_all();
    }
}

#[cfg(test)]
mod tests;
