//! What tests of remote hosts stand on, held to what it says by the real `ssh`.

mod network;
mod sshd;
mod vm;
