//! The one-time set-up of a machine as a host, as a script that root runs there.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::host::SshHost;
use super::quote;
use super::request::Request;
use crate::domain::error::{ErrorKind, PortResult};

/// `egress.sh` and `limits.sh` go with it, to be left on the machine: what they set is set again at every boot.
const PREPARE: &str = concat!(
    "egress_script() {\n  cat <<'END OF EGRESS.SH'\n",
    include_str!("scripts/egress.sh"),
    "END OF EGRESS.SH\n}\n\nlimits_script() {\n  cat <<'END OF LIMITS.SH'\n",
    include_str!("scripts/limits.sh"),
    "END OF LIMITS.SH\n}\n\n",
    include_str!("scripts/prepare.sh"),
);
/// Hands the program on its input to a shell of root's.
const AS_ROOT: &str = r#"if [ "$(id -u)" = 0 ]; then exec /bin/sh -s -- "$@"; fi
command -v sudo >/dev/null || fail "$REFUSED" "the account $(id -un) is not root, and there is no sudo: log in with --user root"
sudo -n true 2>/dev/null ||
  fail "$REFUSED" "the account $(id -un) may not use sudo without a password: log in with --user root, or use --print"
exec sudo -n /bin/sh -s -- "$@""#;
/// Docker may be restarted in between, with all its containers.
const LIMIT: Duration = Duration::from_mins(5);

/// What a machine is made into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preparation {
    /// The account that the bot will log in to.
    pub user: String,
    /// Folder above all previews.
    pub root: String,
    /// `public` or `none`; absent: no rules about where previews may open connections to.
    pub egress: Option<&'static str>,
    /// Whether docker may be restarted although containers run.
    pub restart_docker: bool,
    /// The public key that may log in.
    pub key: Option<String>,
}

/// How far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What was done, kept, or remains to be done, line by line.
    pub told: String,
    /// Why it ended before its time.
    pub trouble: Option<String>,
}

impl Preparation {
    fn arguments(&self) -> [&str; 5] {
        let restart = if self.restart_docker { "yes" } else { "no" };
        let key = self.key.as_deref().unwrap_or_default();
        [&self.user, &self.root, self.egress.unwrap_or("-"), restart, key]
    }

    /// The whole as a script for people to read, and to run as root: `… | ssh root@vm-1 sh`.
    ///
    /// # Errors
    /// `Invalid` for a value that no shell can hold.
    pub fn script(&self) -> PortResult<String> {
        Ok(format!("set -- {}\n\n{PREPARE}", quote::words(self.arguments())?))
    }

    /// Runs it on a machine where the account is root or may use sudo without a password.
    ///
    /// # Errors
    /// When the machine cannot be reached, or there is no way to be root on it.
    pub async fn run(&self, host: &SshHost) -> PortResult<Prepared> {
        let request = Request::new(AS_ROOT, self.arguments()).data(PREPARE.as_bytes().to_vec()).within(LIMIT);
        let answer = host.ask(&request, &CancellationToken::new()).await?;
        if let Err(error) = answer.check("cannot be root there")
            && error.kind() == ErrorKind::Invalid
        {
            return Err(host.named(error));
        }
        let said = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
        let trouble = match (answer.code, said.is_empty()) {
            (0, _) => None,
            (1, true) => Some("something remains to be done before it is prepared".to_owned()),
            (code, true) => Some(format!("the script ended with exit code {code}")),
            (_, false) => Some(said),
        };
        Ok(Prepared { told: answer.text(), trouble })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn preparation(root: &str) -> Preparation {
        let key = Some("ssh-ed25519 AAAA it's".to_owned());
        Preparation {
            user: "preview".to_owned(),
            root: root.to_owned(),
            egress: Some("public"),
            restart_docker: false,
            key,
        }
    }

    #[test]
    fn shells_understand_the_printed_script_and_its_values_are_words() {
        let script = preparation("/srv/it's").script().unwrap();
        let checked = Command::new("sh").args(["-n", "-c", &script]).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        assert!(
            script.starts_with("set -- 'preview' '/srv/it'\\''s' 'public' 'no' 'ssh-ed25519 AAAA it'\\''s'\n")
        );
        assert!(preparation("a\0b").script().is_err());
    }
}
