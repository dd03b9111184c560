//! Processes as `/proc` tells them, and how they are ended for good.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use tokio::time::{Instant, sleep};

/// How long a process may take to end by itself after `SIGTERM`.
const GRACE: Duration = Duration::from_millis(500);
/// How long processes may take to vanish after `SIGKILL`; what is still there then cannot be killed.
const VANISH: Duration = Duration::from_millis(1_400);
/// How often `/proc` is looked at while processes end.
const LOOK: Duration = Duration::from_millis(20);

/// One process, told apart from a later one with the same number by its start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Process {
    /// Process id.
    pub(super) pid: i32,
    /// Start time in clock ticks since boot.
    pub(super) start: u64,
    /// Process group.
    pub(super) group: i32,
}

/// The part of `/proc/<pid>/stat` that matters; `None` for a process that is gone or a zombie.
fn parse_stat(pid: i32, stat: &str) -> Option<Process> {
    // The name in brackets may hold blanks and brackets itself: fields are counted from the last bracket.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X" | "x") {
        return None;
    }
    Some(Process { pid, group: fields.get(2)?.parse().ok()?, start: fields.get(19)?.parse().ok()? })
}

/// The living process with this number.
pub(super) fn find(pid: i32) -> Option<Process> {
    parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// When the living process with this number began, in clock ticks since boot.
#[must_use]
pub fn start_of(pid: i32) -> Option<u64> {
    find(pid).map(|process| process.start)
}

/// The kernel's id of this boot; empty when it does not tell.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// `NAME=value` in a process's environment, by which what a hook started is known.
#[derive(Debug, Clone)]
pub(super) struct Marker(String);

impl Marker {
    pub(super) fn new(name: &str, value: impl std::fmt::Display) -> Self {
        Self(format!("{name}={value}"))
    }

    /// Whether the process was started with this variable.
    pub(super) fn is_on(&self, pid: i32) -> bool {
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
        environment.split(|byte| *byte == 0).any(|entry| entry == self.0.as_bytes())
    }
}

/// The living processes, this one left out.
fn others() -> impl Iterator<Item = Process> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(move |pid| u32::try_from(*pid) != Ok(own)).filter_map(find)
}

/// Kills a process group and waits until none of it lives: a signal that was only sent has ended nothing yet. Gives up
/// on what cannot be killed.
pub(crate) async fn kill_group(group: Pid) {
    let asked = Instant::now();
    // Already gone is fine.
    let _ = kill_process_group(group, Signal::KILL);
    let number = group.as_raw_nonzero().get();
    while others().any(|process| process.group == number) && asked.elapsed() < VANISH {
        sleep(LOOK).await;
    }
}

/// Which processes are meant: members of a group and bearers of a marker.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    /// This process group, if any.
    pub(super) group: Option<i32>,
    /// Everything that bears this.
    pub(super) marker: Marker,
}

impl Selection {
    fn holds(&self, process: &Process) -> bool {
        self.group == Some(process.group) || self.marker.is_on(process.pid)
    }

    /// The living processes that are meant; never this process itself.
    pub(super) fn find(&self) -> BTreeSet<Process> {
        others().filter(|process| self.holds(process)).collect()
    }

    /// Ends all of them: `SIGTERM`, then `SIGKILL` after half a second; returns those that are still there after two.
    pub(super) async fn end(&self) -> BTreeSet<Process> {
        let asked = Instant::now();
        let mut told = BTreeSet::new();
        loop {
            let alive = self.find();
            if alive.is_empty() || asked.elapsed() > GRACE + VANISH {
                return alive;
            }
            let force = asked.elapsed() >= GRACE;
            for process in &alive {
                if force {
                    signal(process, Signal::KILL);
                } else if told.insert(*process) {
                    signal(process, Signal::TERM);
                }
            }
            sleep(LOOK).await;
        }
    }
}

/// Signals exactly this process: its number may have been given to another one since it was seen.
fn signal(process: &Process, signal: Signal) {
    let Some(pid) = Pid::from_raw(process.pid) else { return };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if find(process.pid).is_some_and(|now| now.start == process.start) {
        // It may have ended by itself, and one that may not be signalled shows up as left over.
        let _ = pidfd_send_signal(&handle, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_behind_the_last_bracket_and_zombies_are_gone() {
        let rest = "1 77 77 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        let process = parse_stat(9, &format!("9 (a) Z (b) S {rest}"));
        assert_eq!(process, Some(Process { pid: 9, start: 4242, group: 77 }));
        assert_eq!(parse_stat(9, &format!("9 (a) Z {rest}")), None);
    }
}
