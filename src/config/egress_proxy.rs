//! The URL of the proxy for attempts.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::{Host, Url};

/// A proxy to which attempts connect, with the credentials for it. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct EgressProxy {
    /// Its name or address, the latter without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The value of `Proxy-Authorization` (RFC 7617), if the URL has credentials.
    pub authorization: Option<String>,
}

/// The longest user and password together, in bytes. The header with them then fits into one packet, and proxies
/// take such a header.
const CREDENTIALS_MAX: usize = 1024;

impl FromStr for EgressProxy {
    type Err = String;

    /// Reads `http://USER:PASS@HOST:PORT`. Characters of user and password that a URL cannot have are
    /// percent-encoded. Errors do not quote the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || "expected a URL such as http://proxy.example:3128".to_owned();
        let text = text.trim();
        let url = Url::parse(text).map_err(|_| bad())?;
        match url.scheme() {
            "http" => {}
            "https" => return Err("a proxy is asked over http: write http://".to_owned()),
            _ => return Err(bad()),
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err("a URL without a path, such as http://proxy.example:3128".to_owned());
        }
        let host = match url.host().ok_or_else(bad)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        Ok(Self {
            host,
            port: port(&url, text)?,
            authorization: authorization(&url)?,
        })
    }
}

/// Returns the port. There is no usual one for proxies, so it has to be there, even if it is 80.
fn port(url: &Url, text: &str) -> Result<u16, String> {
    let authority = text.split("://").nth(1).unwrap_or_default();
    let place = authority.rsplit('@').next().unwrap_or_default();
    match url.port() {
        Some(0) => Err("port 0 is none of a proxy".to_owned()),
        Some(port) => Ok(port),
        None if place.trim_end_matches('/').ends_with(":80") => Ok(80),
        None => Err("a URL with a port, such as http://proxy.example:3128".to_owned()),
    }
}

fn authorization(url: &Url) -> Result<Option<String>, String> {
    let (user, password) = (url.username(), url.password());
    if user.is_empty() && password.is_none() {
        return Ok(None);
    }
    let user = decoded(user);
    // The first colon ends the user (RFC 7617, section 2).
    if user.contains(&b':') {
        return Err("a user cannot have a colon".to_owned());
    }
    let both = [&user[..], b":", &decoded(password.unwrap_or_default())].concat();
    if both.iter().any(u8::is_ascii_control) {
        return Err("user and password cannot have control characters".to_owned());
    }
    if both.len() > CREDENTIALS_MAX {
        return Err(format!(
            "user and password have at most {CREDENTIALS_MAX} bytes together"
        ));
    }
    Ok(Some(format!("Basic {}", STANDARD.encode(both))))
}

/// Decodes `%41` and the like. What is no such code stays as it is.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.first_chunk::<2>().filter(|_| first == b'%');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if let Some(byte) = code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    bytes
}

impl fmt::Debug for EgressProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EgressProxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("authorization", &self.authorization.as_ref().map(|_| "…"))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> EgressProxy {
        text.parse().unwrap()
    }

    #[test]
    fn a_url_with_a_port_names_a_proxy() {
        for (text, host, port) in [
            ("http://proxy.example:3128", "proxy.example", 3128),
            (" http://Proxy.Example:3128/ ", "proxy.example", 3128),
            ("http://10.0.0.1:80", "10.0.0.1", 80),
            ("http://u:p@[::1]:8080", "::1", 8080),
            ("http://u:80@h:80/", "h", 80),
        ] {
            let proxy = read(text);
            assert_eq!((proxy.host.as_str(), proxy.port), (host, port), "{text}");
        }
        for (bad, says) in [
            ("", "such as"),
            ("proxy.example:3128", "such as"),
            ("socks5://h:1", "such as"),
            ("https://h:1", "http://"),
            ("http://", "such as"),
            ("http://h", "with a port"),
            ("http://u:80@h", "with a port"),
            ("http://h:0", "port 0"),
            ("http://h:1/path", "without a path"),
            ("http://h:1/?x", "without a path"),
            ("http://a%3Ab:secret@h:1", "colon"),
            ("http://a:sec%0Aret@h:1", "control"),
        ] {
            let error = bad.parse::<EgressProxy>().unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
            assert!(!error.contains("sec"), "{error}");
        }
        let long = format!("http://u:{}@h:1", "x".repeat(CREDENTIALS_MAX));
        assert!(long.parse::<EgressProxy>().is_err());
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        let given = |text: &str| {
            let value = read(text).authorization?;
            let decoded = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
            String::from_utf8(decoded).ok()
        };
        for (text, both) in [
            ("http://h:1", None),
            ("http://u:p@h:1", Some("u:p")),
            ("http://u@h:1", Some("u:")),
            ("http://:p@h:1", Some(":p")),
            ("http://u:a%40b%3a%25@h:1", Some("u:a@b:%")),
            ("http://u:100%@h:1", Some("u:100%")),
            ("http://u:%c3%a4@h:1", Some("u:ä")),
        ] {
            assert_eq!(given(text).as_deref(), both, "{text}");
        }
        let shown = format!("{:?}", read("http://user:password@h:1"));
        assert!(shown.contains("\"h\""), "{shown}");
        let secret = STANDARD.encode("user:password");
        assert!(!shown.contains("password") && !shown.contains(&secret));
    }
}
