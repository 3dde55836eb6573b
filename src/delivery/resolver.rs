//! The resolver: turns the name in a URL into the addresses that the client may dial.
//!
//! Every request passes here, also one that will use an idle connection, and also one whose host is an IP
//! address. The resolver checks all addresses against the network policy, and the client dials exactly those:
//! there is no second look-up in between that could return others (DNS rebinding). If one address of a name
//! is forbidden, the resolver refuses the whole name, because it is random which of them would be dialled.
//!
//! # Names
//!
//! Look-ups go through the system (`getaddrinfo`), so that hosts files, container names and search domains
//! work. That call may block for any time and can't be interrupted. Therefore:
//!
//! - it runs on threads of its own, a limited number, started on demand. A call that hangs blocks such a
//!   thread and no sender;
//! - there is one look-up per name at a time, however many senders wait for it;
//! - addresses are cached: for 5 s, renewed in the background while in use, and for up to 5 min while a
//!   look-up is slow (see `names`). The system doesn't return the TTL of the records;
//! - half of the threads only serve names whose last look-up was quick, so that endpoints with broken name
//!   servers don't delay the look-ups of others.
//!
//! # Cost
//!
//! A cached name costs one short lock and one access to a hash map. No lock is held during a wait.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ureq::http::Uri;
use ureq::unversioned::resolver::{ArrayVec, ResolvedSocketAddrs};

pub use self::lookup::{CountedLookup, Lookup, LookupError, SystemLookup};
use self::names::{Addresses, Found, Job, Names};
use super::log_limit::LogLimit;
use crate::domain::network_policy::{AddressRefused, NetworkPolicy};
use crate::fail_point::{FailPoint, hit};
use crate::vital;

mod lookup;
mod names;

/// The most look-ups at a time. Half of them, at 5 ms a name, renew 3,200 names a second: three times as many
/// as needed to renew every remembered name every 4 s.
const MAX_THREADS: usize = 32;
/// The most threads for names whose last look-up was slow, or that had none. The others stay free for names
/// whose last look-up was quick.
const DOUBTFUL_THREADS: usize = MAX_THREADS / 2;
/// The time that a thread waits for work before it ends.
const THREAD_IDLE: Duration = Duration::from_secs(30);
/// The stack of a thread. `getaddrinfo` needs less, but the system's name service modules run on it too.
const THREAD_STACK_BYTES: usize = 512 * 1024;
/// The most addresses of one name that may be dialled: as many as ureq takes. All addresses are checked.
const MAX_ADDRESSES: usize = 16;
/// The longest wait for a look-up. Senders always have a shorter deadline.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// The monotonic clock by which cached addresses age.
pub type MonotonicClock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The reason why a host has no address to dial.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The host is an IP address that the policy forbids. Another try has the same result.
    #[error("{0}")]
    LiteralRefused(AddressRefused),
    /// The name resolves, but at least one of its addresses is forbidden.
    #[error("{host} can't be used: {refused}")]
    NameRefused {
        /// The name.
        host: String,
        /// The first forbidden address.
        refused: AddressRefused,
    },
    /// The look-up failed.
    #[error("{host} doesn't resolve: {error}")]
    Failed {
        /// The name.
        host: String,
        /// The look-up's error.
        error: LookupError,
    },
    /// The look-up took too long.
    #[error("{host} didn't resolve in time")]
    Slow {
        /// The name.
        host: String,
    },
    /// Too many other names wait to be looked up.
    #[error("{host} couldn't be looked up: too many names are waiting")]
    Busy {
        /// The name.
        host: String,
    },
}

/// The resolver. See the module's description.
pub struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    lookup: Arc<dyn Lookup>,
    policy: NetworkPolicy,
    clock: MonotonicClock,
    state: Mutex<State>,
    log_limit: Mutex<LogLimit>,
    /// The signal that a look-up was queued, or that the resolver is dropped.
    wake: Condvar,
}

struct State {
    names: Names,
    threads: usize,
    idle_threads: usize,
    closing: bool,
}

impl Resolver {
    /// Returns a resolver on the system's monotonic clock. Starts no thread yet.
    #[must_use]
    pub fn new(lookup: Arc<dyn Lookup>, policy: NetworkPolicy) -> Self {
        Self::with_clock(lookup, policy, Arc::new(Instant::now))
    }

    /// Returns a resolver whose cached addresses age by `clock`. Waits for look-ups go by real time.
    #[must_use]
    pub fn with_clock(
        lookup: Arc<dyn Lookup>,
        policy: NetworkPolicy,
        clock: MonotonicClock,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                lookup,
                policy,
                clock,
                state: Mutex::new(State {
                    names: Names::new(DOUBTFUL_THREADS),
                    threads: 0,
                    idle_threads: 0,
                    closing: false,
                }),
                log_limit: Mutex::default(),
                wake: Condvar::new(),
            }),
        }
    }

    /// Returns the addresses of `host` that may be dialled now, at least one. Waits for at most `within`.
    ///
    /// `host` is a name or an IP address, in brackets if it is a v6 one.
    pub fn resolve(&self, host: &str, within: Duration) -> Result<Arc<[IpAddr]>, ResolveError> {
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            self.shared
                .policy
                .check_addr(ip)
                .map_err(ResolveError::LiteralRefused)?;
            return Ok([ip].into());
        }
        let found = self.addresses_of(host, within.min(LONGEST_WAIT));
        let checked = found.and_then(|addresses| self.checked(host, addresses));
        checked.inspect_err(|error| self.shared.log(error))
    }

    /// Returns the addresses if the policy allows all of them.
    fn checked(&self, host: &str, addresses: Addresses) -> Result<Addresses, ResolveError> {
        for ip in addresses.iter() {
            self.shared
                .policy
                .check_addr(*ip)
                .map_err(|refused| ResolveError::NameRefused {
                    host: host.to_owned(),
                    refused,
                })?;
        }
        Ok(addresses)
    }

    /// Returns the addresses of a name from the cache or from a look-up, unchecked.
    fn addresses_of(&self, host: &str, within: Duration) -> Result<Addresses, ResolveError> {
        let now = (self.shared.clock)();
        let mut state = self.shared.state();
        let found = state.names.find(host, now);
        let runnable = state.names.runnable();
        if runnable > 0 {
            self.wake_threads(&mut state, runnable);
        }
        drop(state);

        let host = || host.to_owned();
        let failed = |error| ResolveError::Failed {
            host: host(),
            error,
        };
        match found {
            Found::Addresses(addresses) => Ok(addresses),
            Found::Failed(error) => Err(failed(error)),
            Found::Full => Err(ResolveError::Busy { host: host() }),
            Found::Wait {
                look_up,
                stale: None,
            } => match look_up.wait(within) {
                Some(outcome) => outcome.map_err(failed),
                None => Err(ResolveError::Slow { host: host() }),
            },
            Found::Wait {
                look_up,
                stale: Some((addresses, patience)),
            } => match look_up.wait(within.min(patience)) {
                Some(outcome) => outcome.map_err(failed),
                None => Ok(addresses),
            },
        }
    }

    /// Wakes a thread for the queued look-ups, or starts one if too few are idle and the limit allows it.
    fn wake_threads(&self, state: &mut State, runnable: usize) {
        if runnable <= state.idle_threads {
            self.shared.wake.notify_one();
            return;
        }
        if state.threads >= MAX_THREADS {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let work = move || shared.work();
        let started = vital::start_pool_thread("look-up", THREAD_STACK_BYTES, work);
        match started {
            Ok(_detached) => state.threads += 1,
            // The system gives no thread. The look-up stays queued: a running thread takes it, or the next
            // call tries again. Senders that wait for it may reach their deadlines.
            Err(error) => tracing::warn!(%error, "no thread for look-ups"),
        }
    }
}

impl Drop for Resolver {
    /// Ends the threads: idle ones now, those in a look-up after it.
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.shared.wake.notify_all();
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("policy", &self.shared.policy)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        vital::lock(&self.state)
    }

    /// Logs why a name can't be used. Only the operator may know this: no client sees it.
    fn log(&self, error: &ResolveError) {
        let now = (self.clock)();
        let mut limit = vital::lock(&self.log_limit);
        if let Some(left_out) = limit.take(now) {
            tracing::info!(%error, left_out, "a name can't be used; --allow-network allows its network");
        }
    }

    /// Runs look-ups, until the thread ends.
    fn work(&self) {
        while let Some(job) = self.next_job() {
            let started = (self.clock)();
            let result = self.look_up(&job.host);
            hit(FailPoint::LookUpTurn);
            let now = (self.clock)();
            self.state()
                .names
                .finish(&job, result, now.duration_since(started), now);
        }
    }

    /// Waits for a look-up to run. `None` ends the thread, which is then already counted as ended.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.state();
        let mut has_idled = false;
        loop {
            if state.closing {
                state.threads -= 1;
                return None;
            }
            if let Some(job) = state.names.take() {
                return Some(job);
            }
            if has_idled {
                state.threads -= 1;
                return None;
            }
            state.idle_threads += 1;
            let (woken, timed_out) = vital::wait_timeout(&self.wake, state, THREAD_IDLE);
            state = woken;
            state.idle_threads -= 1;
            has_idled = timed_out;
        }
    }

    /// Makes one look-up. Returns at most [`MAX_ADDRESSES`] addresses if all are allowed. Otherwise returns
    /// only the first forbidden one, so that the name is refused at each use.
    fn look_up(&self, host: &str) -> Result<Addresses, LookupError> {
        let found = catch_unwind(AssertUnwindSafe(|| self.lookup.lookup(host)))
            .unwrap_or_else(|_| Err(LookupError("the look-up failed unexpectedly".to_owned())))?;
        let forbidden = found
            .iter()
            .find(|ip| self.policy.check_addr(**ip).is_err());
        match forbidden {
            Some(ip) => Ok([*ip].into()),
            None if found.is_empty() => Err(LookupError("it has no address".to_owned())),
            None => Ok(in_dialling_order(&found).take(MAX_ADDRESSES).collect()),
        }
    }
}

/// Returns the addresses in the order in which they are dialled (RFC 8305, section 4): both families take
/// turns, beginning with that of the first address. Within a family, the system's order stays. So a name with
/// many addresses of a family that leads nowhere soon comes to one of the other.
fn in_dialling_order(found: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
    let v6_first = found.first().is_some_and(IpAddr::is_ipv6);
    let of_family = |v6| found.iter().copied().filter(move |ip| ip.is_ipv6() == v6);
    let (mut first, mut second) = (of_family(v6_first), of_family(!v6_first));
    std::iter::from_fn(move || {
        let next = first.next().or_else(|| second.next());
        std::mem::swap(&mut first, &mut second);
        next
    })
}

/// The resolver in the form that ureq calls before each request.
#[derive(Debug)]
pub(super) struct UreqResolver(pub(super) Arc<Resolver>);

impl ureq::unversioned::resolver::Resolver for UreqResolver {
    /// Resolves the host of a request. ureq returns a [`ResolveError`] inside of its `Error::Other`.
    fn resolve(
        &self,
        uri: &Uri,
        _: &ureq::config::Config,
        timeout: ureq::unversioned::transport::NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let no_host = || ureq::Error::BadUri("no host".to_owned());
        let host = uri.host().ok_or_else(no_host)?;
        let port = match (uri.port_u16(), uri.scheme_str()) {
            (Some(port), _) => port,
            (None, Some("http")) => 80,
            (None, _) => 443,
        };
        let ips = self
            .0
            .resolve(host, *timeout.after)
            .map_err(|error| ureq::Error::Other(Box::new(error)))?;
        let mut addresses = ArrayVec::from_fn(|_| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        for ip in ips.iter().take(MAX_ADDRESSES) {
            addresses.push(SocketAddr::new(*ip, port));
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests;
