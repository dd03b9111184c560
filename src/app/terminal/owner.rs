//! Who holds an environment: a process, so that the next command can tell whether it still lives.

use crate::outbound::store::Store;
use crate::outbound::supervisor::{boot_id, start_of};

/// `process <id> <start> <boot>` of this process.
pub(super) fn this_process() -> String {
    let pid = std::process::id();
    let start = i32::try_from(pid).ok().and_then(start_of).unwrap_or_default();
    format!("process {pid} {start} {}", boot_id())
}

/// How to tell whether the process behind an owner has ended. Of a database that other machines use as well, an owner of
/// another boot may be alive on one of them.
pub(super) fn judge(store: &Store) -> fn(&str) -> bool {
    if store.is_shared() { is_gone_from_this_boot } else { is_gone }
}

/// Whether the process behind an owner is known to have ended. Whoever is no process that could be looked for counts as
/// alive: only the lease tells.
fn is_gone(owner: &str) -> bool {
    parts(owner).is_some_and(|[_, _, boot]| boot != boot_id()) || is_gone_from_this_boot(owner)
}

/// The same where only what began since this machine's last start can be looked for.
fn is_gone_from_this_boot(owner: &str) -> bool {
    let Some([pid, start, boot]) = parts(owner) else { return false };
    let Ok(pid) = pid.parse() else { return false };
    boot == boot_id() && start_of(pid).is_none_or(|found| found.to_string() != start)
}

/// Process id, start and boot of an owner that is a process.
fn parts(owner: &str) -> Option<[&str; 3]> {
    let owner = owner.split('#').next().unwrap_or_default();
    match owner.split(' ').collect::<Vec<_>>()[..] {
        ["process", pid, start, boot] => Some([pid, start, boot]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_gone, is_gone_from_this_boot, this_process};

    #[test]
    fn the_living_are_told_from_the_gone() {
        assert!(!is_gone(&format!("{}#1", this_process())));
        assert!(!is_gone("0190-some-server#3"));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let owner = this_process().replacen(&std::process::id().to_string(), &child.id().to_string(), 1);
        child.wait().unwrap();
        assert!(is_gone(&owner) && is_gone_from_this_boot(&owner));
        // Before a restart of this machine, or on another one.
        assert!(is_gone("process 1 1 another-boot#1"));
        assert!(!is_gone_from_this_boot("process 1 1 another-boot#1"));
    }
}
