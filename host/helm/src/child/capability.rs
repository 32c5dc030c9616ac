//! What a helm binary offers, asked of itself.

use std::path::Path;
use std::time::Duration;

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::HelmInfo;

use super::environment::Connection;

/// A helm that takes longer to print its help does not work.
const DEADLINE: Duration = Duration::from_secs(20);

/// Asks for version and help, side by side. Neither talks to the cluster.
pub(super) async fn ask(path: &Path, connection: &Connection) -> Result<HelmInfo, Failure> {
    let (version, help) = tokio::try_join!(
        print(path, connection, &["version", "--short"]),
        print(path, connection, &["rollback", "--help"]),
    )?;
    read(path, version.trim(), &help)
}

/// By the text of the help, not by the version: a helm built by `go install` prints `v4.3` without patch number.
fn read(path: &Path, version: &str, help: &str) -> Result<HelmInfo, Failure> {
    let major = version
        .strip_prefix('v')
        .and_then(|v| v.split('.').next())
        .and_then(|m| m.parse::<u32>().ok());
    let Some(major) = major else {
        return Err(not_helm(
            path,
            format!("`version --short` printed {:?}", first_line(version)),
        ));
    };
    if !help.contains("helm rollback <RELEASE>") {
        return Err(not_helm(
            path,
            "`rollback --help` is not the help of helm rollback".to_owned(),
        ));
    }
    if !matches!(major, 3 | 4) {
        return Err(Failure::refused(format!("helm {version} is not supported"))
            .because(format!("it is {}", path.display()))
            .next("use Helm 3 or 4: HELM_BIN=/path/to/helm"));
    }
    let offers = |flag: &str| help.split_whitespace().any(|word| word == flag);
    Ok(HelmInfo {
        path: path.display().to_string(),
        version: version.to_owned(),
        major,
        has_description: offers("--description"),
        has_server_side: offers("--server-side"),
    })
}

async fn print(path: &Path, connection: &Connection, arguments: &[&str]) -> Result<String, Failure> {
    let mut command = connection.command(path, "default", arguments);
    let what = format!("`helm {}`", arguments.join(" "));
    let output = tokio::time::timeout(DEADLINE, command.kill_on_drop(true).output())
        .await
        .map_err(|_| not_helm(path, format!("{what} did not end within {} s", DEADLINE.as_secs())))?
        .map_err(|error| not_helm(path, format!("{what} cannot be run")).caused_by(&error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(not_helm(
            path,
            format!("{what} failed ({}): {}", output.status, first_line(&said)),
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn first_line(text: &str) -> String {
    text.trim()
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}

fn not_helm(path: &Path, why: String) -> Failure {
    Failure::external(format!("{} does not work as helm", path.display()))
        .because(why)
        .next(format!("{} version", path.display()))
        .next("name another binary: HELM_BIN=/path/to/helm")
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;

    const HELP: &str = "Usage:\n  helm rollback <RELEASE> [REVISION] [flags]\n\nFlags:\n";

    fn info(version: &str, help: &str) -> Result<HelmInfo, Failure> {
        read(Path::new("/helm"), version, help)
    }

    #[test]
    fn flags_are_told_by_the_help_and_the_major_by_the_version() {
        let three = info("v3.22.0+gabc", &format!("{HELP} --dry-run  no --description-like flag")).unwrap();
        assert_eq!(
            (three.major, three.has_description, three.has_server_side),
            (3, false, false)
        );
        let four = info(
            "v4.3",
            &format!("{HELP} --description string x\n --server-side string y"),
        )
        .unwrap();
        assert_eq!(
            (four.major, four.has_description, four.has_server_side),
            (4, true, true)
        );
    }

    #[test]
    fn a_binary_that_is_not_helm_is_told() {
        assert_eq!(info("git version 2", HELP).unwrap_err().kind, FailureKind::External);
        assert_eq!(info("v3.1.0", "usage: x").unwrap_err().kind, FailureKind::External);
        assert_eq!(info("v2.17.0", HELP).unwrap_err().kind, FailureKind::Refused);
    }
}
