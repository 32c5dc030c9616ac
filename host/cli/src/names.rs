//! Names from the command line, checked before they go anywhere.

/// Revision that the user wants to go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WantedRevision {
    /// The last good one: no number, or 0 as in the runbook.
    LastGood,
    /// This one.
    Number(u32),
}

/// Reads a revision: a number, 0 for the last good one.
///
/// # Errors
/// Anything else, with what to write.
pub(crate) fn revision(text: &str) -> Result<WantedRevision, String> {
    match text.parse::<u32>() {
        Ok(0) => Ok(WantedRevision::LastGood),
        Ok(number) => Ok(WantedRevision::Number(number)),
        Err(_) => Err(
            "a revision is a number as in `history`, or 0 for the last good one; a namespace comes after it or with -n"
                .to_owned(),
        ),
    }
}

/// Helm's rule for release names (helm `pkg/chart/common/util`, `ValidateReleaseName`): at most 53 characters of
/// lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit.
///
/// # Errors
/// When Helm cannot have such a release.
pub(crate) fn release(text: &str) -> Result<String, String> {
    let part_is_sound = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    if text.len() <= 53 && text.split('.').all(part_is_sound) {
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
    let sound = !text.is_empty()
        && text.len() <= 63
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if sound {
        Ok(text.to_owned())
    } else {
        Err("namespaces have at most 63 lower-case letters, digits and '-'".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_the_last_good_revision_and_words_are_refused() {
        assert_eq!(revision("0"), Ok(WantedRevision::LastGood));
        assert_eq!(revision("3"), Ok(WantedRevision::Number(3)));
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
