//! The place where the API is served: an address with a port, or a Unix socket with its permissions.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// The default address of the API. The subcommand `healthcheck` uses it, too.
pub const LISTEN: &str = "127.0.0.1:8080";

/// The beginning of the address of a Unix socket.
const UNIX: &str = "unix:";

/// A place where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address of this machine, with a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Returns the address with its port; `None` for a Unix socket.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(addr) => Some(*addr),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Reads an address with a port, as [`parse_socket_address`] does, or `unix:` with an absolute path.
///
/// # Errors
/// A text that names the accepted forms.
pub fn parse_listen(text: &str) -> Result<ListenAddress, String> {
    match text.trim().strip_prefix(UNIX) {
        Some(path) if path.starts_with('/') => Ok(ListenAddress::Unix(path.into())),
        Some(_) => {
            Err("expected unix: and an absolute path, such as unix:/run/hookpost/api.sock".into())
        }
        None => parse_socket_address(text).map(ListenAddress::Tcp),
    }
}

/// Reads an address with a port: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` (the IPv4 loopback address)
/// or `:8080` (all IPv4 addresses).
///
/// # Errors
/// A text that names the accepted form.
pub fn parse_socket_address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let port = |text: &str| text.parse::<u16>().ok();
    let short = match text.split_once(':') {
        Some(("", digits)) => port(digits).map(|port| (Ipv4Addr::UNSPECIFIED, port).into()),
        Some((name, digits)) if name.eq_ignore_ascii_case("localhost") => {
            port(digits).map(|port| (Ipv4Addr::LOCALHOST, port).into())
        }
        _ => None,
    };
    short
        .or_else(|| text.parse().ok())
        .ok_or_else(|| format!("expected ADDR:PORT, such as {LISTEN}"))
}

/// The permissions of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(pub u32);

impl FromStr for SocketMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mode = u32::from_str_radix(text.trim(), 8).ok();
        mode.filter(|mode| *mode <= 0o777)
            .map(Self)
            .ok_or_else(|| "expected permissions in octal, such as 0660".to_owned())
    }
}

/// The owner of a Unix socket: the numbers of a user and of a group. Without one of them, it stays as the system
/// sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOwner {
    /// The user.
    pub user: Option<u32>,
    /// The group.
    pub group: Option<u32>,
}

#[cfg(unix)]
impl FromStr for SocketOwner {
    type Err = String;

    /// Looks names up in the system's list of users.
    fn from_str(text: &str) -> Result<Self, String> {
        use nix::unistd::{Group, User};
        let (user, group) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
        let find_user = |name: &str| {
            User::from_name(name)
                .ok()
                .flatten()
                .map(|user| user.uid.as_raw())
        };
        let find_group = |name: &str| {
            Group::from_name(name)
                .ok()
                .flatten()
                .map(|group| group.gid.as_raw())
        };
        let owner = Self {
            user: number_of(user, "user", find_user)?,
            group: number_of(group, "group", find_group)?,
        };
        match (owner.user, owner.group) {
            (None, None) => Err("expected USER, USER:GROUP or :GROUP".to_owned()),
            _ => Ok(owner),
        }
    }
}

#[cfg(unix)]
fn number_of(
    text: &str,
    kind: &str,
    find: impl Fn(&str) -> Option<u32>,
) -> Result<Option<u32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.parse().ok().or_else(|| find(text));
    number
        .map(Some)
        .ok_or_else(|| format!("there is no {kind} {text}"))
}

#[cfg(not(unix))]
impl FromStr for SocketOwner {
    type Err = String;

    fn from_str(_: &str) -> Result<Self, String> {
        Err("this system has no owners of sockets".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_their_short_forms() {
        for (text, addr) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:80", "[::1]:80"),
            (" localhost:0", "127.0.0.1:0"),
            ("LOCALHOST:8080", "127.0.0.1:8080"),
            (":8080", "0.0.0.0:8080"),
            ("unix:/run/x.sock", "unix:/run/x.sock"),
        ] {
            assert_eq!(
                parse_listen(text).map(|a| a.to_string()).as_deref(),
                Ok(addr)
            );
        }
        for bad in [
            "",
            ":",
            "8090",
            "localhost",
            "localhost:",
            ":65536",
            "example.com:80",
            "::1:80x",
        ] {
            let error = parse_listen(bad).unwrap_err();
            assert!(error.contains("127.0.0.1:8080"), "{bad}: {error}");
        }
        for bad in ["unix:", "unix:x.sock"] {
            assert!(parse_listen(bad).unwrap_err().contains("absolute"), "{bad}");
        }
    }

    #[test]
    fn permissions_are_octal() {
        assert_eq!("0660".parse(), Ok(SocketMode(0o660)));
        assert_eq!("777".parse(), Ok(SocketMode(0o777)));
        for bad in ["", "rw", "0888", "1777", "-1"] {
            assert!(bad.parse::<SocketMode>().is_err(), "{bad}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn owners_are_names_or_numbers() {
        let owner = |user, group| Ok(SocketOwner { user, group });
        assert_eq!("root".parse(), owner(Some(0), None));
        assert_eq!("7:8".parse(), owner(Some(7), Some(8)));
        assert_eq!(":8".parse(), owner(None, Some(8)));
        assert!(
            "no-such-user-here"
                .parse::<SocketOwner>()
                .unwrap_err()
                .contains("no user")
        );
        for bad in ["", ":"] {
            assert!(bad.parse::<SocketOwner>().is_err(), "{bad}");
        }
    }
}
