//! Removes what bears an environment's label, however it came to be, and tells what is left.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::docker::Docker;
use super::patch::ENVIRONMENT_LABEL;
use crate::domain::environment::LifeId;
use crate::domain::error::PortResult;

/// How long one docker command may take here.
pub(super) const QUICK: Duration = Duration::from_mins(1);

/// A kind of thing that docker keeps: its word, how it is listed, how it is removed.
pub(super) struct Kind {
    pub(super) word: &'static str,
    /// The field of docker's lists that people know it by.
    pub(super) name_field: &'static str,
    pub(super) list: &'static [&'static str],
    remove: &'static [&'static str],
}

impl Kind {
    /// What makes a list whole: containers that do not run are left out by themselves.
    pub(super) fn all(&self) -> &'static [&'static str] {
        if self.word == "container" { &["-a"] } else { &[] }
    }
}

/// In the order in which they let go of each other.
pub(super) const KINDS: [Kind; 3] = [
    Kind { word: "container", name_field: "Names", list: &["ps"], remove: &["rm", "-f", "-v"] },
    Kind { word: "network", name_field: "Name", list: &["network", "ls"], remove: &["network", "rm"] },
    Kind { word: "volume", name_field: "Name", list: &["volume", "ls"], remove: &["volume", "rm", "-f"] },
];

/// Images bear the labels of their build; docker has no word for those in a list of images.
const IMAGES: Kind =
    Kind { word: "image", name_field: "Repository", list: &["image", "ls"], remove: &["image", "rm", "-f"] };

/// Removes every labelled container, network, volume and image; what is still there then is told, such as `volume
/// x_data`.
pub(super) async fn sweep(docker: &Docker, life: LifeId) -> PortResult<Vec<String>> {
    let mut left = Vec::new();
    for kind in KINDS.iter().chain([&IMAGES]) {
        let found = list(docker, kind, life).await?;
        if found.is_empty() {
            continue;
        }
        let names: Vec<&str> = found.iter().map(String::as_str).collect();
        // What it could not remove is found by the next look.
        docker.output(&[kind.remove, &names].concat(), QUICK, &CancellationToken::new()).await?;
        left.extend(list(docker, kind, life).await?.into_iter().map(|name| format!("{} {name}", kind.word)));
    }
    Ok(left)
}

/// Stops every labelled container, keeping it.
pub(super) async fn halt(docker: &Docker, life: LifeId, seconds: u64) -> PortResult<()> {
    let filter = format!("label={ENVIRONMENT_LABEL}={life}");
    let never = CancellationToken::new();
    let running = docker.run("cannot list containers", &["ps", "-q", "--filter", &filter], QUICK, &never).await?;
    let running = running.text();
    let names: Vec<&str> = running.lines().collect();
    if names.is_empty() {
        return Ok(());
    }
    let seconds = seconds.to_string();
    let arguments = [&["stop", "-t", &seconds][..], &names].concat();
    docker.run("cannot stop containers", &arguments, QUICK, &never).await.map(drop)
}

async fn list(docker: &Docker, kind: &Kind, life: LifeId) -> PortResult<Vec<String>> {
    let filter = format!("label={ENVIRONMENT_LABEL}={life}");
    let arguments = [kind.list, kind.all(), &["-q", "--filter", &filter]].concat();
    let what = format!("cannot list {}s", kind.word);
    let output = docker.run(&what, &arguments, QUICK, &CancellationToken::new()).await?;
    let found: BTreeSet<String> = output.text().lines().map(str::to_owned).collect();
    Ok(found.into_iter().collect())
}
