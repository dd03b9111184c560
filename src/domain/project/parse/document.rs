//! From the text of a file to a configuration.

use super::kind;
use super::reader::Reader;
use super::{preview, shape};
use crate::domain::project::places::{Places, Span};
use crate::domain::project::problem::{Problem, Problems, Severity};
use crate::domain::project::source::Sources;
use crate::domain::project::validate::structure;
use crate::domain::project::{PreviewPolicy, ProjectConfig};
use crate::domain::yaml::tree;

/// What one file says.
pub(in crate::domain::project) struct Document {
    pub(in crate::domain::project) config: ProjectConfig,
    pub(in crate::domain::project) places: Places,
    pub(in crate::domain::project) problems: Vec<Problem>,
}

/// Parses one document, with the structural check (name, version, service paths, provisioner outputs).
///
/// # Errors
/// Everything that is wrong.
pub fn parse(text: &str, file: &str) -> Result<ProjectConfig, Problems> {
    let mut document = read(text, (file, kind::INVALID), PreviewPolicy::default());
    let mut sources = Sources::default();
    sources.insert(file, text);
    let missing = structure(&document.config);
    document.problems.extend(missing.into_iter().filter_map(|error| document.places.locate(error, &sources)));
    finish(document, file)
}

/// Parses one document without the structural check.
///
/// # Errors
/// YAML errors, wrong types, unknown keys.
pub fn parse_unchecked(text: &str, file: &str) -> Result<ProjectConfig, Problems> {
    finish(read(text, (file, kind::INVALID), PreviewPolicy::default()), file)
}

fn finish(document: Document, file: &str) -> Result<ProjectConfig, Problems> {
    let problems = Problems::in_order(document.problems, &[file.to_owned()]);
    if problems.has_errors() { Err(problems) } else { Ok(document.config) }
}

const KNOWN: [&str; 8] =
    ["version", "name", "mode", "provisioner", "infrastructure", "services", "runner", "preview"];

/// Reads as much as can be read. The `preview:` block starts from `policy`: what it leaves out stays as it was.
pub(in crate::domain::project) fn read(
    text: &str,
    (file, invalid): (&str, &'static str),
    policy: PreviewPolicy,
) -> Document {
    let reader = Reader::new(file, invalid);
    let config = match tree::read(text) {
        Ok(document) => {
            document.faults.into_iter().for_each(|fault| reader.tree_error(fault));
            match document.root {
                Some(root) => configuration(&reader, &root, policy),
                None => ProjectConfig { preview: policy, ..ProjectConfig::default() },
            }
        }
        Err(error) => {
            reader.tree_error(error);
            reader.give_up();
            ProjectConfig { preview: policy, ..ProjectConfig::default() }
        }
    };
    let (problems, places) = reader.finish();
    Document { config, places, problems }
}

fn configuration(reader: &Reader<'_>, root: &tree::Node, policy: PreviewPolicy) -> ProjectConfig {
    let block = reader.block(root, String::new(), &KNOWN);
    if let Some(entry) = block.entry("mode") {
        let message = "`mode` has no effect here";
        let problem = reader.problem("ignored_key", Span::of(entry.key), "mode", message);
        let help = "the mode is chosen by whoever deploys; remove the key";
        reader.report(Problem { severity: Severity::Warning, ..problem }.with_help(help));
    }
    ProjectConfig {
        version: block.integer("version"),
        name: block.text("name"),
        mode: String::new(),
        provisioner: block.child("provisioner").map(|child| shape::provisioner(&child)).unwrap_or_default(),
        infrastructure: block.child("infrastructure").map(|child| shape::infrastructure(&child)),
        services: block.named("services", false, |child| Some(shape::service(child))),
        runner: block.child("runner").map(|child| shape::runner(&child)),
        preview: match block.child("preview") {
            Some(child) => preview::policy(&child, policy),
            None => policy,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::Duration;

    use super::*;
    use crate::domain::project::policy::{CommentMode, Drafts, Trigger};

    const HEAD: &str = "version: 1\nname: shop\n";

    fn with_head(rest: &str) -> Result<ProjectConfig, Problems> {
        parse(&format!("{HEAD}{rest}"), "previewctl.yaml")
    }

    /// The only problem.
    fn problem(rest: &str) -> Problem {
        let problems = with_head(rest).unwrap_err();
        assert_eq!(problems.iter().count(), 1, "{rest}: {problems}");
        problems.iter().next().unwrap().clone()
    }

    #[test]
    fn text_keeps_its_source() {
        let text =
            "services:\n  web:\n    path: w\n    env: {A: 1e3, B: 0o14, C: 2024-01-02, D: true, E: ~, 5: 1.0}\n";
        let config = with_head(text).unwrap();
        let env = config.services["web"].env.as_ref().unwrap();
        let expected = [("5", "1.0"), ("A", "1e3"), ("B", "0o14"), ("C", "2024-01-02"), ("D", "true"), ("E", "")];
        let found: Vec<(&str, &str)> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn errors_name_the_line_the_column_and_the_nearest_key() {
        let error = problem("services:\n  web:\n    path: w\n    depend_on: [api]\n");
        assert_eq!((error.kind, error.line, error.column), ("unknown_field", Some(6), Some(5)));
        assert_eq!(
            error.to_string(),
            "previewctl.yaml:6:5: unknown key `depend_on` in `services.web`; did you mean `depends_on`?"
        );
        let error = problem("zzz: 1\n");
        assert!(error.sentence().contains("known here: version, name"), "{error}");
        let error = problem("services:\n  web: {path: w,\n    port: 8080x}\n");
        assert_eq!((error.kind, error.line, error.column), ("config_yaml_invalid", Some(5), Some(11)));
        assert_eq!(error.message, "services.web.port: expected a whole number, found `8080x`");
        let error = problem("services:\n  ok: {path: o}\n  web: {}\n");
        assert_eq!((error.kind, error.line), ("service_missing_path", Some(5)));
    }

    #[test]
    fn everything_is_told_in_the_order_of_the_file() {
        let text = "runner:\n  zeta: 1\n  alpha: 2\nname: x\nname: y\nservices:\n  web: {port: []}\n  api:\n    env: [A]\n";
        let problems = parse(text, "f").unwrap_err();
        let told: Vec<(Option<u64>, &str, &str)> =
            problems.iter().map(|p| (p.line, p.kind, p.place.as_str())).collect();
        assert_eq!(
            told,
            [
                (Some(1), "missing_version", "version"),
                (Some(2), "unknown_field", "runner.zeta"),
                (Some(3), "unknown_field", "runner.alpha"),
                (Some(5), "config_yaml_invalid", ""),
                (Some(7), "service_missing_path", "services.web.path"),
                (Some(7), "config_yaml_invalid", "services.web.port"),
                (Some(8), "service_missing_path", "services.api.path"),
                (Some(9), "config_yaml_invalid", "services.api.env"),
            ]
        );
    }

    #[test]
    fn one_mistake_is_told_once() {
        for rest in [
            "services: {web: {path: [a]}}\n",
            "services: {web: {pth: w}}\n",
            "services: {web: text}\n",
            "provisioner: {services: {pg: {outputs: [[a]]}}}\n",
        ] {
            problem(rest);
        }
        let problems = parse("versoin: 1\nname: [x]\n", "f").unwrap_err();
        assert_eq!(problems.iter().count(), 2, "{problems}");
    }

    #[test]
    fn a_mode_in_the_file_is_no_error() {
        let document = read("version: 1\nname: x\nmode: remote\n", ("f", kind::INVALID), PreviewPolicy::default());
        let told: Vec<_> = document.problems.iter().map(|p| (p.severity, p.line)).collect();
        assert_eq!(told, [(Severity::Warning, Some(3))]);
    }

    #[test]
    fn wrong_types_are_refused() {
        for (rest, place) in [
            ("services: {web: {path: [a]}}\n", "services.web.path"),
            ("services: {web: {path: w, port: '8080'}}\n", "services.web.port"),
            ("services: {web: {path: w, port: 65536}}\n", "services.web.port"),
            ("services: {web: {path: w, port: -1}}\n", "services.web.port"),
            ("services: {web: {path: w, depends_on: api}}\n", "services.web.depends_on"),
            ("services: {web: {path: w, depends_on: [[a]]}}\n", "services.web.depends_on[0]"),
            ("services: {web: {path: w, env: {A: {b: c}}}}\n", "services.web.env.A"),
            ("runner: {after: [a]}\n", "runner.after"),
            ("runner: text\n", "runner"),
            ("provisioner: {services: [pg]}\n", "provisioner.services"),
        ] {
            let error = problem(rest);
            assert_eq!(error.kind, "config_yaml_invalid", "{rest}");
            assert!(error.message.starts_with(&format!("{place}: expected")), "{rest}: {error}");
        }
        for text in ["version: '1'\nname: x\n", "version: true\nname: x\n", "- a\n", "text\n"] {
            assert_eq!(parse(text, "f").unwrap_err().first_error().unwrap().kind, "config_yaml_invalid", "{text}");
        }
    }

    #[test]
    fn own_keys_are_ignored_in_every_block_but_names_stay_names() {
        let rest = "x-top: {a: [1]}\nmode: remote\nservices:\n  x-ray: {path: x, x-note: hello}\n";
        let config = with_head(rest).unwrap();
        assert_eq!(config.services.keys().collect::<Vec<_>>(), ["x-ray"]);
        assert_eq!(config.mode, "");
        assert!(with_head("runner: {mode: remote}\n").is_err(), "`mode` is ignored at the top alone");
    }

    #[test]
    fn the_whole_preview_block() {
        let text = "preview:\n  trigger: label\n  label: try-me\n  drafts: skip\n  paths: ['apps/**', '!**/*.md']\n  \
                    ttl: 7d\n  probe: {service: web, path: /healthz, timeout: 2m30s}\n  urls: [web, api]\n  \
                    comment: on_change\n  x-note: ours\n";
        let preview = with_head(text).unwrap().preview;
        assert_eq!((preview.trigger, preview.label.as_str()), (Trigger::Label, "try-me"));
        assert_eq!((preview.drafts, preview.comment), (Drafts::Skip, CommentMode::OnChange));
        assert_eq!(preview.paths, ["apps/**", "!**/*.md"]);
        assert_eq!(preview.ttl, Some(Duration::from_hours(168)));
        assert_eq!((preview.probe.service.as_str(), preview.probe.path.as_str()), ("web", "/healthz"));
        assert_eq!(preview.probe.timeout, Duration::from_secs(150));
        assert_eq!(preview.urls, ["web", "api"]);
        for nothing in ["", "preview:\n", "preview: {}\n", "preview: {label: ~, probe: }\n"] {
            assert_eq!(with_head(nothing).unwrap().preview, PreviewPolicy::default(), "{nothing}");
        }
    }

    #[test]
    fn the_preview_block_is_strict() {
        for (block, kind, says) in [
            ("{triger: auto}", "unknown_field", "did you mean `trigger`?"),
            ("{probe: {port: 1}}", "unknown_field", "`preview.probe`"),
            ("{trigger: always}", "config_yaml_invalid", "one of auto, label, command"),
            ("{trigger: [auto]}", "config_yaml_invalid", "one of auto, label, command"),
            ("{drafts: false}", "config_yaml_invalid", "one of deploy, skip"),
            ("{ttl: 7}", "config_yaml_invalid", "length of time"),
            ("{probe: {path: healthz}}", "config_yaml_invalid", "begins with `/`"),
            ("{probe: {path: \"/a b\"}}", "config_yaml_invalid", "begins with `/`"),
            ("{label: ' '}", "config_yaml_invalid", "name of a label"),
            ("[auto]", "config_yaml_invalid", "a mapping"),
        ] {
            let error = problem(&format!("preview: {block}\n"));
            assert_eq!((error.kind, error.line), (kind, Some(3)), "{block}");
            assert!(error.sentence().contains(says), "{block}: {error}");
        }
    }

    #[test]
    fn merge_keys_take_lists_and_own_keys_win() {
        let rest = "x-a: &a {path: from-a, build: a}\nx-b: &b {path: from-b, start: b, <<: *a}\nservices:\n  \
                    web: {<<: [*b, *a], build: own}\n";
        let web = &with_head(rest).unwrap().services["web"];
        assert_eq!((web.path.as_str(), web.build.as_str(), web.start.as_str()), ("from-b", "own", "b"));
        for bad in ["web: {<<: text}", "web: {<<: [[a]]}", "web: {<<: ~}"] {
            assert!(with_head(&format!("services: {{{bad}}}\n")).is_err(), "{bad}");
        }
    }

    #[test]
    fn aliases_cannot_unfold_without_bound() {
        let mut doubling = String::from("x-0: &a0 {path: w}\n");
        for level in 1..=60 {
            let below = level - 1;
            writeln!(doubling, "x-{level}: &a{level} {{<<: [*a{below}, *a{below}]}}").unwrap();
        }
        doubling.push_str("services: {web: {<<: *a60}}\n");
        let mut wide = String::from("x-env: &env\n");
        for key in 0..5_000 {
            writeln!(wide, "  K{key}: v").unwrap();
        }
        wide.push_str("services:\n");
        for service in 0..5_000 {
            writeln!(wide, "  s{service}: {{path: w, env: *env}}").unwrap();
        }
        // Whoever followed the first one's aliases would never come to an end.
        for bomb in [doubling, wide] {
            let error = problem(&bomb);
            assert!(error.message.contains("too large once its aliases are followed"), "{error}");
        }
    }

    #[test]
    fn windows_line_ends_and_later_documents_do_no_harm() {
        let config = parse("\u{feff}version: 1\r\nname: shop\r\n---\r\nzzz: [", "f").unwrap();
        assert_eq!(config.name, "shop");
    }
}
