//! Texts for users: the help of every verb, frozen, and a page of documentation for each.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;

/// `host/cli`.
fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The verbs, `help` left out.
fn verbs(invoked_as: InvokedAs) -> Vec<clap::Command> {
    let mut command = command(invoked_as).term_width(100);
    command.build();
    let verbs = command.get_subcommands().filter(|verb| verb.get_name() != "help");
    verbs.cloned().collect()
}

/// A verb's file name and help, and those of its own verbs.
fn pages(verb: &clap::Command, prefix: &str) -> Vec<(String, String)> {
    let name = format!("{prefix}{}", verb.get_name());
    let own = verb.get_subcommands().filter(|verb| verb.get_name() != "help");
    let below = own
        .flat_map(|verb| pages(verb, &format!("{name}-")))
        .collect::<Vec<_>>();
    let help = verb.clone().render_long_help().to_string();
    std::iter::once((name, help)).chain(below).collect()
}

fn stems(directory: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(directory).unwrap();
    let stem = |file: PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
    files.map(|file| stem(file.unwrap().path())).collect()
}

#[test]
fn the_command_line_is_sound() {
    command(InvokedAs::Kubectl).debug_assert();
}

#[test]
fn every_verb_shows_examples_in_the_words_of_the_program() {
    for invoked_as in [InvokedAs::Kubectl, InvokedAs::Helm] {
        for mut verb in verbs(invoked_as) {
            let help = verb.render_help().to_string();
            let examples = help.matches(&format!("\n  {}", invoked_as.name())).count();
            assert!(examples >= 2, "{help}");
            assert!(!help.contains("{p}"), "{help}");
        }
    }
}

/// After a change that users are meant to see: `SNAPSHOTS=overwrite cargo test -p vllm-rollback-cli help`.
#[test]
fn the_help_of_every_verb_is_as_it_was() {
    let directory = package().join("tests/help");
    let mut main = command(InvokedAs::Kubectl).term_width(100);
    let mut pages: Vec<_> = verbs(InvokedAs::Kubectl)
        .iter()
        .flat_map(|verb| pages(verb, ""))
        .collect();
    pages.push(("main".to_owned(), main.render_long_help().to_string()));
    let assert = snapbox::Assert::new().action_env("SNAPSHOTS");
    for (name, help) in &pages {
        let file = snapbox::Data::read_from(&directory.join(format!("{name}.txt")), None);
        assert.eq(help, file.raw());
    }
    let shown: BTreeSet<String> = pages.into_iter().map(|(name, _)| name).collect();
    assert_eq!(stems(&directory), shown);
}

#[test]
fn every_verb_has_a_page_in_the_documentation_and_every_page_a_verb() {
    let documented = stems(&package().join("../../docs/verbs"));
    let known = verbs(InvokedAs::Kubectl)
        .iter()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    assert_eq!(documented, known);
}
