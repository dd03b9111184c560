//! The commands, run as the real binary beside a serving bot: what they print for people and as JSON.

use std::path::Path;
use std::process::Output;

use previewbot::domain::job::JobState;
use serde_json::Value;

use crate::support::bot::REPO;
use crate::support::process::{Served, WEBHOOK_SECRET};

/// Standard output of a command that must succeed.
fn printed(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line of a command that must fail.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What differs from run to run, by a word for it: times, durations, commits, ports, ids. Columns shrink to two
/// blanks, since their width depends on what was replaced.
fn settled(text: &str, known: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in known {
        text = text.replace(from, to);
    }
    text.lines().map(settled_line).collect::<Vec<_>>().join("\n")
}

fn settled_line(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let words: Vec<String> = line.trim().split("  ").filter(|w| !w.is_empty()).map(|w| word(w.trim())).collect();
    format!("{}{}", " ".repeat(indent), words.join("  "))
}

fn word(word: &str) -> String {
    let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    if shape.ends_with("9-99-99T99:99:99Z") {
        let before = word.len() - "2026-01-01T00:00:00Z".len();
        return format!("{}[time]", &word[..before]);
    }
    let unit = shape.trim_start_matches('9');
    if shape != unit && matches!(unit, " ms" | " s") { "[duration]".to_owned() } else { word.to_owned() }
}

/// The keys of a JSON object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A serving bot whose pull request 1 is ready and pull request 2 was closed.
async fn a_bot_with_a_past() -> (Served, String, String) {
    let served = Served::start().await;
    let (_, first) = served.world.open("feature", &[("web/index.html", Some("<h1>One</h1>"))]).await;
    served.runs(&first).await;
    let (gone, second) = served.world.open("gone", &[("web/index.html", Some("<h1>Two</h1>"))]).await;
    served.runs(&second).await;
    served.world.github.people().close(REPO, gone, "alice").await.unwrap();
    served.idle().await;
    (served, first.to_string(), second.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn list_status_jobs_and_explain_show_what_a_running_bot_knows() {
    let (served, first, second) = a_bot_with_a_past().await;
    let environments = served.environments().await;
    let urls: Vec<String> = environments.iter().flat_map(|e| e.urls.iter().map(|(_, url)| url.clone())).collect();
    let mut known = vec![(first.as_str(), "[first]"), (second.as_str(), "[second]")];
    known.extend([(&first[..7], "[first7]"), (&second[..7], "[second7]")]);
    known.extend(urls.iter().map(|url| (url.as_str(), "[url]")));
    let run = |arguments: &[&str]| printed(&served.run(arguments));

    insta::assert_snapshot!("list", settled(&run(&["list"]), &known));
    insta::assert_snapshot!("list_all", settled(&run(&["list", "--all"]), &known));
    insta::assert_snapshot!("status", settled(&run(&["status", "pr-1"]), &known));
    let jobs = run(&["jobs", "--environment", "pr-1"]);
    insta::assert_snapshot!("jobs_of_one", settled(&jobs, &known));

    let redactions = |value: Value| {
        insta::with_settings!({ sort_maps => true }, {
            insta::assert_json_snapshot!("list_all_json", value, {
                "[].commit" => "[commit]", "[].urls.web" => "[url]", "[].created_at" => "[time]",
                "[].updated_at" => "[time]", "[].expires_at" => "[time or null]",
            });
        });
    };
    redactions(json(&run(&["list", "--all", "--json"])));
    let listed = json(&run(&["list", "--json"]));
    assert_eq!(listed.as_array().unwrap().len(), 1, "destroyed ones only with --all: {listed}");
    let mut documented = [
        "project",
        "name",
        "status",
        "branch",
        "commit",
        "host",
        "urls",
        "created_at",
        "updated_at",
        "expires_at",
    ];
    documented.sort_unstable();
    assert_eq!(keys(&listed[0]), documented);
    assert_eq!((&listed[0]["commit"], &listed[0]["status"]), (&first.into(), &"ready".into()));

    let jobs = json(&run(&["jobs", "--json"]));
    for job in jobs.as_array().unwrap() {
        for key in
            ["id", "project", "environment", "kind", "state", "attempt", "reason", "created_at", "finished_at"]
        {
            assert!(job.get(key).is_some(), "{key} is missing: {job}");
        }
    }
    let succeeded =
        json(&run(&["jobs", "--json", "--state", "succeeded", "--environment", "pr-2", "--limit", "1"]));
    assert_eq!((&succeeded[0]["kind"], &succeeded[0]["environment"]), (&"destroy".into(), &"pr-2".into()));
    let status = json(&run(&["status", "pr-1", "--json"]));
    assert!(status["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{status}");
    assert!(refused(&served.run(&["status", "pr-9"])).contains("no preview is called pr-9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_delivery_is_explained_and_a_file_is_delivered() {
    let served = Served::start().await;
    let (number, sha) = served.world.open("feature", &[("web/index.html", Some("<h1>One</h1>"))]).await;
    served.runs(&sha).await;
    served.idle().await;
    let opened = served.world.github.deliveries().into_iter().find(|d| d.event == "pull_request").unwrap();
    let known = [(opened.guid.as_str(), "[delivery]"), (sha.as_str(), "[commit]"), (sha.short(), "[short]")];
    let run = |arguments: &[&str]| served.run(arguments);
    insta::assert_snapshot!("explain", settled(&printed(&run(&["explain", &opened.guid])), &known));
    let explained = json(&printed(&run(&["explain", &opened.guid, "--json"])));
    assert_eq!(explained["decisions"][0]["desired"]["desired"]["state"], "running", "{explained}");
    assert_eq!(explained["assumed"], serde_json::json!([]));
    assert!(refused(&run(&["explain", "no-such-id"])).contains("no delivery no-such-id is stored"));

    let payload = served.path("payload.json");
    std::fs::write(&payload, &opened.body).unwrap();
    let url = format!("http://{}/webhooks/github", served.address());
    let file = payload.to_str().unwrap();
    let deliver = ["deliver", "--event", "pull_request", "--payload", file, "--url", &url, "--id", "by-hand"];
    let first = printed(&run(&deliver));
    assert!(first.starts_with("202 ") || first.starts_with("200 "), "{first}");
    let again = printed(&run(&deliver));
    assert!(again.contains("duplicate") || again.contains("before") || again.contains("already"), "{again}");
    served.idle().await;
    let explained = json(&printed(&run(&["explain", "by-hand", "--json"])));
    assert!(explained["outcome"].as_str().unwrap().starts_with("nothing to do"), "already so: {explained}");
    let deploys = served.jobs().await.into_iter().filter(|job| job.work.kind() == "deploy");
    assert_eq!(deploys.map(|job| job.state).collect::<Vec<_>>(), [JobState::Succeeded]);

    std::fs::write(served.path("github-webhook-secret"), "another one").unwrap();
    let line = refused(&run(&deliver));
    assert!(line.contains("401") && !line.contains(WEBHOOK_SECRET) && !line.contains("another one"), "{line}");
    served.world.github.people().close(REPO, number, "alice").await.unwrap();
    served.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_helps() {
    let served = Served::prepare(crate::support::bot::Setup::default(), "").await;
    let commands = [
        "",
        "serve",
        "demo",
        "explain",
        "deliver",
        "list",
        "status",
        "jobs",
        "hosts",
        "hosts list",
        "hosts check",
        "hosts drain",
        "hosts undrain",
        "hosts add",
        "hosts prepare",
        "doctor",
        "vet",
        "create",
        "delete",
        "steps",
        "step",
        "refresh",
        "sync",
        "run",
        "run provision",
        "run runner",
        "core",
        "infra",
        "infra start",
        "infra stop",
        "infra restart",
        "infra status",
        "infra logs",
        "service",
        "service start",
        "service stop",
        "service restart",
        "service list",
        "service logs",
        "store",
        "store set",
        "store get",
        "store list",
        "logs",
        "ssh",
        "clean",
        "import",
        "export",
        "completions",
        "man",
    ];
    for command in commands {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        arguments.push("--help");
        let name =
            if command.is_empty() { "help".to_owned() } else { format!("help {command}").replace(' ', "_") };
        insta::assert_snapshot!(name, printed(&served.run(&arguments)));
    }
    let wrong = served.run(&["lst"]);
    assert_eq!(wrong.status.code(), Some(2), "wrong usage");
    assert_eq!(served.run(&["explain"]).status.code(), Some(2), "wrong usage");
    let empty = printed(&served.run(&["list"]));
    assert!(empty.starts_with("no previews"), "{empty}");
    assert_eq!(printed(&served.run(&["list", "--json"])).trim(), "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_payload_of_the_contract_is_explained() {
    let Some(folder) = crate::support::contract::folder() else { return };
    let index = std::fs::read_to_string(folder.join("github/payloads.index.json")).unwrap();
    let served = Served::prepare(crate::support::bot::Setup::default(), "").await;
    let mut decided = 0;
    for payload in json(&index).as_array().unwrap() {
        let (file, event) = (payload["file"].as_str().unwrap(), payload["event"].as_str().unwrap());
        let path = Path::new(&folder).join("github").join(file);
        let output = served.run(&["explain", "--event", event, "--payload", path.to_str().unwrap(), "--json"]);
        let explained = json(&printed(&output));
        let outcome = explained["outcome"].as_str().unwrap();
        assert!(!outcome.is_empty(), "{file}: {explained}");
        let understood = !explained["event"].is_null();
        assert!(understood || outcome.starts_with("nothing to do, because "), "{file}: {explained}");
        decided += usize::from(!explained["decisions"].as_array().unwrap().is_empty());
    }
    assert!(decided >= 10, "most pull request events are decided upon, here {decided}");
}
