//! What services that the bot generates can reach in a sandbox, and what they can do to others: tried from within, as whole
//! previews of a project whose code means harm.

use std::sync::Arc;

use previewbot::domain::compose::Confinement;
use previewbot::domain::environment::LifeId;
use previewbot::domain::redact::Redactor;
use previewbot::outbound::machine::Machine as _;
use previewbot::outbound::ssh::{Chamber, SshHost, SshMachine, SshRunner, SshRunnerOptions};
use tokio::io::AsyncWriteExt as _;

use super::bench::setup;
use super::whole::{Place, sandbox};
use crate::machine::bench::options as options_of;
use crate::support::bot::{REPO, TestBot, eventually, get, merge};

/// Its services serve what they wrote to `/tmp/www`, and one of them does what the code says.
const CONFIG: &str = r#"version: 1
name: NAME
services:
  web:
    path: .
    env: { CACHE: "{{infrastructure.cache.port}}" }
    start: mkdir -p /tmp/www && cd /tmp/www && sh /app/hostile.sh >report; exec httpd -f -p {{self.port}} -h /tmp/www
infrastructure:
  compose_file: compose.yaml
runner:
  compose: { image: "previewbot-test/busybox:local", autostart: [web] }
  deploy: echo deployed
preview:
  probe: { service: web, path: /report, timeout: 60s }
  urls: [web]
"#;

/// Infrastructure that mounts a folder of the repository.
const COMPOSE: &str = r#"services:
  cache:
    image: previewbot-test/busybox:local
    init: true
    command: httpd -f -p 80 -h /files
    ports: ["80"]
    volumes: ["./files:/files"]
"#;

async fn bot(place: &Place, name: &str, hostile: &str) -> TestBot {
    let config = CONFIG.replace("NAME", name);
    let files = [
        ("previewctl.yaml", config.as_str()),
        ("compose.yaml", COMPOSE),
        ("hostile.sh", hostile),
        ("files/page", "one\n"),
    ];
    let mut setup = setup(&files, &[]);
    merge(&mut setup.settings, sandbox(place.host("vm-1").await));
    TestBot::with(setup).await
}

/// Tells of each thing whether a service gets it. What follows `@` are facts of the machine, put in by the test.
const ATTEMPTS: &str = r#"
attempt() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name: yes"; else echo "$name: no"; fi; }
status() { grep -q "^$1:[[:space:]]*$2$" /proc/self/status; }
connects() { wget -q -O /dev/null "http://$1"; }
listens() { nc -l -p "$1" -w 1 & sleep 0.2; kill -0 $!; }
attempt 'write the checkout' touch /app/mine
attempt 'write home' touch "$HOME/mine"
attempt 'write /tmp' touch /tmp/mine
attempt 'its own infrastructure' connects "127.0.0.1:$CACHE/page"
attempt 'a port of its own' listens 23457
attempt 'no new rights' status NoNewPrivs 1
attempt 'no rights' status CapBnd 0000000000000000
attempt 'the account' status Uid '@UID'
attempt 'group docker' sh -c 'busybox id -G | grep -qw @DOCKER'
attempt 'a device' busybox mknod /app/device b 7 0
attempt 'mount' busybox mount -t tmpfs none /tmp
attempt 'owner' busybox chown 0 /app/mine
attempt 'network' busybox ip link set lo down
attempt 'docker socket' ls /var/run/docker.sock /run/docker.sock
attempt 'another preview' ls '@ROOT'/neighbour
attempt 'the fence' ls "${HOME%/home}/epoch"
attempt 'resolved files' ls "${HOME%/home}/application.json"
attempt 'the repository' ls '@ROOT'/repo.git
attempt 'keys of the account' ls /home/preview/.ssh
attempt 'processes of the host' sh -c 'cat /proc/[0-9]*/cmdline | grep -q ssh[d]'
attempt 'signals to the host' kill -0 @OUTSIDE
attempt 'memory of the host' sh -c 'head -c 1 /proc/@OUTSIDE/mem'
attempt 'kernel settings' sh -c 'echo 1 >/proc/sys/kernel/panic'
attempt 'a port of the system' listens 80
attempt 'a port of a neighbour' listens 23456
attempt 'private networks' connects @BOT
attempt 'containers of others' connects @OTHER
"#;

/// What it may get.
const OWN: [&str; 8] = [
    "write the checkout",
    "write home",
    "write /tmp",
    "its own infrastructure",
    "a port of its own",
    "no new rights",
    "no rights",
    "the account",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_service_reaches_its_own_preview_and_nothing_else() {
    let place = Place::sandbox("reach").await;
    let vm = place.vm;
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let gateway = vm.says(&["sh", "-c", "ip route show default | cut -d ' ' -f 3"]).await;
    let bot_address = format!("{gateway}:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    vm.says(&["docker", "run", "-d", "--name", "reach-other", "previewbot-test/busybox:local"]).await;
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let other = vm.says(&["docker", "inspect", "-f", format, "reach-other"]).await;
    let login = vm.login();
    let outside = login.says("(setsid busybox httpd -f -p 23456 >/dev/null 2>&1 </dev/null & echo $!)").await;
    vm.says(&["sh", "-c", &format!("mkdir -p {0}/reach/neighbour && chown -R preview {0}/reach", place.root)])
        .await;
    let uid = login.says("id -u").await;
    let facts = [
        ("@UID", format!("{uid}[[:space:]]*{uid}[[:space:]]*{uid}[[:space:]]*{uid}")),
        ("@DOCKER", vm.says(&["sh", "-c", "getent group docker | cut -d : -f 3"]).await),
        ("@ROOT", format!("{}/reach", place.root)),
        ("@OUTSIDE", outside.clone()),
        ("@BOT", bot_address),
        ("@OTHER", other),
    ];
    let script = facts.iter().fold(ATTEMPTS.to_owned(), |script, (name, value)| script.replace(name, value));
    let bot = bot(&place, "reach", &script).await;
    let (number, sha) = bot.open("first", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    let report = get(&format!("{}/report", bot.url("pr-1").await)).await.unwrap().1;
    let got: Vec<&str> = report.lines().filter_map(|line| line.strip_suffix(": yes")).collect();
    assert_eq!(got, OWN, "{report}");
    assert_eq!(report.lines().count(), ATTEMPTS.matches("\nattempt '").count(), "{report}");
    bot.github.people().close(REPO, number, "alice").await.unwrap();
    bot.comment_with(number, "destroyed").await;
    vm.says(&["sh", "-c", &format!("kill {outside}; docker rm -f reach-other")]).await;
}

/// Changes a file of the checkout as fast as it can.
const RESTLESS: &str = "while :; do echo >>/app/beats; done >/dev/null 2>&1 &\n";

/// The host as whoever has taken this life over last knows it.
async fn machine(place: &Place, life: LifeId) -> SshMachine {
    let epoch = place.vm.says(&["cat", &format!("{}/.previewbot/{life}/epoch", place.root)]).await;
    let chamber = Chamber {
        checkout: String::new(),
        repository: String::new(),
        labels: Vec::new(),
        confinement: Confinement::default(),
    };
    let options = SshRunnerOptions {
        root: place.root.clone(),
        life,
        epoch: epoch.parse().unwrap(),
        commit: None,
        chamber: Some(chamber),
    };
    let host = Arc::new(SshHost::new(options_of(place.vm.login())));
    let nothing = Redactor::new(Vec::<String>::new());
    SshMachine::new(Arc::new(SshRunner::take_over(host, options, nothing).await.unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_service_stands_still_while_others_use_the_checkout() {
    let place = Place::sandbox("still").await;
    let bot = bot(&place, "still", RESTLESS).await;
    let (number, sha) = bot.open("first", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    let machine = machine(&place, bot.environment("pr-1").await.life).await;
    let file = format!("{}/still/pr-1/beats", place.root);
    let beats = || async { place.vm.says(&["stat", "-c", "%s", &file]).await };
    let moves = || async {
        let before = beats().await;
        eventually("a beat", String::new, || async { (beats().await != before).then_some(()) }).await;
    };
    moves().await;
    machine.hold_still(true).await.unwrap();
    let before = beats().await;
    // As long as it takes for very many.
    place.vm.says(&["sleep", "0.3"]).await;
    assert_eq!(beats().await, before);
    machine.hold_still(false).await.unwrap();
    moves().await;
    // What a crash left asleep is woken by the next deploy.
    machine.hold_still(true).await.unwrap();
    let pushed = bot.push(number, "first", &[("files/page", Some("two\n"))]).await;
    bot.check_ended(number, &pushed, "success").await;
    moves().await;
    let format = "{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}";
    let state = place.vm.says(&["docker", "inspect", "-f", format, "still-pr-1-web-1"]).await;
    assert_eq!(state, "running no", "docker starts it again for nobody");
    bot.github.people().close(REPO, number, "alice").await.unwrap();
    bot.comment_with(number, "destroyed").await;
}

/// Exchanges what git, Compose and Docker are going to follow for links out of the checkout, and back, all the time; and
/// leaves in the checkout what git would run in a repository of its own.
const SWAPPING: &str = r#"
swap() {
  while :; do
    mv "/app/$1" "/app/$1.kept"; ln -s "$2" "/app/$1"
    rm -f "/app/$1"; mv -T "/app/$1.kept" "/app/$1"
  done
}
echo '[core] fsmonitor = touch @ROOT/canary' >/app/config
mkdir -p /app/hooks && printf '#!/bin/sh\ntouch @ROOT/canary\n' >/app/hooks/post-checkout
busybox chmod +x /app/hooks/post-checkout
echo 'HEAD' >/app/HEAD
(swap files @ROOT/neighbour) >/dev/null 2>&1 &
(swap sub @ROOT/neighbour) >/dev/null 2>&1 &
(while :; do rm -f /app/.git; echo 'gitdir: /app' >/app/.git; done) >/dev/null 2>&1 &
"#;

#[tokio::test(flavor = "multi_thread")]
async fn links_that_a_generated_service_lays_during_a_redeploy_lead_nobody_out() {
    let place = Place::sandbox("swap").await;
    let (vm, root) = (place.vm, &place.root);
    let neighbour =
        format!("mkdir -p {root}/neighbour && echo secret >{root}/neighbour/page && chown -R preview {root}");
    vm.says(&["sh", "-c", &neighbour]).await;
    let bot = bot(&place, "swap", &SWAPPING.replace("@ROOT", root)).await;
    let (number, sha) = bot.open("first", &[("sub/page", Some("one\n"))]).await;
    bot.check_ended(number, &sha, "success").await;
    let mut deployed = 0;
    for turn in 0..3 {
        let page = format!("{turn}\n");
        // Another compose file makes the infrastructure anew, with a folder of the checkout in it.
        let compose = format!("{COMPOSE}    environment: {{ TURN: '{turn}' }}\n");
        let changes =
            [("sub/page", Some(page.as_str())), ("files/page", Some(&page)), ("compose.yaml", Some(&compose))];
        let pushed = bot.push(number, "first", &changes).await;
        let ended =
            || async { bot.github.checks(REPO, pushed.as_str()).into_iter().find_map(|check| check.conclusion) };
        let ended = eventually("the end of a deploy", || bot.seen(number), ended).await;
        deployed += usize::from(ended == "success");
        let mounted = "docker inspect -f '{{range .Mounts}}{{.Source}}{{end}}' swap-pr-1-cache-1 && \
                       docker exec swap-pr-1-cache-1 cat /files/page";
        let mounted = vm.exec(&["sh", "-c", mounted]).await;
        assert!(!String::from_utf8_lossy(&mounted.stdout).contains("secret"), "{mounted:?}");
    }
    let look = format!("ls {root}; cat {root}/neighbour/page; ls {root}/neighbour | wc -l");
    let found = vm.says(&["sh", "-c", &look]).await;
    assert!(!found.contains("canary") && found.ends_with("secret\n1"), "{found}");
    eprintln!("{deployed} of 3 pushes were deployed over links that come and go");
    bot.github.people().close(REPO, number, "alice").await.unwrap();
    bot.comment_with(number, "destroyed").await;
    assert_eq!(vm.says(&["cat", &format!("{root}/neighbour/page")]).await, "secret");
}
