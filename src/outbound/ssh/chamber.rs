//! Hooks of untrusted code on a host: they run in one container of the environment's own, under limits and without
//! Docker, other previews or the account's files in sight.

use std::collections::BTreeMap;

use super::quote;
use crate::domain::compose::Confinement;
use crate::domain::environment::LifeId;
use crate::domain::error::PortResult;
use crate::domain::ports::HookCommand;
use crate::outbound::compute::CHECKOUT_LABEL;
use crate::outbound::supervisor::folder_name;

const CHAMBER: &str = include_str!("scripts/chamber.sh");
const INSIDE: &str = include_str!("scripts/chamber_hook.sh");

/// What the container of an environment's hooks is.
#[derive(Debug, Clone)]
pub struct Chamber {
    /// The checkout, the one folder of the code that hooks may write.
    pub checkout: String,
    /// The repository that the checkout is a worktree of, which hooks may read.
    pub repository: String,
    /// Labels by name, for what is looked for on the host.
    pub labels: Vec<(&'static str, String)>,
    /// What all hooks together, and what they leave running, may take.
    pub confinement: Confinement,
}

/// The container's name.
pub(super) fn name_of(life: LifeId) -> String {
    format!("previewbot-{life}")
}

impl Chamber {
    /// The same hook, run in the container. The host's own shell finds none of the hook's variables by the name that
    /// they have inside: one such as `LD_PRELOAD` would run code there.
    ///
    /// # Errors
    /// `Invalid` for a variable that no shell can hold.
    pub(super) fn confine(&self, command: &HookCommand, life: LifeId, folder: &str) -> PortResult<HookCommand> {
        // Names are those of variables, or they are refused.
        quote::exports(command.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
        let limits = &self.confinement;
        let own = [(CHECKOUT_LABEL, life.to_string())];
        let labels = self.labels.iter().chain(&own);
        let labels: Vec<String> = labels.map(|(name, value)| format!("--label {name}={value}")).collect();
        let arguments = [
            name_of(life),
            folder.to_owned(),
            self.checkout.clone(),
            self.repository.clone(),
            limits.memory.to_string(),
            format!("{}.{:03}", limits.milli_cpus / 1000, limits.milli_cpus % 1000),
            limits.pids.to_string(),
            labels.join(" "),
            folder_name(&command.step),
            command.directory.clone(),
            command.script.clone(),
            INSIDE.to_owned(),
        ];
        let names = command.environment.keys().map(String::as_str);
        let words = quote::words(arguments.iter().map(String::as_str).chain(names))?;
        let hidden = |(name, value): (&String, &String)| (format!("PREVIEWBOT_VALUE_{name}"), value.clone());
        let environment: BTreeMap<String, String> = command.environment.iter().map(hidden).collect();
        Ok(HookCommand { script: format!("set -- {words}\n{CHAMBER}"), environment, ..command.clone() })
    }
}
