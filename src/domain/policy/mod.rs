//! What should happen to an environment, and why: pure, tested by the tables in `fixtures/policy/` (design §5, §8).

mod approval;
mod decide;
mod life;
mod obey;
mod refusal;
mod reset;
mod situation;
mod standing;
#[cfg(test)]
mod tests;

pub use approval::was_shown;
pub use decide::{decide, needs_files};
pub use obey::obey;
pub use refusal::NO_PLACE;
pub use situation::{Order, Placement, ProjectPolicy, Situation};
pub use standing::{NO_SANDBOX, why_not_own};
