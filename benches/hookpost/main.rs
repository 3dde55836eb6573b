//! Hookpost's benchmark: figures of this machine beside the targets of the project.
//!
//! `cargo bench` runs everything; `cargo bench -- throughput latency` some sections, `--quick` shortly.
//! docs/PERFORMANCE.md says what each section measures. Nothing here passes or fails: figures that fall
//! short are marked in the table.

#![expect(clippy::print_stdout, reason = "its figures are for people")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are shown with three digits"
)]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tempfile::TempDir;

use crate::report::Report;

mod backlog;
mod backup;
mod dashboard;
mod fairness;
mod filters;
mod footprint;
mod growth;
mod history;
mod http;
mod jobs;
mod limits;
mod lists;
mod load;
mod machine;
mod pages;
mod receiver;
mod report;
mod retention;
mod server;
mod slow_names;
mod steady;
mod throughput;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    /// The limits of this machine: client, database and disk alone.
    Limits,
    /// The binary, its start, its memory when idle.
    Footprint,
    /// Closed loop: deliveries per second.
    Throughput,
    /// Open loop: latencies at two rates.
    Latency,
    /// Publishing beside a hundred filters.
    Filters,
    /// Healthy endpoints beside troubled ones.
    Fairness,
    /// A million pending events.
    Backlog,
    /// Ten million stored deliveries.
    Growth,
    /// A server beside a backup of its database.
    Backup,
    /// Live traffic beside a job that redelivers a million events.
    Jobs,
    /// The reads of a dashboard on ten million deliveries.
    Dashboard,
    /// A server that deletes half of ten million deliveries.
    Retention,
    /// A year of 100,000 messages a day, with a clock that is moved. It takes an hour, and is made only by name.
    Year,
}

impl Section {
    fn name(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::Footprint => "footprint",
            Self::Throughput => "throughput",
            Self::Latency => "latency",
            Self::Filters => "filters",
            Self::Fairness => "fairness",
            Self::Backlog => "backlog",
            Self::Growth => "growth",
            Self::Backup => "backup",
            Self::Jobs => "jobs",
            Self::Dashboard => "dashboard",
            Self::Retention => "retention",
            Self::Year => "year",
        }
    }

    fn run(self, options: &Options, report: &mut Report) -> anyhow::Result<()> {
        match self {
            Self::Limits => limits::run(options, report),
            Self::Footprint => footprint::run(options, report),
            Self::Throughput => throughput::run(options, report),
            Self::Latency => throughput::latency(options, report),
            Self::Filters => filters::run(options, report),
            Self::Fairness => fairness::run(options, report),
            Self::Backlog => backlog::run(options, report),
            Self::Growth => growth::run(options, report),
            Self::Backup => backup::run(options, report),
            Self::Jobs => jobs::run(options, report),
            Self::Dashboard => dashboard::run(options, report),
            Self::Retention => retention::run(options, report),
            Self::Year => retention::year(options, report),
        }
    }
}

/// Measures Hookpost on this machine.
#[derive(Parser, Debug)]
struct Options {
    /// Sections to measure; all by default.
    #[arg(value_enum)]
    sections: Vec<Section>,

    /// Measure shortly and on small databases: a first look, not figures to hold against the targets.
    #[arg(long)]
    quick: bool,

    /// Time to watch healthy endpoints beside each kind of trouble.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,

    /// Only these kinds of trouble (repeatable).
    #[arg(long, value_enum)]
    trouble: Vec<fairness::Trouble>,

    /// Number of deliveries to store before growth, retention, a backup or a dashboard is measured.
    #[arg(long, default_value_t = 10_000_000)]
    deliveries: u64,

    /// The database for growth, for backups and for dashboards: filled if it does not exist, used again if it does, and kept.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,

    /// Days of the year.
    #[arg(long, default_value_t = 365)]
    days: u64,

    /// Folder for databases. Growth takes 8 GB at its full size.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,

    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// A new folder, which goes when it is dropped.
    fn folder(&self) -> anyhow::Result<TempDir> {
        let mut name = tempfile::Builder::new();
        name.prefix("hookpost-bench-");
        Ok(match &self.dir {
            Some(dir) => name.tempdir_in(dir)?,
            None => name.tempdir()?,
        })
    }

    /// Returns how long healthy endpoints are watched.
    fn watched(&self) -> Duration {
        let minutes = if self.quick { 0.2 } else { self.minutes };
        Duration::from_secs_f64(60.0 * minutes)
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    load::now_us();
    let dir = options.dir.clone().unwrap_or_else(std::env::temp_dir);
    println!("{}", machine::facts(&dir));
    let mut report = Report::default();
    let mut failed = 0;
    for section in Section::value_variants() {
        let is_default = options.sections.is_empty() && *section != Section::Year;
        if is_default || options.sections.contains(section) {
            report.section(section.name());
            if let Err(error) = section.run(&options, &mut report) {
                println!("{} could not be measured: {error:#}", section.name());
                failed += 1;
            }
        }
    }
    println!("\n{}\n{}", machine::facts(&dir), report.table());
    anyhow::ensure!(failed == 0, "{failed} sections could not be measured");
    Ok(())
}
