//! How doc comments begin: with a verb or the thing itself, not with a pronoun or a question word.

use std::path::{Path as FilePath, PathBuf};

use crate::{Error, size};

/// Words that say nothing of the item: the name beside them has to be read first.
const WEAK: &[&str] = &[
    "It", "Its", "They", "Their", "What", "Whether", "Which", "Who", "Whose", "How", "Where", "When", "Why",
];

/// Places (file and line) of doc comments in `folder` that begin with a weak word.
pub fn weak(folder: &FilePath) -> Result<Vec<(PathBuf, usize)>, Error> {
    let mut found = Vec::new();
    for (_, file) in size::lines(folder)? {
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        found.extend(weak_lines(&text).into_iter().map(|line| (file.clone(), line)));
    }
    Ok(found)
}

/// Numbers of the lines that begin a doc comment with a weak word.
fn weak_lines(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut is_inside = false;
    for (number, line) in text.lines().enumerate() {
        let Some(doc) = line.trim_start().strip_prefix("///") else {
            is_inside = false;
            continue;
        };
        let first = doc.split(|c: char| !c.is_alphabetic()).find(|word| !word.is_empty());
        if !is_inside && first.is_some_and(|word| WEAK.contains(&word)) {
            found.push(number + 1);
        }
        is_inside = true;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_word_of_a_doc_comment_counts() {
        let text = "/// Its name.\nname: String,\n/// Name of the pod.\n/// Which may be gone.\npod: String,\n    /// What's left.\n// How odd.\n";
        assert_eq!(weak_lines(text), [1, 6]);
    }
}
