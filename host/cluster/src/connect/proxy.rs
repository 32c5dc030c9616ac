//! Whether the API server is reached through a proxy.
//!
//! kube 5.0 compares `NO_PROXY` with the proxy's own address instead of the server's (kube#2075), so the decision is made here.

use std::net::IpAddr;

/// Proxy settings, as the environment and the kubeconfig give them.
#[derive(Debug, Default, Clone)]
pub(crate) struct ProxySettings {
    /// `proxy-url` of the kubeconfig's cluster.
    pub(crate) from_kubeconfig: Option<String>,
    /// `HTTPS_PROXY` or `https_proxy`.
    pub(crate) https_proxy: Option<String>,
    /// `NO_PROXY` or `no_proxy`.
    pub(crate) no_proxy: Option<String>,
}

impl ProxySettings {
    /// Reads the environment; upper case wins, as in Go.
    pub(crate) fn from_env(from_kubeconfig: Option<String>) -> Self {
        let read = |names: [&str; 2]| {
            names
                .into_iter()
                .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        };
        Self {
            from_kubeconfig: from_kubeconfig.filter(|url| !url.is_empty()),
            https_proxy: read(["HTTPS_PROXY", "https_proxy"]),
            no_proxy: read(["NO_PROXY", "no_proxy"]),
        }
    }

    /// The proxy for this host and port. The kubeconfig's own proxy is not subject to `NO_PROXY`, as in client-go.
    pub(crate) fn proxy_for(&self, host: &str, port: u16) -> Option<&str> {
        if let Some(url) = &self.from_kubeconfig {
            return Some(url);
        }
        let proxy = self.https_proxy.as_deref()?;
        let spared = self.no_proxy.as_deref().is_some_and(|list| is_spared(list, host, port));
        (!spared).then_some(proxy)
    }
}

/// Tells whether `NO_PROXY` names this host (rules of Go's `golang.org/x/net/http/httpproxy`).
fn is_spared(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let ip: Option<IpAddr> = host.parse().ok();
    // Go never sends loopback traffic to a proxy.
    if host == "localhost" || ip.is_some_and(|ip| ip.is_loopback()) {
        return true;
    }
    list.split(',')
        .map(|entry| entry.trim().to_ascii_lowercase())
        .filter(|entry| !entry.is_empty())
        .any(|entry| entry == "*" || matches_entry(&entry, &host, ip, port))
}

fn matches_entry(entry: &str, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
    if let (Some(ip), Some((network, bits))) = (ip, entry.split_once('/')) {
        return matches_network(network, bits, ip);
    }
    let (name, wanted_port) = match entry.rsplit_once(':') {
        Some((name, digits)) if !name.contains(':') => (name, digits.parse::<u16>().ok()),
        _ => (entry, None),
    };
    if wanted_port.is_some_and(|wanted| wanted != port) {
        return false;
    }
    if let Some(ip) = ip {
        return name.parse() == Ok(ip);
    }
    let suffix = name.trim_start_matches('*');
    match suffix.strip_prefix('.') {
        Some(domain) => host.ends_with(suffix) && host.len() > domain.len(),
        None => host == suffix || host.ends_with(&format!(".{suffix}")),
    }
}

fn matches_network(network: &str, bits: &str, ip: IpAddr) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
            bits <= 32 && (u32::from(network) & mask) == (u32::from(ip) & mask)
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
            bits <= 128 && (u128::from(network) & mask) == (u128::from(ip) & mask)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(no_proxy: &str, host: &str) -> bool {
        ProxySettings {
            from_kubeconfig: None,
            https_proxy: Some("http://proxy:3128".into()),
            no_proxy: Some(no_proxy.into()),
        }
        .proxy_for(host, 6443)
        .is_some()
    }

    #[test]
    fn no_proxy_is_compared_with_the_server_and_not_with_the_proxy() {
        assert!(!through("10.0.0.1", "10.0.0.1"));
        assert!(through("proxy", "10.0.0.1"));
    }

    #[test]
    fn networks_domains_ports_and_the_star_spare_a_host() {
        for (list, host, proxied) in [
            ("10.0.0.0/8", "10.2.3.4", false),
            ("10.0.0.0/8", "11.2.3.4", true),
            ("example.org", "api.example.org", false),
            (".example.org", "api.example.org", false),
            ("*.example.org", "api.example.org", false),
            (".example.org", "example.org", true),
            ("example.org", "badexample.org", true),
            ("api.example.org:6443", "api.example.org", false),
            ("api.example.org:443", "api.example.org", true),
            ("*", "anything", false),
            ("fd00::/8", "[fd00::1]", false),
            ("", "127.0.0.1", false),
        ] {
            assert_eq!(through(list, host), proxied, "NO_PROXY={list} host={host}");
        }
    }

    #[test]
    fn the_kubeconfigs_own_proxy_wins_over_the_environment() {
        let settings = ProxySettings {
            from_kubeconfig: Some("socks5://a:1".into()),
            https_proxy: Some("http://b:2".into()),
            no_proxy: Some("*".into()),
        };
        assert_eq!(settings.proxy_for("h", 1), Some("socks5://a:1"));
    }
}
