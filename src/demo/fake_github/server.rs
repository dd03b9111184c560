//! The listener and what happens to each request: recorded, perhaps spoiled, answered.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, Call};
use super::auth::AppKey;
use super::doors::{Doors, Visitor};
use super::faults::{self, Fault, FaultKind};
use super::routes::{self, Reply};
use super::state::{FakeError, FakeResult, RecordedRequest, World};
use super::webhooks::WebhookTarget;
use super::{contents, page};
use crate::domain::ports::Clock;

/// How the stand-in is set up.
pub struct FakeOptions {
    /// Where it listens; port 0 takes any.
    pub listen: SocketAddr,
    /// The App's id.
    pub app_id: u64,
    /// The App's slug: it writes as `<slug>[bot]`.
    pub app_slug: String,
    /// Id of the App's only installation.
    pub installation: u64,
    /// The App's key pair; made when none is given.
    pub key: Option<AppKey>,
    /// Where webhooks go; can be set later.
    pub webhook: Option<WebhookTarget>,
    /// Whether the App may delete environments (Administration: write).
    pub administration: bool,
    /// The clock that tokens expire by.
    pub clock: Arc<dyn Clock>,
}

impl FakeOptions {
    /// Any free port, App 4242 called `previewbot`, no webhook yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            app_id: 4242,
            app_slug: "previewbot".to_owned(),
            installation: 77,
            key: None,
            webhook: None,
            administration: false,
            clock,
        }
    }
}

/// What handlers and the handle share.
pub(super) struct Shared {
    world: Mutex<World>,
    shutdown: CancellationToken,
}

impl Shared {
    /// The state; a panic of another holder does not matter, since every change is complete in itself.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running stand-in; it stops listening when dropped.
pub struct FakeGithub {
    pub(super) shared: Arc<Shared>,
    pub(super) client: reqwest::Client,
    base_url: String,
    key: AppKey,
}

impl Drop for FakeGithub {
    fn drop(&mut self) {
        self.shared.shutdown.cancel();
    }
}

impl FakeGithub {
    /// Starts listening.
    ///
    /// # Errors
    /// When the address cannot be bound or no key pair can be made.
    pub async fn start(options: FakeOptions) -> FakeResult<Self> {
        let io = |source| FakeError::Io { what: format!("listen on {}", options.listen), source };
        let listener = TcpListener::bind(options.listen).await.map_err(io)?;
        let base_url = format!("http://{}", listener.local_addr().map_err(io)?);
        let key = options.key.clone().map_or_else(AppKey::generate, Ok)?;
        let world = world(options, key.clone(), &base_url);
        let shared = Arc::new(Shared { world: Mutex::new(world), shutdown: CancellationToken::new() });
        let router = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        let service = router.into_make_service_with_connect_info::<Visitor>();
        let shutdown = shared.shutdown.clone();
        let serve = axum::serve(Doors(listener), service).with_graceful_shutdown(shutdown.cancelled_owned());
        tokio::spawn(async move { serve.await });
        Ok(Self { shared, client: reqwest::Client::new(), base_url, key })
    }

    /// Root of its API, `http://127.0.0.1:<port>`; its page is there too.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The App's id.
    #[must_use]
    pub fn app_id(&self) -> u64 {
        self.shared.world().app_id
    }

    /// The App's private key, for the bot.
    #[must_use]
    pub fn private_key_pem(&self) -> &str {
        self.key.private_key_pem()
    }

    /// Sends webhooks there from now on.
    pub fn set_webhook(&self, target: WebhookTarget) {
        self.shared.world().webhook = Some(target);
    }

    /// Spoils requests to come; several wait in order.
    pub fn inject(&self, fault: Fault) {
        self.shared.world().faults.push_back(fault);
    }

    /// Takes back what was to be spoiled.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
    }
}

fn world(options: FakeOptions, key: AppKey, base_url: &str) -> World {
    World {
        app_id: options.app_id,
        app_slug: options.app_slug,
        installation: options.installation,
        key,
        base_url: base_url.to_owned(),
        clock: options.clock,
        administration: options.administration,
        repositories: BTreeMap::new(),
        tokens: BTreeMap::new(),
        requests: Vec::new(),
        faults: VecDeque::new(),
        webhook: options.webhook,
        deliveries: Vec::new(),
        last_id: 1000,
    }
}

const LARGEST_BODY: usize = 1024 * 1024 * 8;

async fn receive(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(visitor): ConnectInfo<Visitor>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_else(|_| Bytes::new());
    let call = Call::new(&parts, &body);
    if let Some(page) = page::answer(&shared.world(), &call) {
        return page.into_response();
    }
    let number = record(&shared, &call);
    let fault = faults::take(&mut shared.world().faults, &call);
    let answer = match fault {
        None => respond(&shared, &call).await,
        Some(fault) => spoil(&shared, &call, &fault, &visitor).await,
    };
    if let Some(recorded) = shared.world().requests.get_mut(number) {
        recorded.status = answer.status;
        recorded.unexpected = answer.unexpected;
    }
    answer.into_response()
}

fn record(shared: &Shared, call: &Call) -> usize {
    let mut world = shared.world();
    world.requests.push(RecordedRequest {
        method: call.method.to_string(),
        path: call.path.clone(),
        query: call.query.clone(),
        body: call.body.clone(),
        status: 0,
        unexpected: false,
    });
    world.requests.len() - 1
}

async fn respond(shared: &Shared, call: &Call) -> Answer {
    let reply = routes::dispatch(&mut shared.world(), call);
    match reply {
        Reply::Now(answer) => answer,
        Reply::File(source) => contents::get(&source, call).await,
        Reply::Touched(touched) => contents::touched(&touched, call).await,
    }
}

async fn spoil(shared: &Shared, call: &Call, fault: &Fault, visitor: &Visitor) -> Answer {
    let honest = if fault.acts_first() { Some(respond(shared, call).await) } else { None };
    match fault.kind() {
        FaultKind::Answer { status, headers, body } => faults::answer_of(*status, headers, body),
        FaultKind::Drop => {
            visitor.door.slam();
            Answer { status: 0, ..Answer::none() }
        }
        FaultKind::Hang => {
            shared.shutdown.cancelled().await;
            Answer::problem(503, "shutting down")
        }
        FaultKind::Delay(time) => {
            tokio::time::sleep(*time).await;
            honest.unwrap_or_else(Answer::missing)
        }
    }
}
