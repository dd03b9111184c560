//! What whoever takes a life over finds on its host, as `take_over.sh` tells it.

use crate::outbound::supervisor::{Record, folder_name};

/// All of it.
pub(super) struct Legacy {
    /// Which boot of the machine this is.
    pub(super) boot: String,
    /// The numbers of the account and of its group.
    pub(super) account: Option<(u32, u32)>,
    /// Runs of former epochs whose results nobody collected.
    pub(super) runs: Vec<Found>,
}

impl Legacy {
    pub(super) fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let mut line = || lines.next().unwrap_or_default();
        let (boot, account) = (line().to_owned(), numbers(line()));
        Self { boot, account, runs: lines.filter_map(Found::parse).collect() }
    }
}

/// A run that was there before.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) record: Record,
    pub(super) has_ended: bool,
    pub(super) is_supervised: bool,
}

impl Found {
    /// Reads a line of it; one that no run of ours can have written is left out.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        let (name, exit, supervised, record) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let record: Record = serde_json::from_str(record).ok()?;
        // The folder's name is what later requests are made with.
        (folder_name(record.step()) == name).then(|| Self {
            name: name.to_owned(),
            record,
            has_ended: exit != "-",
            is_supervised: supervised == "1",
        })
    }
}

/// `<user>:<group>`, as numbers.
fn numbers(text: &str) -> Option<(u32, u32)> {
    let (user, group) = text.split_once(':')?;
    Some((user.parse().ok()?, group.parse().ok()?))
}
