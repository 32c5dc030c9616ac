//! What the operator lets a check reach.
//!
//! A check's manifest *asks*; only the operator *grants*. What a check gets is the intersection: a grant that the manifest does
//! not ask for is of no use, and a check that asks for more than it is granted does not run at all, because it could not judge.
//! The built-in checks are granted what [`crate::builtin`] says, not what they say themselves.

use std::collections::{BTreeMap, BTreeSet};

use vllm_rollback_engine::failure::Failure;

use crate::capability::Capability;

/// Grants of one check.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    capabilities: BTreeSet<Capability>,
    /// Names and values of `host:NAME=URL` and its like.
    named: BTreeMap<Capability, BTreeMap<String, String>>,
}

impl Grants {
    /// Exactly these, none by name.
    pub(crate) fn from_capabilities(capabilities: &[Capability]) -> Self {
        Self {
            capabilities: capabilities.iter().copied().collect(),
            named: BTreeMap::new(),
        }
    }

    fn add(&mut self, grant: &str) -> Result<(), Failure> {
        let by_name = grant.split_once(':').and_then(|(word, rest)| {
            let capability = Capability::from_word(word)?;
            Some((capability, capability.named()?, rest))
        });
        if let Some((capability, read_value, rest)) = by_name {
            let (name, value) = match rest.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (rest, None),
            };
            if !is_name(name) {
                let what = format!("`{capability}` is granted as {}", capability.grant_form());
                return Err(Failure::usage(what));
            }
            let value = read_value(value)?;
            self.capabilities.insert(capability);
            self.named.entry(capability).or_default().insert(name.to_owned(), value);
            return Ok(());
        }
        for word in grant.split(',') {
            let known = Capability::from_word(word).filter(|one| one.named().is_none());
            let capability = known.ok_or_else(|| {
                let all = Capability::ALL.map(Capability::grant_form).join(", ");
                Failure::usage(format!("{word:?} cannot be granted")).next(format!("grant one of: {all}"))
            })?;
            self.capabilities.insert(capability);
        }
        Ok(())
    }
}

/// The operator's grants, by the name of the check.
#[derive(Debug, Clone, Default)]
pub struct GrantTable {
    by_check: BTreeMap<String, Grants>,
}

impl GrantTable {
    /// Reads `--grant` values: `NAME=pod`, `NAME=pod,cluster`, `NAME=host:prometheus=https://prometheus.example`.
    ///
    /// # Errors
    /// `Usage`, with the forms that are known.
    pub fn parse<S: AsRef<str>>(flags: impl IntoIterator<Item = S>) -> Result<Self, Failure> {
        let mut table = Self::default();
        for flag in flags {
            let Some((name, grant)) = flag.as_ref().split_once('=').filter(|(name, _)| is_name(name)) else {
                return Err(Failure::usage("a grant names a check and what it may reach")
                    .next("write --grant NAME=pod, with the name that the plugin gives itself"));
            };
            let grants = table.by_check.entry(name.to_owned()).or_default();
            grants.add(grant).map_err(|mut failure| {
                failure.what = format!("--grant {name}=…: {}", failure.what);
                failure
            })?;
        }
        Ok(table)
    }

    /// Grants of the check of this name: none, unless the operator said otherwise.
    pub(crate) fn for_check(&self, name: &str) -> Grants {
        self.by_check.get(name).cloned().unwrap_or_default()
    }

    /// The first name that none of these checks has.
    pub(crate) fn unknown_check<'a>(&'a self, known: &[&str]) -> Option<&'a str> {
        self.by_check
            .keys()
            .map(String::as_str)
            .find(|name| !known.contains(name))
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Declared and granted: what a run may use.
#[derive(Debug, Clone)]
pub(crate) struct EffectiveGrants {
    check: String,
    declared: BTreeSet<Capability>,
    granted: Grants,
}

impl EffectiveGrants {
    pub(crate) fn new(check: &str, declared: &BTreeSet<Capability>, granted: Grants) -> Self {
        Self {
            check: check.to_owned(),
            declared: declared.clone(),
            granted,
        }
    }

    /// Nothing at all; while a component describes itself.
    pub(crate) fn nothing() -> Self {
        Self::new("describe", &BTreeSet::new(), Grants::default())
    }

    /// Fails when the manifest needs what was not granted.
    pub(crate) fn complete(&self) -> Result<(), Failure> {
        let missing: Vec<_> = self.declared.difference(&self.granted.capabilities).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let words: Vec<_> = missing.iter().map(|one| format!("`{one}`")).collect();
        let what = format!(
            "plugin {} needs {}, which was not granted",
            self.check,
            words.join(" and ")
        );
        let steps = missing
            .iter()
            .map(|one| format!("add --grant {}={}", self.check, one.grant_form()));
        Err(steps.fold(Failure::refused(what), Failure::next))
    }

    /// Lets a use pass, or says what would.
    pub(crate) fn allow(&self, capability: Capability) -> Result<(), String> {
        if !self.declared.contains(&capability) {
            return Err(format!(
                "`{capability}` is not among the needs in the manifest of {}",
                self.check
            ));
        }
        if !self.granted.capabilities.contains(&capability) {
            let (check, form) = (&self.check, capability.grant_form());
            return Err(format!(
                "`{capability}` was not granted to {check}; --grant {check}={form} would"
            ));
        }
        Ok(())
    }

    /// The value that was granted under this name, or what would grant it.
    pub(crate) fn named(&self, capability: Capability, name: &str) -> Result<&str, String> {
        let of_capability = self.granted.named.get(&capability);
        let value = of_capability.and_then(|named| named.get(name)).ok_or_else(|| {
            let (check, form) = (&self.check, capability.grant_form().replace("NAME", name));
            format!("`{capability}:{name}` was not granted to {check}; --grant {check}={form} would")
        })?;
        self.allow(capability).map(|()| value.as_str())
    }

    /// Words for the report: `pod`, `host:prometheus=https://…`.
    pub(crate) fn words(&self) -> Vec<String> {
        let usable = self.declared.intersection(&self.granted.capabilities);
        let (by_name, by_word): (Vec<_>, Vec<_>) = usable.partition(|one| one.named().is_some());
        let named = by_name.into_iter().flat_map(|capability| {
            let named = self.granted.named.get(capability).into_iter().flatten();
            named.map(move |(name, value)| match value.as_str() {
                "" => format!("{capability}:{name}"),
                value => format!("{capability}:{name}={value}"),
            })
        });
        by_word.into_iter().map(ToString::to_string).chain(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use vllm_rollback_engine::failure::FailureKind;

    use super::*;

    fn effective(declared: &[Capability], flags: &[&str]) -> EffectiveGrants {
        let table = GrantTable::parse(flags).unwrap();
        EffectiveGrants::new("probe", &declared.iter().copied().collect(), table.for_check("probe"))
    }

    #[test]
    fn nothing_is_granted_by_default() {
        let probe = effective(&[Capability::Pod], &[]);
        let failure = probe.complete().unwrap_err();
        assert_eq!(failure.what, "plugin probe needs `pod`, which was not granted");
        assert_eq!(failure.next, ["add --grant probe=pod"]);
        assert!(probe.allow(Capability::Pod).is_err());
    }

    #[test]
    fn what_is_granted_but_not_declared_is_of_no_use() {
        let probe = effective(&[Capability::Pod], &["probe=pod,cluster"]);
        assert!(probe.complete().is_ok());
        assert!(probe.allow(Capability::Pod).is_ok());
        assert!(probe.allow(Capability::Cluster).unwrap_err().contains("manifest"));
        assert_eq!(probe.words(), ["pod"]);
    }

    #[test]
    fn grants_of_another_check_do_not_count() {
        assert!(effective(&[Capability::Pod], &["other=pod"]).complete().is_err());
    }

    #[test]
    fn a_host_is_granted_by_name_and_url() {
        let probe = effective(&[Capability::Host], &["probe=host:prom=https://prometheus.example/api"]);
        assert!(probe.complete().is_ok() && probe.named(Capability::Host, "prom").is_ok());
        assert!(
            probe
                .named(Capability::Host, "evil")
                .unwrap_err()
                .contains("--grant probe=host:evil=URL")
        );
        assert_eq!(probe.words(), ["host:prom=https://prometheus.example/api"]);
        assert!(
            effective(&[], &["probe=host:prom=https://p.example"])
                .named(Capability::Host, "prom")
                .is_err()
        );
    }

    #[test]
    fn a_check_that_needs_a_host_wants_one_named() {
        let failure = effective(&[Capability::Host], &[]).complete().unwrap_err();
        assert_eq!(failure.next, ["add --grant probe=host:NAME=URL"]);
    }

    #[test]
    fn malformed_grants_say_what_is_known() {
        for bad in [
            "",
            "probe",
            "=pod",
            "probe=",
            "probe=everything",
            "probe=host",
            "probe=host:=x",
            "probe=host:a=ftp://x",
            "a b=pod",
        ] {
            let failure = GrantTable::parse([bad]).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Usage, "{bad}");
            assert!(!failure.what.is_empty());
        }
    }

    #[test]
    fn a_grant_for_a_check_that_is_not_there_is_noticed() {
        let table = GrantTable::parse(["prob=pod"]).unwrap();
        assert_eq!(table.unknown_check(&["probe"]), Some("prob"));
        assert_eq!(table.unknown_check(&["prob"]), None);
    }

    proptest! {
        #[test]
        fn a_flag_grants_what_it_names_or_is_refused(
            flag in "(?s).{0,40}|[a-z]{1,6}=((pod|router|cluster|registry|metrics|host)(,|:|=|[a-z]|://){0,2}){0,4}",
        ) {
            match GrantTable::parse([&flag]) {
                Ok(table) => {
                    let (name, words) = flag.split_once('=').unwrap();
                    prop_assert_eq!(table.unknown_check(&[name]), None);
                    let effective = EffectiveGrants::new(name, &Capability::ALL.into_iter().collect(), table.for_check(name));
                    let is_host = words.starts_with("host:");
                    for capability in Capability::ALL {
                        let named = match capability {
                            Capability::Host => is_host,
                            other => !is_host && words.split(',').any(|word| word == other.as_str()),
                        };
                        prop_assert_eq!(effective.allow(capability).is_ok(), named, "{}", capability);
                    }
                }
                Err(failure) => {
                    prop_assert_eq!(failure.kind, FailureKind::Usage);
                    prop_assert!(!failure.what.is_empty());
                }
            }
        }
    }
}
