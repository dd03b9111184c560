//! Every method of the GitHub adapter against the validating mock, which holds the API's description against it.

mod faults;
mod reading;
mod writing;

use std::sync::Arc;

use previewbot::domain::change::{ChangeNumber, ForgeKind, Repository, RepositoryId, Sha};
use previewbot::outbound::forge::github::{GithubApp, GithubForge};
use serde_json::{Value, json};

use crate::support::contract::GithubMock;
use crate::support::hand_clock::HandClock;

const INSTALLATION: u64 = 957_387;
const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

/// A mock, the adapter that talks to it, and the adapter's clock.
struct Scene {
    mock: GithubMock,
    clock: Arc<HandClock>,
    forge: GithubForge,
}

impl Scene {
    /// `None` when there is no contract to test against.
    async fn new() -> Option<Self> {
        let mock = GithubMock::start()?;
        let key = mock.get("app_key").await;
        let now = mock.post("clock", json!({ "advance_s": 0 })).await;
        let now: jiff::Timestamp = now["now"].as_str().unwrap().parse().unwrap();
        let clock = Arc::new(HandClock::at(now.as_second()));
        let app = GithubApp {
            app_id: key["app_id"].as_u64().unwrap(),
            private_key: key["private_key"].as_str().unwrap().into(),
            api_url: mock.url().to_owned(),
        };
        let forge = GithubForge::new(&app, clock.clone()).unwrap();
        Some(Self { mock, clock, forge })
    }

    /// What is in the mock under this name.
    async fn state(&self, name: &str) -> Vec<Value> {
        self.mock.get("state").await[name].as_array().unwrap().clone()
    }

    /// How many requests whose method and path are these the mock got.
    async fn count(&self, method: &str, path: &str) -> usize {
        let requests = self.mock.requests().await;
        let wanted = |request: &&Value| {
            request["method"] == method && request["path"].as_str().is_some_and(|found| found.ends_with(path))
        };
        requests.iter().filter(wanted).count()
    }
}

fn repository(name: &str, id: u64, installation: Option<u64>) -> Repository {
    let id = RepositoryId(id);
    Repository { forge: ForgeKind::Github, id, name: name.parse().unwrap(), installation }
}

fn demo() -> Repository {
    repository("octo-org/demo", 5001, Some(INSTALLATION))
}

fn head() -> Sha {
    HEAD.parse().unwrap()
}

const ONE: ChangeNumber = ChangeNumber(1);
