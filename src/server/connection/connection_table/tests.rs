//! Tests of the connections that are given up when too many bytes are held, and of those that stay.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::server::connection::request_handle::RequestHandle;
use crate::server::connection::state::GivenUp;

const NEVER: Duration = Duration::from_hours(1);
const LIMIT: usize = 100_000;
/// Enough bytes for a connection to be given up.
const MUCH: usize = 10_000;

/// Runs a test with the connections of a worker that may hold [`LIMIT`] bytes.
fn crowd(test: impl FnOnce(&Rc<ConnectionTable>)) {
    actix_web::rt::System::new().block_on(async {
        test(&ConnectionTable::new(
            ConnectionLimits {
                idle: NEVER,
                request: NEVER,
                response: NEVER,
                taken: 1,
                connections: 1000,
                bytes: LIMIT,
                period: NEVER,
            },
            &ApiMetrics::default(),
        ));
    });
}

fn owner(at: u128) -> Owner {
    Owner::new(Uuid::from_u128(at))
}

/// Makes a request of this owner (0: none), whose handler waits for its body.
fn request(table: &Rc<ConnectionTable>, of: u128) -> RequestHandle {
    let state = table.add();
    table.begin_request(&state);
    let handle = RequestHandle {
        state,
        table: Rc::downgrade(table),
    };
    if of > 0 {
        handle.attribute(owner(of));
        handle.state.progress.set(Progress::Refusable);
    }
    handle
}

/// Makes a request of this owner of which so many bytes have come.
fn holding(table: &Rc<ConnectionTable>, of: u128, bytes: usize) -> RequestHandle {
    let request = request(table, of);
    table.receive(&request.state, bytes);
    request
}

/// Checks all connections at a time when none is young any more.
fn look_later(table: &ConnectionTable) {
    table.close_overdue(Instant::now() + 2 * SPARED_FOR);
}

fn is_given_up(request: &RequestHandle) -> bool {
    request.state.refused.get().is_some() || request.state.closed.get()
}

#[test]
fn the_oldest_request_of_the_heaviest_account_is_given_up_and_not_the_oldest_of_all() {
    crowd(|table| {
        let little: Vec<_> = (0..2).map(|_| holding(table, 1, MUCH)).collect();
        let much: Vec<_> = (0..10).map(|_| holding(table, 2, MUCH)).collect();
        assert!(!much.iter().any(is_given_up), "they are spared for a while");
        look_later(table);
        let given_up: Vec<_> = much.iter().map(is_given_up).collect();
        let expected: Vec<_> = (0..10).map(|at| at < 2).collect();
        assert_eq!(given_up, expected);
        assert!(!little.iter().any(is_given_up));
        assert_eq!(table.accounts.total(), LIMIT);
    });
}

#[test]
fn young_requests_are_given_up_at_twice_the_limit_again_of_the_heaviest_account() {
    crowd(|table| {
        let little = holding(table, 1, MUCH);
        let much: Vec<_> = (0..30).map(|_| holding(table, 2, MUCH)).collect();
        assert!(much.iter().filter(|one| is_given_up(one)).count() >= 9);
        assert!(!is_given_up(&little));
    });
}

#[test]
fn a_waiting_handler_refuses_and_without_one_the_connection_is_closed() {
    crowd(|table| {
        let unread = holding(table, 0, 2 * LIMIT);
        look_later(table);
        assert!(unread.state.closed.get() && unread.state.refused.get().is_none());

        let waits = request(table, 1);
        let mut body = Box::pin(waits.unless_given_up(std::future::pending::<()>()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(body.as_mut().poll(&mut context).is_pending());
        table.receive(&waits.state, 2 * LIMIT);
        look_later(table);
        let refused = body.as_mut().poll(&mut context);
        assert_eq!(refused, Poll::Ready(Err(GivenUp::ForOthers)));
        assert!(!waits.state.closed.get(), "its client reads the answer");

        let kept = holding(table, 2, 2 * LIMIT);
        kept.state.progress.set(Progress::Kept);
        look_later(table);
        assert!(!is_given_up(&kept), "the store has it");
    });
}

#[test]
fn a_refusal_wakes_the_handler() {
    #[derive(Default)]
    struct Woken(std::sync::atomic::AtomicBool);
    impl std::task::Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    crowd(|table| {
        let woken = std::sync::Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let waits = request(table, 1);
        let mut body = Box::pin(waits.unless_given_up(std::future::pending::<()>()));
        let pending = body.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(pending.is_pending());
        table.receive(&waits.state, 2 * LIMIT);
        look_later(table);
        assert!(woken.0.load(std::sync::atomic::Ordering::Relaxed));
    });
}

#[test]
fn an_account_alone_has_all_the_room_and_a_new_one_gets_a_share() {
    crowd(|table| {
        let announce = |of| {
            let request = request(table, of);
            request.announce(MUCH).map(|()| request)
        };
        let alone: Vec<_> = (0..10).map(|_| announce(1).unwrap()).collect();
        assert_eq!(announce(1).err(), Some(GivenUp::ForOthers));
        // The other owner gets half of the memory; for that, connections of the heavier account are given up
        // later.
        let other: Vec<_> = (0..5).map(|_| announce(2).unwrap()).collect();
        assert_eq!(announce(2).err(), Some(GivenUp::ForOthers));
        look_later(table);
        assert_eq!(alone.iter().filter(|one| is_given_up(one)).count(), 5);
        assert!(!other.iter().any(is_given_up));
        // The first request of an owner has room, however small an equal share is.
        let many: Vec<_> = (3..30).map(|of| announce(of).unwrap()).collect();
        assert!(!many.is_empty());
    });
}

#[test]
fn announced_bytes_are_counted_once() {
    crowd(|table| {
        let request = request(table, 1);
        table.receive(&request.state, 300);
        request.announce(MUCH).unwrap();
        assert_eq!(table.accounts.total(), MUCH);
        table.receive(&request.state, MUCH - 400);
        assert_eq!(table.accounts.total(), MUCH);
        table.receive(&request.state, 500);
        assert_eq!(table.accounts.total(), MUCH + 400);
        table.end_request(&request.state);
        assert_eq!(table.accounts.total(), 0);
    });
}

#[test]
fn a_body_of_unknown_length_goes_on_while_there_is_room_or_its_owner_holds_little() {
    crowd(|table| {
        let others: Vec<_> = (0..8).map(|_| holding(table, 1, MUCH)).collect();
        let own = holding(table, 2, MUCH);
        assert_eq!(others[0].check_growth(), Ok(()));
        table.receive(&others[0].state, MUCH + 1);
        assert_eq!(others[0].check_growth(), Err(GivenUp::ForOthers));
        assert_eq!(own.check_growth(), Ok(()));
    });
}

#[test]
fn each_request_of_a_connection_is_counted_for_its_own_caller() {
    crowd(|table| {
        let request = holding(table, 1, MUCH);
        let of = |at| {
            let account = table.accounts.join(Some(owner(at)));
            table.accounts.leave(&account);
            account.bytes()
        };
        request.attribute(owner(2));
        assert_eq!([of(1), of(2)], [0, MUCH]);
        table.end_request(&request.state);
        table.begin_request(&request.state);
        table.receive(&request.state, MUCH);
        assert_eq!([of(1), of(2)], [0, 0], "nobody knows whose it is");
        assert_eq!(table.accounts.owners(), 0);
    });
}

proptest! {
    /// An owner that holds no more than an equal share keeps all of it, the rest fits the limit in the end,
    /// and connections that ended leave nothing.
    #[test]
    fn an_account_with_at_most_an_equal_share_loses_nothing(
        sizes in prop::collection::vec((0..6_u128, SPARED_BYTES..4 * MUCH), 1..60),
    ) {
        let mut outcome = Ok(());
        crowd(|table| {
            let requests: Vec<_> = sizes
                .iter()
                .map(|&(of, bytes)| (of, bytes, request(table, of)))
                .collect();
            // All bytes arrive before one decision.
            for (_, bytes, request) in &requests {
                let account = request.state.account.borrow();
                request.state.bytes[0].set(*bytes);
                table.accounts.change(&account, 0, *bytes);
            }
            let held = |of| -> usize {
                requests.iter().filter(|one| one.0 == of).map(|one| one.1).sum()
            };
            let holders = (0..6).filter(|of| held(*of) > 0).count();
            look_later(table);
            outcome = (|| {
                for (of, _, request) in &requests {
                    let is_modest = held(*of) <= LIMIT / holders;
                    prop_assert!(!(is_modest && is_given_up(request)), "{of} of {holders}");
                }
                prop_assert!(table.accounts.total() <= LIMIT);
                Ok(())
            })();
            for (_, _, request) in &requests {
                table.release(&request.state);
            }
            assert_eq!(table.accounts.total(), 0);
            assert_eq!(table.accounts.owners(), 0);
        });
        outcome?;
    }
}

#[test]
fn of_too_many_connections_that_drain_the_first_is_closed() {
    crowd(|table| {
        let drain = || {
            let state = table.add();
            table.drain(&state);
            state
        };
        let goes_on = drain();
        goes_on.draining.set(false);
        let drained: Vec<_> = (0..DRAINING_MAX).map(|_| drain()).collect();
        assert!(!goes_on.closed.get(), "it has drained");
        assert!(drained.iter().all(|state| !state.closed.get()));
        // A connection that drains already counts once.
        table.drain(&drained[1]);
        assert!(!drained[0].closed.get());
        drain();
        let closed: Vec<_> = drained.iter().map(|state| state.closed.get()).collect();
        assert!(closed[0] && !closed[1..].contains(&true));
    });
}
