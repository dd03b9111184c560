//! What a host tells of itself: room, and whether previews are kept in.

use super::host::SshHost;
use super::request::Request;
use crate::domain::error::PortResult;
use crate::domain::ports::HostFigures;

const FIGURES: &str = include_str!("scripts/figures.sh");

impl SshHost {
    /// Free disk and memory, and whether previews are kept in.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached, `Denied` when its key or ours is refused.
    pub async fn figures(&self, root: &str) -> PortResult<HostFigures> {
        let answer = self.done("cannot look at the machine", &Request::new(FIGURES, [root]).aside()).await?;
        Ok(parse(&answer.text()))
    }
}

fn parse(text: &str) -> HostFigures {
    let mut figures = HostFigures::default();
    for (name, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        let bytes = || value.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024);
        match name {
            "disk" => figures.disk_free = bytes(),
            "memory" => figures.memory_free = bytes(),
            "confined" => figures.confined = value == "yes",
            _ => {}
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_bytes() {
        let figures = parse("disk 10\nmemory 2\nmore x\n");
        assert_eq!((figures.disk_free, figures.memory_free, figures.confined), (Some(10_240), Some(2_048), false));
        assert!(parse("confined yes\n").confined);
    }
}
