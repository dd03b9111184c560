//! One git process with exactly our configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::failure;
use crate::domain::error::PortResult;
use crate::outbound::tool::{Output, Tool};

/// How long one git process may take.
const TIMEOUT: Duration = Duration::from_mins(2);
/// How long one that talks to another machine may take. One that gets nowhere gives up earlier (`http.lowSpeedTime`).
const NETWORK_TIMEOUT: Duration = Duration::from_mins(15);
/// Variable that hands the token to the credential helper; never in argv, a URL or a file.
const TOKEN_VARIABLE: &str = "PREVIEWBOT_GIT_TOKEN";
/// Run by git's shell: prints the token from its environment when git asks for it.
const CREDENTIAL_HELPER: &str =
    r#"!f() { test "$1" = get && printf 'username=x-access-token\npassword=%s\n' "$PREVIEWBOT_GIT_TOKEN"; }; f"#;
/// How the machine reaches the network, which git needs to know.
const NETWORK_VARIABLES: [&str; 10] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
/// Configuration of every git process. Given by environment, it rules over what any file says.
const CONFIGURATION: [(&str, &str); 20] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.symlinks", "true"),
    ("core.protectHFS", "true"),
    ("core.protectNTFS", "true"),
    ("core.logAllRefUpdates", "false"),
    ("credential.helper", ""),
    ("fetch.recurseSubmodules", "false"),
    ("submodule.recurse", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("http.followRedirects", "false"),
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "30"),
    ("protocol.allow", "never"),
    ("protocol.https.allow", "always"),
    ("protocol.http.allow", "always"),
    ("protocol.file.allow", "always"),
    ("protocol.ssh.allow", "always"),
    // The folders belong to the account of the hooks; which configuration counts is fixed by `--git-dir`.
    ("safe.directory", "*"),
];

/// Configuration as variables.
fn configured(configuration: &[(&'static str, String)]) -> BTreeMap<String, String> {
    let count = ("GIT_CONFIG_COUNT".to_owned(), configuration.len().to_string());
    let each = configuration.iter().enumerate().flat_map(|(index, (name, value))| {
        [
            (format!("GIT_CONFIG_KEY_{index}"), (*name).to_owned()),
            (format!("GIT_CONFIG_VALUE_{index}"), value.clone()),
        ]
    });
    each.chain([count]).collect()
}

/// What git on a host finds in its environment: our configuration, and neither the account's nor the machine's.
#[must_use]
pub fn host_variables() -> BTreeMap<String, String> {
    let configuration: Vec<_> = CONFIGURATION.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let fixed = [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    configured(&configuration).into_iter().chain(fixed).collect()
}

/// A git process to be.
pub(super) struct Git {
    tool: Tool,
    configuration: Vec<(&'static str, String)>,
    cancel: CancellationToken,
}

impl Git {
    /// git in the repository at `git_dir`.
    pub(super) fn at(git_dir: &Path, home: &Path) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut environment: BTreeMap<String, String> = NETWORK_VARIABLES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .collect();
        for (name, value) in [
            ("HOME", text(home).as_str()),
            ("GIT_DIR", &text(git_dir)),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ASKPASS", "/bin/false"),
            ("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
            ("GIT_LITERAL_PATHSPECS", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
        ] {
            environment.insert(name.to_owned(), value.to_owned());
        }
        let tool = Tool { program: "git", environment, timeout: TIMEOUT, ..Tool::default() };
        Self {
            tool,
            configuration: CONFIGURATION.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            cancel: CancellationToken::new(),
        }
    }

    /// The same with the files of the repository in this folder.
    pub(super) fn work_tree(mut self, folder: &Path) -> Self {
        self.tool.environment.insert("GIT_WORK_TREE".to_owned(), folder.to_string_lossy().into_owned());
        self.tool.directory = Some(PathBuf::from(folder));
        self
    }

    /// The same with the time that a talk to another machine may need; it is killed when `cancel` says so.
    pub(super) fn over_the_network(mut self, cancel: &CancellationToken) -> Self {
        self.tool.timeout = NETWORK_TIMEOUT;
        self.cancel = cancel.clone();
        self
    }

    /// The same with a token for the other side.
    pub(super) fn token(mut self, token: Option<&SecretString>) -> Self {
        if let Some(token) = token {
            self.tool.environment.insert(TOKEN_VARIABLE.to_owned(), token.expose_secret().to_owned());
            self.configuration.push(("credential.helper", CREDENTIAL_HELPER.to_owned()));
        }
        self
    }

    /// The same over this `ssh` command, a line for git's shell.
    pub(super) fn ssh(mut self, command: &str) -> Self {
        self.tool.environment.insert("GIT_SSH_COMMAND".to_owned(), command.to_owned());
        // Else git runs it once more to find out which ssh it is.
        self.tool.environment.insert("GIT_SSH_VARIANT".to_owned(), "ssh".to_owned());
        self
    }

    /// The whole process, ready to run.
    pub(super) fn command(mut self, arguments: &[&str]) -> Tool {
        self.tool.environment.extend(configured(&self.configuration));
        self.tool.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.tool
    }

    /// Runs it; how it ended is the caller's to judge.
    pub(super) async fn output(self, arguments: &[&str]) -> PortResult<Output> {
        let cancel = self.cancel.clone();
        self.command(arguments).run(&cancel).await
    }

    /// Runs it; any end but a good one is an error told as `what` failed.
    pub(super) async fn run(self, what: &str, arguments: &[&str]) -> PortResult<Output> {
        let output = self.output(arguments).await?;
        if output.succeeded() { Ok(output) } else { Err(failure::classify(what, &output.complaint())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_in_one_variable_and_nowhere_else() {
        let token = SecretString::from("ghs_secret");
        let git = Git::at(Path::new("/m"), Path::new("/h")).token(Some(&token));
        let tool = git.command(&["fetch", "https://example.com/a/b.git"]);
        let holding: Vec<_> = tool.environment.iter().filter(|(_, value)| value.contains("ghs_secret")).collect();
        assert_eq!(holding.len(), 1);
        assert_eq!(holding[0].0, TOKEN_VARIABLE);
        assert!(!tool.arguments.iter().any(|argument| argument.contains("ghs_secret")));
        assert!(tool.environment.values().any(|value| value == CREDENTIAL_HELPER));
    }

    #[test]
    fn without_a_token_no_helper_is_asked() {
        let tool = Git::at(Path::new("/m"), Path::new("/h")).command(&["fetch"]);
        assert!(!tool.environment.values().any(|value| value == CREDENTIAL_HELPER));
        assert!(!tool.environment.contains_key(TOKEN_VARIABLE));
    }
}
