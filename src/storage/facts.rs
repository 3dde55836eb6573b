//! Facts of a whole store that only inform: sizes, counts and growth.

use crate::domain::growth::GrowthSample;
use crate::domain::overview::EndpointCounts;
use crate::domain::retention::KeepFor;

/// The sizes of files, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSizes {
    /// The database file.
    pub database: u64,
    /// The write-ahead log.
    pub log: u64,
    /// The free space on their disk, if the system tells it.
    pub disk_free: Option<u64>,
}

/// The largest size of the database that the settings allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseLimit {
    /// The size in bytes, without free pages.
    pub bytes: u64,
    /// Set if it was reached at the last look: publishes are refused.
    pub is_reached: bool,
}

/// The rows of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Workspaces in use.
    pub workspaces: u64,
    /// Endpoints in use.
    pub endpoints: EndpointCounts,
    /// Events that are stored.
    pub events: u64,
    /// Deliveries that are stored.
    pub deliveries: u64,
}

/// The facts of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFacts {
    /// The sizes of its files.
    pub files: FileSizes,
    /// The largest size of the database; `None`: as large as the disk.
    pub limit: Option<DatabaseLimit>,
    /// The time that the server keeps its data.
    pub kept_for: KeepFor,
    /// Its rows; `None` if they could not be counted.
    pub rows: Option<RowCounts>,
    /// A sample of its messages, from which a [`Forecast`](crate::domain::growth::Forecast) is made; `None` if
    /// there is no message, or if it could not be read.
    pub growth: Option<GrowthSample>,
}
