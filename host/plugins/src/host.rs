//! The checks of a run: where they come from, and how they get ready to run.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::Value;
use tokio::sync::OnceCell;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types as abi;

use crate::builtin::{self, BUILTINS};
use crate::capability;
use crate::compile::Compiler;
use crate::grants::{EffectiveGrants, GrantTable, Grants};
use crate::limits::Limits;
use crate::load::Loader;
use crate::manifest::{self, Manifest};
use crate::precheck::{self, ComponentInterface};
use crate::runtime::{DescribeError, Linked, Runtime};
use crate::source::{Enforcement, Source};
use crate::store::Store;

/// Set-up of a host.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Directory in which compiled components are kept, such as `~/.cache/vllm-rollback`.
    pub cache_dir: PathBuf,
    /// The operator's grants for checks from files.
    pub grants: GrantTable,
    /// Limits of one run.
    pub limits: Limits,
    /// Program that compiles.
    pub compiler: Compiler,
}

impl HostOptions {
    /// Default limits, no grants, and this binary as compiler.
    ///
    /// # Errors
    /// `Internal` when the system does not tell where the binary is.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Result<Self, Failure> {
        Ok(Self {
            cache_dir: cache_dir.into(),
            grants: GrantTable::default(),
            limits: Limits::default(),
            compiler: Compiler::this_binary()?,
        })
    }
}

/// A check that can be run.
pub(crate) struct Loaded {
    pub(crate) manifest: Manifest,
    pub(crate) digest: String,
    pub(crate) builtin: bool,
    pub(crate) enforcement: Enforcement,
    pub(crate) grants: Arc<EffectiveGrants>,
    pub(crate) linked: Linked,
    /// A JSON object.
    pub(crate) parameters: String,
}

/// Time that it took to get the checks ready, for benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loading {
    /// Components that were compiled, because no compiled one was kept.
    pub compiled: usize,
    /// Components that were kept from an earlier run.
    pub kept: usize,
    /// Loading, compiling where that was needed, and linking all of them.
    pub load: Duration,
    /// After that, instantiating each once and having it describe itself.
    pub describe: Duration,
}

/// Description of a component file, for people who decide whether to grant it anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// SHA-256, hex.
    pub digest: String,
    /// Size of the file, bytes.
    pub bytes: usize,
    /// Contract version and imported interfaces, read from the binary.
    pub interface: ComponentInterface,
    /// Description by itself.
    pub manifest: Manifest,
}

/// The checks of a run.
pub struct PluginHost {
    pub(crate) runtime: Arc<Runtime>,
    loader: Loader,
    grants: GrantTable,
    sources: Vec<Source>,
    loaded: OnceCell<(Vec<Arc<Loaded>>, Loading)>,
}

impl PluginHost {
    /// A host without checks. A store that cannot be used costs time and is logged, nothing else.
    ///
    /// # Errors
    /// `Internal` when WebAssembly cannot be run on this machine.
    pub fn new(options: HostOptions) -> Result<Self, Failure> {
        let runtime = Arc::new(Runtime::new(options.limits)?);
        let store = Store::open(&options.cache_dir, &runtime.engine)
            .inspect_err(|error| tracing::warn!("compiled checks are not kept: {error}"))
            .ok();
        Ok(Self {
            loader: Loader {
                runtime: Arc::clone(&runtime),
                store,
                compiler: options.compiler,
            },
            runtime,
            grants: options.grants,
            sources: Vec::new(),
            loaded: OnceCell::new(),
        })
    }

    /// Adds a check that comes with the tool; see [`BUILTINS`]. `parameters` is a JSON object or null.
    ///
    /// # Errors
    /// `Usage` for a name that does not exist.
    pub fn add_builtin(&mut self, name: &str, enforcement: Enforcement, parameters: Value) -> Result<(), Failure> {
        let embedded = builtin::find(name).ok_or_else(|| {
            Failure::usage(format!("there is no built-in check {name:?}"))
                .next(format!("use one of: {}", BUILTINS.join(", ")))
        })?;
        self.add(Source {
            origin: name.to_owned(),
            builtin: true,
            wasm: Cow::Borrowed(embedded.wasm),
            digest: embedded.digest.to_owned(),
            interface: self.interface(name, embedded.wasm)?,
            enforcement,
            parameters,
        })
    }

    /// Adds a check from a component file. Reads it and at its interface; it is compiled by [`PluginHost::load`].
    ///
    /// # Errors
    /// `NotFound`, `Invalid` or `Usage`, with what to do about it.
    pub fn add_file(&mut self, path: &Path, enforcement: Enforcement, parameters: Value) -> Result<(), Failure> {
        let source = self.read(path, enforcement, parameters)?;
        self.add(source)
    }

    fn read(&self, path: &Path, enforcement: Enforcement, parameters: Value) -> Result<Source, Failure> {
        let (origin, max) = (path.display().to_string(), self.runtime.limits.component);
        let wasm = crate::load::read_file(path, max)?;
        Ok(Source {
            builtin: false,
            digest: crate::store::digest(&wasm),
            interface: self.interface(&origin, &wasm)?,
            wasm: Cow::Owned(wasm),
            origin,
            enforcement,
            parameters,
        })
    }

    fn interface(&self, name: &str, wasm: &[u8]) -> Result<ComponentInterface, Failure> {
        precheck::inspect(name, wasm, self.runtime.limits.component, &capability::interfaces())
    }

    fn add(&mut self, source: Source) -> Result<(), Failure> {
        if !source.parameters.is_null() && !source.parameters.is_object() {
            let what = format!("the parameters of {} are no JSON object", source.origin);
            return Err(Failure::usage(what));
        }
        if let Some(same) = self.sources.iter().find(|other| other.digest == source.digest) {
            let what = format!("{} and {} are the same plugin", same.origin, source.origin);
            return Err(Failure::usage(what).next("name it once"));
        }
        self.sources.push(source);
        Ok(())
    }

    /// Compiles what was not compiled before, links and describes all checks, and holds their needs against the grants. Done
    /// once; later calls give the same.
    ///
    /// # Errors
    /// The first check that cannot be used, and why.
    pub async fn load(&self) -> Result<Loading, Failure> {
        self.ready().await.map(|(_, loading)| *loading)
    }

    pub(crate) async fn ready(&self) -> Result<&(Vec<Arc<Loaded>>, Loading), Failure> {
        self.loaded.get_or_try_init(|| self.prepare()).await
    }

    async fn prepare(&self) -> Result<(Vec<Arc<Loaded>>, Loading), Failure> {
        let start = Instant::now();
        let (linked, compiled) = self.loader.link_all(&self.sources).await?;
        let load = start.elapsed();
        let manifests = join_all(linked.iter().map(|linked| self.runtime.describe(linked))).await;
        let describe = start.elapsed().saturating_sub(load);
        let mut loaded: Vec<Arc<Loaded>> = Vec::new();
        for ((source, linked), manifest) in self.sources.iter().zip(linked).zip(manifests) {
            let manifest = self.read_manifest(&source.origin, manifest)?;
            if let Some(same) = loaded.iter().find(|other| other.manifest.name == manifest.name) {
                let what = format!(
                    "{} has the same name as another check: {}",
                    source.origin, same.manifest.name
                );
                return Err(Failure::refused(what).next("leave one of them out"));
            }
            loaded.push(Arc::new(self.admit(source, linked, manifest)?));
        }
        let names: Vec<_> = loaded.iter().map(|check| check.manifest.name.as_str()).collect();
        if let Some(unknown) = self.grants.unknown_check(&names) {
            let what = format!("--grant {unknown}=… is for no check of this run");
            return Err(Failure::usage(what).next(format!("the checks are: {}", names.join(", "))));
        }
        let loading = Loading {
            compiled,
            kept: loaded.len() - compiled,
            load,
            describe,
        };
        Ok((loaded, loading))
    }

    fn read_manifest(&self, origin: &str, said: Result<abi::Manifest, DescribeError>) -> Result<Manifest, Failure> {
        let said = said.map_err(|error| crate::load::broken(origin, error))?;
        Manifest::read(origin, said, &self.runtime.limits)
    }

    /// Holds a check against its grants and parameters.
    fn admit(&self, source: &Source, linked: Linked, manifest: Manifest) -> Result<Loaded, Failure> {
        let operator = self.grants.for_check(&manifest.name);
        let granted = match (source.builtin, BUILTINS.contains(&manifest.name.as_str())) {
            (true, _) => Grants::from_capabilities(builtin::grants(&source.origin)),
            (false, false) => operator,
            (false, true) => {
                let what = format!(
                    "{} calls itself {}, like a built-in check",
                    source.origin, manifest.name
                );
                return Err(Failure::refused(what).next("give the plugin a name of its own"));
            }
        };
        let grants = EffectiveGrants::new(&manifest.name, &manifest.needs, granted);
        grants.complete()?;
        manifest::check_parameters(&manifest, &source.parameters)?;
        let parameters = match &source.parameters {
            Value::Null => "{}".to_owned(),
            given => given.to_string(),
        };
        Ok(Loaded {
            digest: source.digest.clone(),
            builtin: source.builtin,
            enforcement: source.enforcement,
            grants: Arc::new(grants),
            manifest,
            linked,
            parameters,
        })
    }

    /// Reads, compiles and describes a component file, granting it nothing.
    ///
    /// # Errors
    /// As [`PluginHost::add_file`] and [`PluginHost::load`].
    pub async fn inspect(&self, path: &Path) -> Result<Inspection, Failure> {
        let source = self.read(path, Enforcement::Advisory, Value::Null)?;
        let (linked, _) = self.loader.link_all(std::slice::from_ref(&source)).await?;
        let Some(linked) = linked.first() else {
            return Err(Failure::internal(format!("{} was not loaded", source.origin)));
        };
        let manifest = self.read_manifest(&source.origin, self.runtime.describe(linked).await)?;
        Ok(Inspection {
            digest: source.digest,
            bytes: source.wasm.len(),
            interface: source.interface,
            manifest,
        })
    }
}
