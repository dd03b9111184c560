//! Who holds an environment: a process, so that the next command can tell whether it still lives.

/// `process <id> <start> <boot>` of this process.
pub(super) fn this_process() -> String {
    let pid = std::process::id();
    format!("process {pid} {} {}", start_of(pid).unwrap_or_default(), boot())
}

/// Whether the process behind an owner is known to have ended. Whoever is no process of this machine's present boot
/// that could be looked for counts as alive: only the lease tells.
pub(super) fn is_gone(owner: &str) -> bool {
    let owner = owner.split('#').next().unwrap_or_default();
    let words: Vec<&str> = owner.split(' ').collect();
    let ["process", pid, start, boot_id] = words[..] else { return false };
    let Ok(pid) = pid.parse() else { return false };
    boot_id != boot() || start_of(pid).is_none_or(|found| found.to_string() != start)
}

fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// When a living process began, in clock ticks since boot.
fn start_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything: fields are counted behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ended = matches!(*fields.first()?, "Z" | "X" | "x");
    if ended { None } else { fields.get(19)?.parse().ok() }
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
