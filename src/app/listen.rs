//! The socket of the API: bound here, or handed over by systemd.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use listenfd::ListenFd;

use crate::config::{ApiSettings, ListenAddress};
use crate::server::Listener;

/// A bound socket with its place.
pub(super) struct Bound {
    pub(super) listener: Listener,
    /// The place, with its real port if the setting was port 0.
    pub(super) addr: ListenAddress,
    /// The file of a Unix socket that was made here.
    pub(super) file: Option<SocketFile>,
}

/// The file of a Unix socket. It is removed when this is dropped, unless it is another server's by then.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode of the file that was made here.
    identity: Option<(u64, u64)>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // The next start would remove it, too.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Returns the device and the inode of a file.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = path.symlink_metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}

/// Binds the socket of the settings, unless systemd has bound one for this process (socket activation).
pub(super) fn bind(settings: &ApiSettings) -> io::Result<Bound> {
    if let Some(bound) = handed_over()? {
        return Ok(bound);
    }
    match &settings.listen {
        ListenAddress::Tcp(addr) => TcpListener::bind(addr).and_then(tcp),
        #[cfg(unix)]
        ListenAddress::Unix(path) => unix::bind(path, settings),
        #[cfg(not(unix))]
        ListenAddress::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Takes the first socket of systemd, if it is for this process: its variables name the process.
fn handed_over() -> io::Result<Option<Bound>> {
    let mut sockets = ListenFd::from_env();
    if sockets.len() == 0 {
        return Ok(None);
    }
    #[cfg(unix)]
    if let Ok(Some(listener)) = sockets.take_unix_listener(0) {
        return unix::handed_over(listener).map(Some);
    }
    sockets.take_tcp_listener(0)?.map(tcp).transpose()
}

fn tcp(listener: TcpListener) -> io::Result<Bound> {
    lengthen_queue(&listener)?;
    Ok(Bound {
        addr: ListenAddress::Tcp(listener.local_addr()?),
        listener: Listener::Tcp(listener),
        file: None,
    })
}

/// Lengthens the queue of connections that wait to be accepted; the standard library sets 128. While the
/// queue is full, the system ignores new clients, and a client tries again only after a second.
#[cfg(target_os = "linux")]
fn lengthen_queue(listener: &TcpListener) -> io::Result<()> {
    const WAITING: i32 = 1024;
    Ok(rustix::net::listen(listener, WAITING)?)
}

#[cfg(not(target_os = "linux"))]
fn lengthen_queue(_: &TcpListener) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
mod unix {
    use std::fs::{
        DirBuilder, Permissions, remove_dir, remove_file, rename, set_permissions, symlink_metadata,
    };
    use std::io::{self, ErrorKind};
    use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt, chown};
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use socket2::{Domain, SockAddr, Socket, Type};

    use crate::app::listen::{Bound, SocketFile, identity};
    use crate::config::{ApiSettings, ListenAddress, SocketMode};
    use crate::server::Listener;

    /// Binds a Unix socket with the owner and the permissions of the settings. The file of a server that ended
    /// without removing it is replaced; another file, or the socket of a running program, is an error.
    ///
    /// The socket is made in a folder of its own, into which nobody else can look, and moved to its place when it has
    /// its permissions. So nobody can connect before, or make these changes meet another file.
    pub(super) fn bind(path: &Path, settings: &ApiSettings) -> io::Result<Bound> {
        if path.symlink_metadata().is_ok() && !is_left_over(path)? {
            return Err(ErrorKind::AddrInUse.into());
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        let private = folder.join(format!(".hp{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&private)?;
        let bound = bind_in(&private, path, settings);
        remove_dir(&private)?;
        bound
    }

    fn bind_in(private: &Path, path: &Path, settings: &ApiSettings) -> io::Result<Bound> {
        let made = private.join("s");
        let listener = UnixListener::bind(&made)?;
        let moved = set_rights(&made, settings).and_then(|()| rename(&made, path));
        if let Err(error) = moved {
            remove_file(&made)?;
            return Err(error);
        }
        let file = SocketFile {
            path: path.to_owned(),
            identity: identity(path),
        };
        Ok(Bound {
            listener: Listener::Unix(listener),
            addr: ListenAddress::Unix(path.to_owned()),
            file: Some(file),
        })
    }

    fn set_rights(socket: &Path, settings: &ApiSettings) -> io::Result<()> {
        if let Some(owner) = settings.socket_owner {
            chown(socket, owner.user, owner.group).map_err(|error| {
                io::Error::new(error.kind(), format!("{error} (--socket-owner)"))
            })?;
        }
        let SocketMode(mode) = settings.socket_mode;
        set_permissions(socket, Permissions::from_mode(mode))
    }

    /// Reports whether a file is a socket that no program listens on.
    fn is_left_over(path: &Path) -> io::Result<bool> {
        if !symlink_metadata(path)?.file_type().is_socket() {
            return Ok(false);
        }
        // It must not wait for a program whose queue is full.
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        let answer = socket.connect(&SockAddr::unix(path)?);
        Ok(answer.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused))
    }

    /// Returns the place of a socket that systemd has bound. systemd also removes its file.
    pub(super) fn handed_over(listener: UnixListener) -> io::Result<Bound> {
        let path = listener.local_addr()?;
        let path = path.as_pathname().unwrap_or(Path::new("unnamed"));
        Ok(Bound {
            addr: ListenAddress::Unix(path.to_owned()),
            listener: Listener::Unix(listener),
            file: None,
        })
    }
}
