//! Files and tests that a page of documentation names as proof.

use std::path::{Path, PathBuf};

use crate::{Error, size};

/// Shortest name that is taken for a test's: sentences are longer, and words of the page are not.
const SENTENCE: usize = 20;

/// Says what a page names and the tree below `root` does not have: files that end in `.rs`, and tests of the file before them in
/// the same row.
pub fn broken(page: &str, root: &Path) -> Result<Vec<String>, Error> {
    let mut files = Vec::new();
    for folder in ["host", "plugins", "tests"] {
        files.extend(size::lines(&root.join(folder))?.into_iter().map(|(_, file)| file));
    }
    let mut broken = Vec::new();
    for (number, row) in page.lines().enumerate() {
        let mut last: Option<Vec<&PathBuf>> = None;
        for word in row.split(|c: char| !(c.is_alphanumeric() || "_-./".contains(c))) {
            if word.ends_with(".rs") {
                let found: Vec<&PathBuf> = files.iter().filter(|file| file.ends_with(word)).collect();
                if found.is_empty() {
                    broken.push(format!("line {}: no file {word}", number + 1));
                }
                last = Some(found);
            } else if word.len() >= SENTENCE && word.contains('_') && !word.contains(['/', '.', '-']) {
                let files = last.iter().flatten();
                let texts: Vec<String> = files.filter_map(|file| std::fs::read_to_string(file).ok()).collect();
                if !texts.iter().any(|text| text.contains(&format!("fn {word}("))) {
                    broken.push(format!("line {}: no test {word} in the file before it", number + 1));
                }
            }
        }
    }
    Ok(broken)
}
