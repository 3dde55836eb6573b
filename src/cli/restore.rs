//! `hookpost restore`: puts a backup in the place of the database.

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use clap::Args;

use super::client::Progress;
use super::output;
use super::size_text::{megabytes, size};
use super::stopping;
use super::time_stamp::stamp;
use crate::config::StorageSettings;
use crate::storage::sqlite::{Watch, restore};

/// Put a backup in the place of the database; no server may run on it.
///
/// The backup is unpacked beside the database and checked before anything changes. The next `hookpost serve`
/// delivers what was pending when the backup was made. What was delivered since is delivered again, with the same
/// webhook-id; what was published since is gone.
#[derive(Args, Debug)]
pub(super) struct Restore {
    /// The backup: a file that `hookpost backup` wrote, compressed or not.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Replace a database that exists; its files are kept under another name.
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    storage: StorageSettings,
}

impl Restore {
    pub(super) fn run(self) -> anyhow::Result<()> {
        stopping::catch()?;
        let start = Instant::now();
        let mut bar: Option<Progress> = None;
        let mut progress = |done, total| {
            let bar = bar.get_or_insert_with(|| Progress::new("MB read", megabytes(total)));
            bar.reach(megabytes(done));
        };
        let watch = Watch {
            progress: &mut progress,
            is_stopped: stopping::is_stopped,
        };
        let time = stamp(SystemTime::now());
        let database = &self.storage.database;
        let restored = restore(&self.file, database, self.replace, &time, watch)?;
        drop(bar);
        if let Some(leftover) = restored.leftover {
            let leftover = leftover.display();
            output::remark(&format!(
                "An interrupted restore has left a database; it is kept as {leftover}."
            ));
        }
        if let Some(kept) = restored.kept {
            let kept = kept.display();
            output::remark(&format!("The database before is kept as {kept}."));
        }
        output::remark(
            "The next start delivers what was pending in the backup; what was delivered since is delivered again.",
        );
        let seconds = start.elapsed().as_secs_f64();
        let (bytes, database) = (size(restored.bytes), restored.database.display());
        let schema = restored.schema;
        output::result(&format!(
            "{bytes}, schema {schema}, in {seconds:.1} s: {database}\n"
        ))
    }
}
