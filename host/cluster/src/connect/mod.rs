//! The connection to a cluster.

mod identity;
mod kubeconfig;
mod options;
mod proxy;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{HeaderValue, USER_AGENT};
use kube::{Client, Config};
use serde_json::Value;
use vllm_rollback_engine::failure::Failure;

pub use options::ConnectOptions;

use crate::api::{ApiClient, ApiError, Credentials, Resource, escape};
use crate::mapping::Mapper;
use crate::pods;

/// Time for a TCP and TLS connection to the API server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for one call that is not a stream, unless `--request-timeout` says otherwise.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A cluster that answered, in one namespace of it.
#[derive(Clone)]
pub struct Cluster {
    api: ApiClient,
    namespace: String,
    server: String,
    uid: String,
    kinds: Arc<Mutex<BTreeMap<(String, String), Resource>>>,
}

impl Cluster {
    /// Connects, and asks the API server one question to know that address and credentials are good.
    ///
    /// # Errors
    /// `Usage` for a kubeconfig or flag that cannot be used, `Forbidden` for rejected credentials, `Unreachable` when
    /// the server does not answer. All name the server or file.
    pub async fn connect(options: ConnectOptions) -> Result<Self, Failure> {
        let kubeconfig::Loaded { mut config, context } = kubeconfig::load(&options).await?;
        apply(&options, &mut config)?;
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let namespace = config.default_namespace.clone();
        let client = Client::try_from(config.clone())
            .map_err(|error| refuse(ApiError::from(error), &server, context.as_deref()))?;
        let timeout = Some(options.request_timeout.unwrap_or(REQUEST_TIMEOUT)).filter(|limit| !limit.is_zero());
        let api = ApiClient::new(Credentials::new(client, config), timeout, options.on_retry);
        let uid = identity::cluster_uid(&api, &server)
            .await
            .map_err(|error| refuse(error, &server, context.as_deref()))?;
        Ok(Self {
            api,
            namespace,
            server,
            uid,
            kinds: Arc::default(),
        })
    }

    /// The same cluster, in another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            ..self.clone()
        }
    }

    /// The namespace of the release.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Identity of the cluster: the UID of `kube-system`, or the server's address when that cannot be read.
    /// Fit for a directory name.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Returns the name of the user that the API server takes us for.
    ///
    /// # Errors
    /// `Unreachable` or `Forbidden`.
    pub async fn who_am_i(&self) -> Result<String, Failure> {
        identity::who_am_i(&self.api)
            .await
            .map_err(|e| e.into_failure(format!("cannot ask {} who this user is", self.server)))
    }

    pub(crate) fn api(&self) -> &ApiClient {
        &self.api
    }

    /// Lists the objects of a resource in this namespace.
    pub(crate) async fn list(&self, resource: &Resource) -> Result<Vec<Value>, ApiError> {
        let path = resource.collection(Some(&self.namespace));
        Ok(self.api.list(&path, &[]).await?.items)
    }

    /// A kind in the version of its group that the API server prefers; none when it serves no such group. One that was found is
    /// not asked for again.
    pub(crate) async fn preferred(&self, group: &str, kind: &str) -> Result<Option<Resource>, ApiError> {
        let key = (group.to_owned(), kind.to_owned());
        let known = || self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known().get(&key) {
            return Ok(Some(found.clone()));
        }
        let Some(versions) = self.api.find(&format!("/apis/{}", escape(group))).await? else {
            return Ok(None);
        };
        let version = pods::text(&versions["preferredVersion"]["groupVersion"]);
        let found = Mapper::new(self.api.clone()).resource(version, kind).await?;
        if let Some(found) = &found {
            known().insert(key, found.clone());
        }
        Ok(found)
    }
}

fn apply(options: &ConnectOptions, config: &mut Config) -> Result<(), Failure> {
    if let Some(namespace) = &options.namespace {
        config.default_namespace.clone_from(namespace);
    }
    if let Some(token) = &options.token {
        config.auth_info.token = Some(token.clone());
        config.auth_info.token_file = None;
        config.auth_info.exec = None;
    }
    let groups = Some(&options.as_groups).filter(|groups| !groups.is_empty());
    if options.as_user.is_none() && (options.as_uid.is_some() || groups.is_some()) {
        let what = "a group or UID can be impersonated only together with a user";
        return Err(Failure::usage(what).next("add --as USER"));
    }
    if let Some(path) = &options.ca_file {
        std::fs::metadata(path).map_err(|error| {
            Failure::usage(format!("the certificate authority {} cannot be read", path.display()))
                .caused_by(&error)
                .next("give the path of a PEM file with --certificate-authority")
        })?;
    }
    let auth = &mut config.auth_info;
    replace(&mut auth.impersonate, options.as_user.as_ref());
    replace(&mut auth.impersonate_groups, groups);
    replace(&mut auth.impersonate_uid, options.as_uid.as_ref());
    replace(&mut config.root_cert_file, options.ca_file.as_ref());
    replace(&mut config.tls_server_name, options.tls_server_name.as_ref());
    config.accept_invalid_certs |= options.insecure_skip_tls_verify;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = None;
    config.default_retry = false;
    config.headers.push((USER_AGENT, user_agent(options.run_id.as_deref())));
    Ok(())
}

/// Replaces what the kubeconfig says by what an option says, if it says anything.
fn replace<T: Clone>(of_kubeconfig: &mut Option<T>, option: Option<&T>) {
    if option.is_some() {
        *of_kubeconfig = option.cloned();
    }
}

fn user_agent(run_id: Option<&str>) -> HeaderValue {
    let version = env!("CARGO_PKG_VERSION");
    let text = match run_id {
        Some(run) => format!("kubectl-vllm_rollback/{version} (run={run})"),
        None => format!("kubectl-vllm_rollback/{version}"),
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("kubectl-vllm_rollback"))
}

fn refuse(error: ApiError, server: &str, context: Option<&str>) -> Failure {
    let place = match context {
        Some(context) => format!("{server} (context {context})"),
        None => server.to_owned(),
    };
    let what = if error.is_forbidden() {
        format!("the cluster {place} does not accept these credentials")
    } else {
        format!("the cluster {place} cannot be reached")
    };
    error.into_failure(what)
}
