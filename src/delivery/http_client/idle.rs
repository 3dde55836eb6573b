//! The pool of idle connections, which wait for their next request.
//!
//! ureq's own pool is switched off (its limit is 0). It is limited per agent only, it compares all its
//! connections with each other when one is put back, and it closes none unless the same agent makes a
//! request. With several agents there would be either few idle connections per receiver, or more than the
//! process may have open files. The pool here has one limit for all receivers and closes the oldest
//! connections first. Each time a connection is put back, it also closes those that have become too old.
//!
//! The pool is a plain queue, searched from its newest entry: with some hundreds of entries that takes less
//! time than the system call that follows. The lock is held only during the search, not while a connection is
//! checked or closed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time for which a connection is kept without a request. Common servers (Apache, Node.js, uvicorn) close
/// an idle connection after 5 s. A request sent at that moment is lost, and must not be repeated, because the
/// receiver may have seen it. So the client closes the connection before the server does.
pub(super) const MAX_IDLE_AGE: Duration = Duration::from_secs(4);

/// The receiver that a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) tls: bool,
    /// Host and port as in the URL.
    pub(super) authority: Box<str>,
}

/// Idle connections of type `C`, at most `limit` of them.
pub(super) struct IdlePool<C> {
    limit: usize,
    /// In the order of their last use.
    connections: Mutex<VecDeque<Entry<C>>>,
}

/// An idle connection, with everything that decides whether a request may use it.
pub(super) struct Entry<C> {
    pub(super) connection: C,
    pub(super) peer: Peer,
    /// The addresses that were allowed when the connection was made; it leads to one of them.
    pub(super) addresses: Box<[SocketAddr]>,
    pub(super) since: Instant,
}

impl<C> IdlePool<C> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            connections: Mutex::new(VecDeque::with_capacity(limit)),
        }
    }

    /// Removes and returns the most recently used connection to `peer` whose addresses are all in
    /// `addresses`, the ones that were resolved and checked for this request. So the client follows a
    /// receiver that has moved.
    pub(super) fn take(
        &self,
        peer: &Peer,
        addresses: &[SocketAddr],
        now: Instant,
    ) -> Option<Entry<C>> {
        let mut connections = self.lock();
        let found = connections.iter().rposition(|entry| {
            entry.peer == *peer
                && now.duration_since(entry.since) < MAX_IDLE_AGE
                && entry
                    .addresses
                    .iter()
                    .all(|known| addresses.contains(known))
        })?;
        connections.remove(found)
    }

    /// Puts a connection back; closes older ones if there are too many. `entry.since` must be about now.
    pub(super) fn put(&self, entry: Entry<C>) {
        let now = entry.since;
        let mut connections = self.lock();
        connections.push_back(entry);
        let outdated = connections
            .iter()
            .take_while(|entry| now.duration_since(entry.since) >= MAX_IDLE_AGE)
            .count();
        let surplus = connections.len().saturating_sub(self.limit);
        let closing: Vec<_> = connections.drain(..outdated.max(surplus)).collect();
        drop(connections);
        drop(closing);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry<C>>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(authority: &str) -> Peer {
        Peer {
            tls: false,
            authority: authority.into(),
        }
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([8, 8, 8, last], 80))
    }

    fn put(idle: &IdlePool<u32>, connection: u32, authority: &str, since: Instant) {
        idle.put(Entry {
            connection,
            peer: peer(authority),
            addresses: [address(1), address(2)].into(),
            since,
        });
    }

    fn take(idle: &IdlePool<u32>, authority: &str, now: Instant) -> Option<u32> {
        let addresses = [address(3), address(2), address(1)];
        idle.take(&peer(authority), &addresses, now)
            .map(|entry| entry.connection)
    }

    #[test]
    fn the_latest_of_the_same_peer_is_taken() {
        let idle = IdlePool::new(9);
        let now = Instant::now();
        put(&idle, 1, "a", now);
        put(&idle, 2, "a", now);
        put(&idle, 3, "b", now);
        let tls = Peer {
            tls: true,
            authority: "a".into(),
        };
        assert!(idle.take(&tls, &[address(1), address(2)], now).is_none());
        assert_eq!(take(&idle, "c", now), None);
        assert_eq!(take(&idle, "a", now), Some(2));
        assert_eq!(take(&idle, "a", now), Some(1));
        assert_eq!(take(&idle, "a", now), None);
    }

    #[test]
    fn old_ones_are_not_used_and_closed() {
        let idle = IdlePool::new(9);
        let start = Instant::now();
        put(&idle, 1, "a", start);
        assert_eq!(take(&idle, "a", start + MAX_IDLE_AGE), None);
        put(&idle, 2, "b", start + MAX_IDLE_AGE);
        assert_eq!(idle.lock().len(), 1);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let idle = IdlePool::new(2);
        let now = Instant::now();
        for connection in 1..=5 {
            put(&idle, connection, "a", now);
        }
        assert_eq!(idle.lock().len(), 2);
        assert_eq!(take(&idle, "a", now), Some(5));
        assert_eq!(take(&idle, "a", now), Some(4));
        assert_eq!(take(&idle, "a", now), None);
    }

    #[test]
    fn an_address_that_is_gone_is_not_used() {
        let idle = IdlePool::new(2);
        let now = Instant::now();
        put(&idle, 1, "a", now);
        assert!(idle.take(&peer("a"), &[address(1)], now).is_none());
        assert_eq!(take(&idle, "a", now), Some(1));
    }
}
