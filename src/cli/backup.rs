//! `hookpost backup`: writes a copy of the database, beside a running server or without one.

mod folder;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::{ArgGroup, Args};

use self::folder::Folder;
use super::client::Progress;
use super::output;
use super::size_text::{megabytes, size};
use super::stopping;
use crate::config::{StorageSettings, parse_size};
use crate::storage::sqlite::{Backup, BackupOptions, Watch, back_up};

/// The default of `--rate`: the write-ahead log, which cannot start over meanwhile, becomes longest with a slow backup.
const RATE: &str = "0";

/// The steps by which the backup lowers its priority, of 20: the server goes first.
#[cfg(target_os = "linux")]
const NICER_BY: i32 = 10;

/// Write a copy of the database to a file: the state of one moment, also while a server runs.
///
/// The copy has all messages, tokens and signing secrets: keep it as safe as the database. `hookpost restore`
/// puts it back. Meanwhile the write-ahead log grows by all that is written.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("target").required(true).args(["file", "to"]))]
pub(super) struct BackUp {
    /// The file to write; it must not exist.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// Write into this folder, to a file with the time in its name: hookpost-20260131T235959Z.db.
    #[arg(long, value_name = "FOLDER", conflicts_with = "force")]
    to: Option<PathBuf>,

    /// Then remove the oldest of the backups in that folder, until so many are left; without it, all stay.
    ///
    /// The new one is verified first, as with --verify.
    #[arg(long, value_name = "NUMBER", conflicts_with = "file",
          value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,

    /// Compress the copy with gzip. With --to, its name ends in .gz.
    #[arg(long)]
    compress: bool,

    /// The most bytes of the database to copy per second, such as 100MiB; 0 for no limit.
    ///
    /// For a disk that the copying takes from the server. The last part, of 64 MB on a busy server, has no limit. A slow
    /// backup makes the write-ahead log long.
    #[arg(long, value_name = "BYTES", default_value = RATE, value_parser = parse_size)]
    rate: u64,

    /// Check all pages of the copy; a compressed one is unpacked beside it for that.
    #[arg(long)]
    verify: bool,

    /// Replace the file if it exists, once the copy is complete.
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    storage: StorageSettings,
}

impl BackUp {
    pub(super) fn run(self) -> anyhow::Result<()> {
        stopping::catch()?;
        go_behind();
        let Some(path) = &self.to else {
            let file = self.file.as_ref().context("there is no file to write")?;
            return self.write(file).map(drop);
        };
        let folder = Folder::open(path)?;
        folder.remove_leftovers();
        let file = folder.new_name(self.compress)?;
        self.write(&file)?;
        match self.keep {
            Some(keep) => folder.remove_oldest(&file, keep),
            None => Ok(()),
        }
    }

    fn write(&self, file: &Path) -> anyhow::Result<Backup> {
        let options = BackupOptions {
            compress: self.compress,
            rate: self.rate,
            // A copy of a damaged database must not push out the good ones.
            verify: self.verify || self.keep.is_some(),
            replace: self.force,
        };
        let start = Instant::now();
        let mut bar: Option<Progress> = None;
        let mut progress = |done, total| {
            let bar = bar.get_or_insert_with(|| Progress::new("MB copied", megabytes(total)));
            bar.reach(megabytes(done));
        };
        let watch = Watch {
            progress: &mut progress,
            is_stopped: stopping::is_stopped,
        };
        let backup = back_up(&self.storage.database, file, options, watch)?;
        drop(bar);
        let seconds = start.elapsed().as_secs_f64();
        let (bytes, file) = (size(backup.bytes), backup.file.display());
        output::result(&format!("{bytes} in {seconds:.1} s: {file}\n"))?;
        Ok(backup)
    }
}

/// Lowers the priority of this thread. It does without, where that fails.
#[cfg(target_os = "linux")]
fn go_behind() {
    let _ = rustix::process::nice(NICER_BY);
}

#[cfg(not(target_os = "linux"))]
fn go_behind() {}
