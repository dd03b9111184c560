//! How much of a host's disk environments use.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::host::SshHost;
use super::request::Request;
use crate::domain::disk::DiskUse;
use crate::domain::environment::LifeId;
use crate::domain::error::PortResult;

const MEASURE: &str = include_str!("scripts/measure.sh");
/// How long it may take: each of many folders has a minute, Docker two.
const LIMIT: Duration = Duration::from_mins(10);
/// How some versions of Docker shorten the names of containers in their lists of sizes.
const SHORT_ID: usize = 12;
/// The length of the names that Docker gives to volumes that have none.
const UNNAMED: usize = 64;

/// Where an environment's files are on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// Its life.
    pub life: LifeId,
    /// Its checkout.
    pub checkout: String,
    /// The folder of its life.
    pub folder: String,
}

impl SshHost {
    /// What each of these environments uses: its folders, the writable layers of its containers, its volumes and what
    /// only its own images hold.
    ///
    /// # Errors
    /// As for all requests.
    pub async fn usage(&self, occupants: &[Occupant]) -> PortResult<BTreeMap<LifeId, DiskUse>> {
        let line = |occupant: &Occupant| {
            let Occupant { life, checkout, folder } = occupant;
            format!("{life} {checkout} {folder}\n")
        };
        let data: String = occupants.iter().map(line).collect();
        let request = Request::plain(MEASURE).data(data.into_bytes()).within(LIMIT);
        let text = self.done("cannot measure what previews use", &request).await?.text();
        let facts = Facts::parse(&text);
        if let Some(why) = facts.unknown {
            tracing::warn!(host = %self.options().name, why, "docker does not say how large things are");
        }
        Ok(occupants.iter().map(|occupant| (occupant.life, facts.of(&occupant.life.to_string()))).collect())
    }
}

/// What `measure.sh` printed.
#[derive(Default)]
struct Facts<'a> {
    /// KiB by life; `None`: more than could be counted.
    folders: BTreeMap<&'a str, Option<u64>>,
    /// Names of containers, volumes and images by life, as Docker lists their sizes.
    owned: BTreeMap<&'a str, BTreeSet<&'a str>>,
    sizes: BTreeMap<&'a str, u64>,
    unknown: Option<&'a str>,
}

impl<'a> Facts<'a> {
    fn parse(text: &'a str) -> Self {
        let mut facts = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(word), Some(first)) = (words.next(), words.next()) else { continue };
            let second = words.next().unwrap_or_default();
            match word {
                "folders" => drop(facts.folders.insert(first, second.parse().ok())),
                "volume" | "image" => drop(facts.owned.entry(first).or_default().insert(second)),
                "container" => {
                    let owned = facts.owned.entry(first).or_default();
                    owned.extend([second, second.get(..SHORT_ID).unwrap_or(second)]);
                    let mounts = words.next().unwrap_or_default().split(',');
                    // One that has a name and not this environment's label is shared on purpose.
                    owned.extend(mounts.filter(|name| {
                        name.len() == UNNAMED && name.bytes().all(|byte| byte.is_ascii_hexdigit())
                    }));
                }
                "size" => facts.sizes.extend(bytes(second).map(|bytes| (first, bytes))),
                "unknown" => facts.unknown = Some(line),
                _ => {}
            }
        }
        facts
    }

    fn of(&self, life: &str) -> DiskUse {
        let folders = self.folders.get(life).copied().unwrap_or(Some(0));
        let owned = self.owned.get(life).into_iter().flatten();
        let docker: u64 = owned.filter_map(|name| self.sizes.get(name)).sum();
        let bytes = folders.unwrap_or_default().saturating_mul(1024).saturating_add(docker);
        DiskUse { bytes, uncounted: folders.is_none() }
    }
}

/// A size as Docker prints it: `12.3GB`, with thousands and not 1,024.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        "PB" => 1e15,
        _ => return None,
    };
    let number: f64 = digits.parse().ok().filter(|number: &f64| (0.0..1e6).contains(number))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "neither negative nor too large")]
    let bytes = (number * unit) as u64;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_prints_them() {
        let read = ["0B", "20.97MB", "1.5kB", "3GB", "2TB", "", "N/A", "-1B", "5", "xMB"].map(bytes);
        let thousands = [Some(0), Some(20_970_000), Some(1_500), Some(3_000_000_000), Some(2_000_000_000_000)];
        assert_eq!(read[..5], thousands);
        assert_eq!(read[5..], [None; 5]);
    }

    #[test]
    fn what_bears_a_label_belongs_to_its_life_and_nothing_else_does() {
        let (id, unnamed) = ("c".repeat(64), "a".repeat(64));
        let whole = format!("container one {id} \nsize {id} 2kB\n");
        assert_eq!(Facts::parse(&whole).of("one").bytes, 2_000);
        let text = format!(
            "folders one 100\nfolders two -\nimage one sha256:i\ncontainer one {id} {unnamed},everybodys\n\
             container two {} \nvolume one one_data\nsize {} 2kB\nsize {unnamed} 3kB\nsize everybodys 9GB\n\
             size one_data 4kB (virtual 9GB)\nsize sha256:i 5kB\nsize sha256:j 7GB\n",
            "d".repeat(64),
            &id[..12],
        );
        let facts = Facts::parse(&text);
        assert_eq!(facts.of("one"), DiskUse { bytes: 100 * 1024 + 14_000, uncounted: false });
        assert_eq!(facts.of("two"), DiskUse { bytes: 0, uncounted: true });
        assert_eq!(facts.of("three"), DiskUse::default());
        assert_eq!(Facts::parse("unknown no docker\n").unknown, Some("unknown no docker"));
    }
}
