//! `hookpost check`: checks that a database is sound, and repairs it.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::{Value, json};

use super::client::Progress;
use super::output::{self, Unsound};
use crate::config::StorageSettings;
use crate::storage::sqlite::{self, Problem, Remedy, Repaired, Report};

/// The width of the names of the parts.
const NAME_WIDTH: usize = 14;

/// Check that a database is sound: its pages, references, states, counters and list indexes.
///
/// The check changes nothing. It works beside a running server, without one, and on a backup. While it runs, the
/// write-ahead log of a server grows: on a busy server, check a backup. The exit code is 0 if the database is sound,
/// 3 if it is not, and 1 if it cannot be checked.
#[derive(Args, Debug)]
pub(super) struct Check {
    /// Correct what can be corrected. Stop the server and make a backup first.
    ///
    /// Pending events stay, and are sent at the next start. Damaged pages of tables cannot be corrected: then nothing
    /// is changed, and the report says so.
    #[arg(long)]
    repair: bool,

    #[command(flatten)]
    storage: StorageSettings,

    /// Print JSON instead of lines.
    #[arg(long, env = "HOOKPOST_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let database = &self.storage.database;
        if !database.exists() {
            anyhow::bail!("there is no database at {}", database.display());
        }
        let repaired = if self.repair {
            let mut progress = Bar::new("repairing");
            Some(sqlite::repair(database, &mut |done, total| {
                progress.show(done, total);
            })?)
        } else {
            None
        };
        let report = if let Some(repaired) = &repaired {
            repaired.report.clone()
        } else {
            let mut progress = Bar::new("checking");
            sqlite::check(database, &mut |done, total| progress.show(done, total))?
        };
        output::listing(&if self.json {
            let text = as_json(database, &report, repaired.as_ref());
            serde_json::to_string_pretty(&text)? + "\n"
        } else {
            in_lines(&report, repaired.as_ref())
        })?;
        if report.is_sound() {
            return Ok(());
        }
        Err(Unsound(verdict(database, &report, self.repair)).into())
    }
}

/// The progress bar, whose length is known only when the work has begun.
struct Bar {
    what: &'static str,
    bar: Option<Progress>,
}

impl Bar {
    const fn new(what: &'static str) -> Self {
        Self { what, bar: None }
    }

    fn show(&mut self, done: u64, total: u64) {
        let bar = self
            .bar
            .get_or_insert_with(|| Progress::new(self.what, total));
        bar.reach(done);
    }
}

/// Returns a line for each part of the check, and before them one for each correction.
fn in_lines(report: &Report, repaired: Option<&Repaired>) -> String {
    let mut text = String::new();
    if let Some(repaired) = repaired {
        for (what, count) in &repaired.corrected {
            let _ = writeln!(text, "corrected     {what}: {count}");
        }
        if let Some(old) = &repaired.old_file {
            let _ = writeln!(text, "old file      {}", old.display());
        }
    }
    for part in &report.parts {
        let name = part.name;
        if part.problems.is_empty() {
            let _ = writeln!(text, "{name:NAME_WIDTH$}ok");
        }
        for problem in &part.problems {
            let _ = writeln!(text, "{name:NAME_WIDTH$}{}", line(problem));
        }
    }
    text
}

fn line(problem: &Problem) -> String {
    let (what, count) = (problem.what, problem.count);
    let more = if count > problem.first.len() as u64 {
        ", …"
    } else {
        ""
    };
    format!("{what}: {count} ({}{more})", problem.first.join(", "))
}

fn as_json(database: &Path, report: &Report, repaired: Option<&Repaired>) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "what": problem.what,
            "count": problem.count,
            "first": problem.first,
            "remedy": word(problem.remedy),
        })
    };
    let parts = report.parts.iter().map(|part| {
        let problems: Vec<Value> = part.problems.iter().map(problem).collect();
        json!({"name": part.name, "ok": problems.is_empty(), "problems": problems})
    });
    let mut text = json!({
        "database": database.to_string_lossy(),
        "sound": report.is_sound(),
        "checks": parts.collect::<Vec<_>>(),
    });
    if let Some(repaired) = repaired {
        let corrected = repaired.corrected.iter();
        let corrected: Vec<Value> = corrected
            .map(|(what, count)| json!({"what": what, "count": count}))
            .collect();
        text["corrected"] = corrected.into();
        text["old_file"] = json!(repaired.old_file);
    }
    text
}

fn word(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Repair | Remedy::Rewrite => "repair",
        Remedy::Restore => "restore",
        Remedy::Operator => "operator",
    }
}

/// Returns the last line: what to do about the problems.
fn verdict(database: &Path, report: &Report, is_repaired: bool) -> String {
    let database = database.display();
    let has = |remedy| report.problems().any(|problem| problem.remedy == remedy);
    if has(Remedy::Restore) {
        return format!(
            "{database} is not sound, and a repair cannot bring back what is lost; restore a backup"
        );
    }
    if has(Remedy::Repair) || has(Remedy::Rewrite) {
        if is_repaired {
            return format!("{database} is still not sound; restore a backup");
        }
        return format!(
            "{database} is not sound; stop its server, make a backup, and run `hookpost check --repair`"
        );
    }
    format!("{database} has triggers or indexes that another program made; remove them")
}
