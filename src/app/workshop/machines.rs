//! What one job works with, on the machine that its environment lives on: the bot's own, a host of the pool, or one that
//! the project's hooks make.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::pool::PoolHost;
use super::runners::Runners;
use super::{Taken, Task, Workshops, adoptable, this_boot};
use crate::domain::error::PortResult;
use crate::domain::ports::{ComputePort, HookRunner, PortLeases};
use crate::domain::project::ComputeHooks;
use crate::domain::redact::Redactor;
use crate::outbound::compute::{ComputeOptions, MachineCompute, MirrorSource};
use crate::outbound::machine::LocalMachine;
use crate::outbound::networking::{AllFree, LeasedNetworking, NetworkingOptions, PublicHost};
use crate::outbound::progress::JournalReporter;
use crate::outbound::ssh::{
    HostPorts, HostSource, MachineSettings, MadeMachine, MadeOptions, SshMachine, SshRunner,
};
use crate::outbound::store::{StoredLeases, StoredState};
use crate::outbound::supervisor::life_folder;
use crate::worker::converge::LOCAL_HOST;
use crate::worker::workshop::{Bench, Workshop as _};

/// Long enough for a service that ends because of what it finds, on a busy machine too.
const WATCH: Duration = Duration::from_millis(400);

/// What depends on the machine.
struct Place {
    compute: Arc<dyn ComputePort>,
    hooks: Arc<dyn HookRunner>,
    networking: LeasedNetworking,
    machine: String,
    boot: Option<String>,
}

impl Workshops {
    pub(super) fn bench_of(&self, task: &Task<'_>, taken: &Taken<'_>) -> PortResult<Bench> {
        let here: Arc<dyn HookRunner> = taken.here.clone();
        let hooks = task.config.provisioner.compute.as_ref().filter(|hooks| !hooks.create.is_empty());
        let place = match (hooks, &taken.there) {
            (Some(hooks), _) => self.made(task, hooks, here)?,
            (None, Some((host, there))) => self.on_host(task, host, (here, there.clone())),
            (None, None) => self.on_this_machine(task, here),
        };
        Ok(Bench {
            compute: place.compute,
            networking: Arc::new(place.networking),
            state: Arc::new(self.state(task)),
            hooks: place.hooks,
            probe: self.probe.clone(),
            progress: Arc::new(JournalReporter::new(Arc::new(self.store.clone()), task.claimed.job.id)),
            machine: place.machine,
            boot: place.boot,
        })
    }

    fn on_this_machine(&self, task: &Task<'_>, here: Arc<dyn HookRunner>) -> Place {
        let environment = task.environment;
        let options = ComputeOptions {
            root: self.folders.previews(),
            directory: self.folders.compute_root(environment),
            bind: self.settings.local.bind.to_string(),
            docker_config: self.folders.life(environment.life).join("docker"),
            ..self.compute_options(task)
        };
        let source = MirrorSource {
            git: self.git.clone(),
            repository: environment.project.repository.clone(),
            commit: task.commit.cloned(),
            life: environment.life,
            run_as: self.run_as,
        };
        let machine = Arc::new(LocalMachine::new(here.clone(), self.run_as));
        let public_host = self.settings.local.public_host.as_str().into();
        let networking = self.networking_options(task, LOCAL_HOST, public_host);
        Place {
            compute: Arc::new(MachineCompute::new(options, machine, Arc::new(source))),
            hooks: here,
            networking: LeasedNetworking::new(self.leases(task), self.reservations.clone(), networking),
            machine: self.machine.clone(),
            boot: this_boot(),
        }
    }

    fn on_host(
        &self,
        task: &Task<'_>,
        host: &PoolHost,
        (here, there): (Arc<dyn HookRunner>, Arc<SshRunner>),
    ) -> Place {
        let networking = self.networking_options(task, &host.settings.name, host.settings.public_host().into());
        let ports = HostPorts::new(host.ssh.clone(), self.store.installation_id().to_string());
        Place {
            compute: Arc::new(self.host_compute(task, host, there.clone())),
            networking: LeasedNetworking::on(Arc::new(ports), self.leases(task), networking),
            machine: host.settings.name.clone(),
            boot: Some(there.boot().to_owned()),
            hooks: Arc::new(Runners { here, there }),
        }
    }

    fn host_compute(&self, task: &Task<'_>, host: &PoolHost, runner: Arc<SshRunner>) -> MachineCompute {
        let environment = task.environment;
        let root = host.root();
        let options = ComputeOptions {
            directory: host.checkout(environment),
            bind: host.settings.bind().to_string(),
            docker_config: life_folder(&root, environment.life).join("docker"),
            reached: Some((host.settings.address.clone(), host.settings.user.clone())),
            root,
            ..self.compute_options(task)
        };
        let source = HostSource {
            runner: runner.clone(),
            git: self.git.clone(),
            repository: environment.project.repository.clone(),
            commit: task.commit.cloned(),
            life: environment.life,
            bare: host.repository(environment),
            may_be_clone: false,
            is_fresh: AtomicBool::new(false),
        };
        MachineCompute::new(options, Arc::new(SshMachine::new(runner)), Arc::new(source))
    }

    fn made(&self, task: &Task<'_>, hooks: &ComputeHooks, here: Arc<dyn HookRunner>) -> PortResult<Place> {
        let environment = task.environment;
        let repository = &environment.project.repository;
        let stored = environment.entry.as_ref().and_then(|entry| entry.compute.as_ref());
        let address = PublicHost::from(stored.and_then(|compute| compute.host.as_deref()).unwrap_or_default());
        let machines = &self.settings.machines;
        let options = MadeOptions {
            environment: environment.name.to_string(),
            compute: ComputeOptions { bind: "0.0.0.0".to_owned(), ..self.compute_options(task) },
            epoch: task.claimed.claim.epoch,
            adoptable: adoptable(task.claimed, environment, task.commit),
            repository: repository.clone(),
            commit: task.commit.cloned(),
            ssh: hooks.ssh.clone().unwrap_or_default(),
            settings: MachineSettings {
                identity_file: machines.identity_file.clone(),
                known_hosts_file: machines.known_hosts_file.clone(),
                from_projects: machines.from_projects,
            },
            redactor: Redactor::of_secrets(&self.secrets(repository)?),
            project_root: self.folders.control(environment),
        };
        let reached = (here.clone(), address.clone());
        let made = Arc::new(MadeMachine::new(options, self.git.clone(), Arc::new(self.state(task)), reached));
        // Nobody else uses it.
        let networking = self.networking_options(task, &format!("machine of {}", environment.life), address);
        Ok(Place {
            compute: made.clone(),
            hooks: Arc::new(Runners { here, there: made }),
            networking: LeasedNetworking::on(Arc::new(AllFree), self.leases(task), networking),
            machine: self.machine.clone(),
            // A new machine is made for a new boot: what ran on it is asked for, not assumed.
            boot: None,
        })
    }

    fn state(&self, task: &Task<'_>) -> StoredState {
        StoredState::new(self.store.clone(), task.environment.id, Some(task.claimed.claim.clone()))
    }

    fn leases(&self, task: &Task<'_>) -> Arc<dyn PortLeases> {
        Arc::new(StoredLeases::new(self.store.clone(), task.claimed.claim.clone()))
    }

    fn networking_options(&self, task: &Task<'_>, host: &str, public_host: PublicHost) -> NetworkingOptions {
        NetworkingOptions {
            host: host.to_owned(),
            environment: task.environment.id,
            slug: task.environment.project.slug.to_string(),
            public_host,
            template: self.settings.urls.template.clone(),
        }
    }

    /// What does not depend on the machine; paths are still to be filled in.
    fn compute_options(&self, task: &Task<'_>) -> ComputeOptions {
        let infrastructure = task.config.infrastructure.as_ref();
        ComputeOptions {
            life: task.environment.life,
            slug: task.environment.project.slug.to_string(),
            root: PathBuf::new(),
            directory: PathBuf::new(),
            compose_file: infrastructure.map(|infrastructure| infrastructure.compose_file.clone()),
            bind: String::new(),
            watch: WATCH,
            stop_seconds: self.settings.limits.stop_seconds,
            installation: self.store.installation_id().to_string(),
            docker_config: PathBuf::new(),
            reached: None,
            confinement: self.confinement(task.environment),
        }
    }
}
