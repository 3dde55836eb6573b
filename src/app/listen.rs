//! The socket of the API: bound here, or handed over by systemd.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;

use listenfd::ListenFd;

use crate::api::Listener;
use crate::config::{ApiSettings, ListenAddress};

/// A bound socket with its place.
pub(super) struct Bound {
    pub(super) listener: Listener,
    /// The place, with its real port if the setting was port 0.
    pub(super) addr: ListenAddress,
    /// The file of a Unix socket that was made here.
    pub(super) file: Option<SocketFile>,
}

/// The file of a Unix socket. It is removed when this is dropped.
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The next start would remove it, too.
        let _ = std::fs::remove_file(&self.0);
    }
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
    use std::fs::{Permissions, remove_file, set_permissions, symlink_metadata};
    use std::io::{self, ErrorKind};
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::Path;

    use crate::api::Listener;
    use crate::app::listen::{Bound, SocketFile};
    use crate::config::{ApiSettings, ListenAddress, SocketMode};

    /// Binds a Unix socket with the owner and the permissions of the settings. The file of a server that ended
    /// without removing it is replaced; another file, or the socket of a running program, is an error.
    pub(super) fn bind(path: &Path, settings: &ApiSettings) -> io::Result<Bound> {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_left_over(path)? => {
                remove_file(path)?;
                UnixListener::bind(path)?
            }
            bound => bound?,
        };
        let file = SocketFile(path.to_owned());
        if let Some(owner) = settings.socket_owner {
            chown(path, owner.user, owner.group)?;
        }
        let SocketMode(mode) = settings.socket_mode;
        set_permissions(path, Permissions::from_mode(mode))?;
        Ok(Bound {
            listener: Listener::Unix(listener),
            addr: ListenAddress::Unix(path.to_owned()),
            file: Some(file),
        })
    }

    /// Reports whether a file is a socket that no program listens on.
    fn is_left_over(path: &Path) -> io::Result<bool> {
        if !symlink_metadata(path)?.file_type().is_socket() {
            return Ok(false);
        }
        let answer = UnixStream::connect(path);
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
