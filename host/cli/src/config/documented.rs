//! Holds the documentation of the configuration against what is read: every key, every flag, every driver.

use std::collections::BTreeSet;
use std::path::Path;

use clap::ValueEnum;
use vllm_rollback_registry::DriverName;

use crate::config::file::File;
use crate::invoked_as::InvokedAs;
use crate::verbs;

fn page(name: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    std::fs::read_to_string(docs.join(name)).unwrap()
}

/// The words between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of the rows of the first table below this header.
fn table(page: &str, header: &str) -> Vec<Vec<String>> {
    let (_, table) = page.split_once(header).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').skip(1).map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// Paths of the keys that the configuration has, as a complaint about an unknown one lists them. Keys that are there to refuse
/// secrets are none.
fn keys(section: &[&str]) -> BTreeSet<String> {
    let yaml = |key: &str, value: &str| {
        let open: String = section.iter().map(|name| format!("{{{name}: ")).collect();
        format!("{open}{{{key}: {value}}}{}", "}".repeat(section.len()))
    };
    let complaint = File::parse(&yaml("zzz", "0")).unwrap_err();
    let Some((_, known)) = complaint.split_once(", expected ") else {
        return BTreeSet::new();
    };
    let (known, _) = known.split_once(" at line ").unwrap();
    let known = known
        .trim_start_matches("one of ")
        .split([',', ' '])
        .filter(|word| !["", "or"].contains(word));
    let secret = |key: &&str| File::parse(&yaml(key, "x")).is_err_and(|why| why.contains("secrets are not kept"));
    let mut paths = BTreeSet::new();
    for key in known.filter(|key| !secret(key)) {
        let below: Vec<&str> = section.iter().copied().chain([key]).collect();
        let own = keys(&below);
        paths.extend(if own.is_empty() {
            BTreeSet::from([below.join(".")])
        } else {
            own
        });
    }
    paths
}

/// Paths of the keys in a cell: the first in full, the others with its parent. What comes after a list, or stands for any
/// name, is left out.
fn documented(cell: &str) -> Vec<String> {
    let mut words = code(cell);
    let first = words.next().unwrap();
    let parent = first.rsplit_once('.').map_or("", |(parent, _)| parent);
    let rest = words.map(|word| format!("{parent}.{word}"));
    let paths = std::iter::once(first.to_owned()).chain(rest);
    let fixed = |path: String| {
        let is_fixed = |part: &&str| !part.chars().all(|c| c.is_ascii_uppercase());
        let parts: Vec<&str> = path.split('.').take_while(is_fixed).collect();
        parts.join(".").split("[]").next().unwrap_or_default().to_owned()
    };
    paths.map(fixed).collect()
}

#[test]
fn every_key_is_documented_and_every_documented_key_is_read() {
    let page = page("configuration.md");
    let rows = table(&page, "| key | flag | meaning |");
    let documented: BTreeSet<String> = rows.iter().flat_map(|row| documented(&row[0])).collect();
    let read = keys(&[]);
    assert!(
        read.contains("registry.postgres.dsn_env") && read.contains("checks.params"),
        "{read:?}"
    );
    let covers = |path: &String| {
        documented
            .iter()
            .any(|known| path == known || path.starts_with(&format!("{known}.")))
    };
    let missing: Vec<&String> = read.iter().filter(|path| !covers(path)).collect();
    assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
    let is_read = |known: &String| {
        read.iter()
            .any(|path| path == known || path.starts_with(&format!("{known}.")))
    };
    let unknown: Vec<&String> = documented.iter().filter(|known| !is_read(known)).collect();
    assert!(unknown.is_empty(), "in docs/configuration.md, but no key: {unknown:?}");
}

#[test]
fn every_flag_about_traffic_is_documented_and_every_documented_flag_is_there() {
    let page = page("configuration.md");
    let rows = table(&page, "| key | flag | meaning |");
    let documented: BTreeSet<&str> = rows
        .iter()
        .flat_map(|row| code(&row[1]))
        .filter_map(|flag| flag.split(' ').next()?.strip_prefix("--"))
        .collect();
    let command = verbs::command(InvokedAs::Kubectl);
    let verb = command.find_subcommand("rollback").unwrap();
    let visible = || verb.get_arguments().filter(|flag| !flag.is_hide_set());
    let all: BTreeSet<&str> = visible().filter_map(|flag| flag.get_long()).collect();
    let traffic = visible().filter(|flag| flag.get_help_heading() == Some("Traffic"));
    let traffic: BTreeSet<&str> = traffic.filter_map(|flag| flag.get_long()).collect();
    assert!(traffic.contains("redis-url-env"), "{traffic:?}");
    assert_eq!(traffic.difference(&documented).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert_eq!(documented.difference(&all).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn every_driver_has_a_row_in_the_table_of_drivers() {
    let names: BTreeSet<String> = DriverName::value_variants().iter().map(ToString::to_string).collect();
    let page_of_drivers = page("drivers.md");
    let rows = table(&page_of_drivers, "| `--registry` |");
    let documented: BTreeSet<String> = rows.iter().flat_map(|row| code(&row[0])).map(str::to_owned).collect();
    assert_eq!(documented, names);
    let page = page("configuration.md");
    let rows = table(&page, "| key | flag | meaning |");
    let row = rows.iter().find(|row| row[0] == "`registry.driver`").unwrap();
    let words: BTreeSet<String> = code(&row[2]).map(str::to_owned).collect();
    assert_eq!(words, names);
}
