//! A bot whose pool is made of test hosts.

use previewbot::domain::ports::{HostRecord, Hosts as _};
use serde_json::{Value, json};

use crate::support::bot::{REPO, Setup, TestBot, eventually};
use crate::support::host::Login;

/// A page that is served by a daemon of the deploy hook.
pub(crate) const PAGE: &str = r#"version: 1
name: shop
services:
  web:
    path: web
    env: { PORT: "{{self.port}}", NOTES: "{{provisioner.db.NOTES}}" }
provisioner:
  services:
    db:
      outputs: [NOTES]
      seed: echo "NOTES=seeded $(date +%s%N)"
      reset: echo "NOTES=reset $(date +%s%N)"
      destroy: echo gone
runner:
  deploy: |
    . web/.env.local
    mkdir -p public
    printf '%s %s\n' "$(cat page)" "$NOTES" >public/index.html
    setsid busybox httpd -f -p "$PORT" -h public >/dev/null 2>&1 &
preview:
  probe: { service: web, path: /index.html, timeout: 30s }
  urls: [web]
"#;

/// What the settings say of a host; previews lie in `root`.
pub(crate) fn host(name: &str, login: &Login, root: &str) -> Value {
    json!({
        "name": name,
        "address": login.address.ip().to_string(),
        "port": login.address.port(),
        "user": login.user,
        "identity_file": login.identity,
        "known_hosts_file": login.known_hosts_file(),
        "root": root,
        "bind": "0.0.0.0",
        "labels": ["preview"],
    })
}

/// A bot that places previews of the repository on these hosts.
pub(crate) fn setup(files: &[(&str, &str)], hosts: &[Value]) -> Setup {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    Setup {
        files: files.iter().map(owned).collect(),
        settings: json!({
            "hosts": hosts,
            "projects": [{ "repository": format!("github:{REPO}"), "mode": "preview" }],
        }),
    }
}

/// What the bot knows of a host; nothing before it looked.
pub(crate) async fn record(bot: &TestBot, name: &str) -> HostRecord {
    let records = bot.bot().store().records().await.unwrap();
    records.into_iter().find(|record| record.name == name).unwrap_or_default()
}

/// Waits until what the bot knows of a host is so.
pub(crate) async fn known(bot: &TestBot, name: &str, so: impl Fn(&HostRecord) -> bool) -> HostRecord {
    let looking = || async { Some(record(bot, name).await).filter(&so) };
    eventually(&format!("news of host {name}"), String::new, looking).await
}
