//! How many networks Docker can still make: every preview with containers takes one.

use serde::Deserialize;

/// Pools larger than this are as good as endless, in networks.
const ENDLESS: u32 = 16;

/// One of Docker's address pools, as `docker info` tells it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pool {
    base: String,
    size: u32,
}

/// A network: its address and how many bits of it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: u32,
    bits: u32,
}

impl Network {
    fn overlaps(self, other: Self) -> bool {
        (self.address ^ other.address) & mask(self.bits.min(other.bits)) == 0
    }

    /// Reads `10.0.0.0/8`.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address: std::net::Ipv4Addr = address.parse().ok()?;
        Some(Self { address: address.to_bits(), bits: bits.parse().ok().filter(|bits| *bits <= 32)? })
    }

    /// Reads address and mask as the kernel tells them: in hexadecimal digits, the last byte first.
    fn of_route(text: &str) -> Option<Self> {
        let (address, mask) = text.split_once('/')?;
        let number = |digits| u32::from_str_radix(digits, 16).ok().map(u32::swap_bytes);
        Some(Self { address: number(address)?, bits: number(mask)?.count_ones() })
    }
}

const fn mask(bits: u32) -> u32 {
    if bits == 0 { 0 } else { u32::MAX << (32 - bits) }
}

/// Docker's address pools where nobody set others.
fn built_in() -> Vec<Pool> {
    let large = (17..32).map(|part| Pool { base: format!("172.{part}.0.0/16"), size: 16 });
    large.chain([Pool { base: "192.168.0.0/16".to_owned(), size: 20 }]).collect()
}

/// Networks of all pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Networks {
    /// Those that no route leads into: Docker makes no others.
    pub free: u64,
    /// All.
    pub held: u64,
}

impl Networks {
    /// Counts the networks of pools, as JSON, that the machine's routes leave.
    #[must_use]
    pub fn of(pools: &str, routes: &str) -> Option<Self> {
        let pools: Option<Vec<Pool>> = serde_json::from_str(pools).ok()?;
        let pools = pools.filter(|pools| !pools.is_empty()).unwrap_or_else(built_in);
        // What leads everywhere leads nowhere in particular.
        let routes = routes.split_whitespace().filter_map(Network::of_route).filter(|route| route.bits > 0);
        let routes: Vec<Network> = routes.collect();
        let mut networks = Self { free: 0, held: 0 };
        for pool in pools {
            let Some(base) = Network::parse(&pool.base) else { continue };
            if pool.size < base.bits || pool.size > 32 {
                continue;
            }
            for number in 0..1u32 << (pool.size - base.bits).min(ENDLESS) {
                let address = (base.address & mask(base.bits)) | number << (32 - pool.size);
                let network = Network { address, bits: pool.size };
                networks.held += 1;
                networks.free += u64::from(!routes.iter().any(|route| route.overlaps(network)));
            }
        }
        Some(networks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a machine at 172.17.0.3 whose Docker has taken 172.18.0.0/16, with a default route.
    const ROUTES: &str = "00000000/00000000 000011AC/0000FFFF 000012AC/0000FFFF";

    #[test]
    fn networks_that_a_route_leads_into_are_not_free() {
        let counted = |pools, routes| Networks::of(pools, routes).map(|n| (n.free, n.held));
        assert_eq!(counted("null", ""), Some((31, 31)));
        assert_eq!(counted("null", ROUTES), Some((29, 31)));
        // 172.16.0.0/12 takes all of the first, 192.168.32.0/24 a part of one.
        assert_eq!(counted("[]", "000010AC/0000F0FF 0020A8C0/00FFFFFF"), Some((15, 31)));
        let own = r#"[{"Base":"10.208.0.0/12","Size":24},{"Base":"10.1.0.0/26","Size":28}]"#;
        assert_eq!(counted(own, ROUTES), Some((4100, 4100)));
        assert_eq!(counted(own, "0000D00A/00FFFFFF 0000010A/FFFFFFFF"), Some((4098, 4100)));
        assert_eq!(counted("no json", ROUTES), None);
    }
}
