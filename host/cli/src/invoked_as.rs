//! The way the user started this program, so that hints can be typed the same way.

use std::ffi::OsStr;
use std::path::Path;

use vllm_rollback_settings::Env;

/// The tool's version, for reports and journals.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The way the user started this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvokedAs {
    /// `kubectl vllm-rollback`, or the binary itself.
    Kubectl,
    /// `kubectl vllm`, through a link named `kubectl-vllm`.
    KubectlVllm,
    /// `helm vllm`: Helm ran us as its plugin.
    Helm,
}

impl InvokedAs {
    /// Helm tells its plugins their name (`HELM_PLUGIN_NAME`) and where Helm is (`HELM_BIN`); a user's shell may hold
    /// HELM_BIN alone, so the name decides.
    pub(crate) fn detect(argv0: Option<&OsStr>, env: &Env) -> Self {
        if env.get("HELM_PLUGIN_NAME").is_some() && env.get("HELM_BIN").is_some() {
            return Self::Helm;
        }
        match argv0.and_then(|name| Path::new(name).file_name()) {
            Some(name) if name == "kubectl-vllm" => Self::KubectlVllm,
            _ => Self::Kubectl,
        }
    }

    /// The command as the user types it, without a verb.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kubectl => "kubectl vllm-rollback",
            Self::KubectlVllm => "kubectl vllm",
            Self::Helm => "helm vllm",
        }
    }

    /// A command in this form: `kubectl vllm-rollback status llama -n prod`.
    pub(crate) fn command(self, verb: &str, release: &str, namespace: &str) -> String {
        format!("{} {verb} {release} -n {namespace}", self.name())
    }

    /// Engine and drivers name commands in the kubectl form; this gives them back in the user's.
    pub(crate) fn rewrite_commands(self, text: &str) -> String {
        text.replace(Self::Kubectl.name(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(argv0: &str, env: Env) -> InvokedAs {
        InvokedAs::detect(Some(OsStr::new(argv0)), &env)
    }

    #[test]
    fn helm_is_recognised_by_what_it_tells_its_plugins() {
        let helm = Env::from([("HELM_PLUGIN_NAME", "vllm"), ("HELM_BIN", "helm")]);
        assert_eq!(detect("/p/bin/kubectl-vllm_rollback", helm), InvokedAs::Helm);
        assert_eq!(
            detect("kubectl-vllm_rollback", Env::from([("HELM_BIN", "helm3")])),
            InvokedAs::Kubectl
        );
    }

    #[test]
    fn a_link_named_kubectl_vllm_is_spoken_of_as_such() {
        assert_eq!(detect("/usr/bin/kubectl-vllm", Env::default()).name(), "kubectl vllm");
    }

    #[test]
    fn hints_are_given_in_the_form_that_the_user_typed() {
        let hint = "kubectl vllm-rollback history x";
        assert_eq!(InvokedAs::Helm.rewrite_commands(hint), "helm vllm history x");
    }
}
