use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{AddressRefused, NetworkPolicy, SPECIAL_V4, SPECIAL_V6};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn allowing(nets: &[&str]) -> NetworkPolicy {
    NetworkPolicy {
        allow: nets
            .iter()
            .map(|net| net.parse().expect("a network"))
            .collect(),
        ..NetworkPolicy::strict()
    }
}

#[test]
fn public_addresses_pass() {
    for public in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "93.184.215.14",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:db7:ffff::1",
        "2001:db9::1",
        "2003::1",
        "2606:4700:4700::1111",
        "2a00:1450:4001:800::200e",
        "3ffe:ffff::1",
    ] {
        assert_eq!(
            NetworkPolicy::strict().check_addr(ip(public)),
            Ok(()),
            "{public}"
        );
    }
}

#[test]
fn special_addresses_are_refused_by_name() {
    for (special, name) in [
        ("0.0.0.0", "unspecified"),
        ("0.255.255.255", "this network"),
        ("10.0.0.0", "private"),
        ("10.255.255.255", "private"),
        ("100.64.0.0", "carrier-grade"),
        ("100.127.255.255", "carrier-grade"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("169.254.0.1", "link-local"),
        ("172.16.0.0", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.9", "protocol assignment"),
        ("192.0.2.1", "documentation"),
        ("192.31.196.1", "AS112"),
        ("192.52.193.1", "AMT"),
        ("192.88.99.1", "6to4"),
        ("192.168.0.1", "private"),
        ("192.175.48.1", "AS112"),
        ("198.18.0.0", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::ffff:8.8.8.8", "IPv4-mapped"),
        ("::ffff:127.0.0.1", "IPv4-mapped"),
        ("::ffff:0:8.8.8.8", "IPv4-translated"),
        ("::8.8.8.8", "IPv4-compatible"),
        ("64:ff9b::8.8.8.8", "NAT64"),
        ("64:ff9b:1::7f00:1", "local-use NAT64"),
        ("64:ff9b:2::1", "not global unicast"),
        ("100::1", "discard"),
        ("100:0:0:1::1", "dummy"),
        ("2001::1", "Teredo"),
        ("2001:1::1", "protocol assignment"),
        ("2001:2::1", "benchmarking"),
        ("2001:3::1", "AMT"),
        ("2001:4:112::1", "AS112"),
        ("2001:10::1", "ORCHID "),
        ("2001:20::1", "ORCHIDv2"),
        ("2001:30::1", "drone"),
        ("2001:1ff:ffff::1", "protocol assignment"),
        ("2001:db8::1", "documentation"),
        ("2002:7f00:1::1", "6to4"),
        ("2620:4f:8000::1", "AS112"),
        ("3fff:fff::1", "documentation"),
        ("4000::1", "not global unicast"),
        ("5f00::1", "segment routing"),
        ("fc00::1", "unique local"),
        ("fdff:ffff::1", "unique local"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("fec0::1", "site-local"),
        ("feff::1", "site-local"),
        ("ff02::1", "multicast"),
    ] {
        let AddressRefused {
            ip: refused,
            reason,
        } = NetworkPolicy::strict()
            .check_addr(ip(special))
            .expect_err(special);
        assert_eq!(refused, ip(special));
        assert!(
            reason.starts_with(name),
            "{special} is {reason}, not {name}"
        );
    }
}

#[test]
fn metadata_services_are_refused_by_name() {
    for metadata in [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:42::42",
    ] {
        let refused = NetworkPolicy::strict()
            .check_addr(ip(metadata))
            .expect_err(metadata);
        assert_eq!(refused.reason, "cloud metadata service", "{metadata}");
    }
}

#[test]
fn allowed_networks_open_exactly_what_they_name() {
    let policy = allowing(&["10.1.0.0/16", "::1/128"]);
    assert_eq!(policy.check_addr(ip("10.1.2.3")), Ok(()));
    assert_eq!(policy.check_addr(ip("::1")), Ok(()));
    assert_eq!(policy.check_addr(ip("8.8.8.8")), Ok(()));
    for closed in [
        "10.2.0.1",
        "127.0.0.1",
        "::ffff:10.1.2.3",
        "::10.1.2.3",
        "::2",
    ] {
        assert!(policy.check_addr(ip(closed)).is_err(), "{closed}");
    }
    let mapped = allowing(&["::ffff:10.1.0.0/112"]);
    assert_eq!(mapped.check_addr(ip("::ffff:10.1.2.3")), Ok(()));
    assert!(mapped.check_addr(ip("10.1.2.3")).is_err());
}

#[test]
fn a_refusal_says_what_the_address_is() {
    let refused = NetworkPolicy::strict()
        .check_addr(ip("127.0.0.1"))
        .expect_err("loopback");
    assert_eq!(
        refused.to_string(),
        "the address 127.0.0.1 is not allowed: loopback (RFC 1122)"
    );
}

#[test]
fn the_tables_name_whole_networks() {
    for (net, name) in SPECIAL_V4 {
        assert_eq!(net.addr(), net.network(), "{net} {name}");
    }
    for (net, name) in SPECIAL_V6 {
        assert_eq!(net.addr(), net.network(), "{net} {name}");
    }
}

proptest! {
    /// An address that the standard library knows as special is never allowed.
    #[test]
    fn never_more_lenient_than_std_v4(bits: u32) {
        let ip = Ipv4Addr::from(bits);
        if ip.is_private()
            || ip.is_loopback()
            || ip.is_link_local()
            || ip.is_broadcast()
            || ip.is_documentation()
            || ip.is_multicast()
            || ip.is_unspecified()
        {
            prop_assert!(NetworkPolicy::strict().check_addr(ip.into()).is_err());
        }
    }

    /// No IPv6 address that contains an IPv4 address is allowed.
    #[test]
    fn embedded_v4_never_passes(bits: u32) {
        let [high, low] = [(bits >> 16) as u16, (bits & 0xffff) as u16];
        for embedded in [
            Ipv4Addr::from(bits).to_ipv6_mapped(),
            Ipv4Addr::from(bits).to_ipv6_compatible(),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
        ] {
            prop_assert!(NetworkPolicy::strict().check_addr(embedded.into()).is_err());
        }
    }

    /// No IPv6 address outside of 2000::/3 is allowed.
    #[test]
    fn only_global_unicast_v6(bits: u128) {
        let ip = Ipv6Addr::from(bits);
        if ip.segments()[0] >> 13 != 1 {
            prop_assert!(NetworkPolicy::strict().check_addr(ip.into()).is_err());
        }
    }
}
