//! The file that a copy is written to: it has another name until it is complete, and goes if it never is.
//!
//! The writer locks the file. So the next run can tell one that a killed process has left from one that is being
//! written.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fail_point::{FailPoint, Fault, inject};
use crate::storage::sqlite::file::place;

/// Bytes after which the file is synced. Without that, the system would write very much at once in the end, and
/// the commits of the server would wait for it.
const SYNC_BYTES: u64 = 8 << 20;

/// Bytes that are cut at once from a copy that is removed, and the pause after that.
const CUT_BYTES: u64 = 8 << 20;
const CUT_PAUSE: Duration = Duration::from_millis(2);

/// A copy that is being written. Dropping it removes it.
#[derive(Debug)]
pub(super) struct CopyFile {
    path: PathBuf,
    file: File,
    /// The place of the next byte.
    at: u64,
    length: u64,
    not_synced: u64,
    is_kept: bool,
}

impl CopyFile {
    /// Makes the file, readable by its owner only, in the place of what a killed process has left. `None` if another
    /// process writes it.
    pub(super) fn create(path: PathBuf) -> io::Result<Option<Self>> {
        // Not the file of a killed process again: another user may have made one of that name, and may read it.
        remove_leftover(&path)?;
        let mut options = place::private_options();
        let file = match options.read(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            opened => opened?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            // Some network file systems have no locks. They are needed by nothing but two backups at a time.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        Ok(Some(Self {
            path,
            file,
            at: 0,
            length: 0,
            not_synced: 0,
            is_kept: false,
        }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of its bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Writes all of these bytes at this place; the next ones follow.
    pub(super) fn write_all_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if at != self.at {
            self.file.seek(SeekFrom::Start(at))?;
            self.at = at;
        }
        self.write_all(bytes)
    }

    /// Makes it this long.
    pub(super) fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.length = length;
        Ok(())
    }

    /// Cuts it to nothing in small steps. To remove gigabytes at once makes all syncs on the file system wait: 70 ms for 3 GB.
    fn empty(&self) -> io::Result<()> {
        let mut length = self.length;
        while length > 0 {
            length = length.saturating_sub(CUT_BYTES);
            self.file.set_len(length)?;
            std::thread::sleep(CUT_PAUSE);
        }
        Ok(())
    }

    /// Returns a handle that reads what was written.
    pub(super) fn reader(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// Makes sure that all of it is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives it its name, and takes the place of a file of that name. Its folder is not synced.
    pub(super) fn rename(mut self, name: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, name)?;
        self.is_kept = true;
        Ok(())
    }
}

impl Write for CopyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match inject(FailPoint::CopyWrite) {
            None => {}
            Some(Fault::DiskFull) => return Err(ErrorKind::StorageFull.into()),
            Some(Fault::DiskError) => return Err(io::Error::other("the disk fails")),
        }
        let written = self.file.write(bytes)?;
        self.at += written as u64;
        self.length = self.length.max(self.at);
        self.not_synced += written as u64;
        if self.not_synced >= SYNC_BYTES {
            self.not_synced = 0;
            self.file.sync_data()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for CopyFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // A file that has become shorter is removed as well as a long one.
            let _ = self.empty();
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes the file of a copy that a killed process has left; leaves one that is being written.
///
/// # Errors
/// It could not be removed.
pub fn remove_leftover(path: &Path) -> io::Result<()> {
    match open_locked(path) {
        Ok(Some(_locked)) => std::fs::remove_file(path),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Opens a file and locks it; `None` if another process has locked it. Does not follow a link, nor wait at a pipe.
fn open_locked(path: &Path) -> io::Result<Option<File>> {
    let mut options = place::private_options();
    options.read(true).create(false).truncate(false);
    #[cfg(target_os = "linux")]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, place::no_surprises());
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!(
            "{} is not a file",
            path.display()
        )));
    }
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        // Some network file systems have no locks. They are needed by nothing but two backups at a time.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    // The process that held the lock may have renamed the file since it was opened.
    let is_same = place::identity_of(file.metadata()) == place::identity(path);
    Ok(is_same.then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_is_being_written_is_not_taken_for_a_leftover() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.partial");
        let copy = CopyFile::create(path.clone()).unwrap().unwrap();
        assert!(CopyFile::create(path.clone()).unwrap().is_none());
        remove_leftover(&path).unwrap();
        assert!(path.exists());
        drop(copy);
        assert!(!path.exists(), "it never was complete");
        std::fs::write(&path, "of a killed process").unwrap();
        let copy = CopyFile::create(path.clone()).unwrap().unwrap();
        assert_eq!(copy.path().metadata().unwrap().len(), 0);
        drop(copy);
        std::fs::write(&path, "of another").unwrap();
        remove_leftover(&path).unwrap();
        remove_leftover(&path).unwrap();
        assert!(!path.exists());
    }
}
