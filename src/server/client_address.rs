//! The address of the client that sent a request.
//!
//! This is the peer of the connection, unless the peer is a proxy that the operator trusts; then it is the
//! address that the proxy names in `X-Forwarded-For`. Any client can send that header. So the server reads it
//! from the right, where proxies append, up to the first address that is not a trusted proxy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// Returns the address of the client whose request came over a connection from `peer`.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_proxy = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip));
    let mut client = peer.to_canonical();
    // Each proxy appends the address of its client; several fields are one list (RFC 9110, section 5.3).
    let fields: Vec<_> = headers.get_all(X_FORWARDED_FOR).collect();
    let hops = fields
        .iter()
        .rev()
        .flat_map(|field| field.as_bytes().rsplit(|&byte| byte == b','));
    for hop in hops {
        if !is_proxy(client) {
            break;
        }
        // No proxy writes this, so nothing to the left of it can be trusted.
        let Some(ip) = parse(hop) else { break };
        client = ip;
    }
    client
}

/// The mark of a request that came over a Unix socket, among the data of its connection.
#[derive(Clone, Copy)]
pub(crate) struct UnixPeer;

impl UnixPeer {
    /// The address that peers of a Unix socket count as: this machine's own. They are a trusted proxy if the settings
    /// name this address as one.
    pub(crate) const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
}

/// Reads an address, with or without a port: some proxies add one.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let ip = bare
        .unwrap_or(text)
        .parse()
        .or_else(|_| text.parse().map(|addr: SocketAddr| addr.ip()));
    ip.ok().map(|ip: IpAddr| ip.to_canonical())
}

/// Returns the address by which limits count a client: an IPv4 address itself, or the /64 network of an IPv6
/// address. A single host usually has a whole /64, and could use another address of it for each request.
pub(crate) fn client_key(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn client(peer: &str, forwarded: &[&[u8]], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            let name = HeaderName::from_static(X_FORWARDED_FOR);
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let trusted: Vec<_> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        let proxy = &["10.0.0.0/8", "fd00::/8"][..];
        for (peer, forwarded, trusted, expected) in [
            ("1.1.1.1", &[&b"2.2.2.2"[..]][..], &[][..], "1.1.1.1"),
            ("1.1.1.1", &[b"2.2.2.2"], proxy, "1.1.1.1"),
            ("10.0.0.1", &[], proxy, "10.0.0.1"),
            ("10.0.0.1", &[b"2.2.2.2"], proxy, "2.2.2.2"),
            ("::ffff:10.0.0.1", &[b"::ffff:2.2.2.2"], proxy, "2.2.2.2"),
            // What the client wrote itself stands to the left of what the proxy wrote.
            ("10.0.0.1", &[b"3.3.3.3, 2.2.2.2"], proxy, "2.2.2.2"),
            ("10.0.0.1", &[b"3.3.3.3", b"2.2.2.2"], proxy, "2.2.2.2"),
            (
                "10.0.0.1",
                &[b"3.3.3.3,2.2.2.2 , 10.1.1.1"],
                proxy,
                "2.2.2.2",
            ),
            ("10.0.0.1", &[b"10.3.3.3, 10.2.2.2"], proxy, "10.3.3.3"),
            ("fd00::1", &[b"[2001:db8::7]:443"], proxy, "2001:db8::7"),
            ("fd00::1", &[b"[2001:db8::7]"], proxy, "2001:db8::7"),
            ("10.0.0.1", &[b"2.2.2.2:1234"], proxy, "2.2.2.2"),
            // Not addresses: the last that was one counts.
            ("10.0.0.1", &[b"2.2.2.2, unknown"], proxy, "10.0.0.1"),
            ("10.0.0.1", &[b"2.2.2.2, \xff, 10.9.9.9"], proxy, "10.9.9.9"),
            ("10.0.0.1", &[b""], proxy, "10.0.0.1"),
            ("10.0.0.1", &[b"2.2.2.2,"], proxy, "10.0.0.1"),
        ] {
            assert_eq!(
                client(peer, forwarded, trusted),
                expected,
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let of = |text: &str| client_key(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:3::1"), "2001:db8:1:3::");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
    }
}
