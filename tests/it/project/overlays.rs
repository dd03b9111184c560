//! Base and overlay through the loader, with files in memory.

use std::time::Duration;

use async_trait::async_trait;
use previewbot::domain::error::{ErrorKind, PortError};
use previewbot::domain::project::load::{LoadError, ProjectReader, ReadError, Request, load, recall};
use previewbot::domain::project::policy::{Drafts, Trigger};
use previewbot::domain::project::problem::Problems;
use previewbot::domain::project::validate::ProjectFiles;
use previewbot::domain::project::{PreviewPolicy, ProjectConfig};

const BASE_FILE: &str = "previewctl.yaml";
const BASE: &str = "version: 1\nname: shop\npreview: {trigger: label, drafts: skip, ttl: 3d}\n";

/// Files by name; everything else that is asked for exists too.
struct InMemory<'a>(&'a [(&'a str, &'a str)]);

#[async_trait]
impl ProjectReader for InMemory<'_> {
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError> {
        if path == BASE_FILE && self.0.is_empty() {
            return Err(PortError::new(ErrorKind::Unavailable, "the disk is away").into());
        }
        Ok(self.0.iter().find(|(name, _)| *name == path).map(|(_, text)| text.as_bytes().to_vec()))
    }

    fn whereabouts(&self) -> String {
        "in memory".to_owned()
    }
}

impl ProjectFiles for InMemory<'_> {
    fn exists(&self, _path: &str) -> bool {
        true
    }
}

async fn loaded(mode: &str, files: &[(&str, &str)]) -> Result<ProjectConfig, Problems> {
    let files = InMemory(files);
    let request = Request { mode, root: "/project", secrets: None };
    match load(&request, &files, &files).await {
        Ok(loaded) => Ok(loaded.config),
        Err(LoadError::Refused(refused)) => Err(refused.problems),
        Err(LoadError::Port(error)) => panic!("{error}"),
    }
}

async fn preview(overlay: &str) -> PreviewPolicy {
    loaded("local", &[(BASE_FILE, BASE), ("previewctl.local.yaml", overlay)]).await.unwrap().preview
}

#[tokio::test]
async fn preview_and_sandbox_fall_back_to_remote() {
    let remote = ("previewctl.remote.yaml", "name: remote\n");
    for (mode, name) in [("preview", "remote"), ("sandbox", "remote"), ("local", "shop")] {
        assert_eq!(loaded(mode, &[(BASE_FILE, BASE), remote]).await.unwrap().name, name, "{mode}");
    }
    let own = ("previewctl.preview.yaml", "name: own\n");
    let config = loaded("preview", &[(BASE_FILE, BASE), remote, own]).await.unwrap();
    assert_eq!((config.name.as_str(), config.mode.as_str()), ("own", "preview"));
}

#[tokio::test]
async fn the_preview_block_is_merged_field_by_field_even_back_to_defaults() {
    let merged = preview("preview: {trigger: auto, probe: {path: /up}}\n").await;
    assert_eq!((merged.trigger, merged.drafts), (Trigger::Auto, Drafts::Skip));
    assert_eq!(merged.ttl, Some(Duration::from_hours(72)));
    assert_eq!((merged.probe.path.as_str(), merged.probe.timeout), ("/up", Duration::from_mins(1)));
    assert_eq!(preview("name: x\n").await.trigger, Trigger::Label);
}

#[tokio::test]
async fn the_hook_that_finds_a_machine_is_merged_like_the_others() {
    let base = "version: 1\nname: x\nprovisioner: {compute: {create: make, find: look}}\n";
    let overlay = ("previewctl.local.yaml", "provisioner: {compute: {find: search}}\n");
    for (files, expected) in [(vec![(BASE_FILE, base)], "look"), (vec![(BASE_FILE, base), overlay], "search")] {
        let compute = loaded("local", &files).await.unwrap().provisioner.compute.unwrap();
        assert_eq!((compute.create.as_str(), compute.find.as_str()), ("make", expected));
    }
}

#[tokio::test]
async fn problems_of_an_overlay_name_the_overlay_and_its_line() {
    let file = "previewctl.local.yaml";
    for (text, kind, line) in [
        ("name: [\n", "overlay_yaml_invalid", None),
        ("\nservices: [a]\n", "overlay_yaml_invalid", Some(2)),
        ("\n\nservce: {}\n", "unknown_field", Some(3)),
        ("services:\n  new: {command: x}\n", "service_missing_path", Some(2)),
        ("\nversion: 7\n", "unsupported_version", Some(2)),
    ] {
        let problems = loaded("local", &[(BASE_FILE, BASE), (file, text)]).await.unwrap_err();
        let all: Vec<_> = problems.iter().map(|p| (p.kind, p.file.as_str(), p.line)).collect();
        assert_eq!(all.len(), 1, "{text}: {all:?}");
        assert_eq!((all[0].0, all[0].1), (kind, file), "{text}");
        assert!(line.is_none() || all[0].2 == line, "{text}: {all:?}");
    }
}

#[tokio::test]
async fn a_list_that_an_overlay_replaces_is_blamed_on_the_overlay() {
    let base = "version: 1\nname: x\nservices:\n  a: {path: a, depends_on: [gone, lost]}\n  b: {path: b}\n";
    let mended = ("previewctl.local.yaml", "services: {a: {depends_on: [b]}}\n");
    loaded("local", &[(BASE_FILE, base), mended]).await.unwrap();
    let other = ("previewctl.local.yaml", "services: {a: {depends_on: [b, bad]}}\n");
    let problems = loaded("local", &[(BASE_FILE, base), other]).await.unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("previewctl.local.yaml:1:32: service `a` depends on `bad`"), "{told:?}");
}

#[tokio::test]
async fn both_files_are_told_at_once_and_a_broken_one_hides_no_other() {
    let files = [(BASE_FILE, "version: [\n"), ("previewctl.local.yaml", "nmae: x\n")];
    let problems = loaded("local", &files).await.unwrap_err();
    let files: Vec<&str> = problems.iter().map(|problem| problem.file.as_str()).collect();
    assert_eq!(files, [BASE_FILE, "previewctl.local.yaml"]);
}

#[tokio::test]
async fn services_of_included_compose_files_are_not_said_to_be_unknown() {
    let base = "version: 1\nname: x\ninfrastructure: {compose_file: c.yaml}\nservices:\n  \
                a: {path: a, depends_on: [db], env: {P: '{{infrastructure.db.port}}'}}\n";
    loaded("local", &[(BASE_FILE, base), ("c.yaml", "include: [other.yaml]\n")]).await.unwrap();
    let problems = loaded("local", &[(BASE_FILE, base), ("c.yaml", "services: {}\n")]).await.unwrap_err();
    assert_eq!(problems.iter().count(), 2, "{problems}");
}

#[tokio::test]
async fn a_configuration_in_use_is_not_judged_anew() {
    let text = "version: 1\nname: x\nservices: {a: {path: ../a, depends_on: [gone]}}\n";
    assert!(loaded("local", &[(BASE_FILE, text)]).await.is_err());
    assert_eq!(recall("local", &InMemory(&[(BASE_FILE, text)])).await.unwrap().config.services.len(), 1);
}

#[tokio::test]
async fn a_port_that_fails_is_no_problem_of_the_configuration() {
    let error = recall("local", &InMemory(&[])).await.unwrap_err();
    assert!(matches!(error, LoadError::Port(error) if error.kind() == ErrorKind::Unavailable));
}
