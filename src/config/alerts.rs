//! The settings of operational events.

use std::time::Duration;

use clap::Args;

use super::values::{parse_duration, parse_size, parse_workspace_name};
use crate::domain::workspace::WorkspaceName;

/// The alerts of endpoints, of backlogs and of the disk.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Operational events")]
pub struct AlertSettings {
    /// The workspace that gets the operational events of all others. It is made if it is absent. None are published
    /// there unless it is set.
    #[arg(long, env = "HOOKPOST_OPERATOR_WORKSPACE", value_name = "NAME", value_parser = parse_workspace_name)]
    pub operator_workspace: Option<WorkspaceName>,

    /// The time for which an event may be due before hookpost.backlog.old is published; 0: never.
    #[arg(long, env = "HOOKPOST_ALERT_BACKLOG", value_name = "TIME", default_value = "15m",
          value_parser = parse_duration)]
    pub alert_backlog: Duration,

    /// The free space of the database's disk below which hookpost.disk.low is published; 0: never.
    #[arg(long, env = "HOOKPOST_ALERT_DISK", value_name = "BYTES", default_value = "1GiB",
          value_parser = parse_size)]
    pub alert_disk: u64,
}
