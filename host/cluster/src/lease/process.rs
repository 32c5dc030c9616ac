//! A mark of a process by which another process of the same machine can tell that it is dead.
//!
//! A host name does not tell machines apart (containers share names), so the mark holds the boot id, the PID namespace,
//! the PID and its start time. Where any of them cannot be read, nothing is claimed.

use std::fs;

/// The mark of this process; none where the system does not offer it.
pub(super) fn process_fingerprint() -> Option<String> {
    let pid = std::process::id();
    Some(format!(
        "{}/{}/{pid}/{}",
        boot_id()?,
        pid_namespace()?,
        start_time(pid)?
    ))
}

/// The marked process ran on this machine and is gone for certain.
pub(super) fn is_dead(mark: &str) -> bool {
    let parts: Vec<&str> = mark.split('/').collect();
    let [boot, namespace, pid, start] = parts.as_slice() else {
        return false;
    };
    if boot_id().as_deref() != Some(boot) || pid_namespace().as_deref() != Some(namespace) {
        return false;
    }
    let Ok(pid) = pid.parse() else {
        return false;
    };
    // A process of another start time took over the number.
    start_time(pid).as_deref() != Some(start)
}

fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

fn pid_namespace() -> Option<String> {
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    let text = link.to_str()?;
    Some(text.trim_start_matches("pid:[").trim_end_matches(']').to_owned())
}

/// Field 22 of `/proc/<pid>/stat` (proc(5)); none for a zombie, which does nothing any more. The command, field 2, may hold spaces and parentheses.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_command) = stat.rsplit_once(')')?;
    let mut fields = after_command.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive() {
        assert!(!is_dead(&process_fingerprint().unwrap()));
    }

    #[test]
    fn the_same_number_with_another_start_time_is_dead() {
        let mark = process_fingerprint().unwrap();
        let (place, _) = mark.rsplit_once('/').unwrap();
        assert!(is_dead(&format!("{place}/1")));
    }

    #[test]
    fn nothing_is_claimed_of_another_machine() {
        assert!(!is_dead("other-boot/1/1/1"));
        assert!(!is_dead("nonsense"));
    }
}
