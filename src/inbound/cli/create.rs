//! What `previewbot create` says in the end.

use std::io::Write;

use super::list::Row;
use super::output::{self, CliError};
use super::progress::took;
use crate::domain::environment::Environment;
use crate::manager::Deployed;

/// One sentence for a person who waits, apart from what a program reads.
pub fn told(sentence: &str) {
    eprintln!("{}", output::plain(sentence));
}

/// Prints where the environment is and how to reach it.
///
/// # Errors
/// When the output fails.
pub fn done(
    environment: &Environment,
    deployed: &Deployed,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if json {
        return output::json(out, &Row::of_environment(environment));
    }
    let name = output::plain(&environment.called());
    let seconds = environment.deploy_ms.map(took).unwrap_or_default();
    let what = if deployed.ran.is_empty() { "was up to date" } else { "is ready" };
    told(&format!("{name} {what} after {seconds}"));
    if let Some(path) = deployed.entry.worktree_path() {
        writeln!(out, "  {:12} {}", "folder", output::plain(path))?;
    }
    for (service, url) in &environment.urls {
        writeln!(out, "  {:12} {}", output::plain(service), output::plain(url))?;
    }
    let infrastructure = deployed.entry.ports.iter().flatten();
    for (service, port) in
        infrastructure.filter(|(service, _)| !environment.urls.iter().any(|(s, _)| s == *service))
    {
        writeln!(out, "  {:12} port {port}", output::plain(service))?;
    }
    for step in &deployed.stale_seeds {
        let service = step.trim_start_matches("seed_");
        told(&format!(
            "the seed of {service} changed since its data was made: `previewbot core {service} reset -e {name}` brings the new one"
        ));
    }
    Ok(())
}
