//! The settings of the store.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{AlertSettings, ApiSettings, DeliverySettings, RetentionSettings};
use crate::domain::keyring::Keyring;
use crate::domain::retention::KeepFor;
use crate::domain::workspace::WorkspaceName;
use crate::metrics::StorageMetrics;

/// The settings that the store needs.
#[derive(Clone, Debug)]
pub struct SqliteSettings {
    /// The most endpoints of one workspace.
    pub max_endpoints: u64,
    /// The most access tokens of one workspace that callers of the API make; the operator may make more.
    pub max_tokens: u64,
    /// Disable an endpoint after so many failed events in a row; 0: never.
    pub disable_after: u32,
    /// Drop payloads this long after their publish; zero: never.
    pub archive_after: Duration,
    /// Delete messages with their events and deliveries this long after their publish; zero: never.
    pub delete_after: Duration,
    /// The largest size of the database in bytes; 0: as large as the disk.
    pub max_database_size: u64,
    /// The name of the workspace that gets operational events; `None`: there is none.
    pub operator_workspace: Option<WorkspaceName>,
    /// The time for which an event may be due before people are told; zero: for ever.
    pub alert_backlog: Duration,
    /// The bytes that should be free on the disk, below which the operator is told; 0: none.
    pub alert_disk: u64,
    /// The metrics that the store keeps up to date.
    pub metrics: StorageMetrics,
    /// The keys of the secrets; without one, secrets are stored in the clear.
    pub keys: Arc<Keyring>,
}

impl SqliteSettings {
    /// Takes the store's settings from those of a server.
    #[must_use]
    pub fn new(
        api: &ApiSettings,
        delivery: &DeliverySettings,
        retention: &RetentionSettings,
        alerts: &AlertSettings,
    ) -> Self {
        Self {
            max_endpoints: api.max_endpoints.into(),
            max_tokens: api.max_tokens.into(),
            disable_after: delivery.disable_after,
            archive_after: retention.archive_after,
            delete_after: retention.delete_after,
            max_database_size: retention.max_database_size,
            operator_workspace: alerts.operator_workspace.clone(),
            alert_backlog: alerts.alert_backlog,
            alert_disk: alerts.alert_disk,
            metrics: StorageMetrics::default(),
            keys: Arc::default(),
        }
    }

    /// Returns the times that data is kept.
    pub(super) fn keep_for(&self) -> KeepFor {
        let unless_zero = |time: Duration| (!time.is_zero()).then_some(time);
        KeepFor {
            payloads: unless_zero(self.archive_after),
            messages: unless_zero(self.delete_after),
        }
    }
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self::new(
            &ApiSettings::default(),
            &DeliverySettings::default(),
            &RetentionSettings::default(),
            &AlertSettings::default(),
        )
    }
}
