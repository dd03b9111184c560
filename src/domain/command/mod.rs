//! `/preview …` comments (`ux.md` §1): the command table and the parser. The table is the one source of help.

mod markdown;
mod parse;
mod table;

pub use parse::{CommandError, MAX_COMMANDS, parse};
pub use table::{COMMANDS, Command, CommandHelp};
