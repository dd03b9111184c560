use crate::domain::entry::EnvironmentEntry;
use crate::manager::context::Context;

/// What a phase came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The entry as it was stored.
    pub entry: EnvironmentEntry,
    /// Steps that ran, in the order in which they ended; skipped ones are not among them.
    pub ran: Vec<String>,
    /// Seed steps whose hook changed since the data was made; a reset brings the new data.
    pub stale_seeds: Vec<String>,
    /// Whether the hook that makes the machine changed since it made this one; only a new environment has a new one.
    pub stale_compute: bool,
}

impl Deployed {
    /// Whether data was seeded.
    #[must_use]
    pub fn seeded(&self) -> bool {
        self.ran.iter().any(|step| step.starts_with("seed_"))
    }

    pub(super) async fn of(context: &Context<'_>) -> Self {
        let facts = context.facts().await;
        Self {
            entry: facts.entry.clone().unwrap_or_default(),
            ran: facts.ran.clone(),
            stale_seeds: facts.stale.iter().filter(|step| step.starts_with("seed_")).cloned().collect(),
            stale_compute: facts.stale.iter().any(|step| step == "create_compute"),
        }
    }
}
