//! From an endpoint's name to the address of one backend, without DNS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `NAME=ADDRESS:PORT` on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// What stands before the equals sign.
    pub name: String,
    /// Where it leads.
    pub address: SocketAddr,
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = text.split_once('=').ok_or("wants NAME=ADDRESS:PORT")?;
        let address = address.parse().map_err(|_| format!("{address} is no ADDRESS:PORT"))?;
        Ok(Self {
            name: name.to_owned(),
            address,
        })
    }
}

/// Knows addresses from the command line and from a file, which is read for every question.
#[derive(Debug)]
pub(crate) struct Resolver {
    fixed: BTreeMap<String, Vec<SocketAddr>>,
    file: Option<PathBuf>,
    turn: AtomicUsize,
}

impl Resolver {
    pub(crate) fn new(mappings: &[Mapping], file: Option<PathBuf>) -> Self {
        Self {
            fixed: by_name(mappings),
            file,
            turn: AtomicUsize::new(0),
        }
    }

    /// One address of `endpoint` (host:port); those of a name take turns. The file goes before the command line.
    pub(crate) fn address(&self, endpoint: &str) -> Result<SocketAddr, String> {
        if let Ok(address) = endpoint.parse() {
            return Ok(address);
        }
        let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host);
        let listed = match &self.file {
            None => BTreeMap::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
                parse(&text)?
            }
        };
        let known = [&listed, &self.fixed]
            .into_iter()
            .find_map(|names| names.get(endpoint).or_else(|| names.get(host)));
        let addresses = known.ok_or_else(|| format!("no address of {endpoint} is known"))?;
        Ok(addresses[self.turn.fetch_add(1, Ordering::Relaxed) % addresses.len()])
    }
}

fn parse(text: &str) -> Result<BTreeMap<String, Vec<SocketAddr>>, String> {
    let mappings: Vec<Mapping> = text.lines().map(str::parse).collect::<Result<_, _>>()?;
    Ok(by_name(&mappings))
}

fn by_name(mappings: &[Mapping]) -> BTreeMap<String, Vec<SocketAddr>> {
    let mut names: BTreeMap<String, Vec<SocketAddr>> = BTreeMap::new();
    for mapping in mappings {
        names.entry(mapping.name.clone()).or_default().push(mapping.address);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(mappings: &[&str]) -> Resolver {
        let mappings: Vec<Mapping> = mappings.iter().map(|text| text.parse().unwrap()).collect();
        Resolver::new(&mappings, None)
    }

    #[test]
    fn the_addresses_of_a_name_take_turns() {
        let resolver = resolver(&["llama.system.svc=127.0.0.1:1", "llama.system.svc=127.0.0.1:2"]);
        let ports: Vec<_> = (0..4)
            .map(|_| resolver.address("llama.system.svc:8000").unwrap().port())
            .collect();
        assert_eq!(ports, [1, 2, 1, 2]);
    }

    #[test]
    fn a_name_with_its_port_goes_before_the_name_alone() {
        let resolver = resolver(&["llama:8000=127.0.0.1:1", "llama=127.0.0.1:2"]);
        assert_eq!(resolver.address("llama:8000").unwrap().port(), 1);
        assert_eq!(resolver.address("llama:9000").unwrap().port(), 2);
    }

    #[test]
    fn an_address_needs_no_lookup_and_an_unknown_name_has_none() {
        assert_eq!(resolver(&[]).address("127.0.0.1:8000").unwrap().port(), 8000);
        assert_eq!(
            resolver(&[]).address("llama:8000").unwrap_err(),
            "no address of llama:8000 is known"
        );
    }

    #[test]
    fn the_file_is_read_again_for_every_question() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let resolver = Resolver::new(&[], Some(file.path().to_owned()));
        std::fs::write(file.path(), "llama=127.0.0.1:1\nllama=127.0.0.1:2\n").unwrap();
        assert_eq!(resolver.address("llama:8000").unwrap().port(), 1);
        std::fs::write(file.path(), "").unwrap();
        assert!(resolver.address("llama:8000").is_err());
    }
}
