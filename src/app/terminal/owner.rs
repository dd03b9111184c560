//! Who holds an environment: a process, so that the next command can tell whether it still lives.

use crate::outbound::supervisor::{boot_id, start_of};

/// `process <id> <start> <boot>` of this process.
pub(super) fn this_process() -> String {
    let pid = std::process::id();
    let start = i32::try_from(pid).ok().and_then(start_of).unwrap_or_default();
    format!("process {pid} {start} {}", boot_id())
}

/// Whether the process behind an owner is known to have ended. Whoever is no process of this machine's present boot
/// that could be looked for counts as alive: only the lease tells.
pub(super) fn is_gone(owner: &str) -> bool {
    let owner = owner.split('#').next().unwrap_or_default();
    let words: Vec<&str> = owner.split(' ').collect();
    let ["process", pid, start, boot] = words[..] else { return false };
    let Ok(pid) = pid.parse() else { return false };
    boot != boot_id() || start_of(pid).is_none_or(|found| found.to_string() != start)
}

#[cfg(test)]
mod tests {
    use super::{is_gone, this_process};

    #[test]
    fn the_living_are_told_from_the_gone() {
        assert!(!is_gone(&format!("{}#1", this_process())));
        assert!(!is_gone("0190-some-server#3"));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let owner = this_process().replacen(&std::process::id().to_string(), &child.id().to_string(), 1);
        child.wait().unwrap();
        assert!(is_gone(&owner));
    }
}
