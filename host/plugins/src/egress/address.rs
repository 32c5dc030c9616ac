//! Which addresses a name may lead to.
//!
//! | address | why it is refused |
//! |---|---|
//! | 169.254.0.0/16, fe80::/10 | link-local: instance metadata of AWS, Azure, GCP, OpenStack, … |
//! | fd00:ec2::254, fd20:ce::254, 100.100.100.200, 168.63.129.16, 192.0.0.192 | metadata of AWS and GCP over IPv6, Alibaba, Azure, Oracle |
//! | 0.0.0.0/8, ::, 127.0.0.0/8, ::1 | this machine, unless the name is `localhost` |
//! | multicast, broadcast, reserved | not a server |
//!
//! The IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4) is judged like the address itself. A grant or a
//! configuration that spells out an IP address means that address; nothing is refused then.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A name led to an address that checks may not talk to.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address of the {0} range, which is refused unless the address itself is granted")]
pub(crate) struct RefusedAddress(&'static str);

/// Resolves names and lets only addresses pass that a check may talk to. The connection is made to what comes out here.
#[derive(Debug, Clone)]
pub(crate) enum CheckedResolver {
    /// Names as the operating system resolves them.
    System,
    /// Always the same answer.
    #[cfg(test)]
    Fixed(Vec<IpAddr>),
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = match resolver {
                Self::System => tokio::net::lookup_host((name.as_str(), 0)).await?.collect(),
                #[cfg(test)]
                Self::Fixed(answer) => answer.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect(),
            };
            for address in &found {
                if let Some(range) = refused(name.as_str(), address.ip()) {
                    return Err(RefusedAddress(range).into());
                }
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The range for which an address is refused when `name` leads to it.
fn refused(name: &str, address: IpAddr) -> Option<&'static str> {
    const METADATA: [IpAddr; 5] = [
        IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
        IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
        IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254)),
        IpAddr::V6(Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254)),
    ];
    let address = match address {
        IpAddr::V6(v6) => embedded(v6).map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 => v4,
    };
    let (link_local, unspecified, reserved) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[0] == 0, v4.octets()[0] >= 240),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.is_unspecified(), false),
    };
    if link_local {
        Some("link-local")
    } else if METADATA.contains(&address) {
        Some("metadata")
    } else if address.is_loopback() {
        let by_its_own_name = name.trim_end_matches('.').eq_ignore_ascii_case("localhost");
        (!by_its_own_name).then_some("loopback")
    } else if unspecified {
        Some("unspecified")
    } else if address.is_multicast() || reserved {
        Some("multicast or reserved")
    } else {
        None
    }
}

/// The IPv4 address that an IPv6 one stands for.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let from = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => Some(from(g, h)),
        (0, 0, 0, 0, 0, 0) if g != 0 => Some(from(g, h)),
        (0x2002, ..) => Some(from(b, c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(name: &str, address: &str) -> Option<&'static str> {
        refused(name, address.parse().unwrap())
    }

    #[test]
    fn addresses_where_clouds_hand_out_credentials_are_refused() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "fe80::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
        ] {
            assert!(verdict("metadata.example", address).is_some(), "{address}");
        }
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_still_that_address() {
        for address in [
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "::169.254.169.254",
            "2002:a9fe:a9fe::1",
        ] {
            assert_eq!(verdict("metadata.example", address), Some("link-local"), "{address}");
        }
    }

    #[test]
    fn this_machine_is_reached_by_its_own_name_only() {
        assert_eq!(verdict("rebound.example", "127.0.0.1"), Some("loopback"));
        assert_eq!(verdict("rebound.example", "::1"), Some("loopback"));
        assert_eq!(verdict("localhost", "127.0.0.1"), None);
        assert_eq!(verdict("localhost.", "::1"), None);
        assert!(verdict("localhost", "0.0.0.0").is_some());
    }

    #[test]
    fn private_and_public_servers_are_reached() {
        for address in [
            "10.1.2.3",
            "192.168.1.1",
            "172.16.0.1",
            "100.64.0.1",
            "8.8.8.8",
            "fd12::1",
            "2606:4700::1",
        ] {
            assert_eq!(verdict("prometheus.example", address), None, "{address}");
        }
    }
}
