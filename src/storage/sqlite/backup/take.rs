//! A backup from its begin to its end.

use std::ffi::OsStr;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::check::check_pages;
use super::copy_file::CopyFile;
use super::copy_pages::{Limits, PIECE, copy_pages};
use super::error::BackupError;
use super::source::{CopyError, Source};
use super::watch::Watch;
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::file::backup_lock;
use crate::storage::sqlite::file::place::{beside, identity, resolve};
use crate::storage::sqlite::file::recovery::sync_folder_of;

/// The end of the name of a copy that is not complete.
const PARTIAL: &str = ".partial";

/// The end of the name of a plain copy that is to be compressed, or was unpacked to be checked.
const UNPACKED: &str = ".unpacked.partial";

/// The ends of the names that a copy has at some time.
const NAMES: [&str; 3] = ["", PARTIAL, UNPACKED];

/// The effort of gzip. Higher levels take much longer for little.
const LEVEL: u32 = 4;

/// The ends of the names of files that belong to a database.
const OWN: [&str; 11] = [
    "",
    "-wal",
    "-shm",
    "-journal",
    ".lock",
    backup_lock::END,
    "-wal.damaged",
    "-rewritten",
    ".restoring",
    ".restored",
    ".damaged",
];

/// The choices of a backup.
#[derive(Clone, Copy, Debug)]
pub struct BackupOptions {
    /// Compress it with gzip.
    pub compress: bool,
    /// The most bytes of the database per second; 0: no limit.
    pub rate: u64,
    /// Check all of its pages.
    pub verify: bool,
    /// Take the place of a file with the same name.
    pub replace: bool,
}

/// A backup that was made.
#[derive(Debug)]
pub struct Backup {
    /// The file.
    pub file: PathBuf,
    /// Its bytes.
    pub bytes: u64,
}

/// Makes a backup of the database in `file`, beside a server or without one.
///
/// # Errors
/// Each is one line of text, and leaves no file.
pub fn back_up(
    database: &Path,
    file: &Path,
    options: BackupOptions,
    mut watch: Watch<'_>,
) -> Result<Backup, BackupError> {
    let database = &resolve(database)?;
    let file = checked_target(database, file, options)?;
    let failed = |source: io::Error| BackupError::Write {
        path: file.clone(),
        source,
    };
    // Before the snapshot: a target that cannot be written is noticed first.
    let copy = CopyFile::create(beside(&file, PARTIAL)).map_err(failed)?;
    let copy = copy.ok_or_else(|| BackupError::Busy(file.clone()))?;
    let limits = Limits::at_rate(options.rate);
    let copy = if options.compress {
        // Compressing takes several times as long as copying, and the log grows until the last page is copied.
        let plain = CopyFile::create(beside(&file, UNPACKED)).map_err(failed)?;
        let plain = plain.ok_or_else(|| BackupError::Busy(file.clone()))?;
        let plain = copy_pages(database, plain, limits, &mut watch, &failed)?;
        compress(&plain, copy, &mut watch, &failed)?
    } else {
        copy_pages(database, copy, limits, &mut watch, &failed)?
    };
    copy.sync().map_err(failed)?;
    check(&copy, &file, options, &mut watch)?;
    hit(FailPoint::BackupWritten);
    checked_target(database, &file, options)?;
    let bytes = copy.length();
    copy.rename(&file).map_err(failed)?;
    sync_folder_of(&file).map_err(failed)?;
    hit(FailPoint::BackupNamed);
    Ok(Backup { file, bytes })
}

/// Writes a plain copy through gzip.
fn compress(
    plain: &CopyFile,
    copy: CopyFile,
    watch: &mut Watch<'_>,
    failed: &impl Fn(io::Error) -> BackupError,
) -> Result<CopyFile, BackupError> {
    let mut reader = plain.reader().map_err(failed)?;
    let copy = BufWriter::with_capacity(PIECE, copy);
    let mut gzip = GzEncoder::new(copy, Compression::new(LEVEL));
    let mut piece = vec![0; PIECE];
    let mut done = 0;
    loop {
        let read = reader.read(&mut piece).map_err(failed)?;
        if read == 0 {
            break;
        }
        gzip.write_all(&piece[..read]).map_err(failed)?;
        done += read as u64;
        if watch.note(done, plain.length()) {
            return Err(BackupError::Stopped);
        }
    }
    let copy = gzip.finish().map_err(failed)?.into_inner();
    copy.map_err(|error| failed(error.into_error()))
}

/// Checks the copy as it is on the disk: its header and length, and with `--verify` all of its pages.
fn check(
    copy: &CopyFile,
    file: &Path,
    options: BackupOptions,
    watch: &mut Watch<'_>,
) -> Result<(), BackupError> {
    let failed = |source: io::Error| BackupError::Write {
        path: file.to_owned(),
        source,
    };
    let of_copy = |error: CopyError| match error {
        CopyError::Read(source) | CopyError::Write(source) => failed(source),
        CopyError::Problem(problem) => BackupError::Unusable(problem),
        CopyError::Stopped => BackupError::Stopped,
    };
    let reader = copy.reader().map_err(failed)?;
    let mut source = Source::open(reader).map_err(of_copy)?;
    source.check_length().map_err(BackupError::Unusable)?;
    if !options.verify {
        return Ok(());
    }
    let check_pages = |path: &Path| match check_pages(path, watch.is_stopped) {
        Ok(true) => Ok(()),
        Ok(false) => Err(BackupError::Stopped),
        Err(problem) => Err(BackupError::Unusable(problem)),
    };
    if !options.compress {
        return check_pages(copy.path());
    }
    let unpacked = CopyFile::create(beside(file, UNPACKED)).map_err(failed)?;
    let mut unpacked = unpacked.ok_or_else(|| BackupError::Busy(file.to_owned()))?;
    let mut quiet = Watch {
        progress: &mut |_, _| {},
        is_stopped: watch.is_stopped,
    };
    source.copy(&mut unpacked, &mut quiet).map_err(of_copy)?;
    check_pages(unpacked.path())
}

/// Returns the whole path of the target, after checking that a backup may be written there.
fn checked_target(
    database: &Path,
    file: &Path,
    options: BackupOptions,
) -> Result<PathBuf, BackupError> {
    let failed = |source: io::Error| BackupError::Write {
        path: file.to_owned(),
        source,
    };
    let name = file.file_name().map(OsStr::to_owned);
    let name = name.ok_or_else(|| BackupError::NoFile(file.to_owned()))?;
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let whole = folder.canonicalize().map_err(failed)?.join(name);
    // The copy has other names until it is complete: the database may have none of them.
    let is_own = |name: &Path| {
        OWN.iter().any(|end| {
            let own = beside(database, end);
            own == name || (identity(&own).is_some() && identity(&own) == identity(name))
        })
    };
    if NAMES.iter().any(|end| is_own(&beside(&whole, end))) {
        return Err(BackupError::Own(file.to_owned()));
    }
    match std::fs::symlink_metadata(&whole) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(whole),
        Err(error) => Err(failed(error)),
        Ok(found) if !found.is_file() => Err(BackupError::NoFile(file.to_owned())),
        Ok(_) if options.replace => Ok(whole),
        Ok(_) => Err(BackupError::Exists(file.to_owned())),
    }
}
