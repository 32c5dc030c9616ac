//! Connection flags → the helm child process.

use std::sync::Arc;

use vllm_rollback_cluster::records::RecordStore;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_helm::{Connection, HelmBinary};
use vllm_rollback_settings::Env;

use crate::args::connection::ConnectionArgs;

/// Use of Helm by a verb: is it asked for its version and features?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HelmUse {
    /// At once: it is asked beside the connecting.
    Soon,
    /// Never.
    Never,
}

/// Asks helm what it offers, beside other work. What it says, an error too, comes out where it is asked for.
pub(crate) fn look_ahead(binary: &Arc<HelmBinary>) {
    let binary = Arc::clone(binary);
    tokio::spawn(async move {
        let _ = binary.info().await;
    });
}

/// Connection flags for helm, so that it reaches the same cluster as we do.
pub(crate) fn connection(args: &ConnectionArgs) -> Connection {
    Connection {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        as_user: args.as_user.clone(),
        as_groups: args.as_groups.clone(),
        token: args.token.clone(),
        api_server: args.server.clone(),
        ca_file: args.certificate_authority.clone(),
        insecure_skip_tls_verify: args.insecure_skip_tls_verify.then_some(true),
        tls_server_name: args.tls_server_name.clone(),
    }
}

/// Refuses flags that helm has no word for: it would work on another cluster, or as somebody else.
///
/// # Errors
/// Usage, with the way around.
pub(crate) fn assert_same_cluster(args: &ConnectionArgs) -> Result<(), Failure> {
    let unknown = [
        ("--cluster", args.cluster.is_some()),
        ("--user", args.user.is_some()),
        ("--as-uid", args.as_uid.is_some()),
    ];
    match unknown.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => Err(Failure::usage(format!("{flag} cannot be passed on to helm, which would then work on another cluster or as another user"),
        )
        .next("create a context with it and use that: kubectl config set-context NAME --cluster … --user …, then --context NAME")),
    }
}

/// Store of Helm's records, as `HELM_DRIVER` names it.
///
/// # Errors
/// Refused, for a driver whose records are not in the cluster.
pub(crate) fn record_store(env: &Env) -> Result<RecordStore, Failure> {
    let driver = env.get("HELM_DRIVER").unwrap_or_default();
    RecordStore::from_driver(driver).ok_or_else(|| {
        Failure::refused(format!("release records of HELM_DRIVER={driver} cannot be read"))
            .because("only records in Secrets and ConfigMaps of the cluster are supported")
            .next("unset HELM_DRIVER, or set it to secret or configmap")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helm_has_no_word_for_is_refused() {
        let with_user = ConnectionArgs {
            user: Some("ann".into()),
            ..ConnectionArgs::default()
        };
        assert!(assert_same_cluster(&with_user).unwrap_err().what.starts_with("--user"));
        assert!(assert_same_cluster(&ConnectionArgs::default()).is_ok());
    }

    #[test]
    fn a_certificate_that_is_checked_is_not_spoken_of() {
        assert_eq!(connection(&ConnectionArgs::default()).insecure_skip_tls_verify, None);
    }
}
