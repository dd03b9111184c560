//! Where the operator sits: a settings file and the commands of the real binary.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::bot::TestBot;

pub(super) struct Desk {
    folder: TempDir,
    head: String,
}

/// What was found of one thing, as one text: `failed: why => what to do`.
pub(super) type Findings = BTreeMap<String, String>;

impl Desk {
    /// With these hosts in the settings.
    pub(super) fn new(hosts: &[Value]) -> Self {
        Self::with("data_dir = \"data\"\n[database]\nurl = \"sqlite://data/previewbot.db\"\n".to_owned(), hosts)
    }

    /// The desk of a bot's operator.
    pub(super) fn of(bot: &TestBot, hosts: &[Value]) -> Self {
        let text = |pointer: &str| bot.settings().pointer(pointer).unwrap().to_string();
        let (data, database) = (text("/data_dir"), text("/database/url"));
        Self::with(format!("data_dir = {data}\n[database]\nurl = {database}\n"), hosts)
    }

    fn with(head: String, hosts: &[Value]) -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap(), head };
        this.set(hosts);
        this
    }

    /// Writes the settings anew, with these hosts. A text in JSON is the same text in TOML.
    pub(super) fn set(&self, hosts: &[Value]) {
        let mut text = self.head.clone();
        for host in hosts {
            text.push_str("[[hosts]]\n");
            for (key, value) in host.as_object().unwrap() {
                writeln!(text, "{key} = {value}").unwrap();
            }
        }
        std::fs::write(self.path("previewbot.toml"), text).unwrap();
    }

    /// A file beside the settings.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_previewbot"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PREVIEWBOT")) {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(self.folder.path()).env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
        command.kill_on_drop(true);
        command
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.unwrap()
    }

    /// What a command prints that must work.
    pub(super) async fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command complains of that must not work.
    pub(super) async fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// What `hosts check` finds that is not as it should be; its exit code tells of failures.
    pub(super) async fn findings(&self) -> Findings {
        let output = self.run(&["hosts", "check", "--json"]).await;
        let found: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let found = found.as_array().unwrap();
        let failed = found.iter().any(|finding| finding["verdict"] == "failed");
        assert_eq!(output.status.code(), Some(i32::from(failed)), "{output:?}");
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let bad = found.iter().filter(|finding| finding["verdict"] != "passed");
        bad.map(|finding| {
            let [verdict, said, mend] = ["verdict", "said", "mend"].map(|key| text(finding, key));
            (text(finding, "check"), format!("{verdict}: {said} => {mend}"))
        })
        .collect()
    }
}
