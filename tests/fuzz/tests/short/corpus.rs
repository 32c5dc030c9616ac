//! The inputs that libFuzzer found worth keeping, and those that once broke something.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use vllm_rollback_fuzz::targets;

#[test]
fn every_kept_input_keeps_its_promise() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut names: Vec<_> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    let known: Vec<_> = targets::ALL.iter().map(|(name, _)| OsString::from(name)).collect();
    assert_eq!(names, known, "a folder for each target, and none beside");
    for (name, target) in targets::ALL {
        let files: Vec<_> = fs::read_dir(root.join(name)).unwrap().collect();
        assert!(!files.is_empty(), "{name} has no input");
        for file in files {
            let path = file.unwrap().path();
            println!("{}", path.display());
            target(&fs::read(&path).unwrap());
        }
    }
}

#[test]
fn every_target_has_its_program_for_libfuzzer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for (name, _) in targets::ALL {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let program = fs::read_to_string(root.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("targets::{name}(data)")), "{name}");
    }
}
