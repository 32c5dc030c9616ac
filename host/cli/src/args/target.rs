//! The release and the revision: the three forms of the runbook.

use clap::Args;
use vllm_rollback_engine::failure::Failure;

use crate::args::connection::ConnectionArgs;
use crate::invoked_as::InvokedAs;
use crate::names;

/// `RELEASE [REVISION] [NAMESPACE]`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetArgs {
    /// Helm release of the model
    #[arg(value_name = "RELEASE", value_parser = names::release)]
    pub(crate) release: String,
    /// Revision to go to; 0 or none for the last good one
    #[arg(value_name = "REVISION", value_parser = names::revision)]
    pub(crate) revision: Option<u32>,
    /// Namespace, as the runbook's script takes it; the same as -n
    #[arg(value_name = "NAMESPACE", value_parser = names::namespace)]
    pub(crate) namespace_word: Option<String>,
}

impl TargetArgs {
    /// The revision number, or none for the last good one.
    pub(crate) fn wanted(&self) -> Option<u32> {
        self.revision.filter(|number| *number != 0)
    }

    /// Puts the third word into the connection.
    ///
    /// # Errors
    /// When `-n` names another namespace. Helm resolves a namespace even when nobody typed one, so there the word wins.
    pub(crate) fn place(&self, connection: &mut ConnectionArgs, invoked_as: InvokedAs) -> Result<(), Failure> {
        match (&self.namespace_word, &connection.namespace) {
            (Some(word), Some(flag)) if word != flag && invoked_as != InvokedAs::Helm => Err(Failure::usage(format!(
                "two namespaces: \"{word}\" as the third word and \"{flag}\" with -n"
            ))
            .next(invoked_as.command("rollback", &self.release, flag))
            .next(invoked_as.command("rollback", &self.release, word))),
            (Some(word), _) => {
                connection.namespace = Some(word.clone());
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(word: Option<&str>) -> TargetArgs {
        TargetArgs {
            release: "llama".into(),
            revision: Some(0),
            namespace_word: word.map(str::to_owned),
        }
    }

    fn placed(word: &str, flag: Option<&str>, invoked_as: InvokedAs) -> Result<Option<String>, Failure> {
        let mut connection = ConnectionArgs {
            namespace: flag.map(str::to_owned),
            ..ConnectionArgs::default()
        };
        target(Some(word)).place(&mut connection, invoked_as)?;
        Ok(connection.namespace)
    }

    #[test]
    fn zero_is_the_last_good_revision() {
        let mut target = target(None);
        assert_eq!(target.wanted(), None);
        target.revision = Some(3);
        assert_eq!(target.wanted(), Some(3));
    }

    #[test]
    fn the_third_word_is_the_namespace() {
        for flag in [None, Some("prod")] {
            assert_eq!(
                placed("prod", flag, InvokedAs::Kubectl).unwrap().as_deref(),
                Some("prod")
            );
        }
    }

    #[test]
    fn two_different_namespaces_are_a_usage_error_that_shows_both_ways_out() {
        let failure = placed("prod", Some("dev"), InvokedAs::Kubectl).unwrap_err();
        assert_eq!(crate::exit::code(&failure).number(), 2);
        assert_eq!(failure.next.len(), 2);
    }

    #[test]
    fn under_helm_the_third_word_wins_over_helms_own_default() {
        let namespace = placed("prod", Some("default"), InvokedAs::Helm).unwrap();
        assert_eq!(namespace.as_deref(), Some("prod"));
    }
}
