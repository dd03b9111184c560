//! What bears this installation's label, whatever became of the environment that it was made for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::docker::Docker;
use super::patch::{ENVIRONMENT_LABEL, INSTALLATION_LABEL};
use super::sweep::{KINDS, QUICK, sweep};
use crate::domain::environment::LifeId;
use crate::domain::error::PortResult;
use crate::outbound::machine::Machine;

/// Everything of docker's that this installation made, in words (`volume shop-a_data`), by the life that it was made
/// for.
///
/// # Errors
/// When docker cannot be asked.
pub async fn labelled(
    machine: Arc<dyn Machine>,
    home: &Path,
    installation: &str,
) -> PortResult<BTreeMap<LifeId, Vec<String>>> {
    let docker = Docker::new(machine, home);
    let mut found: BTreeMap<LifeId, Vec<String>> = BTreeMap::new();
    for kind in &KINDS {
        let filter = format!("label={INSTALLATION_LABEL}={installation}");
        let format = format!("{{{{.Label \"{ENVIRONMENT_LABEL}\"}}}} {{{{.{}}}}}", kind.name_field);
        let arguments = [kind.list, kind.all(), &["--filter", &filter, "--format", &format]].concat();
        let what = format!("cannot list {}s", kind.word);
        let output = docker.run(&what, &arguments, QUICK, &CancellationToken::new()).await?;
        for line in output.text().lines() {
            let Some((life, name)) = line.split_once(' ') else { continue };
            if let Ok(life) = life.parse() {
                found.entry(LifeId(life)).or_default().push(format!("{} {name}", kind.word));
            }
        }
    }
    Ok(found)
}

/// Removes everything of docker's that bears a life's label; what is still there then is told.
///
/// # Errors
/// When docker cannot be asked.
pub async fn remove_labelled(machine: Arc<dyn Machine>, home: &Path, life: LifeId) -> PortResult<Vec<String>> {
    sweep(&Docker::new(machine, home), life).await
}
