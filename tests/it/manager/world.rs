//! One made-up world behind all the ports: folders below a temporary root, state in memory, real shells for hooks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use previewbot::domain::checkpoint::AuditEntry;
use previewbot::domain::entry::{EnvironmentEntry, State};
use previewbot::domain::environment::LifeId;
use previewbot::domain::error::{ErrorKind, PortError, PortResult};
use previewbot::domain::port_map::PortMap;
use previewbot::domain::ports::{HookCommand, Part};
use previewbot::domain::progress::{StepEvent, StepStatus};
use previewbot::domain::project::ProjectConfig;
use previewbot::domain::project::parse::parse;
use previewbot::domain::redact::Redactor;
use previewbot::manager::Dependencies;
use tokio_util::sync::CancellationToken;

/// A container: whether it runs, and what it was made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Container {
    pub(crate) state: String,
    pub(crate) revision: String,
}

/// What tests arrange and look at.
pub(crate) struct World {
    folder: tempfile::TempDir,
    /// Answer of the networking port.
    pub(crate) ports: Mutex<PortMap>,
    /// Fixed ports that were to be leased.
    pub(crate) fixed: Mutex<PortMap>,
    /// Answer of branch detection.
    pub(crate) branch: Mutex<String>,
    /// Ports that fail: `create`, `start`, `stop`, `destroy`, `is_running`, `detect_branch`, `allocate`, `state_*`.
    pub(crate) failing: Mutex<BTreeSet<String>>,
    /// Whether the failure of a port is one that may go away.
    pub(crate) unavailable: AtomicBool,
    /// Whether the infrastructure runs.
    pub(crate) running: AtomicBool,
    /// Whether the bot owns checkouts.
    pub(crate) owns_checkout: AtomicBool,
    /// Containers by part and service.
    pub(crate) containers: Mutex<BTreeMap<(Part, String), Container>>,
    /// Services whose containers were made or started anew.
    pub(crate) made_anew: Mutex<Vec<String>>,
    /// Whether files are written and read as on the bot's own machine.
    pub(crate) real_access: AtomicBool,
    /// How many more times an entry can be stored before the bot dies; `None`: it lives.
    pub(crate) saves_left: Mutex<Option<usize>>,
    /// Calls of the compute and networking ports.
    pub(crate) calls: Mutex<Vec<String>>,
    /// Everything that was reported.
    pub(crate) events: Mutex<Vec<StepEvent>>,
    /// Plans that were announced.
    pub(crate) plans: Mutex<Vec<Vec<String>>>,
    /// Hooks that were run.
    pub(crate) hooks: Mutex<Vec<HookCommand>>,
    /// The stored entries.
    pub(crate) state: Mutex<State>,
    /// How often an entry was stored.
    pub(crate) saves: AtomicI64,
    /// The stored step history.
    pub(crate) audit: Mutex<BTreeMap<String, Vec<AuditEntry>>>,
    now_ms: AtomicI64,
    me: Weak<World>,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("project")).unwrap();
        std::fs::create_dir_all(folder.path().join("ext")).unwrap();
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            folder,
            fixed: Mutex::default(),
            ports: Mutex::new(PortMap::from([("web".to_owned(), 61000)])),
            branch: Mutex::new("main".to_owned()),
            failing: Mutex::default(),
            unavailable: AtomicBool::new(false),
            running: AtomicBool::new(false),
            owns_checkout: AtomicBool::new(false),
            containers: Mutex::default(),
            made_anew: Mutex::default(),
            real_access: AtomicBool::new(false),
            saves_left: Mutex::default(),
            calls: Mutex::default(),
            events: Mutex::default(),
            plans: Mutex::default(),
            hooks: Mutex::default(),
            state: Mutex::new(State { version: 1, environments: BTreeMap::new() }),
            saves: AtomicI64::new(0),
            audit: Mutex::default(),
            now_ms: AtomicI64::new(1_700_000_000_000),
        })
    }

    /// The world itself, for what it hands out.
    pub(crate) fn me(&self) -> Arc<Self> {
        self.me.upgrade().unwrap()
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A path below the root.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root().join(relative)
    }

    /// Text with `<root>` replaced by the root.
    pub(crate) fn with_root(&self, text: &str) -> String {
        text.replace("<root>", &self.root().to_string_lossy())
    }

    /// Text with the root replaced by `<root>`.
    pub(crate) fn without_root(&self, text: &str) -> String {
        text.replace(&*self.root().to_string_lossy(), "<root>")
    }

    pub(crate) fn read(&self, relative: &str) -> Option<String> {
        std::fs::read_to_string(self.path(relative)).ok()
    }

    pub(crate) fn call(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }

    pub(crate) fn fail(&self, ports: &[&str]) {
        *self.failing.lock().unwrap() = ports.iter().map(|&port| port.to_owned()).collect();
    }

    /// Fails where a port was told to.
    pub(crate) fn check(&self, port: &str, word: &str) -> PortResult<()> {
        if self.failing.lock().unwrap().contains(port) {
            let kind =
                if self.unavailable.load(Ordering::SeqCst) { ErrorKind::Unavailable } else { ErrorKind::Invalid };
            return Err(PortError::new(kind, format!("{word} boom")));
        }
        Ok(())
    }

    /// One ms later with every look at the clock.
    pub(crate) fn tick(&self) -> i64 {
        self.now_ms.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn entry(&self, name: &str) -> Option<EnvironmentEntry> {
        self.state.lock().unwrap().environments.get(name).cloned()
    }

    /// The final event of every step since the last look, in order; streaming and started are left out.
    pub(crate) fn take_events(&self) -> Vec<String> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let last = |event: &&StepEvent| !matches!(event.status, StepStatus::Started | StepStatus::Streaming);
        events.iter().filter(last).map(|event| format!("{}:{}", event.step, event.status.as_str())).collect()
    }

    pub(crate) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// Dependencies for a configuration; `<root>` in it is replaced.
    pub(crate) fn dependencies(self: &Arc<Self>, config: &str, mode: &str) -> Dependencies {
        let mut config: ProjectConfig = parse(&self.with_root(config), "previewctl.yaml").unwrap();
        mode.clone_into(&mut config.mode);
        Dependencies {
            config,
            project_root: self.path("project"),
            compute: self.clone(),
            networking: self.clone(),
            state: self.clone(),
            progress: self.clone(),
            hooks: self.clone(),
            clock: self.clone(),
            probe: None,
            cancel: CancellationToken::new(),
            secrets: BTreeMap::new(),
            redactor: Redactor::default(),
            life: LifeId(uuid::Uuid::nil()),
            commit: None,
            machine: "test".to_owned(),
            boot: None,
            step_timeout: Duration::from_secs(30),
            no_cache: false,
        }
    }
}
