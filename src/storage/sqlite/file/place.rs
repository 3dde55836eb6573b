//! The paths of a database: the file that a path leads to, the files beside it, and their permissions.
//!
//! `SQLite` names the log and its index after the database (`-wal`, `-shm`), and the lock is named after it,
//! too (`.lock`). So a file must have one name. Two servers that used different names for it would each keep
//! a log of their own, and each would overwrite the pages that the other has moved into the file.

use std::fs::{Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::open_error::OpenError;

/// The most symbolic links that are followed one after the other; the system itself follows 40.
const LINKS_MAX: usize = 40;

/// Returns the path of the file itself, after all symbolic links. The file need not exist, nor the target of
/// a link; its folder must.
pub(crate) fn resolve(database: &Path) -> Result<PathBuf, OpenError> {
    let unusable = |source: &io::Error| OpenError::Unusable {
        path: database.to_owned(),
        reason: source.to_string(),
    };
    let path = match std::fs::canonicalize(database) {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return resolve_new(database),
        Err(error) => return Err(unusable(&error)),
    };
    let metadata = std::fs::metadata(&path).map_err(|error| unusable(&error))?;
    if !metadata.is_file() {
        return Err(unusable(&io::Error::other("it is not a file")));
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&metadata) > 1 {
        return Err(OpenError::HardLinked(database.to_owned()));
    }
    if is_mount_point(&path) {
        return Err(OpenError::MountPoint(database.to_owned()));
    }
    refuse_odd_neighbours(&path)?;
    Ok(path)
}

/// Returns the path of a new file after all symbolic links, so that the file and those beside it have the
/// same names by whichever link they are used.
fn resolve_new(database: &Path) -> Result<PathBuf, OpenError> {
    let unusable = |reason: String| OpenError::Unusable {
        path: database.to_owned(),
        reason,
    };
    let mut path = database.to_owned();
    for _ in 0..LINKS_MAX {
        let Some(name) = path.file_name() else {
            return Err(unusable("it is not the name of a file".to_owned()));
        };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let there = folder.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => unusable(format!("there is no folder {}", folder.display())),
            _ => unusable(error.to_string()),
        })?;
        let file = there.join(name);
        let Ok(target) = std::fs::read_link(&file) else {
            refuse_odd_neighbours(&file)?;
            return Ok(file);
        };
        path = there.join(target);
    }
    Err(unusable("too many symbolic links lead to it".to_owned()))
}

/// Returns the path of a file beside the database.
pub(crate) fn beside(database: &Path, end: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Checks that the log, its index and the lock are plain files, or not there. Behind a link, a server that
/// uses another path would find other files; and opening a pipe would wait.
fn refuse_odd_neighbours(database: &Path) -> Result<(), OpenError> {
    for end in ["-wal", "-shm", "-journal", ".lock"] {
        let path = beside(database, end);
        if std::fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(OpenError::NoFile(path));
        }
    }
    Ok(())
}

/// Reports whether the file itself is a mount point: mounted by itself, it would be without the log beside
/// it. Linux reports this since 5.8.
#[cfg(target_os = "linux")]
fn is_mount_point(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    statx(CWD, path, AtFlags::empty(), StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(not(target_os = "linux"))]
fn is_mount_point(_: &Path) -> bool {
    false
}

/// Returns the identity of the file at a path: device and inode number. `None` if there is no file, or if the
/// system has no such numbers.
pub(crate) fn identity(database: &Path) -> Option<(u64, u64)> {
    identity_of(std::fs::metadata(database))
}

/// Returns the identity of a file whose metadata was read already.
pub(crate) fn identity_of(found: io::Result<Metadata>) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        found.ok().map(|metadata| (metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        drop(found);
        None
    }
}

/// Returns the options for a new file that only its owner can read.
pub(crate) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The end of the name of a restored database while it is unpacked.
pub(crate) const RESTORING: &str = ".restoring";

/// The end of the name of a restored database until it is in its place. Until then the old one may have it, too.
pub(crate) const RESTORED: &str = ".restored";

/// Returns the flags of `open` that follow no link and wait at no pipe.
#[cfg(target_os = "linux")]
pub(crate) fn no_surprises() -> i32 {
    use rustix::fs::OFlags;
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

/// The user and the group that a file belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    #[cfg(unix)]
    ids: Option<(u32, u32)>,
}

impl Owner {
    /// Returns the owner of the database, or of its folder if there is none.
    pub(crate) fn of(database: &Path) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let there = |path: &Path| std::fs::metadata(path).ok();
            let found = there(database).or_else(|| there(database.parent()?));
            Self {
                ids: found.map(|found| (found.uid(), found.gid())),
            }
        }
        #[cfg(not(unix))]
        {
            let _ = database;
            Self {}
        }
    }

    /// Gives the file at `path` to this owner, as far as this process may.
    pub(crate) fn give(self, path: &Path) {
        #[cfg(unix)]
        if let Some((user, group)) = self.ids {
            let _ = std::os::unix::fs::lchown(path, Some(user), Some(group));
        }
        #[cfg(not(unix))]
        let _ = path;
    }
}

/// Refuses a database that is missing or empty beside a log that is not: it was moved away or cut, and the
/// log has the messages that were accepted last. A new database has no log before it has its first page.
pub(crate) fn refuse_log_alone(database: &Path) -> Result<(), OpenError> {
    let is_empty = |path: &Path| path.metadata().map_or(true, |found| found.len() == 0);
    let log = beside(database, "-wal");
    if is_empty(database) && !is_empty(&log) {
        return Err(OpenError::LogAlone {
            path: database.to_owned(),
            log,
        });
    }
    Ok(())
}

/// Makes an empty file that only its owner can read, unless the file is there: it will hold signing secrets.
/// `SQLite` gives the files beside it the same permissions.
pub(crate) fn make_private(database: &Path) -> Result<(), OpenError> {
    match private_options().create_new(true).open(database) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(OpenError::Unusable {
            path: database.to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// The result of restricting the permissions of the files.
#[derive(Debug, Default)]
pub(crate) struct RestrictedPermissions {
    /// The files that only their owner may read and write now.
    done: Vec<String>,
    /// The files that belong to another user, or whose file system has no permissions.
    left: Vec<String>,
}

/// Removes the permissions of all but the owner for the database and the files beside it. A group that was
/// meant to read them is no exception: there is no way to tell that it was meant.
pub(crate) fn restrict_permissions(database: &Path) -> RestrictedPermissions {
    let mut restricted = RestrictedPermissions::default();
    #[cfg(unix)]
    for end in ["", "-wal", "-shm", "-journal", ".lock"] {
        use std::os::unix::fs::PermissionsExt;
        let path = beside(database, end);
        let Ok(metadata) = std::fs::metadata(&path) else {
            continue;
        };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o700 == mode {
            continue;
        }
        let file = format!("{} ({mode:03o})", path.display());
        let private = std::fs::Permissions::from_mode(mode & 0o700);
        match std::fs::set_permissions(&path, private) {
            Ok(()) => restricted.done.push(file),
            Err(_) => restricted.left.push(file),
        }
    }
    #[cfg(not(unix))]
    let _ = (database, &mut restricted);
    restricted
}

impl RestrictedPermissions {
    /// Logs the result, once it is known that the file is a Hookpost database.
    pub(crate) fn report(&self) {
        if !self.done.is_empty() {
            tracing::warn!(
                files = self.done.join(", "),
                "others than their owner had permissions for files that hold secrets; they have none now"
            );
        }
        if !self.left.is_empty() {
            tracing::warn!(
                files = self.left.join(", "),
                "others than their owner have permissions for files that hold secrets, and they cannot be \
                 taken away"
            );
        }
    }
}
