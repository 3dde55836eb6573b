//! The tests of the policy against the registries of special-purpose addresses. Of each block, the first
//! and the last address are refused, and the addresses just outside are not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hookpost::domain::endpoint_url::EndpointUrl;
use hookpost::domain::network_policy::NetworkPolicy;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::prelude::*;

/// IANA's IPv4 Special-Purpose Address Registry, with multicast, which has a registry of its own.
const SPECIAL_V4: &[&str] = &[
    "0.0.0.0/8",
    "0.0.0.0/32",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.0/29",
    "192.0.0.8/32",
    "192.0.0.9/32",
    "192.0.0.10/32",
    "192.0.0.170/32",
    "192.0.0.171/32",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.88.99.2/32",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    // In no registry: Azure's wire server, the one metadata service amid public addresses.
    "168.63.129.16/32",
];

/// IANA's IPv6 Special-Purpose Address Registry, with what other registries and RFCs set apart.
const SPECIAL_V6: &[&str] = &[
    "::1/128",
    "::/128",
    "::/96",
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "200::/7",
    "2001::/23",
    "2001::/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:2::/48",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Public addresses that deliveries must reach: of well-known services and networks of each region.
const PUBLIC: &[&str] = &[
    "1.0.0.0",
    "1.1.1.1",
    "8.8.8.8",
    "9.9.9.9",
    "23.185.0.3",
    "34.117.59.81",
    "52.95.110.1",
    "64.233.160.1",
    "93.184.215.14",
    "104.16.132.229",
    "140.82.121.4",
    "151.101.1.69",
    "162.159.135.232",
    "172.67.1.1",
    "185.199.108.153",
    "192.30.255.113",
    "192.178.1.1",
    "198.41.0.4",
    "199.232.1.1",
    "202.12.27.33",
    "203.104.209.7",
    "216.58.206.46",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "2400:cb00:2048::1",
    "240e::1",
    "2600:1901::1",
    "2606:4700:4700::1111",
    "2620:fe::fe",
    "2800:3f0:4001::1",
    "2a00:1450:4001:800::200e",
    "2a03:2880:f10c:83::1",
    "2c0f:fb50:4002::1",
    "3ffe:ffff::1",
];

fn nets_v4() -> Vec<Ipv4Net> {
    SPECIAL_V4.iter().map(|net| net.parse().unwrap()).collect()
}

fn nets_v6() -> Vec<Ipv6Net> {
    SPECIAL_V6.iter().map(|net| net.parse().unwrap()).collect()
}

/// Reports whether a request may go to `ip`, by the tables above alone.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !nets_v4().iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => {
            ip.segments()[0] >> 13 == 1 && !nets_v6().iter().any(|net| net.contains(&ip))
        }
    }
}

/// The first and the last address of a block, and their neighbours outside of it, if any.
fn edges(net: IpNet) -> ([IpAddr; 2], Vec<IpAddr>) {
    match net {
        IpNet::V4(net) => {
            let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
            let outside = [first.checked_sub(1), last.checked_add(1)];
            let v4 = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
            (
                [v4(first), v4(last)],
                outside.into_iter().flatten().map(v4).collect(),
            )
        }
        IpNet::V6(net) => {
            let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
            let outside = [first.checked_sub(1), last.checked_add(1)];
            let v6 = |bits| IpAddr::V6(Ipv6Addr::from_bits(bits));
            (
                [v6(first), v6(last)],
                outside.into_iter().flatten().map(v6).collect(),
            )
        }
    }
}

fn passes(ip: IpAddr) -> bool {
    NetworkPolicy::strict().check_addr(ip).is_ok()
}

#[test]
fn every_special_block_is_refused_from_its_first_to_its_last_address() {
    let mut neighbours = 0;
    for block in [SPECIAL_V4, SPECIAL_V6].concat() {
        let ([first, last], outside) = edges(block.parse().unwrap());
        assert!(!passes(first), "{first}, the first of {block}");
        assert!(!passes(last), "{last}, the last of {block}");
        for neighbour in outside {
            assert_eq!(
                passes(neighbour),
                is_public(neighbour),
                "{neighbour} beside {block}"
            );
            neighbours += usize::from(is_public(neighbour));
        }
    }
    // Enough blocks lie amid public addresses for this to say something.
    assert!(neighbours > 40, "{neighbours} public neighbours");
}

#[test]
fn public_addresses_are_allowed_whole() {
    for public in PUBLIC {
        let ip: IpAddr = public.parse().unwrap();
        assert!(is_public(ip), "{public} is in the table by mistake");
        assert!(passes(ip), "{public}");
        let host = if ip.is_ipv6() {
            format!("[{ip}]")
        } else {
            ip.to_string()
        };
        let url = format!("https://{host}:8443/hook");
        let parsed = EndpointUrl::parse(&url, &NetworkPolicy::strict());
        assert_eq!(parsed.map(|url| url.to_string()), Ok(url));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Anywhere, in a special block, and one bit away from one.
    #[test]
    fn any_v4_address_is_judged_by_the_registry(bits: u32, near in 0..SPECIAL_V4.len(), flipped in 0..32u32) {
        let block: Ipv4Net = SPECIAL_V4[near].parse().unwrap();
        let inside = block.network().to_bits() | (bits & block.hostmask().to_bits());
        for bits in [bits, inside, inside ^ (1 << flipped)] {
            let ip = IpAddr::V4(Ipv4Addr::from_bits(bits));
            prop_assert_eq!(passes(ip), is_public(ip), "{}", ip);
        }
    }

    /// Half of them in the part of the space where there are public ones, near the special blocks.
    #[test]
    fn any_v6_address_is_judged_by_the_registry(bits: u128, near in 0..SPECIAL_V6.len(), flipped in 0..129u32) {
        let block: Ipv6Net = SPECIAL_V6[near].parse().unwrap();
        let inside = block.network().to_bits() | (bits & block.hostmask().to_bits());
        // One bit off is a neighbour at some distance; shifting by 128 flips none.
        let beside = inside ^ 1u128.checked_shl(flipped).unwrap_or(0);
        for bits in [bits, (bits >> 3) | (1 << 125), inside, beside] {
            let ip = IpAddr::V6(Ipv6Addr::from_bits(bits));
            prop_assert_eq!(passes(ip), is_public(ip), "{}", ip);
        }
    }
}
