//! What a host needs. The list is data: `previewbot hosts check` and `previewbot doctor` walk the same.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::networks::Networks;
use super::{Bytes, Finding, Judgement, sandbox};
use crate::domain::disk::usual_floor;
use crate::domain::host::{LEAST_MEMORY, LEAST_NETWORKS};

/// Sessions that must be open on one connection at the same time: eight at work, one that looks how the host is, one
/// that ends others.
pub const SESSIONS: usize = 10;

/// A login that takes longer is worth a word, in ms.
const SLOW_LOGIN: u64 = 1000;
/// A clock that is further off is worth a word, in seconds.
const CLOCK: u64 = 5;
/// Fewer networks left are worth a word.
const FEW_NETWORKS: u64 = 5;
/// The oldest versions that the bot's commands are known to by.
const OLDEST: [(&str, &[u32]); 3] = [("git", &[2, 20]), ("docker", &[20, 10]), ("compose", &[2, 0])];

/// What the settings ask of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostAsked {
    /// Its name.
    pub name: String,
    /// The account that the bot logs in to.
    pub user: String,
    /// Folder above all previews.
    pub root: String,
    /// Environments at most.
    pub capacity: Option<u32>,
    /// Labels that projects choose it by.
    pub labels: Vec<String>,
    /// Bytes of its disk that are to stay free; `None`: by its size.
    pub disk_floor: Option<u64>,
}

/// What was seen on a host, by name. What is missing could not be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Facts(pub BTreeMap<String, String>);

impl Facts {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

/// How far a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Somebody answers at the address.
    Reach,
    /// It is who it was.
    Key,
    /// It lets us in.
    Login,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where it ended.
    pub stage: Stage,
    /// What happened.
    pub said: String,
    /// What to do about it.
    pub mend: String,
}

/// The stages, and what a host that passed one is said to do.
const STAGES: [(Stage, &str, &str); 3] = [
    (Stage::Reach, "reachable", "it answers"),
    (Stage::Key, "host_key", "its key is the pinned one"),
    (Stage::Login, "login", "the bot's key is accepted, nothing is asked"),
];

/// Who thinks what of the facts.
enum Judge {
    /// There is always something to say.
    Always(fn(&HostAsked, &Facts) -> Judgement),
    /// There is where it is meant for the host, and was seen.
    Where(fn(&HostAsked, &Facts) -> Option<Judgement>),
}

/// Everything that is looked at once a host lets us in.
const CHECKS: [(&str, Judge); 15] = [
    ("account", Judge::Always(account)),
    ("login_time", Judge::Where(login_time)),
    ("sessions", Judge::Where(sessions)),
    ("programs", Judge::Always(programs)),
    ("git", Judge::Always(git)),
    ("docker", Judge::Always(docker)),
    ("compose", Judge::Where(compose)),
    ("root", Judge::Always(root)),
    ("disk", Judge::Where(disk)),
    ("memory", Judge::Where(memory)),
    ("networks", Judge::Where(networks)),
    ("clock", Judge::Where(clock)),
    ("sandbox", Judge::Where(sandbox::prepared)),
    ("egress", Judge::Where(sandbox::egress)),
    ("limits", Judge::Where(sandbox::limits)),
];

/// All findings about a host: of the connection, and of the rest where there is one.
#[must_use]
pub fn findings(asked: &HostAsked, seen: Result<&Facts, &Refused>) -> Vec<Finding> {
    let subject = format!("host {}", asked.name);
    let mut all = Vec::new();
    for (stage, check, said) in STAGES {
        match seen {
            Err(refused) if refused.stage < stage => return all,
            Err(refused) if refused.stage == stage => {
                all.push(Judgement::failed(&refused.said, &refused.mend).of(&subject, check));
            }
            _ => all.push(Judgement::passed(said).of(&subject, check)),
        }
    }
    let Ok(facts) = seen else { return all };
    for (check, judge) in &CHECKS {
        let judged = match judge {
            Judge::Always(judge) => Some(judge(asked, facts)),
            Judge::Where(judge) => judge(asked, facts),
        };
        all.extend(judged.map(|judged| judged.of(&subject, check)));
    }
    all
}

fn account(asked: &HostAsked, facts: &Facts) -> Judgement {
    let (account, name) = (facts.text("account").unwrap_or(&asked.user), &asked.name);
    match facts.text("uid") {
        Some("0") => Judgement::warning(
            "the bot is root there: hooks of previews may do everything",
            format!("set another user of host {name} and run `previewbot hosts prepare {name} --user root`"),
        ),
        _ => Judgement::passed(format!("it is {account}, not root")),
    }
}

fn login_time(_: &HostAsked, facts: &Facts) -> Option<Judgement> {
    let took = facts.number("login_ms")?;
    let said = format!("a new shell takes {took} ms");
    Some(if took > SLOW_LOGIN {
        let mend = "let the account's login files (~/.profile, ~/.bashrc, those of /etc) end early where there is no \
                    terminal: every new session waits for them";
        Judgement::warning(said, mend)
    } else {
        Judgement::passed(said)
    })
}

fn sessions(_: &HostAsked, facts: &Facts) -> Option<Judgement> {
    let open = facts.number("sessions")?;
    Some(if open < SESSIONS as u64 {
        let mend = format!("set `MaxSessions {SESSIONS}` in /etc/ssh/sshd_config there and reload sshd");
        Judgement::failed(format!("only {open} of {SESSIONS} sessions at a time are allowed"), mend)
    } else {
        Judgement::passed(format!("{open} sessions at a time"))
    })
}

fn programs(_: &HostAsked, facts: &Facts) -> Judgement {
    match facts.text("missing") {
        Some(missing) => Judgement::failed(
            format!("missing or another than the GNU one: {missing}"),
            "install util-linux, coreutils, grep and findutils there",
        ),
        None => Judgement::passed("sh, util-linux, GNU coreutils, grep and find are there"),
    }
}

/// A program whose version must not be older than the oldest.
fn version(facts: &Facts, program: &str, install: &str) -> Judgement {
    let Some(said) = facts.text(program) else {
        return Judgement::failed(format!("{program} is not there"), install);
    };
    let oldest = OLDEST.iter().find(|(name, _)| *name == program).map_or(&[][..], |(_, oldest)| *oldest);
    let numbers = numbers(said);
    if numbers.is_empty() || *numbers >= *oldest {
        return Judgement::passed(said);
    }
    let oldest: Vec<String> = oldest.iter().map(ToString::to_string).collect();
    Judgement::failed(format!("{said} is too old"), format!("install version {} or newer", oldest.join(".")))
}

/// The first number with dots in a text, such as `[2, 39, 5]` of `git version 2.39.5 (x)`.
fn numbers(text: &str) -> Vec<u32> {
    let from = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let number = &text[from..];
    let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
    number[..end].split('.').map_while(|part| part.parse().ok()).collect()
}

fn git(_: &HostAsked, facts: &Facts) -> Judgement {
    version(facts, "git", "install git there")
}

fn docker(asked: &HostAsked, facts: &Facts) -> Judgement {
    let Some(error) = facts.text("docker_error") else {
        let install = "install Docker there (Debian: `apt-get install docker.io`)";
        return version(facts, "docker", install);
    };
    let user = facts.text("account").unwrap_or(&asked.user);
    if error.contains("permission denied") {
        let mend =
            format!("run `previewbot hosts prepare {}`, or there as root `usermod -aG docker {user}`", asked.name);
        Judgement::failed(format!("the account {user} may not use docker"), mend)
    } else {
        Judgement::failed(
            format!("it does not answer: {error}"),
            "start it there: `systemctl enable --now docker`",
        )
    }
}

fn compose(_: &HostAsked, facts: &Facts) -> Option<Judgement> {
    // Without docker itself there is nothing to say of its plugin.
    facts.text("docker").or(facts.text("docker_error"))?;
    let install = "install Docker's Compose v2 plugin there (package docker-compose-plugin or docker-compose-v2)";
    Some(version(facts, "compose", install))
}

fn root(asked: &HostAsked, facts: &Facts) -> Judgement {
    let (root, user) = (&asked.root, facts.text("account").unwrap_or(&asked.user));
    let mend = || {
        let name = &asked.name;
        format!("run `previewbot hosts prepare {name}`, or there as root `install -d -o {user} {root}`")
    };
    match facts.text("root") {
        Some("writable") => Judgement::passed(format!("{root} is writable")),
        Some("creatable") => Judgement::passed(format!("{root} will be made with the first preview")),
        Some("missing") => Judgement::failed(format!("{root} is not there and {user} cannot make it"), mend()),
        Some("file") => Judgement::failed(format!("{root} is no folder"), "name another root in the settings"),
        _ => Judgement::failed(format!("{user} cannot write to {root}"), mend()),
    }
}

fn room(facts: &Facts, name: &str, least: u64, mend: &str) -> Option<Judgement> {
    let bytes = facts.number(name)?.saturating_mul(1024);
    let said = format!("{} free", Bytes(bytes));
    Some(if bytes < least {
        Judgement::failed(format!("{said}: below {} it gets no new previews", Bytes(least)), mend)
    } else {
        Judgement::passed(said)
    })
}

fn disk(asked: &HostAsked, facts: &Facts) -> Option<Judgement> {
    let size = facts.number("disk_size").map(|size| size.saturating_mul(1024));
    let floor = asked.disk_floor.unwrap_or_else(|| usual_floor(size));
    room(facts, "disk", floor, "make room there (`docker system df` shows what images take), or add a disk")
}

fn memory(_: &HostAsked, facts: &Facts) -> Option<Judgement> {
    room(facts, "memory", LEAST_MEMORY, "destroy previews, lower the host's capacity, or give it more memory")
}

fn networks(asked: &HostAsked, facts: &Facts) -> Option<Judgement> {
    let Networks { free, held } = Networks::of(facts.text("pools")?, facts.text("routes").unwrap_or_default())?;
    let mend = format!("run `previewbot hosts prepare {}`, which gives Docker wider address pools", asked.name);
    // One is Docker's own.
    let wanted = asked.capacity.map_or(0, |capacity| u64::from(capacity) + 1);
    Some(if free == 0 {
        Judgement::failed(format!("all {held} networks of Docker's address pools are taken"), mend)
    } else if free < LEAST_NETWORKS {
        let said =
            format!("{free} of {held} networks of Docker's address pools are left: it gets no new previews");
        Judgement::failed(said, mend)
    } else if held < wanted {
        let capacity = wanted - 1;
        Judgement::warning(format!("Docker's address pools hold {held} networks, for {capacity} previews"), mend)
    } else if free < FEW_NETWORKS {
        Judgement::warning(format!("{free} of {held} networks of Docker's address pools are left"), mend)
    } else {
        Judgement::passed(format!("{free} of {held} networks of Docker's address pools are free"))
    })
}

fn clock(_: &HostAsked, facts: &Facts) -> Option<Judgement> {
    let off: i64 = facts.text("clock_off")?.parse().ok()?;
    let way = if off < 0 { "behind" } else { "ahead of" };
    let seconds = off.unsigned_abs();
    Some(if seconds > CLOCK {
        let mend = "let both machines take their time from a server: `timedatectl set-ntp true`";
        Judgement::warning(format!("its clock is {seconds} s {way} the bot's"), mend)
    } else {
        Judgement::passed("its clock is right")
    })
}

pub(super) fn prepare(asked: &HostAsked) -> String {
    format!("run `previewbot hosts prepare {}`", asked.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::checkup::Verdict;

    /// What differs from a host that has everything, and what is found then.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        name: String,
        #[serde(default)]
        asked: Option<HostAsked>,
        #[serde(default)]
        facts: BTreeMap<String, Option<String>>,
        finds: BTreeMap<String, String>,
    }

    #[derive(Deserialize)]
    struct Table {
        asked: HostAsked,
        facts: Facts,
        rows: Vec<Row>,
    }

    #[test]
    fn the_table_of_facts_and_findings_holds() {
        let table: Table =
            crate::domain::yaml::from_str(include_str!("../../../fixtures/hosts/checks.yaml")).unwrap();
        for row in table.rows {
            let asked = row.asked.unwrap_or_else(|| table.asked.clone());
            let mut facts = table.facts.clone();
            for (name, value) in row.facts {
                match value {
                    Some(value) => facts.0.insert(name, value),
                    None => facts.0.remove(&name),
                };
            }
            let found = findings(&asked, Ok(&facts)).into_iter().filter(|f| f.verdict != Verdict::Passed);
            let found: BTreeMap<String, String> = found
                .map(|finding| {
                    let mend = finding.mend.unwrap_or_default();
                    (finding.check.to_owned(), format!("{:?}: {} => {mend}", finding.verdict, finding.said))
                })
                .collect();
            assert_eq!(found, row.finds, "{}", row.name);
        }
    }

    #[test]
    fn a_connection_is_told_of_as_far_as_it_came() {
        use Verdict::{Failed, Passed};
        let asked = HostAsked { name: "vm-1".to_owned(), ..HostAsked::default() };
        let at = |stage| {
            let refused = Refused { stage, said: "no".to_owned(), mend: "do".to_owned() };
            let all = findings(&asked, Err(&refused));
            all.into_iter().map(|finding| (finding.check, finding.verdict)).collect::<Vec<_>>()
        };
        assert_eq!(at(Stage::Reach), [("reachable", Failed)]);
        assert_eq!(at(Stage::Key), [("reachable", Passed), ("host_key", Failed)]);
        assert_eq!(at(Stage::Login), [("reachable", Passed), ("host_key", Passed), ("login", Failed)]);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(numbers("git version 2.39.5 (x 1)"), [2, 39, 5]);
        assert_eq!(numbers("20.10.24+dfsg1"), [20, 10, 24]);
        assert_eq!(numbers("v2.26.1-4"), [2, 26, 1]);
        assert!(numbers("2.9") < numbers("2.20") && numbers("none").is_empty());
    }
}
