//! The arguments of `helm rollback`.

use std::time::Duration;

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::{HelmInfo, ReleaseRef, RollbackOrder};

use crate::history::history_command;

/// Helm's limit for `--description`.
const DESCRIPTION_MAX: usize = 256;

/// Helm's limit for a release name (helm v4.3 `pkg/chart/v2/util/validate_name.go`).
const NAME_MAX: usize = 53;

/// The arguments for an order. The revision is always explicit (invariant I7).
///
/// There is no `--wait`: readiness is watched by us, and Helm 4's watcher gives up at `progressDeadlineSeconds` while
/// weights still load. `--history-max 0` keeps Helm from pruning the target or the evidence while the record is
/// created; the next upgrade prunes as ever. `--force-*` is never given: with a closed Service gate it would open it.
///
/// # Errors
/// `Usage` for a release name or revision that Helm does not have; `Refused` when the order must be written client-side
/// and this helm offers no way.
pub fn rollback_arguments(
    release: &ReleaseRef,
    order: &RollbackOrder,
    helm: &HelmInfo,
) -> Result<Vec<String>, Failure> {
    check_name(&release.name)?;
    if order.to.0 == 0 {
        return Err(Failure::usage("revision 0 is not a revision")
            .because("to Helm 0 means the previous revision, which may be a bad one")
            .next(format!("name a revision of: {}", history_command(release))));
    }
    let timeout = helm_timeout(Duration::from_millis(order.timeout_ms));
    let mut arguments = vec![
        "rollback".to_owned(),
        release.name.clone(),
        order.to.to_string(),
        format!("--namespace={}", release.namespace),
        "--history-max=0".to_owned(),
        format!("--timeout={}ms", timeout.as_millis()),
    ];
    if order.skips_hooks {
        arguments.push("--no-hooks".to_owned());
    }
    if order.client_side && helm.has_server_side {
        arguments.push("--server-side=false".to_owned());
    } else if order.client_side && helm.major > 3 {
        return Err(Failure::refused(format!("helm {} cannot roll back client-side", helm.version),
        )
        .because("its rollback has no --server-side, and the closed Service gate would conflict with server-side apply")
        .next("use Helm 4.0 or newer, or Helm 3")
        .next("or take the model out of traffic another way: --registry postgres"));
    }
    if helm.has_description && !order.description.is_empty() {
        arguments.push(format!("--description={}", one_line(&order.description)));
    }
    Ok(arguments)
}

/// Helm is told a little less than the child is given, so that its own, orderly failure comes first.
fn helm_timeout(child: Duration) -> Duration {
    let margin = (child / 10).min(Duration::from_secs(5));
    (child - margin).max(Duration::from_secs(1))
}

fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = clean.floor_char_boundary(DESCRIPTION_MAX);
    clean[..end].to_owned()
}

/// A name that begins with a dash would be read as a flag.
fn check_name(name: &str) -> Result<(), Failure> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !name.is_empty()
        && name.len() <= NAME_MAX
        && name.chars().all(inner)
        && name.starts_with(edge)
        && name.ends_with(edge)
    {
        return Ok(());
    }
    Err(Failure::usage(format!("{name:?} is not a release name"))
        .because(format!(
            "Helm allows lower-case letters, digits, - and . inside, at most {NAME_MAX} characters"
        ))
        .next("helm list -A"))
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;
    use proptest::prelude::*;
    use vllm_rollback_engine::release::Revision;

    fn helm(major: u32, offers: bool) -> HelmInfo {
        HelmInfo {
            path: "/helm".into(),
            version: format!("v{major}.1"),
            major,
            has_description: offers,
            has_server_side: offers,
        }
    }

    fn order() -> RollbackOrder {
        RollbackOrder {
            to: Revision(3),
            from: Revision(5),
            description: "Rollback to 3\nby vllm-rollback".into(),
            client_side: true,
            skips_hooks: false,
            timeout_ms: 300_000,
        }
    }

    fn release(name: &str) -> ReleaseRef {
        ReleaseRef {
            namespace: "ml".into(),
            name: name.into(),
        }
    }

    #[test]
    fn helm_3_gets_what_it_knows() {
        let arguments = rollback_arguments(&release("llama"), &order(), &helm(3, false)).unwrap();
        let wanted = [
            "rollback",
            "llama",
            "3",
            "--namespace=ml",
            "--history-max=0",
            "--timeout=295000ms",
        ];
        assert_eq!(arguments, wanted);
    }

    #[test]
    fn helm_4_is_told_the_apply_method_and_the_description() {
        let arguments = rollback_arguments(&release("llama"), &order(), &helm(4, true)).unwrap();
        assert_eq!(
            arguments[6..],
            ["--server-side=false", "--description=Rollback to 3 by vllm-rollback"]
        );
        let free = RollbackOrder {
            client_side: false,
            skips_hooks: false,
            description: String::new(),
            ..order()
        };
        assert_eq!(
            rollback_arguments(&release("llama"), &free, &helm(4, true))
                .unwrap()
                .len(),
            6
        );
    }

    #[test]
    fn revision_0_is_refused() {
        let zero = RollbackOrder {
            to: Revision(0),
            ..order()
        };
        let failure = rollback_arguments(&release("llama"), &zero, &helm(3, false)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Usage);
    }

    #[test]
    fn a_helm_4_that_cannot_write_client_side_is_refused() {
        let failure = rollback_arguments(&release("llama"), &order(), &helm(4, false)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
    }

    #[test]
    fn names_that_helm_would_not_take_are_refused() {
        for name in ["", "--post-renderer=x", "A", "a/b", "a-", &"a".repeat(54)] {
            let failure = rollback_arguments(&release(name), &order(), &helm(3, false)).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Usage, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_description_is_one_argument_of_at_most_256_bytes(description in "(?s).{0,400}") {
            let order = RollbackOrder { description, ..order() };
            let arguments = rollback_arguments(&release("llama"), &order, &helm(4, true)).unwrap();
            prop_assert!(arguments.len() <= 8);
            for text in arguments.iter().filter_map(|a| a.strip_prefix("--description=")) {
                prop_assert!(text.len() <= DESCRIPTION_MAX && !text.contains('\n'));
            }
        }

        #[test]
        fn helm_always_gives_up_before_it_is_killed(ms in 1_200u64..10_000_000) {
            let child = Duration::from_millis(ms);
            let helm = helm_timeout(child);
            prop_assert!(helm < child && helm >= Duration::from_secs(1));
        }
    }
}
