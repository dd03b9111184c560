//! How often a host is asked, and by how many connections.

use super::bench::{host, setup};
use crate::support::bot::TestBot;
use crate::support::host::sshd::Sshd;

/// All that a usual project has: two services with env files, seeded data, infrastructure, hooks of every kind.
const CONFIG: &str = r#"version: 1
name: speed
services:
  web: { path: web, env: { PORT: "{{self.port}}", NOTES: "{{provisioner.db.NOTES}}" } }
  api: { path: api, env: { PORT: "{{self.port}}", CACHE: "{{infrastructure.cache.port}}" } }
infrastructure:
  compose_file: compose.yaml
provisioner:
  services:
    db: { outputs: [NOTES], seed: echo NOTES=seeded, destroy: echo gone }
runner:
  before: echo before
  deploy: |
    curl -fsSo .cache "http://127.0.0.1:$PREVIEWCTL_PORT_CACHE/"
    . web/.env.local && mkdir -p public && echo "$NOTES" >public/index.html
    setsid busybox httpd -f -p "$PORT" -h public >/dev/null 2>&1 &
  after: echo after
preview:
  probe: { service: web, path: /index.html, timeout: 30s }
"#;

const COMPOSE: &str = r#"services:
  cache:
    image: previewbot-test/busybox:local
    init: true
    ports: ["80"]
"#;

/// How many ways there and back an unchanged redeploy may take.
const REDEPLOY: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_redeploy_asks_little_of_a_host() {
    let sshd = Sshd::start().await;
    let root = sshd.home().join("previews");
    let files = [("previewctl.yaml", CONFIG), ("compose.yaml", COMPOSE), ("web/README", ""), ("api/README", "")];
    let bot = TestBot::with(setup(&files, &[host("vm-1", sshd.login(), &root.to_string_lossy())])).await;
    let (number, sha) = bot.open("first", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    bot.idle().await;
    let before = bot.bot().requests_of("vm-1").unwrap();
    eprintln!("REQ ---- redeploy");
    let comment = bot.say(number, "/preview deploy").await;
    bot.reaction(number, comment, "rocket").await;
    bot.idle().await;
    let asked = bot.bot().requests_of("vm-1").unwrap() - before;
    assert!(asked <= REDEPLOY, "{asked} requests");
}
