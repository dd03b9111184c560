//! What several rooms of tests share.

pub(crate) mod bot;
pub(crate) mod clock;
pub(crate) mod contract;
pub(crate) mod contract_bot;
pub(crate) mod env_readers;
pub(crate) mod hand_clock;
pub(crate) mod host;
pub(crate) mod hurried_clock;
pub(crate) mod memory_queue;
pub(crate) mod names;
pub(crate) mod nginx;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod repository;
pub(crate) mod small_disk;
