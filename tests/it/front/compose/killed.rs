//! The bot as a process: killed while docker works, and without docker.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use previewbot::demo::fake_github::WebhookTarget;

use super::docker::{Made, Names, Sweeper, docker, needed};
use crate::support::bot::{REPO, TestBot, eventually};

/// `previewbot serve` with the settings of a test's world.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Served {
    async fn start(world: &TestBot, path: Option<&Path>) -> Self {
        let folder = world.data.path();
        let log = folder.join("log");
        std::fs::write(folder.join("previewbot.toml"), toml(world)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_previewbot"));
        command.args(["serve", "--config", "previewbot.toml"]).current_dir(folder).env("RUST_LOG", "info");
        if let Some(path) = path {
            command.env("PATH", path);
        }
        let errors = std::fs::File::create(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().unwrap();
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        let address = || async {
            let said = said();
            let (_, rest) = said.split_once("previewbot serves address=")?;
            rest.split_once('\n').map(|(address, _)| address.trim().to_owned())
        };
        let address = eventually("the bot to serve", said, address).await;
        world.github.set_webhook(WebhookTarget {
            url: format!("http://{address}/webhooks/github"),
            secret: "It's a secret".to_owned(),
        });
        Self(child)
    }
}

fn toml(world: &TestBot) -> String {
    let settings = world.settings();
    let text = |pointer: &str| settings.pointer(pointer).and_then(|value| value.as_str()).unwrap();
    let key = world.data.path().join("key.pem");
    std::fs::write(&key, world.github.private_key_pem()).unwrap();
    format!(
        "data_dir = {:?}\n[server]\nlisten = \"127.0.0.1:0\"\n[database]\nurl = {:?}\n[github]\napp_id = {}\n\
         private_key_file = {:?}\nwebhook_secret = \"It's a secret\"\napi_url = {:?}\ngit_url = {:?}\n\
         [local]\npublic_host = \"127.0.0.1\"\nbind = \"127.0.0.1\"\n\
         [[projects]]\nrepository = \"github:{REPO}\"\nmode = \"local\"\nsecrets = {{ PREVIEW_SITE = {:?} }}\n",
        text("/data_dir"),
        text("/database/url"),
        world.github.app_id(),
        key.to_string_lossy(),
        text("/github/api_url"),
        text("/github/git_url"),
        text("/projects/0/secrets/PREVIEW_SITE"),
    )
}

/// Lives of the environments that have a folder.
fn lives(world: &TestBot) -> Vec<String> {
    let folders =
        std::fs::read_dir(world.data.path().join("previews/.previewbot")).into_iter().flatten().flatten();
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_killed_while_the_infrastructure_starts_finishes_it_once() {
    needed();
    let names = Names::new("killed");
    let slow = names.compose("one").replace("command: sh -c '", "command: sh -c 'sleep 2; ");
    let world = TestBot::without_bot(names.setup(&slow)).await;
    let _sweeper = Sweeper::of(&world);
    let first = Served::start(&world, None).await;
    let (number, sha) = world.open("feature", &[]).await;
    let begun = || async {
        let life = lives(&world).into_iter().next()?;
        let filter = format!("label=previewbot.environment={life}");
        (!docker(&["ps", "--all", "--quiet", "--filter", &filter]).is_empty()).then_some(life)
    };
    let life = eventually("a container", String::new, begun).await;
    drop(first);
    let checks = world.github.checks(REPO, sha.as_str());
    assert!(checks.iter().all(|check| check.conclusion.is_none()), "it was killed in the middle: {checks:?}");

    let second = Served::start(&world, None).await;
    world.check_ended(number, &sha, "success").await;
    let life = previewbot::domain::environment::LifeId(life.parse().unwrap());
    assert_eq!(Made::by(life).counts(), [1, 1, 1]);
    assert_eq!(lives(&world).len(), 1);
    world.github.people().merge(REPO, number, "alice").await.unwrap();
    world.comment_with(number, "destroyed").await;
    assert_eq!(Made::by(life).counts(), [0, 0, 0]);
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_docker_says_what_to_install() {
    let names = Names::new("none");
    let world = TestBot::without_bot(names.setup(&names.compose("one"))).await;
    let programs = tempfile::tempdir().unwrap();
    for folder in ["/bin", "/usr/bin"] {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with("docker") {
                // The same program may be in both folders.
                let _ = std::os::unix::fs::symlink(entry.path(), programs.path().join(name));
            }
        }
    }
    let _served = Served::start(&world, Some(programs.path())).await;
    let (number, sha) = world.open("feature", &[]).await;
    world.check_ended(number, &sha, "failure").await;
    let comment = world.comment_with(number, "failed").await.body;
    assert!(comment.contains("start_infra") && comment.contains("install Docker"), "{comment}");
    world.github.people().merge(REPO, number, "alice").await.unwrap();
    world.comment_with(number, "destroyed").await;
}
