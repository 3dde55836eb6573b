//! The length that the database file must have, as far as it is known.

/// The least length of the database file. Every thread may lower it. Only the writer raises it, because it
/// sees each commit that makes the database smaller.
#[derive(Clone, Copy, Debug)]
pub(super) enum LeastLength {
    /// The length that the file was opened with. The log has had no frame yet, and no other program has
    /// changed the database: the writer's `data_version` is still this one.
    AsOpened { bytes: u64, data_version: i64 },
    /// Any length: the log had frames when it was opened, and they were never all moved since.
    Unknown,
    /// The length of the database when all frames were moved, or a lower one at a check since.
    Known { bytes: u64 },
}

impl LeastLength {
    /// Returns the length in bytes: 0 if it is unknown.
    pub(super) fn bytes(self) -> u64 {
        match self {
            Self::AsOpened { bytes, .. } | Self::Known { bytes } => bytes,
            Self::Unknown => 0,
        }
    }

    /// Lowers it to the present length of the database.
    pub(super) fn lower(&mut self, database_bytes: u64) {
        match self {
            Self::AsOpened { bytes, .. } | Self::Known { bytes } => {
                *bytes = database_bytes.min(*bytes);
            }
            Self::Unknown => {}
        }
    }

    /// Notes that the database has changed since the file was opened.
    pub(super) fn note_change(&mut self) {
        if let Self::AsOpened { bytes, .. } = *self {
            *self = Self::Known { bytes };
        }
    }
}
