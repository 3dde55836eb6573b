//! A thread that drops, in small steps, what has had its time.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::operation::call;
use super::retention::{ArchivePass, archive, drop_idempotency_keys};
use super::writer::Writer;
use crate::domain::clock::Clock;
use crate::storage::StoreError;

/// How often it looks. Days matter to what it drops, not minutes.
const PERIOD: Duration = Duration::from_mins(1);

struct Shared {
    stopping: Mutex<bool>,
    woken: Condvar,
}

/// The thread's handle.
pub(super) struct Janitor {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Janitor {
    /// Starts the thread; it looks at once, then every [`PERIOD`], and when a clock jumps.
    pub(super) fn start(
        writer: Arc<Writer>,
        clock: Arc<dyn Clock>,
        archive_after: Duration,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            stopping: Mutex::new(false),
            woken: Condvar::new(),
        });
        let woken = Arc::downgrade(&shared);
        clock.on_jump(Arc::new(move || {
            if let Some(shared) = woken.upgrade() {
                shared.woken.notify_all();
            }
        }));
        let for_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("janitor".to_owned())
            .spawn(move || run(&for_thread, &writer, &clock, archive_after))
            .map_err(|error| StoreError::Internal(format!("no thread for the janitor: {error}")))?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        *self
            .shared
            .stopping
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.woken.notify_all();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, writer: &Writer, clock: &Arc<dyn Clock>, archive_after: Duration) {
    loop {
        if let Err(error) = clean(writer, clock, archive_after) {
            tracing::debug!(%error, "the janitor will try again");
        }
        let stopping = shared
            .stopping
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *stopping {
            return;
        }
        let (stopping, _) = shared
            .woken
            .wait_timeout(stopping, PERIOD)
            .unwrap_or_else(PoisonError::into_inner);
        if *stopping {
            return;
        }
    }
}

fn clean(
    writer: &Writer,
    clock: &Arc<dyn Clock>,
    archive_after: Duration,
) -> Result<(), StoreError> {
    loop {
        let (operation, pending) = call(0, drop_idempotency_keys);
        writer.submit(operation);
        if !pending.wait()? {
            break;
        }
    }
    let before = clock.now().before(archive_after);
    let mut pass = ArchivePass::default();
    loop {
        let (operation, pending) = call(0, move |context| archive(context, before, pass));
        writer.submit(operation);
        match pending.wait()? {
            Some(further) => pass = further,
            None => return Ok(()),
        }
    }
}
