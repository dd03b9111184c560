//! A whole preview on a host that stands for a VM: infrastructure, a seeded database, two services in containers.

use serde_json::{Value, json};

use tokio::sync::OnceCell;

use super::bench::{PAGE, host, setup};
use super::desk::Desk;
use super::prepare::{self, let_root_in};
use crate::support::bot::{REPO, TestBot, eventually, get, merge};
use crate::support::host::sshd::Sshd;
use crate::support::host::vm::Vm;

const IMAGE: &str = "previewbot-test/busybox:local";

const CONFIG: &str = r#"version: 1
name: NAME
services:
  web:
    path: .
    start: echo "web $(cat /app/page) $NOTES" >/tmp/index.html; exec httpd -f -p {{self.port}} -h /tmp
    depends_on: [api]
    env: { NOTES: "{{provisioner.db.NOTES}}" }
  api:
    path: api
    start: mkdir -p /tmp/api; echo "api" >/tmp/api/index.html; exec httpd -f -p {{self.port}} -h /tmp/api
infrastructure:
  compose_file: compose.yaml
provisioner:
  services:
    db:
      outputs: [NOTES]
      seed: echo "NOTES=seeded-$(date +%s%N)"
      reset: echo "NOTES=reset-$(date +%s%N)"
      destroy: echo gone
runner:
  compose: { image: "previewbot-test/busybox:local", autostart: [web, api] }
  deploy: curl -fsSo .cache "http://127.0.0.1:$PREVIEWCTL_PORT_CACHE/"
preview:
  probe: { service: web, path: /index.html, timeout: 60s }
  urls: [web, api]
"#;

/// The same with services that the deploy hook starts.
const SANDBOXED: &str = r#"version: 1
name: NAME
services:
  web: { path: ., depends_on: [api], env: { PORT: "{{self.port}}", NOTES: "{{provisioner.db.NOTES}}" } }
  api: { path: api, env: { PORT: "{{self.port}}" } }
infrastructure:
  compose_file: compose.yaml
provisioner:
  services:
    db:
      outputs: [NOTES]
      seed: echo "NOTES=seeded-$(date +%s%N)"
      reset: echo "NOTES=reset-$(date +%s%N)"
      destroy: echo gone
runner:
  deploy: |
    curl -fsSo .cache "http://127.0.0.1:$PREVIEWCTL_PORT_CACHE/"
    serve() {
      . "$1/.env.local"
      mkdir -p "public/$1"
      echo "$2 $NOTES" >"public/$1/index.html"
      setsid busybox httpd -f -p "$PORT" -h "public/$1" >/dev/null 2>&1 &
    }
    serve . "web $(cat page)"
    NOTES=
    serve api api
preview:
  probe: { service: web, path: /index.html, timeout: 60s }
  urls: [web, api]
"#;

/// With everything that two previews on one host could fight for, and a volume that a container writes to as root.
const COMPOSE: &str = r#"services:
  cache:
    image: previewbot-test/busybox:local
    container_name: the-only-cache
    init: true
    command: sh -c 'touch /files/of-root; exec httpd -f -p 80 -h /www'
    ports: ["18099:80"]
    volumes: ["data:/data", "./files:/files"]
    healthcheck: { test: ["CMD", "wget", "-q", "-O-", "http://127.0.0.1:80/"], interval: 1s, retries: 30 }
volumes:
  data: { name: everybodys-data }
"#;

/// The host, a folder of the test's own on it, and what docker has there.
pub(super) struct Place {
    pub(super) vm: &'static Vm,
    pub(super) root: String,
}

impl Place {
    async fn new(test: &str) -> Self {
        Self::on(Vm::shared().await, test).await
    }

    async fn on(vm: &'static Vm, test: &str) -> Self {
        vm.load_image(IMAGE).await;
        let root = format!("/srv/{test}");
        vm.says(&["install", "-d", "-o", "preview", &root]).await;
        Self { vm, root }
    }

    /// On the host that tests share which try what untrusted work may do: it is prepared for that.
    pub(super) async fn sandbox(test: &str) -> Self {
        static SHARED: OnceCell<Vm> = OnceCell::const_new();
        Self::on(SHARED.get_or_init(sandbox_vm).await, test).await
    }

    pub(super) async fn host(&self, name: &str) -> Value {
        host(name, &self.vm.direct_login().await, &self.root)
    }

    /// Everything on the host that bears one of these words in its name or labels, and what lies in the root.
    pub(super) async fn left_of(&self, project: &str, life: &str) -> String {
        let script = r#"
docker ps -a --format '{{.Names}} {{.Labels}}' | grep -F -e "$1" -e "$2"
docker network ls --format '{{.Name}} {{.Labels}}' | grep -F -e "$1" -e "$2"
docker volume ls --format '{{.Name}} {{.Labels}}' | grep -F -e "$1" -e "$2"
docker images --format '{{.Repository}}' | grep -F -e "$1" -e "$2"
grep -lzF -e "$2" /proc/[0-9]*/environ 2>/dev/null
find "$3" -mindepth 1 ! -path "$3/.previewbot"
:"#;
        self.vm.says(&["sh", "-c", script, "sh", project, life, &self.root]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_preview_runs_on_a_host_and_leaves_nothing_there() {
    let place = Place::new("whole").await;
    let host = place.host("vm-1").await;
    lives(&place, CONFIG, "whole", json!({ "hosts": [host] })).await;
}

async fn sandbox_vm() -> Vm {
    // The rules of a sandbox hold for the whole machine.
    let vm = Vm::start("sandboxed").await;
    vm.load_image(IMAGE).await;
    let copy =
        "docker run --rm -v /usr/local/bin:/there previewbot-test/busybox:local busybox cp /bin/busybox /there/";
    vm.says(&["sh", "-c", copy]).await;
    // Docker sets it for containers; a machine has this.
    vm.says(&["sysctl", "-q", "-w", "net.ipv4.ip_unprivileged_port_start=1024"]).await;
    let_root_in(&vm).await;
    let desk = Desk::new(&[prepare::sandbox(&vm)]);
    let identity = vm.login().identity.to_string_lossy().into_owned();
    desk.says(&["hosts", "prepare", "vm-1", "--user", "root", "--identity-file", &identity]).await;
    vm
}

/// A host for untrusted work, for a project of the sandbox.
pub(super) fn sandbox(mut host: Value) -> Value {
    host["labels"] = json!(["sandbox"]);
    json!({ "hosts": [host], "projects": [{ "repository": format!("github:{REPO}"), "mode": "sandbox" }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_preview_runs_the_same_in_the_sandbox() {
    let place = Place::sandbox("sandboxed").await;
    lives(&place, SANDBOXED, "sandboxed", sandbox(place.host("vm-1").await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untrusted_application_of_generated_services_runs_the_same_in_the_sandbox() {
    let place = Place::sandbox("generated").await;
    // What takes a port of the whole host is left out.
    let with_proxy =
        CONFIG.replace("autostart: [web, api]", "autostart: [web, api], proxy: { domain: p.example.com }");
    lives(&place, &with_proxy, "generated", sandbox(place.host("vm-1").await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn untrusted_work_waits_for_a_host_that_is_prepared_for_it() {
    let sshd = Sshd::start().await;
    let root = sshd.home().join("previews");
    let host = host("vm-1", sshd.login(), &root.to_string_lossy());
    let mut setup = setup(&[("previewctl.yaml", PAGE), ("page", "one\n"), ("web/README", "")], &[]);
    merge(&mut setup.settings, sandbox(host));
    let bot = TestBot::with(setup).await;
    let (number, _) = bot.open("first", &[]).await;
    let comment = bot.comment_with(number, "not prepared for a sandbox").await;
    assert!(comment.body.contains("previewbot hosts prepare vm-1"), "{}", comment.body);
    assert!(!root.exists(), "nothing was done there");
    assert!(bot.environment("pr-1").await.host.is_none());
}

/// Two previews from their opening to their close.
async fn lives(place: &Place, config: &str, name: &str, settings: Value) {
    let config = config.replace("NAME", name);
    let is_sandbox = settings["projects"][0]["mode"] == "sandbox";
    let files = [
        ("previewctl.yaml", config.as_str()),
        ("compose.yaml", COMPOSE),
        ("page", "one\n"),
        ("api/README", ""),
        ("files/README", ""),
    ];
    let mut setup = setup(&files, &[]);
    merge(&mut setup.settings, settings);
    let bot = TestBot::with(setup).await;
    let (number, sha) = bot.open("first", &[]).await;
    let (other, other_sha) = bot.open("second", &[("page", Some("other\n"))]).await;
    bot.check_ended(number, &sha, "success").await;
    bot.check_ended(other, &other_sha, "success").await;
    let urls = bot.environment("pr-1").await.urls;
    assert_eq!(urls.iter().map(|(service, _)| service.as_str()).collect::<Vec<_>>(), ["web", "api"]);
    let page = |url: String| async move { get(&url).await.unwrap().1 };
    let (web, api) = (urls[0].1.clone(), urls[1].1.clone());
    let seeded = page(web.clone()).await;
    assert!(seeded.starts_with("web one seeded-"), "{seeded}");
    assert_eq!(page(api.clone()).await.trim(), "api");
    let other_web = bot.url("pr-2").await;
    assert!(page(other_web.clone()).await.starts_with("web other seeded-"));

    let pushed = bot.push(number, "first", &[("page", Some("two\n"))]).await;
    bot.check_ended(number, &pushed, "success").await;
    assert_eq!(page(web.clone()).await, seeded.replace("one", "two"), "new code, the same data");

    let comment = bot.say(number, "/preview reset db").await;
    bot.reaction(number, comment, "rocket").await;
    let reset = || async { page(web.clone()).await.starts_with("web two reset-").then_some(()) };
    eventually("reset data on the page", String::new, reset).await;

    let life = bot.environment("pr-1").await.life.to_string();
    let filter = format!("name=previewbot-{life}");
    let chambers = place.vm.says(&["docker", "ps", "--quiet", "--filter", &filter]).await.lines().count();
    assert_eq!(chambers, usize::from(is_sandbox), "hooks of untrusted code have a container of their own");
    let limits = "{{.HostConfig.PidsLimit}} {{.HostConfig.Memory}} {{.HostConfig.SecurityOpt}}";
    let limits = place.vm.says(&["docker", "inspect", "--format", limits, &format!("{name}-pr-1-cache-1")]).await;
    assert_eq!(limits == "256 1073741824 [no-new-privileges:true]", is_sandbox, "{limits}");
    bot.github.people().merge(REPO, number, "alice").await.unwrap();
    bot.comment_with(number, "destroyed").await;
    assert!(get(&web).await.is_none() && get(&api).await.is_none());
    let left = place.left_of(&format!("{name}-pr-1"), &life).await;
    assert!(left.lines().all(|line| !line.contains("pr-1") && !line.contains(&life)), "{left}");
    assert!(page(other_web).await.starts_with("web other seeded-"), "the neighbour is not touched");

    let life = bot.environment("pr-2").await.life.to_string();
    bot.github.people().merge(REPO, other, "alice").await.unwrap();
    bot.comment_with(other, "destroyed").await;
    assert_eq!(place.left_of(&format!("{name}-pr-2"), &life).await, "");
}
