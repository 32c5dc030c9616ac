//! Finds and merges kubeconfig files as kubectl does.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use http::Uri;
use http::uri::InvalidUri;
use kube::Config;
use kube::config::{AuthInfo, ExecInteractiveMode, KubeConfigOptions, Kubeconfig, KubeconfigError};
use vllm_rollback_engine::failure::Failure;

use super::options::ConnectOptions;
use super::proxy::ProxySettings;

/// A client configuration and where it comes from.
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// Name of the context; none in a pod or with `--server` alone.
    pub(crate) context: Option<String>,
}

/// Loads what the options and the environment name; inside a pod without any kubeconfig, the service account.
pub(crate) async fn load(options: &ConnectOptions) -> Result<Loaded, Failure> {
    let paths = candidates(options);
    let present: Vec<&PathBuf> = paths.iter().filter(|p| p.exists()).collect();
    if let (Some(named), true) = (&options.kubeconfig, present.is_empty()) {
        let what = format!("the kubeconfig {} does not exist", named.display());
        return Err(Failure::usage(what).next("give the path of a kubeconfig with --kubeconfig"));
    }
    let mut merged = Kubeconfig::default();
    for path in present {
        merged = Kubeconfig::read_from(path)
            .and_then(|next| merged.merge(next))
            .map_err(|error| unusable(path, &error))?;
    }
    if merged.contexts.is_empty() && merged.clusters.is_empty() {
        return without_kubeconfig(options, &paths);
    }
    let context = options.context.clone().or_else(|| merged.current_context.clone());
    let from_kubeconfig = selected_proxy(&merged, options, context.as_deref());
    let select = KubeConfigOptions {
        context: options.context.clone(),
        cluster: options.cluster.clone(),
        user: options.user.clone(),
    };
    let known: Vec<String> = merged.contexts.iter().map(|c| c.name.clone()).collect();
    let mut config = Config::from_custom_kubeconfig(merged, &select)
        .await
        .map_err(|error| unselectable(&error, &known))?;
    settle_exec(&mut config.auth_info);
    if let Some(server) = &options.server {
        config.cluster_url = parse_server(server)?;
    }
    choose_proxy(&mut config, from_kubeconfig)?;
    Ok(Loaded { config, context })
}

/// Files that may hold the configuration, first wins; missing ones are skipped later, as kubectl does.
fn candidates(options: &ConnectOptions) -> Vec<PathBuf> {
    if let Some(path) = &options.kubeconfig {
        return vec![path.clone()];
    }
    let listed = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let mut paths: Vec<PathBuf> = std::env::split_paths(&listed).collect();
    paths.retain(|path| !path.as_os_str().is_empty());
    if paths.is_empty() {
        paths.extend(std::env::home_dir().map(|home| home.join(".kube/config")));
    }
    paths
}

fn without_kubeconfig(options: &ConnectOptions, paths: &[PathBuf]) -> Result<Loaded, Failure> {
    if options.context.is_none() && options.cluster.is_none() {
        if let Ok(config) = Config::incluster_env() {
            return Ok(Loaded { config, context: None });
        }
        if let Some(server) = &options.server {
            let mut config = Config::new(parse_server(server)?);
            choose_proxy(&mut config, None)?;
            return Ok(Loaded { config, context: None });
        }
    }
    let searched: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    let searched = searched.join(", ");
    Err(Failure::usage("no cluster is configured")
        .because(format!("no kubeconfig with a context was found; searched: {searched}"))
        .next("export KUBECONFIG=PATH, or give --kubeconfig PATH"))
}

fn selected_proxy(merged: &Kubeconfig, options: &ConnectOptions, context: Option<&str>) -> Option<String> {
    let cluster = options.cluster.clone().or_else(|| {
        let named = merged.contexts.iter().find(|c| Some(c.name.as_str()) == context)?;
        Some(named.context.as_ref()?.cluster.clone())
    })?;
    let entry = merged.clusters.iter().find(|c| c.name == cluster)?;
    entry.cluster.as_ref()?.proxy_url.clone()
}

/// Decides on the proxy by the server's address.
fn choose_proxy(config: &mut Config, from_kubeconfig: Option<String>) -> Result<(), Failure> {
    let settings = ProxySettings::from_env(from_kubeconfig);
    let host = config.cluster_url.host().unwrap_or_default();
    let port = config.cluster_url.port_u16().unwrap_or(443);
    let url = settings.proxy_for(host, port).map(str::parse).transpose();
    config.proxy_url = url.map_err(|_| {
        // The URL may hold a password, so it is not shown.
        Failure::usage("the proxy's URL cannot be read").next("check HTTPS_PROXY and the kubeconfig's proxy-url")
    })?;
    Ok(())
}

/// A credential plugin must not prompt in the middle of a run that nobody watches.
fn settle_exec(auth: &mut AuthInfo) {
    if let Some(exec) = &mut auth.exec
        && !std::io::stdin().is_terminal()
    {
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
    }
}

fn unusable(path: &Path, error: &KubeconfigError) -> Failure {
    // A parser's text quotes the file, which may hold a token; only the place is told.
    let why = match error {
        KubeconfigError::Parse(error) => match error.location() {
            Some(at) => format!("it is not valid YAML at line {}, column {}", at.line(), at.column()),
            None => "it is not valid YAML".to_owned(),
        },
        other => other.to_string(),
    };
    Failure::usage(format!("the kubeconfig {} cannot be used", path.display()))
        .because(why)
        .next(format!("kubectl --kubeconfig {} config view", path.display()))
}

fn unselectable(error: &KubeconfigError, contexts: &[String]) -> Failure {
    Failure::usage("the kubeconfig does not lead to a cluster")
        .caused_by(error)
        .next(if contexts.is_empty() {
            "kubectl config get-contexts".to_owned()
        } else {
            format!("choose a context with --context: {}", contexts.join(", "))
        })
}

fn parse_server(server: &str) -> Result<Uri, Failure> {
    server.parse().map_err(|error: InvalidUri| {
        Failure::usage(format!("the server's URL {server:?} cannot be read"))
            .because(error.to_string())
            .next("give a URL such as https://10.0.0.1:6443 with --server")
    })
}
