//! kubectl's connection flags, and what Helm hands its plugins instead.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;
use vllm_rollback_settings::Env;
use vllm_rollback_settings::duration;

use crate::invoked_as::InvokedAs;
use crate::names;

/// Cluster to connect to, and the identity to use there.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection (as in kubectl)")]
pub(crate) struct ConnectionArgs {
    /// Namespace of the release
    #[arg(short, long, value_name = "NAME", value_parser = names::namespace)]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig
    #[arg(long, visible_alias = "kube-context", value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// Kubeconfig file, instead of $KUBECONFIG and ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Cluster of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// User of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Act as this user
    #[arg(long = "as", alias = "kube-as-user", value_name = "USER")]
    pub(crate) as_user: Option<String>,
    /// Act as a member of this group; may be repeated
    #[arg(long = "as-group", alias = "kube-as-group", value_name = "GROUP")]
    pub(crate) as_groups: Vec<String>,
    /// Act as the user with this UID
    #[arg(long = "as-uid", value_name = "UID")]
    pub(crate) as_uid: Option<String>,
    /// Address of the API server
    #[arg(short, long, alias = "kube-apiserver", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Bearer token; other users of this machine can read it while we run, a kubeconfig is safer
    #[arg(long, alias = "kube-token", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<SecretString>,
    /// Name to expect in the API server's certificate
    #[arg(long, alias = "kube-tls-server-name", value_name = "NAME")]
    pub(crate) tls_server_name: Option<String>,
    /// Do not check the API server's certificate
    #[arg(long, alias = "kube-insecure-skip-tls-verify")]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Certificate authority of the API server
    #[arg(long, alias = "kube-ca-file", value_name = "FILE")]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// Longest wait for one request to the API server; 0 for no limit
    #[arg(long, value_name = "TIME", value_parser = duration::parse_request_timeout)]
    pub(crate) request_timeout: Option<Duration>,
}

impl ConnectionArgs {
    /// Fills in what Helm took out of the command line (helm `pkg/cli/environment.go`, `EnvVars`). Flags win.
    pub(crate) fn with_helm(mut self, invoked_as: InvokedAs, env: &Env) -> Self {
        if invoked_as != InvokedAs::Helm {
            return self;
        }
        self.namespace = self.namespace.or_else(|| env.owned("HELM_NAMESPACE"));
        self.context = self.context.or_else(|| env.owned("HELM_KUBECONTEXT"));
        self.token = self.token.or_else(|| env.get("HELM_KUBETOKEN").map(Into::into));
        self.as_user = self.as_user.or_else(|| env.owned("HELM_KUBEASUSER"));
        self.server = self.server.or_else(|| env.owned("HELM_KUBEAPISERVER"));
        self.tls_server_name = self.tls_server_name.or_else(|| env.owned("HELM_KUBETLS_SERVER_NAME"));
        self.certificate_authority = self
            .certificate_authority
            .or_else(|| env.get("HELM_KUBECAFILE").map(PathBuf::from));
        if self.as_groups.is_empty() {
            let groups = env.get("HELM_KUBEASGROUPS").unwrap_or_default().split(',');
            self.as_groups = groups.filter(|group| !group.is_empty()).map(str::to_owned).collect();
        }
        self.insecure_skip_tls_verify |= env.get("HELM_KUBEINSECURE_SKIP_TLS_VERIFY") == Some("true");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helm_hands_its_flags_over_in_variables_and_empty_ones_are_unset() {
        let env = Env::from([
            ("HELM_NAMESPACE", "prod"),
            ("HELM_KUBECONTEXT", ""),
            ("HELM_KUBEASGROUPS", "ops,oncall"),
            ("HELM_KUBECAFILE", "/ca.pem"),
            ("HELM_KUBEINSECURE_SKIP_TLS_VERIFY", "false"),
        ]);
        let connection = ConnectionArgs::default().with_helm(InvokedAs::Helm, &env);
        assert_eq!(connection.namespace.as_deref(), Some("prod"));
        assert_eq!(connection.context, None);
        assert_eq!(connection.as_groups, ["ops", "oncall"]);
        assert_eq!(connection.certificate_authority, Some("/ca.pem".into()));
        assert!(!connection.insecure_skip_tls_verify);
    }

    #[test]
    fn outside_helm_its_variables_mean_nothing() {
        let env = Env::from([("HELM_NAMESPACE", "prod")]);
        assert_eq!(
            ConnectionArgs::default().with_helm(InvokedAs::Kubectl, &env).namespace,
            None
        );
    }

    #[test]
    fn a_token_is_not_shown_by_debug() {
        let connection = ConnectionArgs {
            token: Some("s3cret".into()),
            ..ConnectionArgs::default()
        };
        assert!(!format!("{connection:?}").contains("s3cret"));
    }
}
