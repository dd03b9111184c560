//! The problems that only a look at the project's files shows.

use super::ValidationError;
use crate::domain::project::places::child;
use crate::domain::project::{ProjectConfig, RunnerConfig, ServiceConfig};
use crate::domain::yaml::tree::shown;

/// What the file-system checks need to know.
pub trait ProjectFiles: Send + Sync {
    /// Whether this path exists: cleaned and relative to the project root, or absolute for a hook's script that is
    /// named by an absolute path outside the project. Whoever cannot look there says yes.
    fn exists(&self, path: &str) -> bool;
}

/// The problems that only a look at the project's files shows; `root` is the absolute path of the project root.
#[must_use]
pub fn validate_files(config: &ProjectConfig, root: &str, files: &dyn ProjectFiles) -> Vec<ValidationError> {
    let root = clean(root);
    let project = Project { root: &root, files };
    let mut problems = Vec::new();
    let compose_file = config.infrastructure.as_ref().map_or("", |i| i.compose_file.as_str());
    if !compose_file.is_empty() {
        problems.extend(project.check_compose_file(compose_file));
    }
    for (name, service) in config.services.iter().filter(|(_, service)| !service.path.is_empty()) {
        problems.extend(project.check_path(name, service));
        problems.extend(project.check_env_file(name, service));
    }
    for (place, hook) in hooks(config) {
        problems.extend(project.check_hook(&place, hook));
    }
    for (place, hook) in config.runner.iter().flat_map(runner_hooks) {
        // They run in the environment, where an earlier step may have made the script.
        problems.extend(project.check_hook(place, hook).map(ValidationError::warning));
    }
    problems
}

/// Hooks that run in the project root, with their places.
pub(super) fn hooks(config: &ProjectConfig) -> Vec<(String, &str)> {
    let provisioner = &config.provisioner;
    let mut hooks = vec![
        ("provisioner.before".to_owned(), provisioner.before.as_str()),
        ("provisioner.after".to_owned(), provisioner.after.as_str()),
    ];
    if let Some(compute) = &provisioner.compute {
        for (name, hook) in [("create", &compute.create), ("find", &compute.find), ("destroy", &compute.destroy)] {
            hooks.push((child("provisioner.compute", name), hook));
        }
    }
    for (name, service) in &provisioner.services {
        let place = child("provisioner.services", name);
        let actions = [
            ("init", &service.init),
            ("seed", &service.seed),
            ("reset", &service.reset),
            ("destroy", &service.destroy),
        ];
        hooks.extend(actions.into_iter().map(|(action, hook)| (child(&place, action), hook.as_str())));
    }
    hooks
}

/// Hooks that run in the environment, with their places.
fn runner_hooks(runner: &RunnerConfig) -> [(&'static str, &str); 5] {
    [
        ("runner.before", &runner.before.command),
        ("runner.build", &runner.build.command),
        ("runner.deploy", &runner.deploy.command),
        ("runner.after", &runner.after.command),
        ("runner.destroy", &runner.destroy.command),
    ]
}

struct Project<'a> {
    root: &'a str,
    files: &'a dyn ProjectFiles,
}

impl Project<'_> {
    /// The absolute location of a path from the root, and the same from the root when it lies inside.
    fn locate(&self, path: &str) -> (String, Option<String>) {
        let absolute = clean(&format!("{}/{path}", self.root));
        let inside = match absolute.strip_prefix(self.root) {
            Some("") => Some(String::new()),
            Some(rest) if self.root == "/" => Some(rest.to_owned()),
            Some(rest) => rest.strip_prefix('/').map(str::to_owned),
            None => None,
        };
        (absolute, inside)
    }

    fn exists(&self, inside: &str) -> bool {
        inside.is_empty() || self.files.exists(inside)
    }

    fn check_compose_file(&self, compose_file: &str) -> Option<ValidationError> {
        let (absolute, inside) = self.locate(compose_file);
        let (kind, message) = match inside {
            None => {
                ("compose_file_escapes", format!("compose file `{}` is outside the project", shown(compose_file)))
            }
            Some(inside) if inside.is_empty() || !self.files.exists(&inside) => {
                ("compose_file_not_found", format!("compose file {} does not exist", shown(&absolute)))
            }
            Some(_) => return None,
        };
        Some(ValidationError::new(kind, "infrastructure.compose_file", message))
    }

    fn check_path(&self, name: &str, service: &ServiceConfig) -> Option<ValidationError> {
        let (absolute, inside) = self.locate(&service.path);
        let name_shown = shown(name);
        let (kind, message) = match inside {
            None => {
                let message =
                    format!("service `{name_shown}`: path `{}` is outside the project", shown(&service.path));
                ("service_path_escapes", message)
            }
            Some(inside) if !self.exists(&inside) => {
                ("service_path_not_found", format!("service `{name_shown}`: {} does not exist", shown(&absolute)))
            }
            Some(_) => return None,
        };
        Some(ValidationError::new(kind, child(&child("services", name), "path"), message))
    }

    fn check_env_file(&self, name: &str, service: &ServiceConfig) -> Option<ValidationError> {
        let env_file = &service.env_file;
        if env_file.is_empty() || env_file.starts_with('/') {
            return None;
        }
        let (_, inside) = self.locate(&format!("{}/{env_file}", service.path));
        if inside.is_some_and(|inside| !inside.is_empty()) {
            return None;
        }
        let message = format!("service `{}`: env_file `{}` is outside the project", shown(name), shown(env_file));
        let place = child(&child("services", name), "env_file");
        Some(ValidationError::new("service_env_file_escapes", place, message))
    }

    fn check_hook(&self, place: &str, hook: &str) -> Option<ValidationError> {
        let script = script_of(hook)?;
        let (absolute, found) = if script.starts_with('/') {
            let absolute = clean(script);
            let exists = self.files.exists(&absolute);
            (absolute, exists)
        } else {
            let (absolute, inside) = self.locate(script);
            let exists = inside.is_some_and(|inside| self.exists(&inside));
            (absolute, exists)
        };
        let missing = || {
            let message = format!("{place}: {} does not exist", shown(&absolute));
            let error = ValidationError::new("hook_script_not_found", place, message);
            ValidationError { focus: Some((script.to_owned(), 0)), ..error }
        };
        (!found).then(missing)
    }
}

/// The script that a hook begins with, when that is plain: `./…` or `/…` without anything for the shell to expand.
fn script_of(hook: &str) -> Option<&str> {
    let word = hook.split_whitespace().next()?;
    let word = word.split([';', '&', '|', '<', '>', '(', ')']).next()?;
    let is_path = word.starts_with("./") || word.starts_with('/');
    (is_path && !word.contains(['$', '`', '\\', '"', '\'', '*', '?', '['])).then_some(word)
}

/// An absolute path without `.`, `..` and doubled separators; nothing is above the top.
pub(in crate::domain::project) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::project::parse::parse_unchecked;
    use crate::domain::project::problem::Severity;

    struct Only<'a>(&'a [&'a str]);

    impl ProjectFiles for Only<'_> {
        fn exists(&self, path: &str) -> bool {
            self.0.contains(&path)
        }
    }

    fn problems(config: &str, exists: &[&str]) -> Vec<(&'static str, String)> {
        let config = parse_unchecked(config, "previewctl.yaml").unwrap();
        validate_files(&config, "/p", &Only(exists)).into_iter().map(|p| (p.kind, p.message)).collect()
    }

    #[test]
    fn scripts_of_provisioner_hooks_must_exist() {
        let pg = |hook: &str| format!("{{provisioner: {{services: {{pg: {{outputs: [U], seed: '{hook}'}}}}}}}}");
        for hook in
            ["./s.sh", "./s.sh --all", "./s.sh; echo done", " ./sub/../s.sh", "   ", "./$NAME.sh", "/opt/x"]
        {
            assert!(problems(&pg(hook), &["s.sh", "/opt/x"]).is_empty(), "{hook}");
        }
        for (hook, path) in [("./t.sh", "/p/t.sh"), ("./../s.sh", "/s.sh"), ("/opt/y a", "/opt/y")] {
            let found = problems(&pg(hook), &["s.sh"]);
            assert_eq!(found.len(), 1, "{hook}: {found:?}");
            let (kind, message) = &found[0];
            assert_eq!(*kind, "hook_script_not_found");
            assert!(message.contains("pg.seed") && message.contains(path), "{message}");
        }
        let all = "{provisioner: {before: ./b.sh, after: ./a.sh, compute: {create: ./c.sh, find: ./f.sh, destroy: ./d.sh}}}";
        assert_eq!(problems(all, &[]).len(), 5);
    }

    #[test]
    fn a_script_of_the_runner_that_is_not_there_yet_is_a_warning() {
        let text = "{runner: {before: ./b.sh, deploy: {command: ./d.sh}, after: '  '}}";
        let config = parse_unchecked(text, "previewctl.yaml").unwrap();
        let found = validate_files(&config, "/p", &Only(&["d.sh"]));
        let told: Vec<_> = found.iter().map(|p| (p.severity, p.place.as_str())).collect();
        assert_eq!(told, [(Severity::Warning, "runner.before")]);
    }

    #[test]
    fn paths_that_leave_the_project_are_told() {
        for (config, kind) in [
            ("{services: {a: {path: ../p2}}}", "service_path_escapes"),
            ("{services: {a: {path: ., env_file: ../.env}}}", "service_env_file_escapes"),
            ("{services: {a: {path: sub, env_file: ..}}}", "service_env_file_escapes"),
            ("{infrastructure: {compose_file: ../c.yaml}}", "compose_file_escapes"),
            ("{infrastructure: {compose_file: c.yaml}}", "compose_file_not_found"),
        ] {
            let kinds: Vec<&str> = problems(config, &["sub"]).into_iter().map(|p| p.0).collect();
            assert_eq!(kinds, [kind], "{config}");
        }
        assert!(problems("{services: {a: {path: ./sub/, env_file: ../.env}}}", &["sub"]).is_empty());
    }
}
