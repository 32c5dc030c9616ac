//! Names from the command line, checked before they go anywhere.

/// Reads a revision: a number, 0 for the last good one.
///
/// # Errors
/// Anything else, with what to write.
pub(crate) fn revision(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| {
        "a revision is a number as in `history`, or 0 for the last good one; a namespace comes after it or with -n"
            .to_owned()
    })
}

/// Helm's rule for release names (helm `pkg/chart/common/util`, `ValidateReleaseName`): at most 53 characters of
/// lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit.
///
/// # Errors
/// When Helm cannot have such a release.
pub(crate) fn release(text: &str) -> Result<String, String> {
    if text.len() <= 53 && text.split('.').all(is_label) {
        Ok(text.to_owned())
    } else {
        Err("Helm release names have at most 53 lower-case letters, digits, '-' and '.'".to_owned())
    }
}

/// Kubernetes' rule for namespaces (RFC 1123 label).
///
/// # Errors
/// When the cluster cannot have such a namespace.
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    if is_label(text) {
        Ok(text.to_owned())
    } else {
        Err("namespaces have at most 63 lower-case letters, digits and '-'".to_owned())
    }
}

/// A label of RFC 1123: at most 63 lower-case letters, digits and `-`, beginning and ending with a letter or digit.
pub(crate) fn is_label(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 63 && text.chars().all(sound) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_a_number_and_words_are_refused() {
        assert_eq!((revision("0"), revision("3")), (Ok(0), Ok(3)));
        for text in ["v3", "3.0", "", "production", "4294967296", "-1"] {
            assert!(revision(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_that_no_cluster_can_have_are_refused() {
        assert!(release("llama-2-7b.prod").is_ok());
        for text in ["", "Llama", "a_b", "-a", "a-", "a..b", "a b", "../x", "x\u{1b}[2J"] {
            assert!(release(text).is_err(), "{text}");
            assert!(namespace(text).is_err(), "{text}");
        }
        assert!(release(&"a".repeat(54)).is_err());
        assert!(namespace("a.b").is_err());
    }
}
