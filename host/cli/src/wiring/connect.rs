//! Connection flags → the cluster.

use vllm_rollback_cluster::{Cluster, ConnectOptions, RetryListener};
use vllm_rollback_engine::failure::Failure;

use crate::args::connection::ConnectionArgs;
use crate::journal::mirrored::Warn;

/// Connects, and asks the API server one question to know that address and credentials are good. `warn` is told of every
/// read that is tried again.
///
/// # Errors
/// As [`Cluster::connect`].
pub(crate) async fn connect(args: ConnectionArgs, run_id: Option<String>, warn: Warn) -> Result<Cluster, Failure> {
    Cluster::connect(ConnectOptions {
        kubeconfig: args.kubeconfig,
        context: args.context,
        cluster: args.cluster,
        user: args.user,
        namespace: args.namespace,
        server: args.server,
        token: args.token,
        as_user: args.as_user,
        as_groups: args.as_groups,
        as_uid: args.as_uid,
        ca_file: args.certificate_authority,
        tls_server_name: args.tls_server_name,
        insecure_skip_tls_verify: args.insecure_skip_tls_verify,
        request_timeout: args.request_timeout,
        run_id,
        on_retry: Some(RetryListener::new(move |line| warn(line))),
    })
    .await
}
