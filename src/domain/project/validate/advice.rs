//! What can be used but does not mean everywhere what it seems to mean.

use super::ValidationError;
use super::files::hooks;
use super::templates::{placeholders, values};
use crate::domain::project::ProjectConfig;
use crate::domain::project::places::child;
use crate::domain::render::dotenv;
use crate::domain::yaml::tree::shown;

/// Warnings about a merged configuration.
#[must_use]
pub fn warnings(config: &ProjectConfig) -> Vec<ValidationError> {
    let mut warnings = blank_hooks(config);
    for (service, key, value) in values(config) {
        let place = child(&child(&child("services", service), "env"), key);
        if let Some(placeholder) = placeholders(value).into_iter().find(|p| needs_domain(config, p)) {
            let message = format!("service `{}`, {}: no proxy domain is configured", shown(service), shown(key));
            let error = ValidationError::new("proxy_domain_missing", place.clone(), message).warning();
            let focus = Some((format!("{{{{{placeholder}}}}}"), 0));
            let error = ValidationError { focus, ..error };
            warnings.push(error.with_help("set `runner.compose.proxy.domain`").needing(&["runner"]));
        }
        if !dotenv::reads_the_same("KEY", &without_placeholders(value)) {
            let message = format!(
                "service `{}`, {}: node's dotenv reads this value from the env file differently from Compose and a shell",
                shown(service),
                shown(key)
            );
            let error = ValidationError::new("env_value_differs_in_dotenv", place, message).warning();
            warnings.push(error.with_help("avoid quotes beside `$` or `\\`, backticks and trailing backslashes"));
        }
    }
    warnings
}

fn blank_hooks(config: &ProjectConfig) -> Vec<ValidationError> {
    let blank = |(_, hook): &(String, &str)| !hook.is_empty() && hook.trim().is_empty();
    let told = |(place, _): (String, &str)| {
        let message = format!("`{place}` is blank: it runs nothing");
        ValidationError::new("blank_hook", place, message).warning()
    };
    hooks(config).into_iter().filter(blank).map(told).collect()
}

fn needs_domain(config: &ProjectConfig, placeholder: &str) -> bool {
    let proxy = config.runner.as_ref().and_then(|runner| runner.compose.as_ref()?.proxy.as_ref());
    placeholder.trim().starts_with("proxy.") && proxy.is_none_or(|proxy| proxy.domain.is_empty())
}

/// What a placeholder will give is not known; a number stands for it.
fn without_placeholders(value: &str) -> String {
    placeholders(value)
        .into_iter()
        .fold(value.to_owned(), |text, placeholder| text.replacen(&format!("{{{{{placeholder}}}}}"), "0", 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::project::parse::parse_unchecked;

    #[test]
    fn values_that_dotenv_reads_differently_are_told_and_templates_are_not() {
        let text = r#"{services: {web: {path: w, env: {A: "it's $1", B: 'http://x:{{self.port}}/', C: 'a"b'}}}}"#;
        let config = parse_unchecked(text, "previewctl.yaml").unwrap();
        let told: Vec<(&str, String)> = warnings(&config).into_iter().map(|w| (w.kind, w.place)).collect();
        assert_eq!(told, [("env_value_differs_in_dotenv", "services.web.env.A".to_owned())]);
    }

    #[test]
    fn a_proxy_placeholder_without_a_domain_and_a_blank_hook_are_told() {
        let text = "{provisioner: {before: '  '}, services: {web: {path: w, env: {A: '{{proxy.domain}}'}}}}";
        let config = parse_unchecked(text, "previewctl.yaml").unwrap();
        let kinds: Vec<&str> = warnings(&config).into_iter().map(|w| w.kind).collect();
        assert_eq!(kinds, ["blank_hook", "proxy_domain_missing"]);
    }
}
