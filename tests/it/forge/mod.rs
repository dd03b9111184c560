//! The forge adapters: against the validating mock where there is one, and against odd answers always.

mod github;
mod github_answers;
