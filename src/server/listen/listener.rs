//! The socket on which the API is served.

use std::io;
use std::net::{SocketAddr, TcpListener};
#[cfg(unix)]
use std::os::unix::net::UnixListener;

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// An address with a port.
    Tcp(TcpListener),
    /// A Unix socket. Its peers have no address; they count as this machine's own, 127.0.0.1.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listener {
    /// Returns the address and port; `None` for a Unix socket.
    pub(super) fn tcp_addr(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            #[cfg(unix)]
            Self::Unix(_) => Ok(None),
        }
    }
}
