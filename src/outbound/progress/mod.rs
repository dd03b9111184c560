//! Who is told of a Manager's steps, apart from terminals.

mod fanout;
mod journal;

pub use fanout::Fanout;
pub use journal::JournalReporter;
