//! The problems that only a look at the project's files shows.

use super::ValidationError;
use crate::domain::project::{ProjectConfig, ServiceConfig};

/// What the file-system checks need to know.
pub trait ProjectFiles {
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
    problems.extend(hooks(config).into_iter().filter_map(|(place, hook)| project.check_hook(&place, hook)));
    problems
}

/// Hooks that run in the project root. Runner hooks run in the environment, where an earlier step may have made the
/// script.
fn hooks(config: &ProjectConfig) -> Vec<(String, &str)> {
    let provisioner = &config.provisioner;
    let mut hooks = vec![
        ("provisioner.before".to_owned(), provisioner.before.as_str()),
        ("provisioner.after".to_owned(), provisioner.after.as_str()),
    ];
    if let Some(compute) = &provisioner.compute {
        hooks.push(("provisioner.compute.create".to_owned(), &compute.create));
        hooks.push(("provisioner.compute.destroy".to_owned(), &compute.destroy));
    }
    for (name, service) in &provisioner.services {
        let actions = [
            ("init", &service.init),
            ("seed", &service.seed),
            ("reset", &service.reset),
            ("destroy", &service.destroy),
        ];
        hooks.extend(
            actions
                .into_iter()
                .map(|(action, hook)| (format!("provisioner.services.{name}.{action}"), hook.as_str())),
        );
    }
    hooks
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
        let problem = match inside {
            None => ("compose_file_escapes", format!("compose file `{compose_file}` is outside the project")),
            Some(inside) if inside.is_empty() || !self.files.exists(&inside) => {
                ("compose_file_not_found", format!("compose file {absolute} does not exist"))
            }
            Some(_) => return None,
        };
        Some(ValidationError::new(problem.0, problem.1))
    }

    fn check_path(&self, name: &str, service: &ServiceConfig) -> Option<ValidationError> {
        let (absolute, inside) = self.locate(&service.path);
        let problem = match inside {
            None => (
                "service_path_escapes",
                format!("service `{name}`: path `{}` is outside the project", service.path),
            ),
            Some(inside) if !self.exists(&inside) => {
                ("service_path_not_found", format!("service `{name}`: {absolute} does not exist"))
            }
            Some(_) => return None,
        };
        Some(ValidationError::new(problem.0, problem.1))
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
        let message = format!("service `{name}`: env_file `{env_file}` is outside the project");
        Some(ValidationError::new("service_env_file_escapes", message))
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
        let missing =
            || ValidationError::new("hook_script_not_found", format!("{place}: {absolute} does not exist"));
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
fn clean(path: &str) -> String {
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
        assert_eq!(problems("{provisioner: {before: ./b.sh, compute: {create: ./c.sh}}}", &[]).len(), 2);
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
