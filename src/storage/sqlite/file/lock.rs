//! The lock of a database, held by its server, or by a tool while no server runs.
//!
//! # Two locks
//! The first is on `FILE.lock` beside the database; that file also names the holder. It does not help if it
//! is removed, or if a mount gives the database another name in another folder. So on Linux the database
//! itself is locked as well, by `flock`, which is independent of the locks that `SQLite` takes on it
//! (`fcntl`). On other systems, and on network file systems under Linux, the two kinds are one and would
//! conflict. There the lock file is the only lock.
//!
//! # Waiting
//! A tool holds the lock for milliseconds, and a server that stops for some seconds. So a process that finds
//! the file locked waits a while before it gives up. The text of the lock file decides nothing: it may be
//! left from a process that was killed.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::mem::ManuallyDrop;
use std::path::Path;
use std::time::{Duration, Instant};

use super::open::may_share;
use super::open_error::OpenError;
use super::place;
use super::place::beside;

/// The time that a process waits for the lock. A first start, or a migration of a file that is not large, is
/// over by then; and a supervisor that starts a second server hears of it soon.
const WAIT: Duration = Duration::from_secs(5);

/// The pause between two tries to take the lock.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The most bytes that are read of a lock file.
const TEXT_MAX: u64 = 64;

/// The text that a server writes in the place of a tool's command.
const SERVER: &str = "server";

/// The lock; held until dropped.
#[derive(Debug)]
pub(crate) struct FileLock {
    named: File,
    file: KeptOpen,
}

impl FileLock {
    /// Takes the lock for a server, or returns an error that names the holder.
    pub(crate) fn for_server(database: &Path) -> Result<Self, OpenError> {
        Contender::new(database, SERVER).wait()
    }

    /// Takes the lock for a repair, beside which no other process may use the file, or returns an error that
    /// names the holder.
    pub(crate) fn for_repair(database: &Path) -> Result<Self, OpenError> {
        Contender::new(database, "check --repair").wait()
    }

    /// Takes the lock to put another file in the place of the database, which may be missing beside its log.
    pub(crate) fn for_restore(database: &Path) -> Result<Self, OpenError> {
        let mut contender = Contender::new(database, "restore");
        contender.takes_log_alone = true;
        contender.wait()
    }

    /// Takes the lock for the tool `command` if it is free at the moment.
    pub(crate) fn if_free(database: &Path, command: &str) -> Result<Option<Self>, OpenError> {
        Ok(match Contender::new(database, command).try_to_lock()? {
            LockTry::Taken(lock) => Some(lock),
            LockTry::Held(_) => None,
        })
    }

    /// Takes the lock for the tool `command`; `None` if another process holds it, and the file is ready to be
    /// used beside that process.
    pub(crate) fn for_tool(database: &Path, command: &str) -> Result<Option<Self>, OpenError> {
        let mut contender = Contender::new(database, command);
        let give_up = Instant::now() + WAIT;
        loop {
            let holder = match contender.try_to_lock()? {
                LockTry::Taken(lock) => return Ok(Some(lock)),
                LockTry::Held(holder) => holder,
            };
            let is_last = Instant::now() >= give_up;
            match may_share(database) {
                Ok(()) => return Ok(None),
                // Another process is making or migrating it.
                Err(OpenError::Older { .. } | OpenError::Unusable { .. }) if !is_last => {
                    std::thread::sleep(LOOK_AGAIN);
                }
                Err(OpenError::Older { found: 0, .. }) => return Err(in_use(database, holder)),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // The text was true until now, so a file that cannot be emptied does no harm.
        let _ = self.named.set_len(0);
        self.file.unlock();
    }
}

fn in_use(database: &Path, holder: Holder) -> OpenError {
    OpenError::InUse {
        path: database.to_owned(),
        holder: holder.0,
    }
}

/// The holder of the lock, in words.
struct Holder(String);

impl Holder {
    /// Reads the holder from the text of a lock file.
    fn parse(text: &str) -> Self {
        let known = text.trim().rsplit_once(' ').and_then(|(command, pid)| {
            let pid: u32 = pid.parse().ok()?;
            let is_plain = |c: char| c.is_ascii_lowercase() || c == ' ' || c == '-';
            command.chars().all(is_plain).then_some((command, pid))
        });
        Self(match known {
            None => "another Hookpost process".to_owned(),
            Some((SERVER, pid)) => format!("another Hookpost server (process {pid})"),
            Some((command, pid)) => format!("`hookpost {command}` (process {pid})"),
        })
    }

    /// Returns the words for a holder of the database that does not hold the lock file.
    fn behind() -> Self {
        let why = "its lock file was removed, or it uses the database by another name";
        Self(format!("another Hookpost process ({why})"))
    }
}

enum LockTry {
    Taken(FileLock),
    Held(Holder),
}

/// A process that wants the lock.
struct Contender<'a> {
    database: &'a Path,
    command: &'a str,
    /// The database, as an earlier try opened it: it must not be closed, so it is used again.
    file: Option<KeptOpen>,
    /// Set if a database that is missing or empty beside its log is no error.
    takes_log_alone: bool,
}

impl<'a> Contender<'a> {
    const fn new(database: &'a Path, command: &'a str) -> Self {
        Self {
            database,
            command,
            file: None,
            takes_log_alone: false,
        }
    }

    /// Takes the lock, or returns an error that names the holder.
    fn wait(mut self) -> Result<FileLock, OpenError> {
        let give_up = Instant::now() + WAIT;
        loop {
            match self.try_to_lock()? {
                LockTry::Taken(lock) => return Ok(lock),
                LockTry::Held(holder) if Instant::now() >= give_up => {
                    return Err(in_use(self.database, holder));
                }
                LockTry::Held(_) => std::thread::sleep(LOOK_AGAIN),
            }
        }
    }

    fn try_to_lock(&mut self) -> Result<LockTry, OpenError> {
        let path = beside(self.database, ".lock");
        let failed = |source: io::Error| match self.database.parent() {
            Some(folder) if source.kind() == io::ErrorKind::NotFound => OpenError::Unusable {
                path: self.database.to_owned(),
                reason: format!("there is no folder {}", folder.display()),
            },
            _ => OpenError::Lock {
                path: path.clone(),
                source,
            },
        };
        let mut named = open_lock_file(&path, self.database).map_err(failed)?;
        match named.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = (&named).take(TEXT_MAX).read_to_string(&mut text);
                return Ok(LockTry::Held(Holder::parse(&text)));
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        if !self.takes_log_alone {
            place::refuse_log_alone(self.database)?;
        }
        place::make_private(self.database)?;
        let file = self.open_database()?;
        if !file.try_lock().map_err(failed)? {
            self.file = Some(file);
            return Ok(LockTry::Held(Holder::behind()));
        }
        // On a full disk the text is empty or names an earlier holder, which decides nothing.
        let text = format!("{} {}\n", self.command, std::process::id());
        let _ = named.set_len(0);
        let _ = named.rewind();
        let _ = named.write_all(text.as_bytes());
        Ok(LockTry::Taken(FileLock { named, file }))
    }

    /// Opens the file that the path leads to at the moment.
    fn open_database(&mut self) -> Result<KeptOpen, OpenError> {
        match self.file.take() {
            Some(file) if file.is_at(self.database) => Ok(file),
            _ => KeptOpen::open(self.database).map_err(|source| OpenError::Unusable {
                path: self.database.to_owned(),
                reason: source.to_string(),
            }),
        }
    }
}

/// Opens the lock file, or makes it. Does not follow a link in its place, nor wait at a pipe.
pub(super) fn open_lock_file(path: &Path, database: &Path) -> io::Result<File> {
    let mut options = place::private_options();
    options.read(true).create(true).truncate(false);
    #[cfg(target_os = "linux")]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, place::no_surprises());
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    // If root makes it beside the file of the user that the server runs as, that user must be able to open
    // it. SQLite does the same with its files.
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        if let Ok(owner) = std::fs::metadata(database)
            && owner.uid() != metadata.uid()
        {
            let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
        }
    }
    #[cfg(not(unix))]
    let _ = database;
    Ok(file)
}

/// The database, opened for its lock and never closed: a process that closes any of its handles gives up the
/// locks that `SQLite` holds on the file in that process (POSIX). A process opens few databases.
#[derive(Debug)]
struct KeptOpen(ManuallyDrop<File>);

impl KeptOpen {
    fn open(database: &Path) -> io::Result<Self> {
        let open = |write| {
            let mut options = File::options();
            options.read(true).write(write);
            #[cfg(target_os = "linux")]
            std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, place::no_surprises());
            options.open(database)
        };
        // A file that may only be read is refused later, with an error that says so.
        let file = open(true).or_else(|_| open(false))?;
        Ok(Self(ManuallyDrop::new(file)))
    }

    fn is_at(&self, database: &Path) -> bool {
        place::identity_of(self.0.metadata()) == place::identity(database)
    }
}

#[cfg(target_os = "linux")]
impl KeptOpen {
    /// Takes the lock if it is free; returns whether it did.
    fn try_lock(&self) -> io::Result<bool> {
        if self.is_on_network()? {
            return Ok(true);
        }
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn unlock(&self) {
        let _ = self.0.unlock();
    }

    /// Reports whether `flock` takes locks of the other kind: on NFS and SMB (`statfs(2)`, `flock(2)`).
    fn is_on_network(&self) -> io::Result<bool> {
        const TYPES: [i128; 4] = [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42];
        let kind = rustix::fs::fstatfs(&*self.0)?.f_type;
        Ok(TYPES.contains(&(i128::from(kind) & 0xFFFF_FFFF)))
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "Linux has more to do"
)]
impl KeptOpen {
    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }

    fn unlock(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_names_its_holder_or_nobody() {
        let said = |text: &str| Holder::parse(text).0;
        assert_eq!(said("server 12\n"), "another Hookpost server (process 12)");
        assert_eq!(
            said("token create 7\n"),
            "`hookpost token create` (process 7)"
        );
        for odd in ["", "server", "server x", "\u{1b}[2J 1", "12", "rm -rf / 1"] {
            assert_eq!(said(odd), "another Hookpost process", "{odd:?}");
        }
    }
}
