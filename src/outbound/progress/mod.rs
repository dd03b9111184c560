//! Who is told of a Manager's steps, apart from terminals.

mod journal;

pub use journal::JournalReporter;
