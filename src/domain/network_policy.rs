//! The addresses to which a webhook may be sent.
//!
//! The owner of an endpoint chooses its URL, but the request comes from the operator's network. Without a
//! rule, the owner could make Hookpost call the cloud's metadata service or an internal database (server-side
//! request forgery). So only globally reachable unicast addresses are allowed. All entries of the IANA
//! special-purpose registries are refused, also the few that are marked as globally reachable (anycast
//! services such as AS112), because no receiver of webhooks has such an address.
//!
//! IPv6 addresses that contain an IPv4 address (v4-mapped, v4-compatible, v4-translated, NAT64, 6to4, Teredo)
//! are refused, whichever address they contain. DNS has no reason to return one, and to judge the inner
//! address, the policy would have to know every translator on the path.
//!
//! The engine checks the policy before each request, not only when the API accepts a URL: a name may resolve
//! to another address each time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The rule for the URLs and addresses of receivers. [`NetworkPolicy::strict`] is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// True if plain `http:` URLs may be used besides `https:`.
    pub allow_http: bool,
    /// Networks that are allowed although the policy would refuse them.
    ///
    /// A network allows exactly its own addresses. For example, `10.0.0.0/8` does not allow the v4-mapped
    /// spelling `::ffff:10.0.0.1`, but `::ffff:10.0.0.0/104` does: no receiver needs such a spelling, and an
    /// operator who reads the setting should see all that it allows.
    pub allow: Vec<IpNet>,
}

/// An address that the policy forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address {ip} is not allowed: {reason}")]
pub struct AddressRefused {
    /// The refused address.
    pub ip: IpAddr,
    /// The kind of the address in words, such as "private network (RFC 1918)".
    pub reason: &'static str,
}

impl NetworkPolicy {
    /// Returns the policy that allows only `https:`, and only globally reachable unicast addresses.
    #[must_use]
    pub const fn strict() -> Self {
        Self {
            allow_http: false,
            allow: Vec::new(),
        }
    }

    /// Checks that a request may go to `ip`.
    ///
    /// # Errors
    /// [`AddressRefused`] names the reason.
    pub fn check_addr(&self, ip: IpAddr) -> Result<(), AddressRefused> {
        let Some(reason) = not_global(ip) else {
            return Ok(());
        };
        if self.allow.iter().any(|net| net.contains(&ip)) {
            return Ok(());
        }
        Err(AddressRefused { ip, reason })
    }
}

/// Returns the reason why `ip` is not a globally reachable unicast address, or `None` if it is one.
fn not_global(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => SPECIAL_V4
            .iter()
            .find(|(net, _)| net.contains(&ip))
            .map(|(_, name)| *name),
        IpAddr::V6(ip) => SPECIAL_V6
            .iter()
            .find(|(net, _)| net.contains(&ip))
            .map(|(_, name)| *name)
            .or_else(|| (!GLOBAL_UNICAST_V6.contains(&ip)).then_some(NOT_GLOBAL_UNICAST)),
    }
}

/// The only part of the IPv6 space that IANA assigns as global unicast (RFC 4291 and the IPv6 address space
/// registry). Addresses outside of it are refused without being listed.
const GLOBAL_UNICAST_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
const NOT_GLOBAL_UNICAST: &str = "not global unicast (RFC 4291)";

/// The refused IPv4 networks. Single addresses come first, so that the more specific name is found.
const SPECIAL_V4: &[(Ipv4Net, &str)] = &[
    (v4([169, 254, 169, 254], 32), "cloud metadata service"),
    (v4([169, 254, 170, 2], 32), "cloud metadata service"),
    (v4([100, 100, 100, 200], 32), "cloud metadata service"),
    (v4([192, 0, 0, 192], 32), "cloud metadata service"),
    // The only metadata address that is a public one, and so in no registry.
    (v4([168, 63, 129, 16], 32), "cloud metadata service"),
    (v4([0, 0, 0, 0], 32), "unspecified address (RFC 1122)"),
    (v4([0, 0, 0, 0], 8), "this network (RFC 791)"),
    (v4([10, 0, 0, 0], 8), "private network (RFC 1918)"),
    (v4([100, 64, 0, 0], 10), "carrier-grade NAT (RFC 6598)"),
    (v4([127, 0, 0, 0], 8), "loopback (RFC 1122)"),
    (v4([169, 254, 0, 0], 16), "link-local (RFC 3927)"),
    (v4([172, 16, 0, 0], 12), "private network (RFC 1918)"),
    (v4([192, 0, 0, 0], 24), "protocol assignment (RFC 6890)"),
    (v4([192, 0, 2, 0], 24), "documentation (RFC 5737)"),
    (v4([192, 31, 196, 0], 24), "AS112 anycast (RFC 7535)"),
    (v4([192, 52, 193, 0], 24), "AMT relay anycast (RFC 7450)"),
    (v4([192, 88, 99, 0], 24), "6to4 relay anycast (RFC 7526)"),
    (v4([192, 168, 0, 0], 16), "private network (RFC 1918)"),
    (v4([192, 175, 48, 0], 24), "AS112 anycast (RFC 7534)"),
    (v4([198, 18, 0, 0], 15), "benchmarking (RFC 2544)"),
    (v4([198, 51, 100, 0], 24), "documentation (RFC 5737)"),
    (v4([203, 0, 113, 0], 24), "documentation (RFC 5737)"),
    (v4([224, 0, 0, 0], 4), "multicast (RFC 5771)"),
    (v4([255, 255, 255, 255], 32), "broadcast (RFC 919)"),
    (v4([240, 0, 0, 0], 4), "reserved (RFC 1112)"),
];

/// The refused IPv6 networks. Single addresses and narrow networks come first, so that the more specific name
/// is found.
const SPECIAL_V6: &[(Ipv6Net, &str)] = &[
    (
        v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
        "cloud metadata service",
    ),
    (
        v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
        "cloud metadata service",
    ),
    (
        v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 128),
        "cloud metadata service",
    ),
    (v6([0; 8], 128), "unspecified address (RFC 4291)"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback (RFC 4291)"),
    (
        v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96),
        "IPv4-mapped (RFC 4291)",
    ),
    (
        v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96),
        "IPv4-translated (RFC 2765)",
    ),
    (v6([0; 8], 96), "IPv4-compatible (RFC 4291)"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), "NAT64 (RFC 6052)"),
    (
        v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
        "local-use NAT64 (RFC 8215)",
    ),
    (
        v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
        "discard-only (RFC 6666)",
    ),
    (
        v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64),
        "dummy prefix (RFC 9780)",
    ),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "Teredo (RFC 4380)"),
    (
        v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48),
        "benchmarking (RFC 5180)",
    ),
    (
        v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32),
        "AMT relay anycast (RFC 7450)",
    ),
    (
        v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48),
        "AS112 anycast (RFC 7535)",
    ),
    (
        v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28),
        "ORCHID (RFC 4843)",
    ),
    (
        v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28),
        "ORCHIDv2 (RFC 7343)",
    ),
    (
        v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28),
        "drone remote ID (RFC 9374)",
    ),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
        "protocol assignment (RFC 2928)",
    ),
    (
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        "documentation (RFC 3849)",
    ),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "6to4 (RFC 3056)"),
    (
        v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48),
        "AS112 anycast (RFC 7534)",
    ),
    (
        v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
        "documentation (RFC 9637)",
    ),
    (
        v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),
        "segment routing (RFC 9602)",
    ),
    (
        v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
        "unique local network (RFC 4193)",
    ),
    (
        v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        "link-local (RFC 4291)",
    ),
    (
        v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
        "site-local (RFC 3879)",
    ),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast (RFC 4291)"),
];

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from_octets(octets), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), prefix)
}

#[cfg(test)]
mod tests;
