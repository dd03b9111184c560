//! Hosts whose network, disk, power or sshd fails at the worst moment: what was asked for happens all the same, and what
//! may happen once happens once. A fixed sample of each sweep in `make test`, all of it with `PREVIEWBOT_TORTURE=1`.

mod acts;
mod bench;
mod connections;
mod containers;
mod disk;
mod keys;
mod login;
mod outages;
mod output;
mod power;
mod sweep;
