//! The Manager's verbs, one file each; `entry` finds and opens entries for them.

mod attach;
mod core_init;
mod core_reset;
mod core_seed;
mod deployed;
mod destroy;
mod entry;
mod infra;
mod init;
mod list;
mod logs;
mod plan;
mod preview_step;
mod provision;
mod provision_attach;
mod reconcile;
mod run;
mod run_core_hook;
mod run_steps;
mod services;
mod set_no_cache;
mod set_status;
mod status;
mod stop;
mod store;
mod sync;

pub use deployed::Deployed;
pub use plan::PlannedStep;
pub use preview_step::{FilePreview, StepPreview};
pub use reconcile::{ReconcileReport, Reconciled};
pub use run_steps::RefreshScope;
