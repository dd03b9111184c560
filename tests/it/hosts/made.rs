//! Previews on machines that the project's own hooks make.

use serde_json::json;

use super::bench::setup;
use crate::support::bot::{REPO, Setup, TestBot, get};
use crate::support::host::sshd::Sshd;

/// What the create hook of a project with machines of its own does; `PRINTED` is what it prints.
const CONFIG: &str = r#"version: 1
name: shop
services:
  web:
    path: web
    env: { PORT: "{{self.port}}" }
provisioner:
  compute:
    outputs: [VM_IP]
    create: echo made >>"$MACHINES/log"; cat "$MACHINES/printed"
    destroy: echo "destroyed $PREVIEWCTL_VM_IP $PREVIEWCTL_SSH_USER" >>"$MACHINES/log"
runner:
  deploy: |
    . web/.env.local
    mkdir -p public && cp page public/index.html
    setsid busybox httpd -f -p "$PORT" -h public >/dev/null 2>&1 &
  destroy: pkill -f "httpd -f -p $PREVIEWCTL_PORT_WEB" || true
preview:
  probe: { service: web, path: /index.html, timeout: 30s }
  urls: [web]
"#;

struct Machines {
    sshd: Sshd,
    folder: tempfile::TempDir,
}

impl Machines {
    /// `more` goes into the settings' `[machines]`.
    async fn bot(config: &str, print_key: bool) -> (Self, TestBot) {
        let sshd = Sshd::start().await;
        let folder = tempfile::tempdir().unwrap();
        let login = sshd.login();
        let root = sshd.home().join("app");
        let mut printed = format!(
            "VM_IP={}\nSSH_PORT={}\nSSH_USER={}\nREMOTE_ROOT={}\n",
            login.address.ip(),
            login.address.port(),
            login.user,
            root.display()
        );
        if print_key {
            printed = format!("{printed}SSH_HOST_KEY={}\n", login.host_key);
        }
        std::fs::write(folder.path().join("printed"), printed).unwrap();
        let place = folder.path().join("place");
        std::fs::write(&place, folder.path().to_str().unwrap()).unwrap();
        let Setup { files, .. } =
            setup(&[("previewctl.yaml", config), ("page", "one\n"), ("web/README", "")], &[]);
        let settings = json!({
            "machines": { "identity_file": login.identity },
            "projects": [{
                "repository": format!("github:{REPO}"),
                "mode": "local",
                "secrets": { "MACHINES": format!("file:{}", place.display()) },
            }],
        });
        let bot = TestBot::with(Setup { files, settings }).await;
        (Self { sshd, folder }, bot)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_of_the_projects_own_is_used_like_a_host_and_destroyed_by_its_hook() {
    let (machines, bot) = Machines::bot(CONFIG, true).await;
    let (number, sha) = bot.open("first", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    let url = bot.url("pr-1").await;
    assert_eq!(get(&url).await.unwrap().1, "one\n");
    let compute = bot.environment("pr-1").await.entry.unwrap().compute.unwrap();
    assert_eq!((compute.kind.as_str(), compute.metadata.contains_key("host_key")), ("ssh", true));

    let pushed = bot.push(number, "first", &[("page", Some("two\n"))]).await;
    bot.check_ended(number, &pushed, "success").await;
    assert_eq!(get(&url).await.unwrap().1, "two\n");
    assert_eq!(machines.log(), "made\n", "a push makes no second machine");

    bot.github.people().merge(REPO, number, "alice").await.unwrap();
    bot.comment_with(number, "destroyed").await;
    let user = &machines.sshd.login().user;
    assert_eq!(machines.log(), format!("made\ndestroyed 127.0.0.1 {user}\n"));
    assert!(get(&url).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_whose_key_nobody_knows_is_not_talked_to() {
    let (machines, bot) = Machines::bot(CONFIG, false).await;
    let (number, sha) = bot.open("first", &[]).await;
    bot.check_ended(number, &sha, "failure").await;
    let comment = bot.comment_with(number, "failed").await.body;
    assert!(comment.contains("SSH_HOST_KEY") && comment.contains("nothing was sent"), "{comment}");
    assert_eq!(machines.sshd.sessions(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_may_not_run_programs_on_the_bots_machine_to_reach_its_own() {
    let config = CONFIG
        .replace("    outputs: [VM_IP]\n", "    outputs: [VM_IP]\n    ssh: { proxy_command: touch proxied }\n");
    let (machines, bot) = Machines::bot(&config, true).await;
    let (number, sha) = bot.open("first", &[]).await;
    bot.check_ended(number, &sha, "failure").await;
    let comment = bot.comment_with(number, "failed").await.body;
    assert!(comment.contains("from_projects"), "{comment}");
    assert_eq!(machines.sshd.connections(), 0);
}
