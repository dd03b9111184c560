//! What an environment may expect of the machine that it lives on, be it the bot's own, a plain sshd or a VM, and of the
//! container that hooks of untrusted code run in: the same tests for all.

mod adoption;
pub(crate) mod bench;
mod builds;
mod chamber;
mod files;
mod hooks;
mod hostile;
