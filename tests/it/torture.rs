//! Kills the real process at random moments of a pull request's life, and looks at what is true once it has come to
//! rest. Three kills in `make test`, a hundred with `PREVIEWBOT_TORTURE=1`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::bot::{REPO, eventually, get};
use crate::support::process::Served;

/// The same lives in every run.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// What the sample's seed makes.
const SEEDED: &str = include_str!("../../fixtures/sample/hooks/seed.txt");

/// Chance that repeats itself (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What is done to a pull request; the process is killed some time after each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Open,
    Push,
    Reset,
    Close,
}

struct Life {
    served: Served,
    dice: Dice,
    branch: String,
    number: u64,
    sha: String,
    page: String,
}

impl Life {
    /// Does it, and nobody is killed.
    async fn enjoy(&mut self, deed: Deed) {
        self.act(deed).await;
        self.rest(deed).await;
    }

    /// Does it, and kills the process at some moment of the time that it takes.
    async fn suffer(&mut self, deed: Deed) {
        let moment = Duration::from_millis(self.dice.below(700));
        let begun = Instant::now();
        self.act(deed).await;
        // Not a wait for something to happen: the moment of the kill is the experiment.
        tokio::time::sleep(moment.saturating_sub(begun.elapsed())).await;
        self.served.kill();
        if self.dice.below(4) == 0 {
            self.served.kill_unfinished_hooks();
        }
        self.served.serve().await;
        self.rest(deed).await;
    }

    async fn act(&mut self, deed: Deed) {
        let world = &self.served.world;
        if matches!(deed, Deed::Open | Deed::Push) {
            self.page = format!("<h1>{deed:?} of {}</h1>", self.branch);
        }
        let text = format!("{}<!-- notes -->", self.page);
        let page = [("web/index.html", Some(text.as_str()))];
        match deed {
            Deed::Open => {
                let (number, sha) = world.open(&self.branch, &page).await;
                (self.number, self.sha) = (number, sha.to_string());
            }
            Deed::Push => self.sha = world.push(self.number, &self.branch, &page).await.to_string(),
            Deed::Reset => {
                std::fs::write(self.notes(), "changed").unwrap();
                world.say(self.number, "/preview reset db").await;
            }
            Deed::Close => drop(world.github.people().close(REPO, self.number, "alice").await.unwrap()),
        }
    }

    /// The data of the preview's seeded service.
    fn notes(&self) -> PathBuf {
        self.served.world.data.path().join(format!("database/pr-{}.txt", self.number))
    }

    /// Waits until the change shows that the deed is done, and holds everything else against the oracle.
    async fn rest(&self, deed: Deed) {
        let github = &self.served.world.github;
        let shown = || async {
            let comments = github.bot_comments(REPO, self.number);
            let says = |text: &str| comments.iter().any(|comment| comment.body.contains(text));
            let done = if deed == Deed::Close {
                says("destroyed")
            } else {
                let checks = github.checks(REPO, &self.sha);
                says("Preview ready") && checks.iter().any(|c| c.conclusion.as_deref() == Some("success"))
            };
            done.then_some(())
        };
        let what = format!("{deed:?} of {} to be shown", self.branch);
        eventually(&what, || self.served.log(), shown).await;
        self.served.idle().await;
        let notes = std::fs::read_to_string(self.notes()).ok();
        if deed == Deed::Close {
            assert_eq!(notes, None, "the destroy hook of the seeded service ran");
        } else {
            assert_eq!(notes.as_deref(), Some(SEEDED), "{deed:?}: data is as seeded");
            let environments = self.served.environments().await;
            let environment = environments.iter().find(|e| e.number.0 == self.number).unwrap();
            let (_, page) = get(&environment.urls[0].1).await.expect("the preview answers");
            assert!(page.contains(&self.page), "{deed:?}: {page}");
        }
        self.served.assert_sound().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn torture_kill_at_random_moments() {
    let mut kills = if std::env::var_os("PREVIEWBOT_TORTURE").is_some_and(|asked| asked == "1") { 100 } else { 3 };
    let served = Served::start().await;
    let (branch, sha, page) = (String::new(), String::new(), String::new());
    let mut life = Life { served, dice: Dice(SEED), branch, number: 0, sha, page };
    for round in 0.. {
        eprintln!("torture: life {round}, {kills} kills to come");
        life.branch = format!("life-{round}");
        for deed in [Deed::Open, Deed::Push, Deed::Reset, Deed::Close] {
            if kills > 0 {
                kills -= 1;
                life.suffer(deed).await;
            } else {
                life.enjoy(deed).await;
            }
        }
        if kills == 0 {
            break;
        }
    }
}
