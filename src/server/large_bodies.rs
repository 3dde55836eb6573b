//! The parsing of large bodies.
//!
//! Checking the JSON of a quarter of a megabyte takes a millisecond. On an asynchronous thread, all other
//! connections of that thread would wait meanwhile, and some hundred such bodies can arrive at once. So
//! blocking threads parse large bodies, few at a time: many at a time would take the processors from all
//! other work. Workspaces take turns, so that many bodies of one do not delay those of the others.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::blocking;
use super::error::ApiError;
use super::places::{Places, Share};
use crate::domain::owner::Owner;

/// The size in bytes from which on a body is large. Each 16 KiB of a body take some ten microseconds to
/// parse, about as long as handing the body to another thread.
pub(crate) const LARGE_BODY: usize = 64 * 1024;

/// The places in which large bodies are parsed.
pub(crate) struct LargeBodies(Arc<Places>);

impl LargeBodies {
    /// Returns half as many places as there are processors.
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with_places((processors / 2).max(1))
    }

    fn with_places(places: usize) -> Self {
        Self(Places::new(places, Share::All))
    }

    /// Runs `work` of this owner off the asynchronous threads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        owner: Owner,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        // The number of bodies that wait has no limit here: `connection` limits their bytes.
        let place = self.0.wait(owner).place().await;
        let work = move || {
            // The work keeps the place, not the request: when the client hangs up, the work still runs.
            let _place = place;
            work()
        };
        blocking::run(work).await?
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::rc::Rc;
    use std::sync::Mutex;
    use std::sync::mpsc::channel;
    use std::task::{Context, Waker};

    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_body_waits_for_a_turn_of_another_workspace_and_not_for_all_its_bodies() {
        let [heavy, other] = [1, 2].map(|number| Owner::new(Uuid::from_u128(number)));
        actix_web::rt::System::new().block_on(async {
            let bodies = Rc::new(LargeBodies::with_places(1));
            let read = Arc::new(Mutex::new(Vec::new()));
            let (open, gate) = channel::<()>();
            let gate = Arc::new(Mutex::new(gate));
            let start = |of: Owner| {
                let (bodies, read, gate) = (bodies.clone(), read.clone(), gate.clone());
                let work = move || {
                    // Ends when the gate's other side is dropped.
                    let _ = gate.lock().unwrap().recv();
                    read.lock().unwrap().push(of);
                    Ok(())
                };
                let mut body = Box::pin(async move { bodies.read(of, work).await });
                let waiting = body.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                assert!(waiting.is_pending());
                actix_web::rt::spawn(body)
            };
            let owners = [[heavy; 10].as_slice(), &[other]].concat();
            let all: Vec<_> = owners.into_iter().map(start).collect();
            drop(open);
            for body in all {
                assert!(body.await.unwrap().is_ok());
            }
            let place = read.lock().unwrap().iter().position(|of| *of == other);
            assert!(place.unwrap() <= 2, "{read:?}");
        });
    }
}
