//! Deterministic choice of TCP ports (spec §8).

use std::collections::{BTreeMap, BTreeSet};

/// Port by service or infrastructure name.
pub type PortMap = BTreeMap<String, u16>;

/// First port of the first block.
const RANGE_START: u16 = 61_000;
/// Ports in a block.
const BLOCK_SIZE: u16 = 100;
/// Blocks in the range.
const BLOCKS: u32 = 40;

/// No ports could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortMapError {
    /// More names than the block has ports.
    #[error("too many services: {count} names for a block of {block} ports")]
    TooManyServices {
        /// Names that need a port.
        count: usize,
        /// Ports in a block.
        block: u16,
    },
    /// Every port left in the block is taken.
    #[error("no free port left in {first}-{last}, the block of {} ports of this environment", BLOCK_SIZE)]
    NoFreePort {
        /// First port of the block.
        first: u16,
        /// Last port of the block.
        last: u16,
    },
}

/// First port of the block that this environment name maps to.
#[must_use]
pub fn block_start(environment: &str) -> u16 {
    // FNV-1a, 32 bit: offset basis and prime are the algorithm's own.
    let hash =
        environment.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let index = u16::try_from(hash % BLOCKS).unwrap_or_default();
    RANGE_START + BLOCK_SIZE * index
}

/// Whether the port is one of the block of this environment name.
#[must_use]
pub fn is_in_block(environment: &str, port: u16) -> bool {
    let first = block_start(environment);
    (first..first + BLOCK_SIZE).contains(&port)
}

/// Chooses a port for each of the `names`, in byte order; `is_free` says whether a port may be taken.
///
/// A busy port shifts every later name. A name given twice gets one port.
///
/// # Errors
/// See [`PortMapError`].
pub fn choose(
    environment: &str,
    names: &[String],
    is_free: &mut dyn FnMut(u16) -> bool,
) -> Result<PortMap, PortMapError> {
    let names: BTreeSet<&String> = names.iter().collect();
    if names.len() > usize::from(BLOCK_SIZE) {
        return Err(PortMapError::TooManyServices { count: names.len(), block: BLOCK_SIZE });
    }
    let first = block_start(environment);
    let last = first + (BLOCK_SIZE - 1);
    let mut candidates = first..=last;
    let mut ports = PortMap::new();
    for name in names {
        let port = candidates.find(|port| is_free(*port)).ok_or(PortMapError::NoFreePort { first, last })?;
        ports.insert(name.clone(), port);
    }
    Ok(ports)
}
