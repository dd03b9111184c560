//! Hostile names in git, in Compose, in the database and in the names that are derived from them. What a shell and a
//! file system on a host make of them is in `machine::hostile`, whole deploys are in `hosts::hostile`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use previewbot::domain::change::{ChangeNumber, ChangeRef, ForgeKind, Repository, RepositoryId};
use previewbot::domain::compose::project_name;
use previewbot::domain::environment::EnvName;
use previewbot::domain::event::Subject;
use previewbot::domain::host_name::service_label;
use previewbot::domain::job::{NewJob, Work};
use previewbot::domain::ports::{JobFilter, JobQueue as _};
use previewbot::outbound::clock::{OsRandom, SystemClock};
use previewbot::outbound::store::{Location, OpenOptions, Serving, Store};
use serde_json::{Value, json};

use crate::support::names::{Fate, Kind, Name, all, assert_no_canary, of, texts};
use crate::support::repository::{TestRepository, git};

fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Makes a ref by git's own rules; what git said.
fn make_ref(bare: &Path, reference: &str, sha: &str) -> Output {
    let mut command = Command::new("git");
    command.arg("-C").arg(bare).args(["update-ref", "--", reference, sha]).current_dir(bare);
    command.output().unwrap()
}

#[test]
fn refs_are_made_where_git_allows_them_and_nothing_is_run() {
    let repository = TestRepository::new("acme/shop");
    let sha = repository.commit("start", &[("page", Some("one"))]).to_string();
    let bare = repository.bare("acme/shop");
    for (kind, folder) in [(Kind::Branch, "refs/heads"), (Kind::Tag, "refs/tags")] {
        let mut made = BTreeSet::new();
        for Name { text: name, .. } in of(kind, Fate::Works) {
            let reference = format!("{folder}/{name}");
            let output = make_ref(&bare, &reference, &sha);
            assert!(output.status.success(), "{name:?}: {}", String::from_utf8_lossy(&output.stderr));
            made.insert(reference);
        }
        for Name { text: name, because, .. } in
            of(kind, Fate::Refused).into_iter().filter(|name| !name.text.contains('\0'))
        {
            let said = complaint(&make_ref(&bare, &format!("{folder}/{name}"), &sha));
            assert!(said.to_lowercase().contains(&because), "{name:?}: {said}");
        }
        let listed = git(&bare, &["for-each-ref", "--format=%(refname)", folder]);
        let listed: BTreeSet<String> =
            listed.lines().map(str::to_owned).filter(|name| name != "refs/heads/start").collect();
        assert_eq!(listed, made, "they come back as they went in");
    }
    assert_no_canary(&repository.base());
}

/// `docker compose config` of services with these names.
fn compose(folder: &Path, project: &str, services: &[String]) -> Output {
    let services: BTreeMap<&String, Value> =
        services.iter().map(|name| (name, json!({ "image": "none" }))).collect();
    std::fs::write(folder.join("compose.json"), json!({ "services": services }).to_string()).unwrap();
    let mut command = Command::new("docker");
    command.args(["compose", "-f", "compose.json", "-p", project, "config", "--format", "json"]);
    command.current_dir(folder).output().unwrap()
}

#[test]
fn compose_takes_a_service_as_it_is_or_refuses_it() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = of(Kind::Service, Fate::Works).into_iter().map(|name| name.text).collect();
    let output = compose(folder.path(), "hostile", &names);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let resolved: Value = serde_json::from_slice(&output.stdout).unwrap();
    let resolved: BTreeSet<&String> = resolved["services"].as_object().unwrap().keys().collect();
    assert_eq!(resolved, names.iter().collect());
    for Name { text: name, because, .. } in of(Kind::Service, Fate::Refused) {
        let said = complaint(&compose(folder.path(), "hostile", std::slice::from_ref(&name)));
        assert!(said.contains(&because), "{name:?}: {said}");
    }
    assert_no_canary(folder.path());
}

#[test]
fn environments_are_named_as_they_are_or_refused() {
    for Name { text: name, fate, because, .. } in all().into_iter().filter(|name| name.kind == Kind::Environment) {
        match name.parse::<EnvName>() {
            Ok(parsed) => assert_eq!((fate, parsed.as_str()), (Fate::Works, name.as_str())),
            Err(error) => {
                assert_eq!(fate, Fate::Refused, "{name:?}");
                assert!(error.to_string().contains(&because), "{name:?}: {error}");
            }
        }
    }
}

#[test]
fn names_that_are_derived_are_legal_everywhere_and_never_meet() {
    let texts = texts();
    let names: BTreeSet<String> = texts.iter().map(|text| EnvName::of_text(text).to_string()).collect();
    assert_eq!(names.len(), texts.len(), "two names became one");
    assert!(names.iter().all(|name| name.parse::<EnvName>().is_ok()), "{names:?}");
    let is_label = |label: &String| {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(legal)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    for labels in [
        texts.iter().map(|text| service_label(text, "web")).collect::<BTreeSet<_>>(),
        texts.iter().map(|text| service_label("pr-1", text)).collect(),
    ] {
        assert_eq!(labels.len(), texts.len(), "two hosts became one");
        assert!(labels.iter().all(is_label), "{labels:?}");
    }
}

#[test]
fn compose_takes_the_project_of_every_environment() {
    let folder = tempfile::tempdir().unwrap();
    let names = all().into_iter().filter(|name| name.kind == Kind::Environment && !name.text.contains('\0'));
    for Name { text: name, .. } in names {
        let project = project_name("shop", EnvName::of_text(&name).as_str());
        let output = compose(folder.path(), &project, &["web".to_owned()]);
        assert!(output.status.success(), "{name:?}: {}", String::from_utf8_lossy(&output.stderr));
        let resolved: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(resolved["name"].as_str(), Some(project.as_str()));
    }
}

/// Work for change number `at`, because of this text.
fn job(at: usize, reason: &str) -> NewJob {
    let name = "acme/shop".parse().unwrap();
    let repository = Repository { forge: ForgeKind::Github, id: RepositoryId(5001), name, installation: None };
    let change = ChangeRef { repository, number: ChangeNumber(u64::try_from(at).unwrap() + 1) };
    let work = Work::Assess { subject: Subject::Change(change) };
    NewJob { work, environment: None, generation: None, comment: None, reason: reason.to_owned() }
}

#[tokio::test]
async fn the_database_gives_every_name_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bot.db");
    let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
    let store = Store::open(OpenOptions {
        location: Location::File(path),
        serving: Serving::Alone,
        clock,
        random,
        ttl_ms: 0,
    })
    .await
    .unwrap();
    let texts = texts();
    let jobs: Vec<NewJob> = texts.iter().enumerate().map(|(at, text)| job(at, text)).collect();
    store.enqueue(&jobs).await.unwrap();
    let stored = store.list(&JobFilter { limit: 10_000, ..JobFilter::default() }).await.unwrap();
    let stored: BTreeSet<String> = stored.into_iter().map(|job| job.reason).collect();
    assert_eq!(stored, texts.into_iter().collect());
}
