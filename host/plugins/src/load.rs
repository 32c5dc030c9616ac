//! From files to linked components: the store first, the compiler for what is not there.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use futures::future::join_all;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use wasmtime::component::Component;

use crate::compile::Compiler;
use crate::runtime::{DescribeError, Linked, Runtime};
use crate::source::Source;
use crate::store::{self, Store, StoreError};

/// Parts that loading needs.
pub(crate) struct Loader {
    pub(crate) runtime: Arc<Runtime>,
    /// None when compiled components cannot be kept.
    pub(crate) store: Option<Store>,
    pub(crate) compiler: Compiler,
}

impl Loader {
    /// The linked components in the order of the sources, and how many had to be compiled.
    pub(crate) async fn link_all(&self, sources: &[Source]) -> Result<(Vec<Linked>, usize), Failure> {
        let mut components: Vec<Option<Component>> = sources.iter().map(|source| self.kept(source)).collect();
        let missing: Vec<usize> = (0..sources.len()).filter(|at| components[*at].is_none()).collect();
        for (at, component) in self.compile(sources, &missing).await? {
            components[at] = Some(component);
        }
        let linked = components.iter().flatten().zip(sources).map(|(component, source)| {
            self.runtime.link(component).map_err(|why| {
                let what = format!("plugin {} does not fit this tool", source.origin);
                Failure::invalid(what)
                    .because(why)
                    .next(if source.interface.is_newer() { NEWER } else { REBUILD })
            })
        });
        Ok((linked.collect::<Result<_, _>>()?, missing.len()))
    }

    fn kept(&self, source: &Source) -> Option<Component> {
        match self.store.as_ref()?.load(&self.runtime.engine, &source.digest) {
            Ok(component) => Some(component),
            Err(StoreError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!("{} is compiled again: {error}", source.origin);
                None
            }
        }
    }

    /// Compiles in children: one for all built-in checks, which are small and known, and one for each file, so that a file
    /// that the compiler chokes on is named and keeps nobody else from being compiled.
    async fn compile(&self, sources: &[Source], missing: &[usize]) -> Result<Vec<(usize, Component)>, Failure> {
        let (builtin, files): (Vec<usize>, Vec<usize>) = missing.iter().copied().partition(|at| sources[*at].builtin);
        let mut batches: Vec<Vec<usize>> = files.into_iter().map(|at| vec![at]).collect();
        if !builtin.is_empty() {
            batches.push(builtin);
        }
        let children = batches.into_iter().map(|batch| async move {
            let wasm: Vec<&[u8]> = batch.iter().map(|at| sources[*at].wasm.as_ref()).collect();
            let code = self.compiler.compile(&wasm, self.runtime.limits.compile).await;
            batch.into_iter().zip(code)
        });
        let done = join_all(children).await.into_iter().flatten();
        done.map(|(at, code)| Ok((at, self.fresh(&sources[at], code)?)))
            .collect()
    }

    fn fresh(&self, source: &Source, code: Result<Vec<u8>, Failure>) -> Result<Component, Failure> {
        let named = |mut failure: Failure| {
            failure.what = format!("plugin {}: {}", source.origin, failure.what);
            failure
        };
        let code = code.map_err(named)?;
        if let Some(Err(error)) = self.store.as_ref().map(|store| store.keep(&source.digest, &code)) {
            tracing::warn!("{} is not kept compiled: {error}", source.origin);
        }
        store::load_fresh(&self.runtime.engine, &code)
            .map_err(|error| Failure::internal(format!("plugin {} does not load", source.origin)).caused_by(&error))
    }
}

const REBUILD: &str = "build it against this tool's `wit/plugin.wit`";
const NEWER: &str = "use a newer kubectl vllm-rollback: the plugin was built for a later contract";

/// A component that could not even say what it is.
pub(crate) fn broken(origin: &str, error: DescribeError) -> Failure {
    let cannot = |what: &str| Failure::invalid(format!("plugin {origin} cannot be used: {what}"));
    match error {
        DescribeError::OtherTypes(why) => {
            cannot("it was built against a draft of the contract; its functions have other types")
                .because(why)
                .next(REBUILD)
        }
        DescribeError::Fault(fault) => fault
            .evidence
            .iter()
            .fold(cannot(&fault.what), |failure, line| failure.because(line.as_str())),
    }
}

/// Reads an ordinary file of at most `max` bytes.
pub(crate) fn read_file(path: &Path, max: usize) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        let kind = if error.kind() == std::io::ErrorKind::NotFound {
            FailureKind::NotFound
        } else {
            FailureKind::Usage
        };
        Failure::new(kind, format!("cannot read plugin {shown}"))
            .caused_by(&error)
            .next("give the path of a .wasm file")
    };
    // Asked first: opening a FIFO would wait for somebody to write into it.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(std::io::Error::other("not a file")));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    Ok(bytes)
}
