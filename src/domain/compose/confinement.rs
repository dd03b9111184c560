//! What a preview of untrusted code may take of its host.

/// One mebibyte.
pub const MIB: u64 = 1024 * 1024;

/// Bounds of one preview: of each of its services, and of how many containers there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// Thousandths of a CPU that a service may use.
    pub milli_cpus: u32,
    /// Bytes of memory that a service may use; what it keeps in a tmpfs counts.
    pub memory: u64,
    /// Processes and threads that a service may have.
    pub pids: u32,
    /// Bytes of a service's output that are kept.
    pub log: u64,
    /// Containers that one compose file may ask for.
    pub containers: u32,
}

impl Default for Confinement {
    fn default() -> Self {
        Self { milli_cpus: 1000, memory: 1024 * MIB, pids: 256, log: 10 * MIB, containers: 16 }
    }
}
