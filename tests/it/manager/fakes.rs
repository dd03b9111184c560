//! The ports, as the made-up world plays them.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use previewbot::domain::checkpoint::AuditEntry;
use previewbot::domain::entry::{ComputeAccessInfo, EnvironmentEntry, State};
use previewbot::domain::error::{ErrorKind, PortError, PortResult};
use previewbot::domain::port_map::PortMap;
use previewbot::domain::ports::{
    Clock, ComputeAccess, ComputePort, CreateRequest, HookCommand, HookExit, HookOutcome, HookRunner,
    NetworkingPort, ProgressReporter, StatePort,
};
use previewbot::domain::progress::StepEvent;
use previewbot::outbound::access::LocalAccess;
use tokio_util::sync::CancellationToken;

use super::world::World;

impl World {
    async fn shell(&self, command: &HookCommand, cancel: &CancellationToken) -> PortResult<HookOutcome> {
        self.hooks.lock().unwrap().push(command.clone());
        let mut child = tokio::process::Command::new("sh");
        child.arg("-c").arg(&command.script).current_dir(&command.directory).env_clear();
        child.env("PATH", std::env::var_os("PATH").unwrap()).envs(&command.environment);
        child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let output = tokio::select! {
            output = child.output() => output.unwrap(),
            () = cancel.cancelled() => return Err(PortError::new(ErrorKind::Cancelled, "cancelled")),
            () = tokio::time::sleep(command.timeout) => return Err(PortError::new(ErrorKind::TimedOut, "too long")),
        };
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let both = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
        let tail = both.lines().map(str::to_owned).collect();
        let exit = HookExit::Code(output.status.code().unwrap_or(-1));
        Ok(HookOutcome { exit, stdout, truncated: false, tail })
    }

    fn folder(&self, environment: &str) -> std::path::PathBuf {
        self.path(&format!("wt/{environment}"))
    }
}

#[async_trait]
impl HookRunner for World {
    async fn run(&self, command: &HookCommand, cancel: &CancellationToken) -> PortResult<HookOutcome> {
        self.shell(command, cancel).await
    }
}

/// Access to one folder of the world.
struct Folder {
    world: Arc<World>,
    root: String,
}

#[async_trait]
impl ComputeAccess for Folder {
    async fn write_file(&self, path: &str, data: Option<&[u8]>, _mode: u32) -> PortResult<()> {
        let path = std::path::Path::new(&self.root).join(path);
        match data {
            Some(data) => {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, data).unwrap();
            }
            None => drop(std::fs::remove_file(path)),
        }
        Ok(())
    }

    async fn read_file(&self, path: &str) -> PortResult<Option<Vec<u8>>> {
        Ok(std::fs::read(std::path::Path::new(&self.root).join(path)).ok())
    }

    async fn exec(&self, command: &HookCommand, cancel: &CancellationToken) -> PortResult<HookOutcome> {
        let directory = std::path::Path::new(&self.root).join(&command.directory);
        let directory = directory.canonicalize().unwrap().to_string_lossy().into_owned();
        self.world.shell(&HookCommand { directory, ..command.clone() }, cancel).await
    }

    fn root(&self) -> &str {
        &self.root
    }
}

#[async_trait]
impl ComputePort for World {
    async fn create(&self, request: &CreateRequest, cancel: &CancellationToken) -> PortResult<ComputeAccessInfo> {
        let base = request.base.as_ref().map(|base| format!(" base={base}")).unwrap_or_default();
        self.call(format!("create env={} branch={}{base}", request.environment, request.branch));
        self.check("create", "create")?;
        if self.failing.lock().unwrap().contains("create_hangs") {
            cancel.cancelled().await;
            return Err(PortError::new(ErrorKind::Cancelled, "cancelled"));
        }
        let folder = self.folder(&request.environment);
        std::fs::create_dir_all(&folder).unwrap();
        Ok(ComputeAccessInfo {
            kind: "local".to_owned(),
            path: Some(folder.to_string_lossy().into_owned()),
            managed_worktree: true,
            ..ComputeAccessInfo::default()
        })
    }

    fn owns_checkout(&self) -> bool {
        self.owns_checkout.load(Ordering::SeqCst)
    }

    async fn sync_code(&self, _info: &ComputeAccessInfo, _cancel: &CancellationToken) -> PortResult<()> {
        self.call("sync_code");
        Ok(())
    }

    async fn access(&self, info: &ComputeAccessInfo) -> PortResult<Arc<dyn ComputeAccess>> {
        let root = info.path.clone().unwrap();
        if self.real_access.load(Ordering::SeqCst) {
            return Ok(Arc::new(LocalAccess::new(root.into(), self.me(), None)));
        }
        Ok(Arc::new(Folder { world: self.me(), root }))
    }

    async fn exists(&self, info: &ComputeAccessInfo) -> PortResult<bool> {
        Ok(std::path::Path::new(info.path.as_deref().unwrap_or_default()).is_dir())
    }

    async fn start(
        &self,
        _environment: &str,
        _info: &ComputeAccessInfo,
        _ports: &PortMap,
        _cancel: &CancellationToken,
    ) -> PortResult<()> {
        self.call("start");
        self.check("start", "start")?;
        self.running.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn stop(&self, _environment: &str, _info: &ComputeAccessInfo) -> PortResult<()> {
        self.call("stop");
        self.check("stop", "stop")?;
        self.running.store(false, Ordering::SeqCst);
        Ok(())
    }

    async fn destroy(&self, environment: &str, _info: &ComputeAccessInfo) -> PortResult<()> {
        self.call("destroy");
        self.check("destroy", "destroy")?;
        self.running.store(false, Ordering::SeqCst);
        drop(std::fs::remove_dir_all(self.folder(environment)));
        Ok(())
    }

    async fn is_running(&self, _environment: &str, _info: &ComputeAccessInfo) -> PortResult<bool> {
        self.call("is_running");
        self.check("is_running", "is_running")?;
        Ok(self.running.load(Ordering::SeqCst))
    }

    async fn detect_branch(&self, _path: &str) -> PortResult<String> {
        self.call("detect_branch");
        self.check("detect_branch", "detect")?;
        Ok(self.branch.lock().unwrap().clone())
    }
}

#[async_trait]
impl NetworkingPort for World {
    async fn allocate_ports(&self, _environment: &str, _names: &[String], fixed: &PortMap) -> PortResult<PortMap> {
        self.call("allocate_ports");
        self.check("allocate", "alloc")?;
        *self.fixed.lock().unwrap() = fixed.clone();
        let mut ports = self.ports.lock().unwrap().clone();
        ports.extend(fixed.clone());
        Ok(ports)
    }

    fn service_url(&self, ports: &PortMap, _environment: &str, service: &str) -> PortResult<String> {
        let port = ports
            .get(service)
            .ok_or_else(|| PortError::new(ErrorKind::NotFound, format!("{service} has no port")))?;
        Ok(format!("http://localhost:{port}"))
    }
}

#[async_trait]
impl StatePort for World {
    async fn load(&self) -> PortResult<State> {
        self.check("state_load", "load")?;
        Ok(self.state.lock().unwrap().clone())
    }

    async fn get_environment(&self, name: &str) -> PortResult<Option<EnvironmentEntry>> {
        self.check("state_get", "get")?;
        Ok(self.entry(name))
    }

    async fn set_environment(&self, entry: &EnvironmentEntry) -> PortResult<()> {
        self.check("state_set", "set")?;
        if let Some(left) = &mut *self.saves_left.lock().unwrap() {
            *left = left.checked_sub(1).ok_or_else(|| PortError::new(ErrorKind::Unavailable, "the bot died"))?;
        }
        self.saves.fetch_add(1, Ordering::SeqCst);
        self.state.lock().unwrap().environments.insert(entry.name.clone(), entry.clone());
        Ok(())
    }

    async fn remove_environment(&self, name: &str) -> PortResult<()> {
        self.check("state_remove", "remove")?;
        self.state.lock().unwrap().environments.remove(name);
        Ok(())
    }

    async fn append_audit(&self, name: &str, entry: &AuditEntry) -> PortResult<()> {
        self.audit.lock().unwrap().entry(name.to_owned()).or_default().push(entry.clone());
        Ok(())
    }

    async fn audit(&self, name: &str) -> PortResult<Vec<AuditEntry>> {
        Ok(self.audit.lock().unwrap().get(name).cloned().unwrap_or_default())
    }
}

#[async_trait]
impl ProgressReporter for World {
    async fn on_step(&self, event: &StepEvent) {
        self.events.lock().unwrap().push(event.clone());
    }

    async fn on_plan(&self, steps: &[String]) {
        self.plans.lock().unwrap().push(steps.to_vec());
    }
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.tick()).unwrap()
    }

    /// Time stands still here, unless it was told to pass.
    async fn sleep(&self, _duration: Duration) {
        if !self.failing.lock().unwrap().contains("time_passes") {
            std::future::pending::<()>().await;
        }
    }
}
