//! A folder of backups: their names, and which of them are too many. Files with other names are left alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail};

use crate::cli::output;
use crate::cli::time_stamp::stamp;
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::remove_leftover;

/// The parts of a name: `hookpost-20260131T235959Z.db` or `….db.gz`.
const START: &str = "hookpost-";
const END: &str = ".db";
const GZIP: &str = ".gz";

/// The ends of the names of files that an interrupted backup leaves.
const LEFTOVERS: [&str; 2] = [".partial", ".unpacked.partial"];

/// The form of the time in a name: `0` for a digit.
const TIME: &[u8; 16] = b"00000000T000000Z";

/// A folder of backups.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let found = fs::metadata(path).with_context(|| format!("cannot use {}", path.display()))?;
        if !found.is_dir() {
            bail!("{} is not a folder", path.display());
        }
        Ok(Self(path.to_owned()))
    }

    /// Returns the path of a new backup.
    pub(super) fn new_name(&self, compress: bool) -> anyhow::Result<PathBuf> {
        let end = if compress { GZIP } else { "" };
        let time = stamp(SystemTime::now());
        let file = self.0.join(format!("{START}{time}{END}{end}"));
        if fs::symlink_metadata(&file).is_ok() {
            bail!("{} exists: a backup has one second", file.display());
        }
        Ok(file)
    }

    /// Removes what interrupted backups have left. A failure is a remark: the new backup is more important.
    pub(super) fn remove_leftovers(&self) {
        for (name, path) in self.files().unwrap_or_default() {
            let is_leftover = LEFTOVERS
                .iter()
                .any(|end| name.strip_suffix(end).is_some_and(is_backup));
            if is_leftover && let Err(error) = remove_leftover(&path) {
                output::remark(&format!("Cannot remove {}: {error}", path.display()));
            }
        }
    }

    /// Removes the oldest backups until `keep` are left, but never `new`.
    pub(super) fn remove_oldest(&self, new: &Path, keep: u32) -> anyhow::Result<()> {
        let failed = "the backup is complete, but older ones cannot be removed";
        let mut old: Vec<(String, PathBuf)> = self.files().context(failed)?;
        old.retain(|(name, path)| is_backup(name) && path.file_name() != new.file_name());
        // The time has one length, so the order of names is that of the times.
        old.sort();
        let kept_too = usize::try_from(keep - 1).unwrap_or(usize::MAX);
        for (_, path) in old.iter().take(old.len().saturating_sub(kept_too)) {
            hit(FailPoint::BackupNamed);
            fs::remove_file(path)
                .with_context(|| format!("{failed}: cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    /// Returns the names and paths of the plain files; links are none.
    fn files(&self) -> std::io::Result<Vec<(String, PathBuf)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if let Ok(name) = entry.file_name().into_string()
                && is_file
            {
                files.push((name, entry.path()));
            }
        }
        Ok(files)
    }
}

/// Reports whether a name is that of a backup.
fn is_backup(name: &str) -> bool {
    let name = name.strip_suffix(GZIP).unwrap_or(name);
    let time = name
        .strip_prefix(START)
        .and_then(|rest| rest.strip_suffix(END));
    time.is_some_and(|time| {
        time.len() == TIME.len()
            && time.bytes().zip(TIME).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte == *form,
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_names_are_backups() {
        for own in [
            "hookpost-20260131T235959Z.db",
            "hookpost-20260131T235959Z.db.gz",
        ] {
            assert!(is_backup(own), "{own}");
        }
        for other in [
            "hookpost.db",
            "hookpost-20260131T235959Z",
            "hookpost-20260131T235959Z.db.gz.gz",
            "hookpost-20260131T235959Z.db.bak",
            "hookpost-20260131T235959.db",
            "hookpost-2026013aT235959Z.db",
            "my-hookpost-20260131T235959Z.db",
            "hookpost-20260131T235959Z.db.partial",
            "hookpost-é0260131T23595Z.db",
        ] {
            assert!(!is_backup(other), "{other}");
        }
    }

    #[test]
    fn the_oldest_go_and_neither_the_new_one_nor_anything_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let folder = Folder::open(dir.path()).unwrap();
        let names = [
            "hookpost-20250101T000000Z.db",
            "hookpost-20260101T000000Z.db.gz",
            "hookpost-20270101T000000Z.db",
            // The clock went back: the new one is not the newest by its name.
            "hookpost-20240101T000000Z.db",
        ];
        let others = ["hookpost.db", "hookpost-20200101T000000Z.db.txt"];
        for name in names.iter().chain(&others) {
            fs::write(path(name), "").unwrap();
        }
        fs::create_dir(path("hookpost-20190101T000000Z.db")).unwrap();
        folder.remove_oldest(&path(names[3]), 2).unwrap();
        let left = |name: &&str| path(name).exists();
        assert_eq!(names.map(|name| left(&name)), [false, false, true, true]);
        assert!(others.iter().all(left));
        folder.remove_oldest(&path(names[3]), 1).unwrap();
        assert!(!left(&names[2]) && left(&names[3]));
        assert!(path("hookpost-20190101T000000Z.db").is_dir());
    }

    #[test]
    fn leftovers_of_its_own_names_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let own = [
            "hookpost-20260131T235959Z.db.partial",
            "hookpost-20260131T235959Z.db.gz.unpacked.partial",
        ];
        let others = ["hookpost-20260131T235959Z.db", "copy.db.partial"];
        for name in own.iter().chain(&others) {
            fs::write(path(name), "").unwrap();
        }
        Folder::open(dir.path()).unwrap().remove_leftovers();
        assert!(!own.iter().any(|name| path(name).exists()));
        assert!(others.iter().all(|name| path(name).exists()));
    }
}
