//! Attempts that a person asks for to test an endpoint, past the queue.
//!
//! A test is one attempt with a body of its own. It knows no event and no endpoint of the queue, so it cannot count
//! for rests, health, rates or the disabling of an endpoint, and it happens whether or not the endpoint is enabled.
//! The request is made as for an event: by the same client, under the same network policy, signed the same way.
//!
//! Each test has a thread of its own while it lasts. So it takes no sender from events, and the number of tests at a
//! time is small. A test whose caller has gone ends by itself, within the time of an attempt; when the process ends,
//! it ends with it, as nothing of it is stored.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::attempt::{self, STACK_BYTES, Transport};
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::endpoint::TargetSettings;
use crate::vital;

/// The most tests at a time, in all workspaces: a few people at their pages.
const TESTS_MAX: usize = 8;
/// The most of one workspace, so that no workspace can have all of them.
const TESTS_PER_WORKSPACE_MAX: usize = 2;

/// The maker of tests.
#[derive(Clone)]
pub struct TestAttempts(Arc<Shared>);

struct Shared {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    /// The tests under way, by workspace.
    under_way: Mutex<HashMap<Uuid, usize>>,
}

/// A test to make.
#[derive(Debug)]
pub struct TestAttempt {
    /// The workspace of the endpoint.
    pub workspace_id: Uuid,
    /// The `webhook-id`, which no event has.
    pub event_id: Uuid,
    /// The settings of the endpoint.
    pub settings: TargetSettings,
    /// The body, in the format of the endpoint.
    pub body: Vec<u8>,
}

/// The result of a test, with the fields of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// The status code, if there was an answer.
    pub code: Option<u16>,
    /// The cause of the failure, if there was no answer.
    pub error: Option<AttemptFailure>,
    /// The start of the answer, or the error in words.
    pub response: Option<String>,
    /// The time that the attempt took.
    pub took: Duration,
    /// The time at which it ended.
    pub ended_at: Timestamp,
}

/// The reason why a test is not made: too many are under way, or the system gives no thread for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many tests are under way")]
pub struct TooManyTests;

impl TestAttempts {
    /// Returns a maker of tests that sends with `transport`.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            transport,
            clock,
            under_way: Mutex::default(),
        }))
    }

    /// Starts a test. The receiver resolves when it is over, within the time of an attempt.
    ///
    /// # Errors
    /// [`TooManyTests`]; nothing was sent.
    pub fn start(&self, test: TestAttempt) -> Result<oneshot::Receiver<TestResult>, TooManyTests> {
        let slot = Slot::take(&self.0, test.workspace_id)?;
        let shared = Arc::clone(&self.0);
        let (answer, result) = oneshot::channel();
        let work = move || {
            let made = make(&shared, &test);
            // Before the caller knows of the result: the next test of a workspace finds the slot free.
            drop(slot);
            let _ = answer.send(made);
        };
        match vital::start_pool_thread("test attempt", STACK_BYTES, work) {
            Ok(_detached) => Ok(result),
            Err(error) => {
                tracing::warn!(%error, "cannot start a thread for a test");
                Err(TooManyTests)
            }
        }
    }
}

fn make(shared: &Shared, test: &TestAttempt) -> TestResult {
    let (transport, clock) = (&*shared.transport, &*shared.clock);
    let attempt = || {
        attempt::make(
            transport,
            clock,
            test.event_id,
            &test.settings,
            &test.body,
            None,
        )
    };
    let made = catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|_| {
        tracing::error!(event = %test.event_id, "a test panicked");
        attempt::internal("the attempt ended in an internal error")
    });
    TestResult {
        code: made.code,
        error: made.error,
        response: made.response,
        took: made.took,
        ended_at: clock.now(),
    }
}

/// The place of a test among those under way.
struct Slot {
    shared: Arc<Shared>,
    workspace: Uuid,
}

impl Slot {
    fn take(shared: &Arc<Shared>, workspace: Uuid) -> Result<Self, TooManyTests> {
        let mut under_way = vital::lock(&shared.under_way);
        let all: usize = under_way.values().sum();
        let own = under_way.get(&workspace).copied().unwrap_or_default();
        if all >= TESTS_MAX || own >= TESTS_PER_WORKSPACE_MAX {
            return Err(TooManyTests);
        }
        under_way.insert(workspace, own + 1);
        drop(under_way);
        Ok(Self {
            shared: Arc::clone(shared),
            workspace,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut under_way = vital::lock(&self.shared.under_way);
        if let Some(count) = under_way.get_mut(&self.workspace) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.workspace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::delivery::http_client::{HttpResult, Request, Response};
    use crate::domain::clock::ManualClock;
    use crate::domain::endpoint::EndpointSettings;
    use crate::domain::endpoint_url::EndpointUrl;
    use crate::domain::retry_after::RetryHeaders;

    /// Answers each request when it is told to; panics if it is told so.
    struct Told(Mutex<Receiver<bool>>);

    impl Transport for Told {
        fn post(&self, _: &Request<'_>) -> HttpResult {
            let answers = self.0.lock().unwrap().recv().unwrap();
            assert!(answers, "as the test wants");
            let answer = Response {
                code: 204,
                body: String::new(),
                retry: RetryHeaders::default(),
                location: None,
            };
            HttpResult {
                result: Ok(answer),
                duration: Duration::from_millis(7),
            }
        }
    }

    fn tests() -> (TestAttempts, Sender<bool>) {
        let (tell, told) = channel();
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1)));
        let tests = TestAttempts::new(Arc::new(Told(Mutex::new(told))), clock);
        (tests, tell)
    }

    fn test(workspace: u128) -> TestAttempt {
        let url = EndpointUrl::from_stored("https://a.example".to_owned());
        TestAttempt {
            workspace_id: Uuid::from_u128(workspace),
            event_id: Uuid::nil(),
            settings: EndpointSettings::raw(url).target,
            body: b"{}".to_vec(),
        }
    }

    #[test]
    fn a_few_tests_run_at_a_time_of_each_workspace_and_of_all() {
        let (tests, tell) = tests();
        let mut under_way = Vec::new();
        for workspace in 0..4 {
            for _ in 0..TESTS_PER_WORKSPACE_MAX {
                under_way.push(tests.start(test(workspace)).unwrap());
            }
            assert!(tests.start(test(workspace)).is_err(), "{workspace}");
        }
        assert_eq!(under_way.len(), TESTS_MAX);
        assert!(tests.start(test(9)).is_err());
        for _ in 0..TESTS_MAX {
            tell.send(true).unwrap();
        }
        for result in under_way {
            let result = result.blocking_recv().unwrap();
            assert_eq!(
                (result.code, result.took),
                (Some(204), Duration::from_millis(7))
            );
        }
        // Whoever has a result finds a free place.
        tell.send(true).unwrap();
        let again = tests.start(test(0)).unwrap();
        assert_eq!(again.blocking_recv().unwrap().code, Some(204));
        assert!(vital::lock(&tests.0.under_way).is_empty());
    }

    #[test]
    fn a_panic_is_the_result_of_its_test_and_a_caller_that_is_gone_keeps_no_place() {
        let (tests, tell) = tests();
        tell.send(false).unwrap();
        let result = tests.start(test(0)).unwrap().blocking_recv().unwrap();
        assert_eq!(result.error, Some(AttemptFailure::Internal));
        // Nobody tells the script any more, so every other test panics, too.
        drop(tell);
        drop(tests.start(test(0)).unwrap());
        drop(tests.start(test(0)).unwrap());
        while !vital::lock(&tests.0.under_way).is_empty() {
            std::thread::yield_now();
        }
    }
}
