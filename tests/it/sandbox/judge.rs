//! Compose files through the front door: what is refused is refused before docker is asked for anything.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;

use previewbot::domain::compose::Confinement;
use previewbot::domain::error::ErrorKind;
use previewbot::domain::port_map::PortMap;
use previewbot::domain::ports::{ContainerTarget, Containers as _, Part, UpRequest};
use previewbot::domain::render::compose::COMPOSE_FILE;
use previewbot::domain::yaml;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::bench::{Daemon, Preview};
use crate::local::compose::has_docker;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/sandbox");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hostile {
    #[serde(default)]
    service: BTreeMap<String, Value>,
    #[serde(default)]
    more: BTreeMap<String, Value>,
    file: Option<Value>,
    text: Option<String>,
    #[serde(default)]
    files: BTreeMap<String, Content>,
    #[serde(default)]
    refused: BTreeMap<String, String>,
    /// Compose of the tests' machine refuses it by itself.
    #[serde(default)]
    unknown_to_compose: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Link { to: String },
}

impl Hostile {
    fn text(&self) -> String {
        let mut service = self.service.clone();
        service.entry("image".to_owned()).or_insert_with(|| json!("x"));
        let mut file = json!(self.more);
        file["services"] = json!({"web": service});
        self.text.clone().unwrap_or_else(|| self.file.clone().unwrap_or(file).to_string())
    }
}

impl Hostile {
    /// Whether a message says exactly what is expected.
    fn is_refused_by(&self, message: &str) -> bool {
        if self.unknown_to_compose {
            return message.contains("Additional property");
        }
        let told = |(place, says): (&String, &String)| {
            let start = format!("- {place}: ");
            message.lines().any(|line| line.starts_with(&start) && line.contains(says))
        };
        message.contains("what a sandboxed preview may not have")
            && self.refused.iter().all(told)
            && message.lines().count() == self.refused.len() + 1
    }
}

/// The folder that the tables speak of.
fn lay_out(preview: &Preview) {
    let tree = std::fs::read_to_string(format!("{FOLDER}/tree.yaml")).unwrap();
    let tree: BTreeMap<String, String> = yaml::from_str(&tree).unwrap();
    for (path, text) in &tree {
        preview.write(path, text);
    }
}

fn put(preview: &Preview, path: &str, content: &Content) {
    match content {
        Content::Text(text) => preview.write(path, text),
        Content::Link { to } => {
            let link = preview.checkout().join(path);
            std::fs::create_dir_all(link.parent().unwrap()).unwrap();
            // One of the tree may be there.
            let _ = std::fs::remove_file(&link);
            symlink(to, link).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_are_refused_before_docker_is_asked_for_anything() {
    if !has_docker() {
        return;
    }
    let daemon = Daemon::start();
    let table = std::fs::read_to_string(format!("{FOLDER}/hostile.yaml")).unwrap();
    let cases: Vec<Hostile> = yaml::from_str(&table).unwrap();
    assert!(cases.len() >= 100, "{}", cases.len());
    let preview = Preview::on("pr-1", Some(Confinement::default()), Some(daemon.socket())).await;
    let mut wrong = Vec::new();
    for case in &cases {
        std::fs::remove_dir_all(preview.checkout()).unwrap();
        lay_out(&preview);
        for (link, to) in [("out", "/etc"), ("passwd", "/etc/passwd"), ("loop", "loop")] {
            symlink(to, preview.checkout().join(link)).unwrap();
        }
        for (path, content) in &case.files {
            put(&preview, path, content);
        }
        let message = preview.start(&case.text(), 1).await.unwrap_err();
        assert_eq!(message.kind(), ErrorKind::Invalid, "{}: {message}", case.text());
        let asked = daemon.take();
        assert!(asked.is_empty() && preview.resolved().is_none(), "{}: {asked:?}", case.text());
        if !case.is_refused_by(&message.to_string()) {
            wrong.push(format!("{}\n{message}\n", case.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_files_are_accepted_and_bounded() {
    if !has_docker() {
        return;
    }
    let daemon = Daemon::start();
    let mut names: Vec<_> =
        std::fs::read_dir(format!("{FOLDER}/accepted")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 40, "{}", names.len());
    let preview = Preview::on("pr-1", Some(Confinement::default()), Some(daemon.socket())).await;
    lay_out(&preview);
    for name in names {
        let text = std::fs::read_to_string(&name).unwrap();
        let error = preview.start(&text, 1).await.unwrap_err();
        let refused = error.to_string().contains("compose file");
        assert!(!refused && !daemon.take().is_empty(), "{}: {error}", name.display());
        let resolved = preview.resolved().unwrap();
        for (service, value) in resolved["services"].as_object().unwrap() {
            assert_bounded(&format!("{}: {service}", name.display()), value);
        }
        assert!(!resolved["services"].as_object().unwrap().is_empty());
        std::fs::remove_file(preview.bench.life_folder().join("compose.json")).unwrap();
    }
}

fn assert_bounded(what: &str, service: &Value) {
    let memory: u64 = service["mem_limit"].as_str().unwrap().parse().unwrap();
    assert!(memory <= 1 << 30 && service["memswap_limit"] == service["mem_limit"], "{what}");
    assert!(service["cpus"].as_f64().unwrap() <= 1.0 && service["pids_limit"].as_u64().unwrap() <= 256, "{what}");
    assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{what}");
    let dropped = service["cap_drop"].as_array().unwrap();
    assert!(dropped.contains(&json!("ALL")) || dropped.contains(&json!("NET_RAW")), "{what}");
    assert_eq!(service["logging"]["options"]["max-file"], json!("2"), "{what}");
    let mounts = service["volumes"].as_array().cloned().unwrap_or_default();
    let writable = mounts.iter().find(|mount| mount["type"] == "bind" && mount["read_only"] != true);
    assert_eq!(writable, None, "{what}");
    assert!(
        service["restart"].as_str().is_none_or(|restart| restart == "no" || restart.starts_with("on-failure:"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_is_told_at_once() {
    if !has_docker() {
        return;
    }
    let daemon = Daemon::start();
    let preview = Preview::on("pr-1", Some(Confinement::default()), Some(daemon.socket())).await;
    let file = "services:\n  web:\n    image: nginx\n    privileged: true\n    network_mode: host\n    cap_add: [NET_ADMIN]\n    \
                volumes: ['/var/run/docker.sock:/var/run/docker.sock', '/srv:/srv']\n    labels: {traefik.enable: 'true'}\n  \
                db:\n    image: postgres\n    pid: host\n";
    let error = preview.start(file, 1).await.unwrap_err();
    insta::assert_snapshot!(error.to_string());

    let names: Vec<String> = (0..2_000).map(|n| format!("s{n}: {{image: x, privileged: true}}")).collect();
    let error = preview.start(&format!("services: {{{}}}", names.join(", ")), 1).await.unwrap_err();
    assert!(error.to_string().len() < 4_000, "{error}");
    assert!(error.to_string().ends_with("more"), "{error}");
}

/// The generated application shares the host's network, and its file lies where the preview's own code can write.
#[tokio::test(flavor = "multi_thread")]
async fn a_generated_application_is_judged_too() {
    if !has_docker() {
        return;
    }
    let daemon = Daemon::start();
    let preview = Preview::on("pr-1", Some(Confinement::default()), Some(daemon.socket())).await;
    let up = async |text: &str| {
        preview.write(COMPOSE_FILE, text);
        let (ports, revisions) = (PortMap::new(), BTreeMap::new());
        let target =
            ContainerTarget { environment: "pr-1", info: &preview.info, part: Part::Application, services: &[] };
        let request = UpRequest { target, ports: &ports, revisions: &revisions };
        preview.compute.up(&request, &CancellationToken::new()).await.unwrap_err().to_string()
    };
    let application = preview.bench.life_folder().join("application.json");
    for (file, says) in [
        (json!({"services": {"web": {"image": "x", "network_mode": "host"}}}), "a host of the pool alone"),
        (json!({"services": {"web": {"image": "x", "privileged": true}}}), "services.web.privileged"),
        (json!({"include": ["/etc/passwd"], "services": {"web": {"image": "x"}}}), "include[0]"),
    ] {
        let message = up(&file.to_string()).await;
        assert!(message.contains(says), "{message}");
        assert_eq!(daemon.take(), [""; 0], "{message}");
        assert!(!application.exists());
    }
    up(r#"{"services": {"web": {"image": "x"}}}"#).await;
    let resolved: Value = serde_json::from_slice(&std::fs::read(&application).unwrap()).unwrap();
    assert_bounded("web", &resolved["services"]["web"]);
    assert!(Path::new(&application).exists() && !daemon.take().is_empty());
}
