//! What a host tells of itself: room, networks, and whether previews are kept in.

use super::host::SshHost;
use super::request::Request;
use crate::domain::checkup::Networks;
use crate::domain::error::PortResult;
use crate::domain::ports::HostFigures;

const FIGURES: &str = concat!(include_str!("scripts/rules.sh"), include_str!("scripts/figures.sh"));

/// What is asked of a host at one look. Some of it takes a moment, and need not be asked each time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look<'a> {
    /// Folder above all previews.
    pub root: &'a str,
    /// Docker's folder. Where it is known already, Docker is not asked, and nothing is said of its networks.
    pub docker_root: Option<&'a str>,
    /// Whether the kernel is asked if the rules hold that keep previews in.
    pub rules: bool,
}

/// What a host told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// How it is. Whether previews are kept in is what the rules' own mark says.
    pub figures: HostFigures,
    /// Docker's folder, where Docker was asked and answered.
    pub docker_root: Option<String>,
    /// Whether the rules hold, as the kernel says; `None`: nobody could tell, or nobody asked.
    pub rules_hold: Option<bool>,
}

impl SshHost {
    /// How the host is.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached, `Denied` when its key or ours is refused.
    pub async fn figures(&self, look: Look<'_>) -> PortResult<Told> {
        let rules = if look.rules { "look" } else { "" };
        let request = Request::new(FIGURES, [look.root, look.docker_root.unwrap_or_default(), rules]).aside();
        Ok(parse(&self.done("cannot look at the machine", &request).await?.text()))
    }
}

fn parse(text: &str) -> Told {
    let (mut told, mut pools, mut routes) = (Told::default(), None, "");
    let figures = &mut told.figures;
    for (name, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        let bytes = || value.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024);
        match name {
            "disk" => figures.disk_free = bytes(),
            "disk_size" => figures.disk_size = bytes(),
            "memory" => figures.memory_free = bytes(),
            "confined" => figures.confined = value == "yes",
            "docker_root" => told.docker_root = Some(value.to_owned()),
            "rules" => told.rules_hold = Some(value == "yes"),
            "pools" => pools = Some(value),
            "routes" => routes = value,
            _ => {}
        }
    }
    figures.networks_free = pools.and_then(|pools| Networks::of(pools, routes)).map(|networks| networks.free);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_bytes_and_networks_are_counted() {
        let told = parse("disk 10\ndisk_size 40\nmemory 2\nmore x\n");
        let figures = HostFigures {
            disk_free: Some(10_240),
            disk_size: Some(40_960),
            memory_free: Some(2_048),
            ..HostFigures::default()
        };
        assert_eq!(told, Told { figures, ..Told::default() });
        let told =
            parse("docker_root /var/lib/docker\npools null\nroutes 000011AC/0000FFFF\nconfined yes\nrules no\n");
        assert_eq!((told.figures.networks_free, told.figures.confined), (Some(30), true));
        assert_eq!((told.docker_root.as_deref(), told.rules_hold), (Some("/var/lib/docker"), Some(false)));
    }
}
