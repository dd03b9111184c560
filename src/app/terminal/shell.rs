//! `ssh`: a shell in an environment's folder, with the variables that its hooks have.

use std::process::Command;

use anyhow::{Context as _, bail};

use super::session::Session;
use crate::domain::entry::EnvironmentEntry;
use crate::domain::hook;
use crate::inbound::cli::arguments::SshArguments;

impl Session {
    /// Runs a shell, or the given command, and ends as it ends.
    pub(super) async fn shell(&self, arguments: &SshArguments) -> anyhow::Result<std::process::ExitCode> {
        let environment = self.existing(arguments.name.as_deref(), &arguments.target).await?;
        let entry = environment.entry.unwrap_or_default();
        let folder = match &entry.compute {
            Some(compute) if compute.kind == "local" => compute.path.clone().unwrap_or_default(),
            Some(compute) => bail!(
                "{} lives on {}: environments on other machines cannot be entered yet",
                entry.name,
                compute.host.as_deref().unwrap_or("another machine")
            ),
            None => bail!("{} has no folder yet: `previewbot create {}` makes it", entry.name, entry.name),
        };
        let (program, rest) = match arguments.command.split_first() {
            Some((program, rest)) => (program.clone(), rest),
            None => (std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned()), &[][..]),
        };
        let mut command = Command::new(&program);
        command.args(rest).current_dir(&folder).envs(self.project.variables.clone());
        command.envs(self.own_variables(&entry, &folder).await?);
        let status = command.status().with_context(|| format!("cannot run {program} in {folder}"))?;
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        Ok(code.into())
    }

    async fn own_variables(
        &self,
        entry: &EnvironmentEntry,
        folder: &str,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let mut variables = vec![
            ("PREVIEWCTL_ENV_NAME".to_owned(), entry.name.clone()),
            ("PREVIEWCTL_ENVIRONMENT_NAME".to_owned(), hook::sanitize_name(&entry.name)),
            ("PREVIEWCTL_PROJECT_NAME".to_owned(), self.project.recalled("local").await?.name),
            ("PREVIEWCTL_PROJECT_ROOT".to_owned(), self.project.root.to_string_lossy().into_owned()),
            ("PREVIEWCTL_WORKTREE_PATH".to_owned(), folder.to_owned()),
        ];
        let ports = entry.ports.iter().flatten();
        variables.extend(ports.map(|(name, port)| (hook::port_variable(name), port.to_string())));
        variables.extend(entry.env.iter().map(|(key, value)| (hook::store_variable(key), value.clone())));
        Ok(variables)
    }
}
