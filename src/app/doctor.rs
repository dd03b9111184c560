//! `previewbot doctor`: everything that the bot needs is looked at, one function for each subject.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use super::bot::{World, open_store};
use super::folders::FOLDER_MODE;
use super::hosts;
use crate::domain::checkup::{Finding, Judgement};
use crate::outbound::forge::github::{GithubApp, GithubForge};
use crate::outbound::store::Serving;
use crate::settings::{DEFAULT_FILE, DatabaseUrl, Settings};

/// Looks at everything.
pub(super) async fn examine(config: Option<&Path>, world: &World) -> Vec<Finding> {
    let (settings, mut findings) = settings(config);
    let Some(settings) = settings else { return findings };
    findings.extend(programs(&settings).await);
    findings.extend(data(&settings));
    findings.extend(database(&settings, world).await);
    findings.extend(github(&settings, world));
    let all: Vec<_> = settings.hosts.iter().collect();
    findings.extend(hosts::check(&settings, &all, &*world.clock).await);
    findings
}

fn settings(config: Option<&Path>) -> (Option<Settings>, Vec<Finding>) {
    const SUBJECT: &str = "settings";
    let file = config.unwrap_or(Path::new(DEFAULT_FILE));
    let settings = match Settings::load(config, std::env::vars()) {
        Ok(settings) => settings,
        Err(error) => {
            let judged = Judgement::failed(error.to_string(), "change what it names; README.md lists every key");
            return (None, vec![judged.of(SUBJECT, "file")]);
        }
    };
    let judged = if file.exists() {
        Judgement::passed(format!("{} is valid", file.display()))
    } else {
        let said = format!("there is no {}: all is as by default", file.display());
        Judgement::warning(said, "make one (README.md shows how), or name it with --config")
    };
    let mut findings = vec![judged.of(SUBJECT, "file")];
    for project in &settings.projects {
        if let Err(error) = project.read_secrets() {
            let mend = "set the variable or make the file, readable for the bot";
            findings.push(Judgement::failed(error.to_string(), mend).of(SUBJECT, "secrets"));
        }
    }
    (Some(settings), findings)
}

async fn programs(settings: &Settings) -> Vec<Finding> {
    let for_hosts = if settings.hosts.is_empty() { &[][..] } else { &[("ssh", "-V")] };
    let mut findings = Vec::new();
    for (program, version) in [("git", "--version")].iter().chain(for_hosts) {
        let run = tokio::process::Command::new(program).arg(version).stdin(Stdio::null()).output().await;
        let judged = match run {
            Ok(output) => {
                // `ssh` tells its version where others complain.
                let said = [output.stdout, output.stderr].concat();
                Judgement::passed(String::from_utf8_lossy(&said).trim())
            }
            Err(error) => Judgement::failed(format!("it cannot be run: {error}"), format!("install {program}")),
        };
        findings.push(judged.of("programs", program));
    }
    findings
}

fn data(settings: &Settings) -> Vec<Finding> {
    let folder = &settings.data_dir;
    let shown = folder.display();
    let mend = "give the folder to the bot's account, or name another data_dir";
    let judged = match folder.metadata() {
        Ok(meta) if !meta.is_dir() => Judgement::failed(format!("{shown} is no folder"), mend),
        Ok(meta) => match (tempfile::tempfile_in(folder), meta.permissions().mode() & 0o777) {
            (Err(error), _) => Judgement::failed(format!("{shown} is not writable: {error}"), mend),
            (Ok(_), mode) if mode & 0o022 != 0 => Judgement::failed(
                format!("{shown} has the mode {mode:o}: others can write to it"),
                format!("chmod {FOLDER_MODE:o} {shown}"),
            ),
            (Ok(_), mode) if mode & !FOLDER_MODE != 0 => Judgement::warning(
                format!("{shown} has the mode {mode:o}: others can look into it"),
                format!("chmod {FOLDER_MODE:o} {shown}, as the bot does when it starts"),
            ),
            (Ok(_), _) => Judgement::passed(format!("{shown} is writable, and the bot's alone")),
        },
        Err(_) => match folder.ancestors().find(|above| above.exists()).map(tempfile::tempfile_in) {
            Some(Ok(_)) => Judgement::passed(format!("{shown} will be made")),
            _ => Judgement::failed(format!("{shown} is not there and cannot be made"), mend),
        },
    };
    vec![judged.of("data", "data_dir")]
}

async fn database(settings: &Settings, world: &World) -> Vec<Finding> {
    const SUBJECT: &str = "database";
    let path = match &settings.database.url {
        DatabaseUrl::Sqlite(path) => path,
        DatabaseUrl::Postgres(_) => {
            let judged = match open_store(settings, world, Serving::No).await {
                Ok(store) => {
                    store.close().await;
                    Judgement::passed("the PostgreSQL database opens, its tables are up to date")
                }
                Err(error) => Judgement::failed(
                    format!("{error:#}"),
                    "start the server, make role and database (docs/configuration.md), or mend database.url",
                ),
            };
            return vec![judged.of(SUBJECT, "open")];
        }
    };
    let shown = path.display();
    if !path.exists() {
        return vec![Judgement::passed(format!("{shown} will be made")).of(SUBJECT, "open")];
    }
    let opened = match open_store(settings, world, Serving::No).await {
        Ok(store) => {
            store.close().await;
            Judgement::passed(format!("{shown} opens, its tables are up to date"))
        }
        Err(error) => {
            let mend = "give file and folder to the bot's account, or name another database.url";
            return vec![Judgement::failed(format!("{error:#}"), mend).of(SUBJECT, "open")];
        }
    };
    let mode = path.metadata().map_or(0, |meta| meta.permissions().mode() & 0o777);
    let others = mode & 0o077;
    let private = if others == 0 {
        Judgement::passed("nobody else can read it")
    } else {
        Judgement::failed(
            format!("{shown} has the mode {mode:o}: others can read it"),
            format!("chmod 600 {shown}"),
        )
    };
    vec![opened.of(SUBJECT, "open"), private.of(SUBJECT, "private")]
}

fn github(settings: &Settings, world: &World) -> Vec<Finding> {
    const SUBJECT: &str = "github";
    let Some(github) = &settings.github else {
        let judged = Judgement::warning("[github] is not set: no webhook will be accepted", "README.md shows how");
        return vec![judged.of(SUBJECT, "set")];
    };
    let credentials = match github.credentials() {
        Ok(credentials) => credentials,
        Err(error) => {
            let mend =
                "the page of the App on GitHub makes the key; the webhook secret is what you typed in there";
            return vec![Judgement::failed(error.to_string(), mend).of(SUBJECT, "credentials")];
        }
    };
    let app =
        GithubApp { app_id: github.app_id, private_key: credentials.private_key, api_url: github.api_url.clone() };
    let key = match GithubForge::new(&app, world.clock.clone()) {
        Ok(_) => Judgement::passed(format!("the key of App {} is readable", github.app_id)),
        Err(error) => Judgement::failed(error.chain(), "download a new key from the page of the App on GitHub"),
    };
    vec![key.of(SUBJECT, "app_key"), Judgement::passed("it is set").of(SUBJECT, "webhook_secret")]
}
