//! Untrusted previews that fill the disk that they share with others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use previewbot::domain::change::Sha;
use previewbot::domain::environment::Desired;
use previewbot::domain::ports::Audit as _;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::bench::{host, setup};
use super::desk::Desk;
use super::prepare::{self, let_root_in};
use crate::support::bot::{REPO, TestBot, eventually, get, merge};
use crate::support::host::vm::Vm;

const IMAGE: &str = "previewbot-test/busybox:local";

const CONFIG: &str = "version: 1
name: shop
infrastructure: { compose_file: compose.yaml }
runner: { deploy: HOOK }
";

const COMPOSE: &str = "services:
  web:
    image: previewbot-test/busybox:local
    init: true
    command: sh -c 'mkdir /tmp/www; echo here >/tmp/www/index.html; httpd -p 80 -h /tmp/www; FLOOD; exec sleep 10000'
    ports: ['80']
    volumes: ['data:/data']
volumes: { data: }
";

/// As long as there is room, and again as soon as there is some.
const ENDLESS: &str = "while :; do cat /dev/zero >>FILE; sleep 0.1; done 2>/dev/null";

/// Previews and Docker share one small disk: 512 MiB, of which 128 are to stay free.
const SMALL: &str = r#"mkdir -p /srv/small
mount -t tmpfs -o size=512m none /srv/small
install -d -o preview /srv/small/previews
sed -i '1s|{|{ "data-root": "/srv/small/docker",|' /etc/docker/daemon.json"#;

struct Place {
    vm: Vm,
    bot: TestBot,
}

impl Place {
    /// With so many MiB for each preview.
    async fn start(name: &str, allowed: u32) -> Self {
        let vm = Vm::start(name).await;
        let_root_in(&vm).await;
        let desk = Desk::new(&[prepare::sandbox(&vm)]);
        let identity = vm.login().identity.to_string_lossy().into_owned();
        desk.says(&["hosts", "prepare", "vm-1", "--user", "root", "--identity-file", &identity]).await;
        vm.says(&["sh", "-c", SMALL]).await;
        vm.stop_engine().await;
        vm.start_engine().await;
        vm.load_image(IMAGE).await;
        let mut host = host("vm-1", &vm.direct_login().await, "/srv/small/previews");
        merge(&mut host, json!({ "labels": ["sandbox"], "disk_floor_mb": 128 }));
        let (config, compose) = (CONFIG.replace("HOOK", "cat page"), COMPOSE.replace("FLOOD", ":"));
        let files = [("previewctl.yaml", &*config), ("compose.yaml", &*compose), ("page", "one\n")];
        let mut setup = setup(&files, &[]);
        let projects: Value = json!([{ "repository": format!("github:{REPO}"), "mode": "sandbox" }]);
        let settings = json!({ "hosts": [host], "projects": projects, "sandbox": { "disk_mb": allowed } });
        merge(&mut setup.settings, settings);
        let bot = TestBot::with(setup).await;
        Self { vm, bot }
    }

    /// Opens a change whose hook or service writes.
    async fn flood(&self, branch: &str, hook: Option<&str>, service: Option<&str>) -> (u64, Sha) {
        let config = CONFIG.replace("HOOK", &json!(hook.unwrap_or("cat page")).to_string());
        let compose = COMPOSE.replace("FLOOD", service.unwrap_or(":"));
        self.bot.open(branch, &[("previewctl.yaml", Some(&config)), ("compose.yaml", Some(&compose))]).await
    }

    async fn url(&self, name: &str) -> String {
        let entry = self.bot.environment(name).await.entry.unwrap();
        format!("http://{}:{}/", self.vm.ip().await, entry.ports.unwrap()["web"])
    }

    async fn free_mib(&self) -> u64 {
        let said =
            self.vm.says(&["sh", "-c", "df -kP /srv/small | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4"]).await;
        said.parse::<u64>().unwrap() / 1024
    }

    /// What of a life is left on the host.
    async fn left_of(&self, life: &str) -> String {
        let script = r#"docker ps -aq --filter "label=previewbot.environment=$1"
docker volume ls -q --filter "label=previewbot.environment=$1"
docker network ls -q --filter "label=previewbot.environment=$1"
ls -d "/srv/small/previews/.previewbot/$1" 2>/dev/null
grep -lzF -e "$1" /proc/[0-9]*/environ 2>/dev/null
:"#;
        self.vm.says(&["sh", "-c", script, "sh", life]).await
    }
}

/// Asks for a page again and again; counts the answers, and how often there was none.
struct Reader {
    answers: Arc<AtomicUsize>,
    silences: Arc<AtomicUsize>,
    _asking: AbortOnDropHandle<()>,
}

impl Reader {
    fn of(url: String) -> Self {
        let (answers, silences) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counted = (answers.clone(), silences.clone());
        let asking = async move {
            loop {
                let good = get(&url).await.is_some_and(|(status, text)| status == 200 && text == "here\n");
                let counter = if good { &counted.0 } else { &counted.1 };
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        Self { answers, silences, _asking: AbortOnDropHandle::new(tokio::spawn(asking)) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_fills_the_disk_makes_way_and_the_neighbour_does_not_notice() {
    // As much as there is until the disk is short: nobody is stopped on the way there.
    let place = Place::start("flood", 384).await;
    let (neighbour, sha) = place.bot.open("neighbour", &[]).await;
    place.bot.check_ended(neighbour, &sha, "success").await;
    let reader = Reader::of(place.url("pr-1").await);

    let endless = |file| ENDLESS.replace("FILE", file);
    let floods = [
        ("hook", Some(endless("flood")), None),
        ("home", Some(endless("\"$HOME/flood\"")), None),
        ("layer", None, Some(endless("/flood"))),
        ("volume", None, Some(endless("/data/flood"))),
    ];
    let mut page = 1;
    for (branch, hook, service) in floods {
        let (number, sha) = place.flood(branch, hook.as_deref(), service.as_deref()).await;
        let told = place.bot.comment_with(number, "filled the disk of vm-1").await.body;
        let name = format!("pr-{number}");
        for part in [&*name, "it used ", " MiB, ", "destroyed", "push or say /preview deploy"] {
            assert!(told.contains(part), "{branch}: {part}: {told}");
        }
        let gone = || async { place.bot.environment(&name).await.host.is_none().then_some(()) };
        eventually(&format!("{branch} to be gone"), String::new, gone).await;
        assert_eq!(place.bot.check_ended(number, &sha, "failure").await, "Failed: it used too much disk");
        assert!(place.free_mib().await > 400, "{branch}: {} MiB", place.free_mib().await);

        page += 1;
        let text = format!("{page}\n");
        let sha = place.bot.push(neighbour, "neighbour", &[("page", Some(&text))]).await;
        place.bot.check_ended(neighbour, &sha, "success").await;
        // It waits for a push, and does not come back by itself.
        assert_eq!(place.bot.environment(&name).await.desired, Desired::Absent);
        let silences = reader.silences.load(Ordering::Relaxed);
        assert_eq!(silences, 0, "{branch}: of {} answers", reader.answers.load(Ordering::Relaxed));
    }
    let environments = place.bot.environments().await;
    let desired = |name: &str| environments.iter().find(|e| e.name.as_str() == name).map(|e| e.desired.clone());
    assert!(matches!(desired("pr-1"), Some(Desired::Running { .. })), "the neighbour stays");

    let audit = place.bot.bot().store().list(100).await.unwrap();
    let acts: Vec<_> = audit.iter().filter(|record| record.source == "disk guard").collect();
    assert_eq!(acts.len(), 4, "{acts:?}");
    assert!(acts.iter().all(|act| act.action == "destroy" && act.detail.contains("filled the disk")), "{acts:?}");

    let mended = COMPOSE.replace("FLOOD", ":");
    let sha = place.bot.push(5, "volume", &[("compose.yaml", Some(&mended))]).await;
    place.bot.check_ended(5, &sha, "success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_above_the_allowance_is_stopped_while_there_is_room_and_keeps_its_data() {
    let place = Place::start("allowance", 100).await;
    let write = "dd if=/dev/zero of=/data/large bs=1M count=150 2>/dev/null";
    let (number, sha) = place.flood("large", None, Some(write)).await;
    let told = place.bot.comment_with(number, "used too much of the disk of vm-1").await.body;
    assert!(told.contains("MiB, 100 MiB are allowed; it was stopped"), "{told}");
    assert_eq!(place.bot.check_ended(number, &sha, "failure").await, "Failed: it used too much disk");
    place.bot.idle().await;
    let life = place.bot.environment("pr-1").await.life.to_string();
    let script = r#"docker ps --all --filter "label=previewbot.environment=$1" --format '{{.State}}'"#;
    assert_eq!(place.vm.says(&["sh", "-c", script, "sh", &life]).await, "exited");
    assert!(place.free_mib().await < 400, "its data stays");
    let audit = place.bot.bot().store().list(100).await.unwrap();
    assert!(audit.iter().any(|record| record.source == "disk guard" && record.action == "stop"), "{audit:?}");

    place.bot.github.people().close(REPO, number, "alice").await.unwrap();
    place.bot.comment_with(number, "destroyed").await;
    assert_eq!(place.left_of(&life).await, "");
    assert!(place.free_mib().await > 400);
}
