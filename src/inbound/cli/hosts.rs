//! `previewbot hosts`.

use std::io::{BufRead, Write};

use serde::Serialize;

use super::output::{self, CliError};
use crate::domain::checkup::Bytes;
use crate::domain::ports::HostRecord;

/// A host of the settings, or one that previews are still on.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What is known of it beside the settings.
    pub record: HostRecord,
    /// Its name.
    pub name: String,
    /// What the settings say; `None` for one that they do not have any more.
    pub set: Option<SetHost>,
}

/// What the settings say of a host.
#[derive(Debug, Clone)]
pub struct SetHost {
    /// Where it is.
    pub address: String,
    /// Previews at most.
    pub capacity: Option<u32>,
    /// What projects choose it by.
    pub labels: Vec<String>,
}

/// One host as `hosts list --json` shows it.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    address: Option<String>,
    state: &'static str,
    reason: Option<String>,
    down_since: Option<String>,
    draining: bool,
    environments: u32,
    capacity: Option<u32>,
    disk_free: Option<u64>,
    memory_free: Option<u64>,
    confined: bool,
    labels: Vec<String>,
    checked_at: Option<String>,
}

impl Row {
    fn of(listed: &Listed) -> Self {
        let Listed { record, name, set } = listed;
        let state = match (set, &record.trouble) {
            (None, _) => "removed",
            (_, Some(_)) => "down",
            _ if record.draining => "draining",
            _ if record.checked_at.is_none() => "unknown",
            _ => "ready",
        };
        Self {
            name: name.clone(),
            address: set.as_ref().map(|set| set.address.clone()),
            state,
            reason: record.trouble.clone(),
            down_since: record.down_since.map(output::time),
            draining: record.draining,
            environments: record.environments,
            capacity: set.as_ref().and_then(|set| set.capacity),
            disk_free: record.figures.disk_free,
            memory_free: record.figures.memory_free,
            confined: record.figures.confined,
            labels: set.as_ref().map(|set| set.labels.clone()).unwrap_or_default(),
            checked_at: record.checked_at.map(output::time),
        }
    }

    /// How it is, in words.
    fn told(&self) -> String {
        let why = || output::plain(self.reason.as_deref().unwrap_or_default());
        let since = || self.down_since.as_deref().unwrap_or("-");
        match self.state {
            "removed" => "not in the settings any more".to_owned(),
            "unknown" => "not looked at yet".to_owned(),
            "down" if self.draining => format!("down since {}, draining: {}", since(), why()),
            "down" => format!("down since {}: {}", since(), why()),
            state => state.to_owned(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let bytes = |bytes: Option<u64>| dash(bytes.map(|bytes| Bytes(bytes).to_string()));
        let labels = if self.labels.is_empty() { None } else { Some(self.labels.join(",")) };
        vec![
            self.name.clone(),
            dash(self.address.clone()),
            format!("{} of {}", self.environments, dash(self.capacity.map(|capacity| capacity.to_string()))),
            bytes(self.disk_free),
            bytes(self.memory_free),
            dash(labels),
            dash(self.checked_at.clone()),
            self.told(),
        ]
    }
}

/// Prints hosts.
///
/// # Errors
/// When the output fails.
pub fn list(hosts: &[Listed], as_json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let rows: Vec<Row> = hosts.iter().map(Row::of).collect();
    if as_json {
        return output::json(out, &rows);
    }
    if rows.is_empty() {
        return Ok(writeln!(out, "no hosts; `previewbot hosts add` writes one to the settings")?);
    }
    let header = ["NAME", "ADDRESS", "PREVIEWS", "DISK", "MEMORY", "LABELS", "LOOKED AT", "STATE"];
    let cells: Vec<Vec<String>> = rows.iter().map(Row::cells).collect();
    Ok(output::table(out, &header, &cells)?)
}

/// Tells that a host gets no new previews, or gets them again.
///
/// # Errors
/// When the output fails.
pub fn drained(record: &HostRecord, name: &str, draining: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let already = if record.draining == draining { "already " } else { "" };
    let (was, previews) = (record.environments, if record.environments == 1 { "preview" } else { "previews" });
    if draining {
        return Ok(writeln!(out, "host {name} {already}gets no new previews; the {was} {previews} on it go on")?);
    }
    Ok(writeln!(out, "host {name} {already}gets new previews")?)
}

/// Asks somebody at a terminal; anything but a clear yes is a no.
///
/// # Errors
/// When nothing can be written or read.
pub fn confirmed(question: &str, input: &mut dyn BufRead, out: &mut dyn Write) -> Result<bool, CliError> {
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(record: HostRecord) -> String {
        let set = SetHost { address: "10.0.0.5".to_owned(), capacity: Some(20), labels: Vec::new() };
        Row::of(&Listed { record, name: "vm-1".to_owned(), set: Some(set) }).told()
    }

    #[test]
    fn states_are_told_in_words() {
        let looked = HostRecord { checked_at: Some(0), ..HostRecord::default() };
        assert_eq!(told(HostRecord::default()), "not looked at yet");
        assert_eq!(told(looked.clone()), "ready");
        let draining = HostRecord { draining: true, ..looked.clone() };
        assert_eq!(told(draining.clone()), "draining");
        let down = HostRecord { trouble: Some("no route".to_owned()), down_since: Some(0), ..looked };
        assert_eq!(told(down.clone()), "down since 1970-01-01T00:00:00Z: no route");
        let both = HostRecord { draining: true, ..down };
        assert_eq!(told(both), "down since 1970-01-01T00:00:00Z, draining: no route");
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for (answer, yes) in
            [("y\n", true), ("YES\n", true), ("\n", false), ("n\n", false), ("", false), ("yess", false)]
        {
            let confirmed = confirmed("Is it?", &mut answer.as_bytes(), &mut Vec::new()).unwrap();
            assert_eq!(confirmed, yes, "{answer:?}");
        }
    }
}
