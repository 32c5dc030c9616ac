//! The documents that people read say what the code does.

use std::path::{Path, PathBuf};

use vllm_rollback_engine::report::{ExitCode, StateName};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_exit_code_is_documented_with_its_meaning() {
    let document = read("docs/exit-codes.md");
    let rows: Vec<_> = ExitCode::ALL
        .iter()
        .map(|code| format!("| {} | {} |", code.number(), code.meaning()))
        .collect();
    let expected = rows.join("\n");
    assert!(
        document.contains(&expected),
        "docs/exit-codes.md must hold these rows, in this order:\n{expected}"
    );
}

#[test]
fn every_state_is_in_the_architecture_with_the_file_that_does_it() {
    const STATES: [StateName; 12] = [
        StateName::Planned,
        StateName::Locked,
        StateName::Fenced,
        StateName::RolledBack,
        StateName::Ready,
        StateName::Validated,
        StateName::Unfenced,
        StateName::Confirmed,
        StateName::Done,
        StateName::Held,
        StateName::Unchanged,
        StateName::Unknown,
    ];
    let document = read("ARCHITECTURE.md");
    for state in STATES {
        let file = format!("host/engine/src/states/{}.rs", state.to_string().replace('-', "_"));
        assert!(root().join(&file).is_file(), "{file} does not exist");
        let row = document.lines().find(|line| line.starts_with(&format!("| {state} |")));
        let row = row.unwrap_or_else(|| panic!("ARCHITECTURE.md has no row \"| {state} | …\""));
        assert!(row.contains(&file), "the row of {state} must name {file}: {row}");
    }
}

#[test]
fn every_file_and_folder_that_the_architecture_names_exists() {
    let document = read("ARCHITECTURE.md");
    let named = document.split('`').skip(1).step_by(2);
    let paths = named.filter(|text| {
        ["host/", "plugins/", "tests/", "docs/", "wit/"]
            .iter()
            .any(|top| text.starts_with(top))
    });
    let missing: Vec<_> = paths.filter(|path| !root().join(path).exists()).collect();
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md names what does not exist: {missing:?}"
    );
}
