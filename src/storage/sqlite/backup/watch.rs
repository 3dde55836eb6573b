//! The view of a copy while it is made: how far it is, and whether it shall end.

/// The watcher of a backup or a restore.
pub struct Watch<'a> {
    /// Called with the bytes that are done, and with all of them.
    pub progress: &'a mut dyn FnMut(u64, u64),
    /// Reports whether the user wants the work to end. It then fails, and leaves nothing behind.
    pub is_stopped: fn() -> bool,
}

impl Watch<'_> {
    /// Notes how far the work is; returns true if it shall end.
    pub(super) fn note(&mut self, done: u64, total: u64) -> bool {
        (self.progress)(done, total);
        (self.is_stopped)()
    }
}
