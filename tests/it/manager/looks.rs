//! What this room's tests arrange and look at beside what every player of the world does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use previewbot::domain::entry::EnvironmentEntry;
use previewbot::domain::error::{ErrorKind, PortError, PortResult};
use previewbot::domain::ports::{CreateRequest, HookCommand, ReadinessProbe};
use previewbot::manager::Manager;
use tokio_util::sync::CancellationToken;

use super::world::World;

impl World {
    /// Changes a stored entry behind the Manager's back.
    pub(crate) fn tamper(&self, name: &str, change: impl FnOnce(&mut EnvironmentEntry)) {
        change(self.state.lock().unwrap().environments.get_mut(name).unwrap());
    }

    pub(crate) fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Steps that ran since the last look.
    pub(crate) fn take_ran(&self) -> Vec<String> {
        let ran = |event: &String| event.strip_suffix(":completed").map(str::to_owned);
        self.take_events().iter().filter_map(ran).filter(|step| step != "save_state").collect()
    }

    pub(crate) fn take_hooks(&self) -> Vec<HookCommand> {
        std::mem::take(&mut *self.hooks.lock().unwrap())
    }

    /// A Manager for a configuration.
    pub(crate) fn manager(self: &Arc<Self>, config: &str) -> Manager {
        Manager::new(self.dependencies(config, "local"))
    }
}

/// The request for environment `e1` on branch `b1`.
pub(crate) fn e1() -> CreateRequest {
    CreateRequest { environment: "e1".to_owned(), branch: "b1".to_owned(), base: None }
}

/// A probe that answers as it was told and keeps the URLs.
#[derive(Default)]
pub(crate) struct FakeProbe {
    pub(crate) urls: Mutex<Vec<String>>,
    pub(crate) dead: bool,
}

#[async_trait::async_trait]
impl ReadinessProbe for FakeProbe {
    async fn wait_ready(&self, url: &str, _timeout: Duration, _cancel: &CancellationToken) -> PortResult<()> {
        self.urls.lock().unwrap().push(url.to_owned());
        if self.dead {
            return Err(PortError::new(ErrorKind::TimedOut, format!("{url} did not answer within 60 s")));
        }
        Ok(())
    }
}
