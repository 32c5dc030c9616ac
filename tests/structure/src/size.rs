//! How long files are.

use std::path::{Path as FilePath, PathBuf};

use crate::Error;

/// Lines that no file may have more of.
pub const MOST_LINES: usize = 700;

/// Rust files under `folder` with their number of lines, the longest last; what was built is left out.
pub fn lines(folder: &FilePath) -> Result<Vec<(usize, PathBuf)>, Error> {
    let mut found = Vec::new();
    collect(folder, &mut found)?;
    found.sort();
    Ok(found)
}

/// The files that are too long, each as a sentence.
pub fn too_long(files: &[(usize, PathBuf)]) -> Vec<String> {
    let long = files.iter().filter(|(lines, _)| *lines > MOST_LINES);
    long.map(|(lines, file)| format!("{} has {lines} lines", file.display()))
        .collect()
}

/// The length below which `percent` of the files are.
pub fn percentile(files: &[(usize, PathBuf)], percent: usize) -> usize {
    files
        .get(files.len() * percent / 100)
        .or(files.last())
        .map_or(0, |(lines, _)| *lines)
}

fn collect(folder: &FilePath, into: &mut Vec<(usize, PathBuf)>) -> Result<(), Error> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).map_err(failed)?;
            into.push((text.lines().count(), path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_701_lines_is_too_long_and_one_with_700_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("long.rs"), "//\n".repeat(701)).unwrap();
        std::fs::write(folder.path().join("full.rs"), "//\n".repeat(700)).unwrap();
        let files = lines(folder.path()).unwrap();
        assert_eq!(files.len(), 2);
        assert_eq!(
            too_long(&files),
            [format!("{} has 701 lines", folder.path().join("long.rs").display())]
        );
        assert_eq!((percentile(&files, 10), percentile(&files, 90)), (700, 701));
    }
}
