//! A route that leads to the release, and its saved state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vllm_rollback_objects::route::{Backend, Observed, Route, RouteId, share};

/// Saved state: the weight of each backend of the release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DriverState {
    pub(super) weights: Vec<Remembered>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) route: RouteId,
    pub(super) rule: usize,
    pub(super) backend: String,
    pub(super) weight: Option<u32>,
    /// No other backend shares the rule.
    pub(super) alone: bool,
}

/// A route that leads to the release.
pub(super) struct ReleaseRoute {
    pub(super) route: Route,
    pub(super) own: Vec<Backend>,
}

impl ReleaseRoute {
    /// No gateway routes by it, so nobody can be asked about it. Its weights are held all the same: one may accept it later.
    pub(super) fn is_rejected(&self) -> bool {
        matches!(self.route.observed, Observed::Refused(_))
    }

    /// No gateway sends the release a request by it.
    pub(super) fn is_out(&self) -> bool {
        self.is_rejected() || self.own.iter().all(|own| own.share() == 0)
    }

    /// The share of a rule's traffic that the release had, for each rule that it shared with others.
    pub(super) fn shares(&self, token: &DriverState) -> Vec<f64> {
        let mut shares = Vec::new();
        let mut had: BTreeMap<usize, u32> = BTreeMap::new();
        for (own, weight) in self.wanted(token) {
            *had.entry(own.rule).or_default() += share(weight);
        }
        for (rule, had) in had {
            let others = self.route.backends.iter().filter(|other| other.rule == rule);
            let others: u32 = others
                .filter(|other| !self.own.contains(other))
                .map(Backend::share)
                .sum();
            if had > 0 && others > 0 {
                shares.push(f64::from(had) / (f64::from(had) + f64::from(others)));
            }
        }
        shares
    }

    /// Another backend gets traffic by this rule, or by any, that also leads to the release.
    pub(super) fn has_others(&self, rule: Option<usize>) -> bool {
        let rules = |backend: &Backend| {
            rule.is_none_or(|rule| rule == backend.rule) && self.own.iter().any(|own| own.rule == backend.rule)
        };
        let is_own = |backend: &Backend| self.own.contains(backend);
        self.route
            .backends
            .iter()
            .any(|backend| rules(backend) && !is_own(backend) && backend.share() > 0)
    }

    pub(super) fn line(&self) -> String {
        let weights: Vec<String> = self
            .own
            .iter()
            .map(|backend| format!("{} weight {}", backend.name, backend.share()))
            .collect();
        let observed = match &self.route.observed {
            Observed::Accepted(line) | Observed::Pending(line) | Observed::Refused(line) => line,
        };
        format!("{}: {}; {observed}", self.route.id, weights.join(", "))
    }

    pub(super) fn remembered(&self) -> impl Iterator<Item = Remembered> + '_ {
        self.own.iter().map(|backend| Remembered {
            route: self.route.id.clone(),
            rule: backend.rule,
            backend: backend.name.clone(),
            weight: backend.weight,
            alone: self
                .route
                .backends
                .iter()
                .filter(|other| other.rule == backend.rule)
                .count()
                == 1,
        })
    }

    /// Backends of the release with the weight to restore. Rules may have been moved meanwhile: a backend is found by its
    /// name first, then by its rule. A backend without a saved weight is left out.
    pub(super) fn wanted<'l>(&'l self, token: &'l DriverState) -> impl Iterator<Item = (&'l Backend, Option<u32>)> {
        self.own.iter().filter_map(|backend| {
            let same = |known: &&Remembered| known.route == self.route.id && known.backend == backend.name;
            let known = token.weights.iter().filter(same);
            let known = known
                .clone()
                .find(|known| known.rule == backend.rule)
                .or(known.clone().next())?;
            Some((backend, known.weight))
        })
    }
}
