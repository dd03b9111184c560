//! One environment's life on one of the machines, and a look at it past everything that is tested.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use previewbot::domain::compose::{Confinement, MIB};
use previewbot::domain::environment::LifeId;
use previewbot::domain::error::PortResult;
use previewbot::domain::ports::{ComputeAccess, HookCommand, HookOutcome, HookRunner};
use previewbot::domain::redact::Redactor;
use previewbot::outbound::machine::{LocalMachine, Machine};
use previewbot::outbound::ssh::{Chamber, SshHost, SshMachine, SshOptions, SshRunner, SshRunnerOptions};
use previewbot::outbound::supervisor::{LocalHookRunner, RunnerOptions};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::local::bench::{COMMIT, PATIENCE, life};
use crate::support::bot::eventually;
use crate::support::host::Login;
use crate::support::host::sshd::Sshd;
use crate::support::host::vm::Vm;

/// Makes a test for every machine of one body.
macro_rules! everywhere {
    ($(#[$meta:meta])* async fn $name:ident($bench:ident: Bench) $body:block) => {
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn behaves($bench: Bench) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn here() {
                behaves(Bench::here()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn over_ssh() {
                behaves(Bench::over_ssh().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn on_a_vm() {
                behaves(Bench::on_a_vm().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn in_a_chamber() {
                behaves(Bench::in_a_chamber().await).await;
            }
        }
    };
}
pub(crate) use everywhere;

/// A secret that what is kept of outputs must not show.
pub(crate) const SECRET: &str = "hidden-value-of-the-project";

/// Where the life is, and what must live as long.
enum Place {
    Here { _folder: TempDir },
    Sshd { host: Arc<SshHost>, sshd: Box<Sshd> },
    Vm(Arc<SshHost>, &'static Vm),
}

/// A life held by one epoch.
pub(crate) struct Held {
    pub(crate) runner: Arc<dyn HookRunner>,
    pub(crate) machine: Arc<dyn Machine>,
    pub(crate) access: Arc<dyn ComputeAccess>,
}

/// A folder on a machine with one environment's life in it.
pub(crate) struct Bench {
    place: Place,
    folder: String,
    pub(crate) life: LifeId,
    /// The checkout that hooks of untrusted code are kept in.
    confined_to: Option<String>,
}

/// How the tests' host is reached.
pub(crate) fn options(login: &Login) -> SshOptions {
    SshOptions {
        name: "vm-1".to_owned(),
        address: login.address.ip().to_string(),
        port: login.address.port(),
        user: login.user.clone(),
        identity_file: Some(login.identity.clone()),
        known_hosts_file: Some(login.known_hosts_file()),
        host_key: None,
        is_made: false,
        proxy_command: None,
    }
}

impl Bench {
    pub(crate) fn here() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_string_lossy().into_owned();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        Self { place: Place::Here { _folder: folder }, folder: path, life: life(), confined_to: None }
    }

    pub(crate) async fn over_ssh() -> Self {
        let sshd = Sshd::start().await;
        let login = sshd.login().clone();
        Self::behind(sshd, &login)
    }

    /// On a host that is reached by another way than the straight one.
    pub(crate) fn behind(sshd: Sshd, login: &Login) -> Self {
        let host = Arc::new(SshHost::new(options(login)));
        let folder = sshd.home().join("work");
        std::fs::create_dir_all(folder.join("root")).unwrap();
        let path = folder.to_string_lossy().into_owned();
        Self { place: Place::Sshd { host, sshd: Box::new(sshd) }, folder: path, life: life(), confined_to: None }
    }

    pub(crate) async fn on_a_vm() -> Self {
        let vm = Vm::shared().await;
        let host = Arc::new(SshHost::new(options(vm.login())));
        let life = life();
        let folder = format!("/home/{}/{life}", vm.login().user);
        let this = Self { place: Place::Vm(host, vm), folder, life, confined_to: None };
        let made = format!("mkdir -p {0}/root && chown -R {1}:{1} {0}", this.folder, vm.login().user);
        vm.says(&["sh", "-c", &made]).await;
        this
    }

    /// On the same machine, where hooks run as those of untrusted code.
    pub(crate) async fn in_a_chamber() -> Self {
        let vm = Self::on_a_vm().await;
        Self { confined_to: Some(vm.folder.clone()), ..vm }
    }

    /// The same with a smaller checkout.
    pub(crate) fn confined_to(self, folder: &str) -> Self {
        Self { confined_to: Some(self.path(folder)), ..self }
    }

    fn chamber(&self) -> Option<Chamber> {
        self.confined_to.clone().map(|checkout| Chamber {
            checkout,
            repository: self.path("none"),
            labels: vec![("previewbot.environment", self.life.to_string())],
            confinement: Confinement { memory: 256 * MIB, milli_cpus: 300, pids: 50, ..Confinement::default() },
        })
    }

    /// The connection, where there is one.
    pub(crate) fn host(&self) -> Option<&Arc<SshHost>> {
        match &self.place {
            Place::Here { .. } => None,
            Place::Sshd { host, .. } | Place::Vm(host, _) => Some(host),
        }
    }

    /// The daemon of a plain sshd, to be ill-treated.
    pub(crate) fn sshd(&mut self) -> &mut Sshd {
        match &mut self.place {
            Place::Sshd { sshd, .. } => sshd,
            _ => panic!("no plain sshd"),
        }
    }

    pub(crate) fn vm(&self) -> Option<&'static Vm> {
        match self.place {
            Place::Vm(_, vm) => Some(vm),
            _ => None,
        }
    }

    /// How many processes bear the life's mark.
    pub(crate) async fn marked(&self) -> usize {
        let marked = format!("grep -lzxF PREVIEWCTL_ENVIRONMENT_ID={} /proc/[0-9]*/environ", self.life);
        self.says(&format!("{marked} 2>/dev/null | wc -l")).await.trim().parse().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// What is known of the life on the machine.
    pub(crate) fn life_folder(&self) -> String {
        self.path(&format!("previews/.previewbot/{}", self.life))
    }

    /// Takes the life over.
    pub(crate) async fn take_over(&self, epoch: i64, commit: Option<&str>) -> PortResult<Held> {
        let (root, redactor) = (self.path("previews"), Redactor::new([SECRET.to_owned()]));
        let commit = commit.map(str::to_owned);
        let (runner, machine): (Arc<dyn HookRunner>, Arc<dyn Machine>) = if let Some(host) = self.host() {
            let options = SshRunnerOptions { root, life: self.life, epoch, commit, chamber: self.chamber() };
            let runner = Arc::new(SshRunner::take_over(host.clone(), options, redactor).await?);
            (runner.clone(), Arc::new(SshMachine::new(runner)))
        } else {
            let options = RunnerOptions { root: root.into(), life: self.life, epoch, run_as: None, commit };
            let runner = Arc::new(LocalHookRunner::take_over(options).await?.hiding(redactor));
            (runner.clone(), Arc::new(LocalMachine::new(runner, None)))
        };
        let access = machine.access(Path::new(&self.path("root")));
        Ok(Held { runner, machine, access })
    }

    /// Takes the life over for the commit that hooks are for.
    pub(crate) async fn held(&self, epoch: i64) -> Held {
        self.take_over(epoch, Some(COMMIT)).await.unwrap()
    }

    /// A hook that runs in the bench's folder.
    pub(crate) fn hook(&self, step: &str, script: &str) -> HookCommand {
        HookCommand {
            step: step.to_owned(),
            script: script.to_owned(),
            directory: self.folder.clone(),
            environment: BTreeMap::from([("PREVIEWCTL_COMMIT".to_owned(), COMMIT.to_owned())]),
            timeout: PATIENCE,
            fingerprint: script.to_owned(),
            killable: true,
            prints_values: false,
        }
    }

    /// Runs a script as a hook of a first epoch.
    pub(crate) async fn run(&self, script: &str) -> PortResult<HookOutcome> {
        self.held(1).await.runner.run(&self.hook("step", script), &CancellationToken::new()).await
    }

    /// Ends what hooks left behind.
    pub(crate) async fn clear(&self, held: &Held) {
        assert_eq!(held.machine.end_marked(self.life).await.unwrap(), [0; 0]);
    }
}

impl Bench {
    /// Runs a script in the bench's folder as the machine's account, past what is tested.
    pub(crate) async fn look(&self, script: &str) -> Output {
        let script = format!("cd {} || exit 99\n{script}", self.folder);
        match &self.place {
            Place::Vm(_, vm) => vm.exec(&["runuser", "-u", &vm.login().user, "--", "sh", "-c", &script]).await,
            _ => tokio::task::spawn_blocking(move || Command::new("sh").args(["-c", &script]).output().unwrap())
                .await
                .unwrap(),
        }
    }

    /// What such a script prints; it must work.
    pub(crate) async fn says(&self, script: &str) -> String {
        let output = self.look(script).await;
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until such a script works.
    pub(crate) async fn until(&self, script: &str) {
        let works = || async { self.look(script).await.status.success().then_some(()) };
        eventually(&format!("`{script}` to work"), String::new, works).await;
    }

    /// The number that a script wrote into a file.
    pub(crate) async fn number(&self, file: &str) -> i32 {
        let number = || async { String::from_utf8(self.look(&format!("cat {file}")).await.stdout).ok() };
        let number = || async { number().await?.trim().parse().ok() };
        eventually(&format!("a number in {file}"), String::new, number).await
    }

    /// The machine's number of the process whose number a hook wrote into a file.
    pub(crate) async fn pid(&self, file: &str) -> i32 {
        let number = self.number(file).await;
        if self.confined_to.is_some() { self.pid_outside(number).await } else { number }
    }

    /// The machine's number of a process that has this number in the chamber.
    async fn pid_outside(&self, number: i32) -> i32 {
        let marked =
            format!("grep -lzxF PREVIEWCTL_ENVIRONMENT_ID={} /proc/[0-9]*/environ 2>/dev/null", self.life);
        let inside = format!("^NSpid:.*[[:space:]]{number}$");
        let script =
            format!("for each in $({marked}); do grep -q '{inside}' ${{each%environ}}status && echo $each; done");
        let found = self.says(&format!("{script}; :")).await;
        found.trim().trim_start_matches("/proc/").trim_end_matches("/environ").parse().unwrap()
    }

    /// Whether a process lives; a zombie does not.
    pub(crate) async fn lives(&self, pid: i32) -> bool {
        self.look(&format!("grep -q '^State:.[^ZX]' /proc/{pid}/status")).await.status.success()
    }

    /// Lines of a file; none where there is no file.
    pub(crate) async fn lines(&self, file: &str) -> usize {
        self.says(&format!("cat {file} 2>/dev/null | wc -l")).await.trim().parse().unwrap()
    }
}
