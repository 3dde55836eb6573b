//! All settings of a server.

use clap::Args;

use crate::config::{
    AlertSettings, ApiSettings, DashboardSettings, DeliverySettings, EgressSettings,
    EncryptionSettings, HealthSettings, MetricsSettings, NetworkSettings, RetentionSettings,
    StorageSettings, TlsSettings, TraceSettings,
};
use crate::dashboard::Setting;

/// All settings of a server.
#[derive(Args, Clone, Debug, Default)]
pub struct AppSettings {
    /// The place of the data.
    #[command(flatten)]
    pub storage: StorageSettings,
    /// The encryption of stored secrets.
    #[command(flatten)]
    pub encryption: EncryptionSettings,
    /// The address and the limits of the API.
    #[command(flatten)]
    pub api: ApiSettings,
    /// TLS for the API.
    #[command(flatten)]
    pub tls: TlsSettings,
    /// The addresses that deliveries may go to.
    #[command(flatten)]
    pub network: NetworkSettings,
    /// The way to receivers.
    #[command(flatten)]
    pub egress: EgressSettings,
    /// The rules for deliveries.
    #[command(flatten)]
    pub delivery: DeliverySettings,
    /// The time that data is kept.
    #[command(flatten)]
    pub retention: RetentionSettings,
    /// The alerts of endpoints, of backlogs and of the disk.
    #[command(flatten)]
    pub alerts: AlertSettings,
    /// The address of the metrics.
    #[command(flatten)]
    pub metrics: MetricsSettings,
    /// The dashboard.
    #[command(flatten)]
    pub dashboard: DashboardSettings,
    /// The checks of `/readyz`.
    #[command(flatten)]
    pub health: HealthSettings,
    /// The collector of traces.
    #[command(flatten)]
    pub traces: TraceSettings,
    /// The settings in force, as the dashboard shows them.
    #[arg(skip)]
    pub shown: Vec<Setting>,
}
