//! The rules of `vllm_rollback_structure`, applied to this repository.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use vllm_rollback_structure::{circles, docs, layers, promises, size};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The crates whose files may not lead back to themselves, relative to the root.
fn crates() -> Vec<String> {
    let folders = std::fs::read_dir(root().join("host")).unwrap();
    let mut crates: Vec<String> = folders
        .map(|folder| folder.unwrap().path())
        .filter(|folder| folder.join("Cargo.toml").exists())
        .map(|folder| format!("host/{}", folder.file_name().unwrap().display()))
        .collect();
    crates.push("plugins/sdk".into());
    crates.sort();
    crates
}

#[test]
fn no_file_of_a_crate_names_one_that_leads_back_to_it() {
    let mut wrong = Vec::new();
    for name in crates() {
        let circles = circles::circles(&circles::graph(&root().join(&name)).unwrap());
        wrong.extend(circles.iter().map(|circle| format!("{name}: {circle}")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let wrong = layers::wrong_directions(&layers::packages(&root()).unwrap());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn only_cluster_names_kube_types_and_only_the_sandbox_names_wasmtime_types() {
    let mut wrong = layers::foreign_types(&layers::packages(&root()).unwrap());
    for (_, file) in size::lines(&root().join("host")).unwrap() {
        let text = std::fs::read_to_string(&file).unwrap();
        let handed_on = layers::handed_on(&text);
        wrong.extend(
            handed_on
                .iter()
                .map(|line| format!("{} hands it on: {line}", file.display())),
        );
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_file_has_more_than_700_lines() {
    let mut wrong = Vec::new();
    for folder in ["host", "plugins", "tests"] {
        let files = size::lines(&root().join(folder)).unwrap();
        let total: usize = files.iter().map(|(lines, _)| lines).sum();
        let (median, p90) = (size::percentile(&files, 50), size::percentile(&files, 90));
        println!(
            "{folder}: {} files, {total} lines, median {median}, p90 {p90}",
            files.len()
        );
        wrong.extend(size::too_long(&files));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn doc_comments_begin_with_a_verb_or_the_thing_itself() {
    let mut wrong = Vec::new();
    for name in crates() {
        let weak = docs::weak(&root().join(&name)).unwrap();
        wrong.extend(weak.iter().map(|(file, line)| format!("{}:{line}", file.display())));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_file_and_test_that_is_named_as_proof_is_there() {
    let page = std::fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let wrong = promises::broken(&page, &root()).unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let stale = "| `host/engine/src/states/gone.rs` | run/cases.rs `a_sentence_that_no_test_has_any_more` |";
    assert_eq!(promises::broken(stale, &root()).unwrap().len(), 2);
}
