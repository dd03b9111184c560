//! What an environment may expect of the machine that it lives on, be it the bot's own, a plain sshd or a VM: the same
//! tests for all three.

mod adoption;
pub(crate) mod bench;
mod files;
mod hooks;
mod hostile;
