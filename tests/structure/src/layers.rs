//! Which crate may depend on which, and who may name the types of kube and wasmtime.

use std::path::{Path as FilePath, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::Error;

/// The host's crates and what of ours each may depend on, beside the tests' own crates in its tests.
pub const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("objects", &[]),
    ("metrics", &["objects"]),
    ("engine", &["objects"]),
    ("helm", &["engine", "objects"]),
    ("cluster", &["engine", "objects", "metrics"]),
    ("settings", &["engine"]),
    ("registry", &["engine", "objects", "settings"]),
    ("plugin-abi", &[]),
    ("plugins", &["engine", "objects", "metrics", "plugin-abi"]),
    ("report", &["engine", "objects"]),
    (
        "cli",
        &[
            "objects", "metrics", "engine", "helm", "cluster", "registry", "plugins", "report", "settings",
        ],
    ),
];

/// Libraries that only some crates may name: how their names begin, and those crates.
pub const NAMED_ONLY_BY: &[(&[&str], &[&str])] = &[
    (&["kube", "k8s-openapi"], &["cluster"]),
    (&["wasmtime"], &["plugins", "plugin-abi"]),
];

/// A package of the workspace as `cargo metadata` has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    /// Name in its Cargo.toml.
    pub name: String,
    /// Path of its `Cargo.toml`.
    pub manifest_path: PathBuf,
    /// Of every kind: normal, build, dev.
    pub dependencies: Vec<Dependency>,
}

/// A dependency as declared.
#[derive(Debug, Clone, Deserialize)]
pub struct Dependency {
    /// The package's own name, whatever it is renamed to.
    pub name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub kind: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// The packages of the workspace at `root`.
pub fn packages(root: &FilePath) -> Result<Vec<Package>, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(cargo).args(arguments).current_dir(root).output();
    let output = output.map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    Ok(metadata.packages)
}

/// Dependencies in a direction that [`MAY_DEPEND_ON`] does not have, and host crates that it does not know.
pub fn wrong_directions(packages: &[Package]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (package, name) in hosts(packages) {
        let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(known, _)| *known == name) else {
            wrong.push(format!(
                "host/{name} has no line in MAY_DEPEND_ON of tests/structure/src/layers.rs"
            ));
            continue;
        };
        let ours = package
            .dependencies
            .iter()
            .filter_map(|dependency| host_crate(packages, &dependency.name));
        let ours = ours.filter(|other| !allowed.contains(&other.as_str()));
        wrong.extend(ours.map(|other| format!("host/{name} depends on host/{other}")));
    }
    wrong
}

/// Dependencies on a library that is another crate's alone; without one, no code can name its types.
pub fn foreign_types(packages: &[Package]) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in packages {
        let crate_name = host_crate(packages, &package.name);
        for (libraries, owners) in NAMED_ONLY_BY {
            if crate_name.as_ref().is_some_and(|name| owners.contains(&name.as_str())) {
                continue;
            }
            let named = |dependency: &&Dependency| libraries.iter().any(|library| dependency.name.starts_with(library));
            wrong.extend(package.dependencies.iter().filter(named).map(|dependency| {
                let owners = owners.join(" and ");
                format!(
                    "{} depends on {}, which only {owners} may name",
                    package.name, dependency.name
                )
            }));
        }
    }
    wrong
}

/// Lines of `text` that hand such a library's types on to other crates.
pub fn handed_on(text: &str) -> Vec<&str> {
    let libraries = NAMED_ONLY_BY.iter().flat_map(|(libraries, _)| libraries.iter());
    let libraries: Vec<String> = libraries.map(|library| library.replace('-', "_")).collect();
    let hands_on = |line: &&str| {
        let used = line
            .trim_start()
            .strip_prefix("pub use ")
            .map(|rest| rest.trim_start_matches("::"));
        used.is_some_and(|used| libraries.iter().any(|library| used.starts_with(library.as_str())))
    };
    text.lines().filter(hands_on).collect()
}

fn hosts(packages: &[Package]) -> impl Iterator<Item = (&Package, String)> {
    packages
        .iter()
        .filter_map(|package| Some((package, host_crate(packages, &package.name)?)))
}

/// The folder in `host/` of the package with that name.
fn host_crate(packages: &[Package], name: &str) -> Option<String> {
    let package = packages.iter().find(|package| package.name == name)?;
    let folder = package.manifest_path.parent()?;
    let is_host = folder.parent()?.file_name()? == "host";
    is_host.then(|| folder.file_name().map(|name| name.to_string_lossy().into_owned()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(folder: &str, dependencies: &[&str]) -> Package {
        let dependency = |name: &&str| Dependency {
            name: (*name).to_owned(),
            kind: None,
        };
        Package {
            name: folder.rsplit('/').next().unwrap().to_owned(),
            manifest_path: format!("/tree/{folder}/Cargo.toml").into(),
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }

    #[test]
    fn an_engine_that_depends_on_helm_points_the_wrong_way() {
        let packages = [
            package("host/engine", &["objects", "helm"]),
            package("host/objects", &[]),
            package("host/helm", &["engine"]),
        ];
        assert_eq!(wrong_directions(&packages), ["host/engine depends on host/helm"]);
    }

    #[test]
    fn a_host_crate_that_nobody_placed_is_named() {
        let wrong = wrong_directions(&[package("host/consul", &[])]);
        assert_eq!(
            wrong,
            ["host/consul has no line in MAY_DEPEND_ON of tests/structure/src/layers.rs"]
        );
    }

    #[test]
    fn only_cluster_may_depend_on_kube_and_only_the_sandbox_on_wasmtime() {
        let packages = [
            package("host/cluster", &["kube", "k8s-openapi"]),
            package("host/plugins", &["wasmtime", "wasmtime-wasi"]),
            package("host/helm", &["kube-runtime"]),
            package("tests/harness", &["wasmtime-wasi"]),
        ];
        let expected = [
            "helm depends on kube-runtime, which only cluster may name",
            "harness depends on wasmtime-wasi, which only plugins and plugin-abi may name",
        ];
        assert_eq!(foreign_types(&packages), expected);
    }

    #[test]
    fn a_kube_type_handed_on_to_other_crates_is_found() {
        let text =
            "use kube::Client;\npub(crate) use kube::Api;\npub use kube::Client as Api;\npub use ::k8s_openapi::api;\n";
        assert_eq!(
            handed_on(text),
            ["pub use kube::Client as Api;", "pub use ::k8s_openapi::api;"]
        );
    }
}
