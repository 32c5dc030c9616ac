//! What an object is, is said in this crate alone: no adapter parses manifests, reads quantities, compares objects or hides
//! secrets by rules of its own (docs/decisions/010).
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// The crates that speak to the world.
const ADAPTERS: [&str; 5] = ["cli", "cluster", "helm", "plugins", "registry"];

/// Signs of a second copy, and the files that may have them for another reason.
const SIGNS: &[(&str, &[&str])] = &[
    // The user's configuration is YAML too.
    ("serde_saphyr", &["cli/src/config/file.rs"]),
    ("granit_parser", &[]),
    ("similar::", &[]),
    ("Hmac<", &[]),
    ("\"Gi\"", &[]),
    ("\"Ki\"", &[]),
    ("fn milli", &[]),
    ("fn nanos", &[]),
    ("fn is_secret", &[]),
    ("fn redact", &[]),
    ("\"passwd\"", &[]),
    ("\"api_key\"", &[]),
    ("\"apikey\"", &[]),
    ("\"mountPath\"", &[]),
    ("MERGE_KEYS", &[]),
];

#[test]
fn no_adapter_has_a_language_of_its_own() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for name in ADAPTERS {
        let mut files = Vec::new();
        collect(&host.join(name).join("src"), &mut files);
        assert!(!files.is_empty(), "no source in {name}");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            // Tests may write what they like.
            let code = text.split("#[cfg(test)]").next().unwrap();
            let place = file.strip_prefix(host).unwrap().to_string_lossy().into_owned();
            for (sign, allowed) in SIGNS {
                if code.contains(sign) && !allowed.contains(&place.as_str()) {
                    found.push(format!("{place} has {sign}"));
                }
            }
        }
    }
    assert!(
        found.is_empty(),
        "host/objects says this already:\n{}",
        found.join("\n")
    );
}

fn collect(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            into.push(path);
        }
    }
}
