//! How often a host is asked, and by how many connections.

use super::bench::{host, setup};
use crate::support::bot::{REPO, TestBot};
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

/// How many a destroy may take: of hooks, and of an application in containers, which has two more.
const DESTROY: [u64; 2] = [12, 14];

/// The same with its services in containers.
const APPLICATION: &str = r#"version: 1
name: containers
services:
  web:
    path: .
    start: echo "$NOTES" >/tmp/index.html; exec httpd -f -p {{self.port}} -h /tmp
    depends_on: [api]
    env: { NOTES: "{{provisioner.db.NOTES}}" }
  api: { path: api, start: "httpd -f -p {{self.port}} -h /", env: { CACHE: "{{infrastructure.cache.port}}" } }
infrastructure:
  compose_file: compose.yaml
provisioner:
  services:
    db: { outputs: [NOTES], seed: echo NOTES=seeded, destroy: echo gone }
runner:
  compose: { image: "previewbot-test/busybox:local", autostart: [web, api] }
  deploy: echo deployed
preview:
  probe: { service: web, path: /index.html, timeout: 60s }
"#;

async fn an_unchanged_redeploy(config: &str, destroying: u64) {
    let sshd = Sshd::start().await;
    let root = sshd.home().join("previews");
    let files = [("previewctl.yaml", config), ("compose.yaml", COMPOSE), ("web/README", ""), ("api/README", "")];
    let bot = TestBot::with(setup(&files, &[host("vm-1", sshd.login(), &root.to_string_lossy())])).await;
    let (number, sha) = bot.open("first", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    bot.idle().await;
    let first = bot.bot().requests_of("vm-1").unwrap();
    let pushed = bot.push(number, "first", &[("web/README", Some("two\n"))]).await;
    bot.check_ended(number, &pushed, "success").await;
    bot.idle().await;
    let before = bot.bot().requests_of("vm-1").unwrap();
    let push = before - first;
    let comment = bot.say(number, "/preview deploy").await;
    bot.reaction(number, comment, "rocket").await;
    bot.idle().await;
    let asked = bot.bot().requests_of("vm-1").unwrap() - before;
    assert!(asked > 0, "nobody counts");
    assert!(asked <= REDEPLOY, "{asked} requests");
    assert_eq!(sshd.handshakes(), 1);
    bot.github.people().close(REPO, number, "alice").await.unwrap();
    bot.comment_with(number, "destroyed").await;
    bot.idle().await;
    let destroy = bot.bot().requests_of("vm-1").unwrap() - before - asked;
    assert!(destroy <= destroying, "{destroy} requests");
    eprintln!(
        "requests: a new preview {first}, a push {push}, an unchanged redeploy {asked}, a destroy {destroy}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_redeploy_asks_little_of_a_host() {
    an_unchanged_redeploy(CONFIG, DESTROY[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_redeploy_of_containers_asks_little_of_a_host() {
    an_unchanged_redeploy(APPLICATION, DESTROY[1]).await;
}
