//! Files of one crate that name each other in a circle.
//!
//! File A leads to file B if A's code names an item that B defines, however many re-exports lie between. A file that
//! only declares modules and hands their names on is no part of a circle, nor is what only tests compile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::path::{Path as FilePath, PathBuf};

use crate::Error;
use crate::modules::{Modules, Target};

/// Files that each file names, with the first path by which it does.
pub type Graph = BTreeMap<PathBuf, BTreeMap<PathBuf, String>>;

/// Files each of which names the next, and the last one the first.
#[derive(Debug, PartialEq, Eq)]
pub struct Circle {
    /// A file, and the name by which it leads to the next.
    pub steps: Vec<(PathBuf, String)>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (file, name) in &self.steps {
            write!(f, "{} → [{name}] ", file.display())?;
        }
        let first = self.steps.first().map(|(file, _)| file.display().to_string());
        write!(f, "{}", first.unwrap_or_default())
    }
}

/// Reads the crate in `folder` and returns which of its files name which.
pub fn graph(folder: &FilePath) -> Result<Graph, Error> {
    let modules = Modules::read(folder)?;
    let mut graph = Graph::new();
    for (at, module) in modules.all.iter().enumerate() {
        let leads_to = graph.entry(module.file.clone()).or_default();
        // An imported module is only a shorter way of writing the paths that follow.
        let imported = module.mentions.imports.iter().filter(|import| !import.handed_on);
        let imported = imported
            .map(|import| &import.path)
            .filter(|path| modules.module(at, path).is_none());
        for path in imported.chain(&module.mentions.paths) {
            if let Some(Target::Item(target)) = modules.resolve(at, path) {
                let file = &modules.all[target].file;
                if file != &module.file {
                    leads_to.entry(file.clone()).or_insert_with(|| path.join("::"));
                }
            }
        }
    }
    Ok(graph)
}

/// The files that are part of any circle.
pub fn entangled(graph: &Graph) -> BTreeSet<&PathBuf> {
    graph.keys().filter(|file| shortest(graph, file).is_some()).collect()
}

/// Circles that together name every file that is part of one, the short ones first.
pub fn circles(graph: &Graph) -> Vec<Circle> {
    let mut found: Vec<Vec<&PathBuf>> = graph.keys().filter_map(|file| shortest(graph, file)).collect();
    found.sort_by_key(Vec::len);
    let mut seen: BTreeSet<&PathBuf> = BTreeSet::new();
    found.retain(|circle| {
        let before = seen.len();
        seen.extend(circle.iter().copied());
        seen.len() > before
    });
    let step = |circle: &[&PathBuf], index: usize| {
        let (from, to) = (circle[index], circle[(index + 1) % circle.len()]);
        (from.clone(), graph[from][to].clone())
    };
    found
        .iter()
        .map(|circle| Circle {
            steps: (0..circle.len()).map(|index| step(circle, index)).collect(),
        })
        .collect()
}

/// The shortest way from a file back to itself.
fn shortest<'a>(graph: &'a Graph, start: &'a PathBuf) -> Option<Vec<&'a PathBuf>> {
    let mut came_from: BTreeMap<&PathBuf, &PathBuf> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(file) = next.pop_front() {
        for to in graph.get(file).into_iter().flat_map(BTreeMap::keys) {
            if to == start {
                let mut way = vec![file];
                while let Some(before) = came_from.get(way[way.len() - 1]) {
                    way.push(before);
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(to) {
                came_from.insert(to, file);
                next.push_back(to);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a crate with these files, as lines.
    fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join("src").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        circles(&graph(folder.path()).unwrap())
            .iter()
            .map(Circle::to_string)
            .collect()
    }

    #[test]
    fn two_files_that_name_each_other_are_a_circle() {
        let found = circles_of(&[
            ("lib.rs", "mod plan; mod rollback;"),
            ("plan.rs", "use crate::rollback::Wish; pub struct Plan(Wish);"),
            (
                "rollback.rs",
                "pub struct Wish; pub fn run() { let _ = super::plan::Plan(Wish); }",
            ),
        ]);
        assert_eq!(
            found,
            ["src/plan.rs → [crate::rollback::Wish] src/rollback.rs → [super::plan::Plan] src/plan.rs"]
        );
    }

    #[test]
    fn a_circle_of_three_is_found_through_imported_modules_and_renamed_items() {
        let found = circles_of(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b; pub fn one() { b::two() }"),
            ("b.rs", "use crate::c::three as next; pub fn two() { next() }"),
            ("c.rs", "pub fn three() { println!(\"{}\", crate::a::one()) }"),
        ]);
        assert_eq!(
            found,
            ["src/a.rs → [b::two] src/b.rs → [crate::c::three] src/c.rs → [crate::a::one] src/a.rs"]
        );
    }

    #[test]
    fn a_child_that_names_what_its_parent_defines_and_is_called_by_it_is_a_circle() {
        let found = circles_of(&[
            ("lib.rs", "mod preflight;"),
            (
                "preflight/mod.rs",
                "mod room; pub fn finding() {} pub fn all() { room::look() }",
            ),
            ("preflight/room.rs", "pub fn look() { super::finding() }"),
        ]);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_file_that_only_hands_names_on_is_no_part_of_a_circle() {
        let found = circles_of(&[
            ("lib.rs", "mod states; pub use states::{begin, Fence};"),
            (
                "states/mod.rs",
                "mod fence; mod order; pub use fence::*; pub use order::begin;",
            ),
            ("states/fence.rs", "pub struct Fence;"),
            (
                "states/order.rs",
                "use super::Fence; pub fn begin() -> crate::Fence { Fence }",
            ),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_name_handed_on_leads_to_the_file_that_defines_it() {
        let found = circles_of(&[
            ("lib.rs", "mod states; pub use states::Fence;"),
            (
                "states/mod.rs",
                "mod fence; mod order; pub use fence::*; pub use order::begin;",
            ),
            (
                "states/fence.rs",
                "pub struct Fence; impl Fence { fn new() -> Self { super::begin() } }",
            ),
            ("states/order.rs", "pub fn begin() -> crate::Fence { todo!() }"),
        ]);
        assert_eq!(
            found,
            ["src/states/fence.rs → [super::begin] src/states/order.rs → [crate::Fence] src/states/fence.rs"]
        );
    }

    #[test]
    fn what_only_tests_compile_and_what_another_crate_has_is_left_out() {
        let found = circles_of(&[
            ("lib.rs", "mod a; mod b;"),
            (
                "a.rs",
                "pub struct A; #[cfg(test)] mod tests { use crate::b::B; } #[cfg(all(test, unix))] use crate::b::B;",
            ),
            ("b.rs", "pub struct B(super::a::A, other::a::A);"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }
}
