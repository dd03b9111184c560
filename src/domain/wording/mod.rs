//! Every sentence that people see on a change, on a page or at a terminal. Pure; snapshot-tested.

mod check;
mod comment;
mod deployment;
mod escape;
mod replies;
mod shown;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod time;

pub use check::{CHECK_NAME, check, check_id, superseded_check};
pub use comment::{asks_for_approval, comment, comment_marker};
pub use deployment::{deployment, deployment_environment};
pub use escape::{code, escape, fence};
pub use replies::{command_table, denied, help, how_to_approve, logs, no_logs, not_understood, reply_marker, why};
pub use shown::{begins_comment, shown};
pub use status::{StatusTable, status_markdown};
pub use time::{duration, short_duration};
