//! Finds the helm binary.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use vllm_rollback_engine::failure::Failure;

/// Resolves `HELM_BIN` (a path from `directory`, or a bare name looked up in `PATH`), else `helm` in `PATH`.
///
/// Helm sets `HELM_BIN` to its `argv[0]` when it runs a plugin, so it may be relative or a bare name
/// (helm v4.3 `pkg/cli/environment.go`).
///
/// # Errors
/// `NotFound` that tells where it was looked for.
pub fn find_helm(bin: Option<&OsStr>, search: Option<&OsStr>, directory: &Path) -> Result<PathBuf, Failure> {
    let bin = bin.filter(|bin| !bin.is_empty());
    let name = bin.unwrap_or_else(|| OsStr::new("helm"));
    if name.as_bytes().contains(&b'/') {
        let path = directory.join(name);
        return if is_executable(&path) {
            Ok(path)
        } else {
            Err(absent(format!(
                "HELM_BIN is {}, which is not an executable file",
                path.display()
            )))
        };
    }
    let search = search.unwrap_or_default();
    // An empty part of PATH means the working directory.
    let found = std::env::split_paths(search)
        .map(|dir| directory.join(dir).join(name))
        .find(|path| is_executable(path));
    found.ok_or_else(|| {
        let name = name.to_string_lossy();
        absent(match bin {
            Some(_) => format!("HELM_BIN is {name}, which is not in PATH"),
            None => format!("no {name} in PATH ({})", search.to_string_lossy()),
        })
    })
}

fn absent(why: String) -> Failure {
    Failure::not_found("no helm binary was found")
        .because(why)
        .next("install Helm 3 or 4, https://helm.sh/docs/intro/install/")
        .next("or name the binary: HELM_BIN=/path/to/helm")
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;
    use std::fs;

    fn executable(dir: &Path, name: &str, mode: u32) -> PathBuf {
        let path = dir.join(name);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn helm_bin_may_be_a_path_a_relative_path_or_a_bare_name() {
        let dir = tempfile::tempdir().unwrap();
        let helm = executable(dir.path(), "helm4", 0o755);
        let search = dir.path().as_os_str();
        for bin in [helm.as_os_str(), OsStr::new("./helm4"), OsStr::new("helm4")] {
            let found = find_helm(Some(bin), Some(search), dir.path()).unwrap();
            assert_eq!(found.canonicalize().unwrap(), helm.canonicalize().unwrap(), "{bin:?}");
        }
    }

    #[test]
    fn without_helm_bin_the_first_executable_helm_in_path_is_taken() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        executable(first.path(), "helm", 0o644);
        let helm = executable(second.path(), "helm", 0o755);
        let search = std::env::join_paths([first.path(), second.path()]).unwrap();
        for bin in [None, Some(OsStr::new(""))] {
            assert_eq!(find_helm(bin, Some(&search), Path::new("/")).unwrap(), helm);
        }
    }

    #[test]
    fn an_absent_binary_is_told_with_where_it_was_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        for (bin, named) in [
            (None, "no helm in PATH"),
            (Some("helm9"), "HELM_BIN is helm9"),
            (Some("./x"), "not an executable"),
        ] {
            let failure = find_helm(bin.map(OsStr::new), Some(dir.path().as_os_str()), dir.path()).unwrap_err();
            assert_eq!(failure.kind, FailureKind::NotFound);
            assert!(failure.to_string().contains(named), "{failure}");
        }
    }
}
