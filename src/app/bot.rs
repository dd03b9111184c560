//! A bot that runs: settings become adapters, adapters become a server, a worker, a reporter and a janitor.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::users;
use super::workshop::{Guarding, Pool, PoolHost, Workshops};
use crate::domain::change::ForgeKind;
use crate::domain::environment::Environment;
use crate::domain::ports::{
    Assessments, Clock, Environments, Forge, Housekeeping, JobQueue, Reports, SystemRandom,
};
use crate::inbound::http::webhook::{GithubWebhook, WebhookSecrets};
use crate::inbound::http::{self, HttpState};
use crate::outbound::forge::github::{GithubApp, GithubForge};
use crate::outbound::git::MirrorGit;
use crate::outbound::store::{Location, OpenOptions, Serving, Store};
use crate::settings::{DatabaseUrl, GithubCredentials, Settings};
use crate::worker::assess::Assessor;
use crate::worker::converge::Converger;
use crate::worker::converge::LOCAL_HOST;
use crate::worker::disk_guard::{self, DiskGuard, Guarded};
use crate::worker::janitor::Janitor;
use crate::worker::reporter::{Forges, Pace, Reporter};
use crate::worker::run::Runner;
use crate::worker::watcher::{self, Watched, Watcher};
use crate::worker::{Worker, WorkerOptions};

/// How long requests and reports that were under way may still take after the last job ended or was given back. A
/// client that never finishes its request must not keep the bot from ending.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long ended jobs, payloads and decisions are kept.
const KEEP_HISTORY: Duration = Duration::from_hours(720);

/// Time and chance, as the composition root hands them out.
#[derive(Clone)]
pub struct World {
    /// The only clock.
    pub clock: Arc<dyn Clock>,
    /// The only chance.
    pub random: Arc<dyn SystemRandom>,
}

/// How fast a bot does what it does by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Paces {
    /// How fast it writes to a change's page.
    pub reporter: Pace,
    /// How often it looks at hosts.
    pub watcher: watcher::Pace,
    /// How often it thinks of their disks.
    pub disk_guard: disk_guard::Pace,
}

/// A running bot.
pub struct Bot {
    address: SocketAddr,
    store: Store,
    pool: Arc<Pool>,
    stop: CancellationToken,
    drain: Duration,
    tasks: TaskTracker,
}

/// Opens the store that the settings name.
///
/// # Errors
/// When it cannot be opened; for a process that serves, also when another one serves it that it cannot be beside.
pub async fn open_store(settings: &Settings, world: &World, serving: Serving) -> anyhow::Result<Store> {
    let ttl = settings.limits.ttl().unwrap_or_default();
    let options = OpenOptions {
        location: match &settings.database.url {
            DatabaseUrl::Sqlite(path) => Location::File(path.clone()),
            DatabaseUrl::Postgres(url) => Location::Server { url: url.clone(), clock: None },
        },
        serving,
        clock: world.clock.clone(),
        random: world.random.clone(),
        ttl_ms: i64::try_from(ttl.as_millis()).unwrap_or(0),
    };
    Ok(Store::open(options).await?)
}

/// Opens the store for a command at a terminal: what people make there lives until they delete it.
///
/// # Errors
/// When it cannot be opened.
pub async fn open_terminal_store(settings: &Settings, world: &World) -> anyhow::Result<Store> {
    let limits = crate::settings::Limits { ttl_hours: 0, ..settings.limits.clone() };
    open_store(&Settings { limits, ..settings.clone() }, world, Serving::No).await
}

impl Bot {
    /// Starts a bot and returns once it answers.
    ///
    /// # Errors
    /// When a setting, a secret, the store or an address cannot be used.
    pub async fn start(settings: Settings, world: World) -> anyhow::Result<Self> {
        Self::start_paced(settings, world, Paces::default()).await
    }

    /// The same at other paces, for those who do not talk to the real GitHub and real hosts.
    ///
    /// # Errors
    /// As [`Bot::start`].
    pub async fn start_paced(settings: Settings, world: World, paces: Paces) -> anyhow::Result<Self> {
        protect_own_memory();
        let settings = Arc::new(settings);
        let credentials = settings.github.as_ref().map(crate::settings::Github::credentials).transpose()?;
        warn_of_what_is_not_served(&settings);
        let store = open_to_serve(&settings, &world).await?;
        store.take_over().await?;
        let forges = forges(&settings, credentials.as_ref(), &world)?;
        let listener = TcpListener::bind(settings.server.listen)
            .await
            .with_context(|| format!("cannot listen on {} (server.listen)", settings.server.listen))?;
        let admin = match settings.server.admin_listen {
            Some(address) => Some(
                TcpListener::bind(address)
                    .await
                    .with_context(|| format!("cannot listen on {address} (server.admin_listen)"))?,
            ),
            None => None,
        };
        let bot = Self {
            address: listener.local_addr()?,
            pool: Arc::new(Pool::new(&settings, Arc::new(store.clone()))),
            store: store.clone(),
            stop: CancellationToken::new(),
            drain: settings.worker.drain(),
            tasks: TaskTracker::new(),
        };
        bot.start_work(&settings, forges, &world, paces).await?;
        bot.serve((listener, admin), &settings, credentials.as_ref())?;
        Ok(bot)
    }

    /// Where it takes webhooks.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its store, to look into.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// How often work was asked of a host since the start; `None` for one that the settings do not name.
    #[must_use]
    pub fn requests_of(&self, host: &str) -> Option<u64> {
        self.pool.get(host).ok().map(|host| host.ssh.requests())
    }

    /// Ends it: no new work, running work gets some time, and the rest is given back.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.drain + LAST_WORDS, self.tasks.wait()).await.is_err() {
            tracing::warn!("something is still under way; it is cut off and taken up at the next start");
        }
        self.store.close().await;
    }

    async fn start_work(
        &self,
        settings: &Arc<Settings>,
        forges: Forges,
        world: &World,
        paces: Paces,
    ) -> anyhow::Result<()> {
        let store = Arc::new(self.store.clone());
        let queue: Arc<dyn JobQueue> = store.clone();
        let environments: Arc<dyn Environments> = store.clone();
        let owner = world.random.uuid().to_string();
        // A database of ours alone has one server, so whatever runs now was claimed by a server that is gone.
        for job in queue.rescue(&owner, !self.store.is_shared()).await? {
            tracing::info!(job.id = job.0, "taken up again after a restart");
        }
        // What the forge refused or never heard of before the restart is compared again.
        for environment in environments.list(false).await? {
            Reports::touch(&*store, environment.id).await?;
        }
        let git = Arc::new(mirror(settings));
        let pool = self.pool.clone();
        let run_as = users::hook_user(settings.local.run_as.as_deref())?;
        let machines = (git.clone(), pool.clone());
        let workshop = Arc::new(Workshops::new(settings.clone(), self.store.clone(), machines, run_as)?);
        let runner = Runner {
            assessor: Assessor {
                forges: forges.clone(),
                assessments: store.clone() as Arc<dyn Assessments>,
                environments: environments.clone(),
                audit: store.clone(),
                reports: store.clone(),
                workshop: workshop.clone(),
                clock: world.clock.clone(),
            },
            converger: Converger {
                environments: environments.clone(),
                forges: forges.clone(),
                git,
                workshop,
                clock: world.clock.clone(),
                audit: store.clone(),
                step_timeout: settings.limits.step_timeout(),
            },
            forges: forges.clone(),
            environments: environments.clone(),
        };
        let options = WorkerOptions {
            owner: owner.clone(),
            concurrency: settings.worker.concurrency,
            lease: settings.worker.lease(),
            poll: settings.worker.poll(),
            drain: settings.worker.drain(),
        };
        let worker = Worker::new(queue.clone(), Arc::new(runner), world.clock.clone(), options);
        self.tasks.spawn(worker.run(self.stop.clone()));
        let reporter = Reporter::new(
            store.clone() as Arc<dyn Reports>,
            environments,
            forges,
            world.clock.clone(),
            (owner.clone(), settings.public_url.clone()),
        )
        .paced(paces.reporter);
        self.tasks.spawn(reporter.run(self.stop.clone()));
        let hosts = pool.hosts().iter().map(|host| host.clone() as Arc<dyn Watched>).collect();
        let watcher = Watcher::new(hosts, store.clone(), world.clock.clone(), paces.watcher);
        self.tasks.spawn(watcher.run(self.stop.clone()));
        let housekeeping: Arc<dyn Housekeeping> = store.clone();
        let guarding = |host: &Arc<PoolHost>| Guarding { host: host.clone(), settings: settings.clone() };
        let disk_guard = DiskGuard {
            hosts: pool.hosts().iter().map(|host| Arc::new(guarding(host)) as Arc<dyn Guarded>).collect(),
            environments: store.clone(),
            housekeeping: housekeeping.clone(),
            audit: store,
            clock: world.clock.clone(),
            pace: paces.disk_guard,
        };
        self.tasks.spawn(disk_guard.run(self.stop.clone()));
        let janitor = Janitor::new(queue, housekeeping, world.clock.clone(), owner, KEEP_HISTORY);
        self.tasks.spawn(janitor.run(self.stop.clone()));
        Ok(())
    }
}

impl Bot {
    /// Serves webhooks and everything else; with `server.admin_listen`, everything else there and only there.
    fn serve(
        &self,
        (listener, admin): (TcpListener, Option<TcpListener>),
        settings: &Settings,
        credentials: Option<&GithubCredentials>,
    ) -> anyhow::Result<()> {
        let github = match (&settings.github, credentials) {
            (Some(github), Some(credentials)) => Some(GithubWebhook {
                secrets: WebhookSecrets::new(&credentials.webhook_secret, None)?,
                app_id: Some(github.app_id),
            }),
            _ => None,
        };
        let queue: Arc<dyn JobQueue> = Arc::new(self.store.clone());
        let state = HttpState { queue, github, version: env!("CARGO_PKG_VERSION") };
        if let Some(admin) = admin {
            self.listen(admin, http::admin_router(state.clone()));
            self.listen(listener, http::webhook_router(state));
        } else {
            self.listen(listener, http::router(state));
        }
        Ok(())
    }

    fn listen(&self, listener: TcpListener, router: axum::Router) {
        let stop = self.stop.clone();
        self.tasks.spawn(http::serve(listener, router, http::Patience::default(), stop));
    }
}

/// Opens the store of a bot. What runs on a bot's own machine only that one can tend: it serves alone as long as there is
/// something, whatever the settings say of new previews.
async fn open_to_serve(settings: &Settings, world: &World) -> anyhow::Result<Store> {
    if settings.runs_here() {
        return open_store(settings, world, Serving::Alone).await;
    }
    let store = open_store(settings, world, Serving::Together).await?;
    if !store.is_shared() || !has_previews_here(&store).await? {
        return Ok(store);
    }
    store.close().await;
    open_store(settings, world, Serving::Alone).await
}

/// Whether previews of changes run on this machine.
///
/// # Errors
/// When they run on a bot's own machine, but it is not this one.
async fn has_previews_here(store: &Store) -> anyhow::Result<bool> {
    let on_machine = |environment: &&Environment| {
        environment.project.repository.forge != ForgeKind::Folder
            && environment.host.as_deref() == Some(LOCAL_HOST)
    };
    let environments = Environments::list(store, false).await?;
    let (mut here, mut elsewhere) = (false, Vec::new());
    for environment in environments.iter().filter(on_machine) {
        let compute = environment.entry.as_ref().and_then(|entry| entry.compute.as_ref());
        match compute.and_then(|compute| compute.path.as_deref()) {
            Some(root) if Path::new(root).exists() => here = true,
            Some(_) => elsewhere.push(format!("{}/{}", environment.project.slug, environment.name)),
            // Nothing was made yet.
            None => {}
        }
    }
    anyhow::ensure!(
        elsewhere.is_empty(),
        "{} run on the machine of another bot, which alone can destroy them: let it do that before others share its \
         database",
        elsewhere.join(", ")
    );
    Ok(here)
}

/// Keeps hooks of the same user from reading the bot's memory and environment through `/proc`.
fn protect_own_memory() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the bot's memory cannot be kept from processes of the same user");
    }
}

fn warn_of_what_is_not_served(settings: &Settings) {
    if settings.gitlab.is_some() {
        tracing::warn!("[gitlab] is set, but GitLab is not served yet");
    }
    if settings.github.is_none() {
        tracing::warn!("[github] is not set: no webhook will be accepted");
    }
    let root = rustix::process::geteuid().is_root();
    if root && settings.local.run_as.is_none() {
        tracing::warn!("the bot is root and local.run_as is not set: hooks of repositories run as root");
    }
}

fn forges(settings: &Settings, credentials: Option<&GithubCredentials>, world: &World) -> anyhow::Result<Forges> {
    let mut forges: Forges = BTreeMap::new();
    if let (Some(github), Some(credentials)) = (&settings.github, credentials) {
        let app = GithubApp {
            app_id: github.app_id,
            private_key: credentials.private_key.clone(),
            api_url: github.api_url.clone(),
        };
        let forge: Arc<dyn Forge> = Arc::new(GithubForge::new(&app, world.clock.clone())?);
        forges.insert(ForgeKind::Github, forge);
    }
    Ok(forges)
}

fn mirror(settings: &Settings) -> MirrorGit {
    let urls = settings.github.iter().map(|github| (ForgeKind::Github, github.git_url.clone())).collect();
    MirrorGit::new(&settings.data_dir, urls, settings.limits.checkout())
}
