//! How to reach a cluster: kubectl's connection flags.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::api::RetryListener;

/// kubectl's connection flags and what goes with them. All empty is what `kubectl` does without flags.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// `--kubeconfig`: one file, instead of `KUBECONFIG` or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
    /// `--cluster`: a cluster entry of the kubeconfig.
    pub cluster: Option<String>,
    /// `--user`: a user entry of the kubeconfig.
    pub user: Option<String>,
    /// `--namespace`; else the context's, else `default`.
    pub namespace: Option<String>,
    /// `--server`: URL of the API server.
    pub server: Option<String>,
    /// `--token`.
    pub token: Option<SecretString>,
    /// `--as`: user to impersonate.
    pub as_user: Option<String>,
    /// `--as-group`, repeated.
    pub as_groups: Vec<String>,
    /// `--as-uid`.
    pub as_uid: Option<String>,
    /// `--certificate-authority`.
    pub ca_file: Option<PathBuf>,
    /// `--tls-server-name`.
    pub tls_server_name: Option<String>,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
    /// `--request-timeout` for each call that is not a stream; none means 20 s, zero means no limit.
    pub request_timeout: Option<Duration>,
    /// Named in the User-Agent, so that the cluster's audit log tells which run made a call.
    pub run_id: Option<String>,
    /// Is told when a read is tried again.
    pub on_retry: Option<RetryListener>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_show_in_debug_output() {
        let options = ConnectOptions {
            token: Some("canary".into()),
            ..ConnectOptions::default()
        };
        assert!(!format!("{options:?}").contains("canary"));
    }
}
