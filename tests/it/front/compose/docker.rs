//! What these tests ask docker, and the project that they deploy.

use std::process::Command;

use previewbot::domain::environment::LifeId;

use crate::support::bot::{Setup, TestBot};

/// The image that `scripts/test-image.sh` makes.
pub(super) const IMAGE: &str = "previewbot-test/busybox:local";

/// The web page is what the cache of the infrastructure answered during the deploy.
const DEPLOY: &str = r#"set -eu
mkdir -p site .preview
: >.preview/notes
curl -fsS "http://127.0.0.1:$PREVIEWCTL_PORT_CACHE/" >site/index.html
if [ -f .preview/pid ]; then
    kill "$(cat .preview/pid)"
    while [ -d "/proc/$(cat .preview/pid)" ]; do sleep 0.05; done
fi
"$PREVIEW_SITE" demo-site --listen "127.0.0.1:$PREVIEWCTL_PORT_WEB" --root site --notes .preview/notes \
    </dev/null >.preview/log 2>&1 &
echo "$!" >.preview/pid
"#;

const CONFIG: &str = "version: 1\nname: NAME\nservices:\n  web: { path: . }\ninfrastructure:\n  \
     compose_file: compose.yaml\nrunner:\n  deploy: sh deploy.sh\npreview:\n  \
     probe: { service: web, path: /, timeout: 30s }\n  urls: [web]\n";

/// Names that only one thing on the machine can have, different for each test.
pub(super) struct Names {
    project: String,
    container: String,
    volume: String,
}

impl Names {
    pub(super) fn new(test: &str) -> Self {
        let unique = format!("{test}-{}", std::process::id());
        Self {
            container: format!("the-only-cache-{unique}"),
            volume: format!("everybodys-data-{unique}"),
            project: unique,
        }
    }

    /// A repository with this compose file. The project's name is the test's own too: it is in the names that docker
    /// sees, and tests share one docker.
    pub(super) fn setup(&self, compose: &str) -> Setup {
        let config = CONFIG.replace("NAME", &self.project);
        let files = [("previewctl.yaml", config.as_str()), ("deploy.sh", DEPLOY), ("compose.yaml", compose)];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).to_vec();
        Setup { files, ..Setup::default() }
    }

    /// A compose file with everything that two previews could fight for.
    pub(super) fn compose(&self, page: &str) -> String {
        format!(
            "services:\n  cache:\n    image: {IMAGE}\n    container_name: {}\n    init: true\n    \
             command: sh -c 'echo \"<p>{page}</p>\" >/www/index.html; exec httpd -f -p 80 -h /www'\n    \
             ports: [\"18099:80\"]\n    volumes: [\"data:/data\"]\n    \
             healthcheck: {{ test: [\"CMD\", \"wget\", \"-q\", \"-O-\", \"http://127.0.0.1:80/\"], interval: 1s, retries: 30 }}\n\
             volumes:\n  data: {{ name: {} }}\n",
            self.container, self.volume
        )
    }
}

/// Fails when there is no docker to test with.
pub(super) fn needed() {
    let works = |arguments: &[&str]| {
        Command::new("docker").args(arguments).output().is_ok_and(|output| output.status.success())
    };
    assert!(
        works(&["info"]) && works(&["compose", "version"]) && works(&["image", "inspect", IMAGE]),
        "this test needs Docker with the Compose plugin and a test image: run `make test`, or scripts/docker.sh and \
         scripts/test-image.sh"
    );
}

/// What docker prints.
pub(super) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Containers, networks and volumes of one life.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) containers: Vec<String>,
    pub(super) networks: Vec<String>,
    pub(super) volumes: Vec<String>,
}

impl Made {
    pub(super) fn by(life: LifeId) -> Self {
        let filter = format!("label=previewbot.environment={life}");
        let list = |arguments: &[&str]| -> Vec<String> {
            docker(&[arguments, &["--quiet", "--filter", &filter]].concat()).lines().map(str::to_owned).collect()
        };
        Self {
            containers: list(&["ps", "--all"]),
            networks: list(&["network", "ls"]),
            volumes: list(&["volume", "ls"]),
        }
    }

    pub(super) const fn counts(&self) -> [usize; 3] {
        [self.containers.len(), self.networks.len(), self.volumes.len()]
    }
}

/// Somebody else's container and volume, with the very names that the compose file wants.
pub(super) struct Foreign<'a>(&'a Names);

impl<'a> Foreign<'a> {
    pub(super) fn start(names: &'a Names) -> Self {
        docker(&["volume", "create", &names.volume]);
        let volume = format!("{}:/data", names.volume);
        let label = "previewbot.environment=somebody-elses";
        docker(&["run", "-d", "--init", "--name", &names.container, "--label", label, "-v", &volume, IMAGE]);
        Self(names)
    }

    pub(super) fn is_untouched(&self) -> bool {
        let running = docker(&["ps", "--quiet", "--filter", &format!("name={}", self.0.container)]);
        !running.is_empty() && !docker(&["volume", "inspect", &self.0.volume]).is_empty()
    }
}

impl Drop for Foreign<'_> {
    fn drop(&mut self) {
        for arguments in [["rm", "--force", &self.0.container], ["volume", "rm", &self.0.volume]] {
            let _ = Command::new("docker").args(arguments).output();
        }
    }
}

/// Removes at the end of a test what a bot of it still has: also a test that failed leaves nothing on the machine.
pub(super) struct Sweeper(pub(super) std::path::PathBuf);

impl Sweeper {
    pub(super) fn of(bot: &TestBot) -> Self {
        Self(bot.data.path().join("previews"))
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(self.0.join(".previewbot")).into_iter().flatten().flatten() {
            let life = entry.file_name().to_string_lossy().into_owned();
            for pid in crate::support::bot::processes_with("PREVIEWCTL_ENVIRONMENT_ID", &life).keys() {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).output();
            }
            let filter = format!("label=previewbot.environment={life}");
            for (list, remove) in [("container", "rm -f -v"), ("network", "rm"), ("volume", "rm")] {
                let all = if list == "container" { "--all" } else { "--quiet" };
                let listed =
                    Command::new("docker").args([list, "ls", "--quiet", all, "--filter", &filter]).output();
                let ids =
                    listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
                for id in ids.lines() {
                    let _ = Command::new("docker").arg(list).args(remove.split(' ')).arg(id).output();
                }
            }
        }
    }
}
