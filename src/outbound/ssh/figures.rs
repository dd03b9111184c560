//! What a host tells of itself: room, networks, and whether previews are kept in.

use super::host::SshHost;
use super::request::Request;
use crate::domain::checkup::Networks;
use crate::domain::error::PortResult;
use crate::domain::ports::HostFigures;

const FIGURES: &str = include_str!("scripts/figures.sh");

impl SshHost {
    /// How the host is, and where Docker's folder is. Where that is known already, Docker itself is not asked, and
    /// nothing is said of its networks.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached, `Denied` when its key or ours is refused.
    pub async fn figures(
        &self,
        root: &str,
        docker_root: Option<&str>,
    ) -> PortResult<(HostFigures, Option<String>)> {
        let request = Request::new(FIGURES, [root, docker_root.unwrap_or_default()]).aside();
        let (figures, told) = parse(&self.done("cannot look at the machine", &request).await?.text());
        Ok((figures, told.or_else(|| docker_root.map(str::to_owned))))
    }
}

fn parse(text: &str) -> (HostFigures, Option<String>) {
    let (mut figures, mut docker_root, mut pools, mut routes) = (HostFigures::default(), None, None, "");
    for (name, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        let bytes = || value.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024);
        match name {
            "disk" => figures.disk_free = bytes(),
            "disk_size" => figures.disk_size = bytes(),
            "memory" => figures.memory_free = bytes(),
            "confined" => figures.confined = value == "yes",
            "docker_root" => docker_root = Some(value.to_owned()),
            "pools" => pools = Some(value),
            "routes" => routes = value,
            _ => {}
        }
    }
    figures.networks_free = pools.and_then(|pools| Networks::of(pools, routes)).map(|networks| networks.free);
    (figures, docker_root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_bytes_and_networks_are_counted() {
        let (figures, docker_root) = parse("disk 10\ndisk_size 40\nmemory 2\nmore x\n");
        assert_eq!((figures.disk_free, figures.disk_size), (Some(10_240), Some(40_960)));
        assert_eq!((figures.memory_free, figures.confined, docker_root), (Some(2_048), false, None));
        assert_eq!(figures.networks_free, None);
        let (figures, docker_root) =
            parse("docker_root /var/lib/docker\npools null\nroutes 000011AC/0000FFFF\nconfined yes\n");
        assert_eq!((figures.networks_free, figures.confined), (Some(30), true));
        assert_eq!(docker_root.as_deref(), Some("/var/lib/docker"));
    }
}
