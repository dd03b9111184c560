//! The manifest `.previewctl.json`: the hand-over between the phases (spec §11).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::entry::ProvisionerOutputs;
use super::port_map::PortMap;
use super::project::ProjectConfig;
use super::project::template::{self, TemplateContext, TemplateError};

/// File name in the compute root.
pub const MANIFEST_FILE: &str = ".previewctl.json";

/// The only version of the format; a manifest without one counts as version 0.
const VERSION: i64 = 1;

/// A fully resolved environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Manifest {
    /// Format version, 1.
    #[serde(deserialize_with = "null_as_default")]
    pub version: i64,
    /// Environment name.
    #[serde(deserialize_with = "null_as_default")]
    pub env_name: String,
    /// Project name.
    #[serde(deserialize_with = "null_as_default")]
    pub project_name: String,
    /// Branch.
    #[serde(deserialize_with = "null_as_default")]
    pub branch: String,
    /// Mode.
    #[serde(deserialize_with = "null_as_default")]
    pub mode: String,
    /// Ports by name.
    pub ports: Option<PortMap>,
    /// Outputs by provisioner service.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub provisioner_outputs: ProvisionerOutputs,
    /// Services.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, ManifestService>,
    /// Infrastructure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub infrastructure: Option<ManifestInfrastructure>,
    /// Services that were started.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub enabled_services: Vec<String>,
}

/// One service of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct ManifestService {
    /// Folder from the compute root.
    #[serde(deserialize_with = "null_as_default")]
    pub path: String,
    /// Env file from `path`.
    #[serde(deserialize_with = "null_as_default")]
    pub env_file: String,
    /// Rendered variables; absent when the service has no `env`. An empty map is not written.
    #[serde(skip_serializing_if = "is_none_or_empty")]
    pub env: Option<BTreeMap<String, String>>,
}

/// The infrastructure of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct ManifestInfrastructure {
    /// Path of the compose file.
    #[serde(deserialize_with = "null_as_default")]
    pub compose_file: String,
}

/// Everything that a manifest is built from, beside the configuration.
#[derive(Debug, Clone, Default)]
pub struct ManifestInputs<'a> {
    /// Environment name.
    pub environment: &'a str,
    /// Branch.
    pub branch: &'a str,
    /// Ports by name.
    pub ports: Option<&'a PortMap>,
    /// Outputs by provisioner service.
    pub outputs: Option<&'a ProvisionerOutputs>,
    /// The store.
    pub store: Option<&'a BTreeMap<String, String>>,
    /// Services that were started.
    pub enabled_services: &'a [String],
}

/// A manifest that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("manifest is not readable: {0}")]
pub struct ManifestError(String);

/// Builds the manifest. `{{secrets.NAME}}` stays as written, whatever the name.
///
/// # Errors
/// The first placeholder that cannot be rendered, with its service and key, or an env file outside of the
/// compute root, with its service.
pub fn build(config: &ProjectConfig, inputs: &ManifestInputs<'_>) -> Result<Manifest, TemplateError> {
    let mut context = template_context(config, inputs);
    let mut services = BTreeMap::new();
    for (name, service) in &config.services {
        let place = format!("service {name}");
        context.current = Some(name.clone());
        let env = service.env.as_ref().map(|env| template::render_map(env, &context)).transpose();
        let service = ManifestService {
            path: service.path.clone(),
            env_file: service.env_file_or_default().to_owned(),
            env: env.map_err(|error| error.within(&place))?,
        };
        if service.env.is_some() && service.env_file_path().is_none() {
            return Err(TemplateError {
                kind: "env_file_escapes",
                place: Some(place),
                placeholder: format!("{}/{}", service.path, service.env_file),
                message: ENV_FILE_ESCAPES.to_owned(),
            });
        }
        services.insert(name.clone(), service);
    }
    let compose_file = config.infrastructure.iter().map(|i| i.compose_file.clone()).find(|file| !file.is_empty());
    Ok(Manifest {
        version: VERSION,
        env_name: inputs.environment.to_owned(),
        project_name: config.name.clone(),
        branch: inputs.branch.to_owned(),
        mode: config.mode.clone(),
        ports: inputs.ports.cloned(),
        provisioner_outputs: inputs.outputs.cloned().unwrap_or_default(),
        services,
        infrastructure: compose_file.map(|compose_file| ManifestInfrastructure { compose_file }),
        enabled_services: inputs.enabled_services.to_vec(),
    })
}

const ENV_FILE_ESCAPES: &str =
    "the env file would lie outside of the environment's folder; choose a path inside it";

/// What the services' start commands may refer to, once their manifest is known: the same as their variables.
#[must_use]
pub fn start_context(
    config: &ProjectConfig,
    manifest: &Manifest,
    store: &BTreeMap<String, String>,
) -> TemplateContext {
    let inputs = ManifestInputs {
        environment: &manifest.env_name,
        branch: &manifest.branch,
        ports: manifest.ports.as_ref(),
        outputs: Some(&manifest.provisioner_outputs),
        store: Some(store),
        enabled_services: &manifest.enabled_services,
    };
    template_context(config, &inputs)
}

/// What the services' variables may refer to. A name that is both a service and infrastructure counts as a
/// service only (spec §11).
fn template_context(config: &ProjectConfig, inputs: &ManifestInputs<'_>) -> TemplateContext {
    let ports = inputs.ports.cloned().unwrap_or_default();
    let (services, infrastructure) = ports.into_iter().partition(|(name, _)| config.services.contains_key(name));
    let env = config.services.values().flat_map(|service| &service.env).flat_map(BTreeMap::values);
    let values = env.chain(config.services.values().map(|service| &service.start));
    let proxy = config.runner.as_ref().and_then(|r| r.compose.as_ref()).and_then(|c| c.proxy.as_ref());
    TemplateContext {
        current: None,
        services,
        infrastructure,
        provisioner: inputs.outputs.cloned().unwrap_or_default(),
        environment: inputs.environment.to_owned(),
        store: inputs.store.cloned().unwrap_or_default(),
        proxy_domain: proxy.map(|p| p.domain.clone()).unwrap_or_default(),
        secrets: values.flat_map(|value| template::secret_names(value)).map(str::to_owned).collect(),
    }
}

impl Manifest {
    /// The text that the Go tool's manager writes (no trailing newline).
    #[must_use]
    pub fn to_text(&self) -> String {
        go_json(self)
    }

    /// Reads a manifest's file.
    ///
    /// # Errors
    /// As for [`Manifest::from_text`], and for bytes that are not UTF-8: read leniently, values would be others.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ManifestError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            ManifestError(format!("it is not UTF-8 from byte {} on; provision again", error.valid_up_to() + 1))
        })?;
        Self::from_text(text)
    }

    /// What it consists of: name of each part (`ports`, `services.web`) and its text. An absent part has none.
    #[must_use]
    pub fn parts(&self) -> BTreeMap<String, String> {
        let mut parts = BTreeMap::new();
        let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(self) else { return parts };
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("services" | "provisioner_outputs", serde_json::Value::Object(inner)) => {
                    parts.extend(
                        inner.into_iter().map(|(key, value)| (format!("{name}.{key}"), value.to_string())),
                    );
                }
                (_, value) => drop(parts.insert(name, value.to_string())),
            }
        }
        parts
    }

    /// Reads a manifest as the Go tool does (spec §11 `ReadManifest`), but takes exactly one JSON value with
    /// keys as written, and no env file outside of the compute root.
    ///
    /// # Errors
    /// Wrong types, empty input, text after the value, a newer version (mends W-36), an env file that lies outside.
    pub fn from_text(text: &str) -> Result<Self, ManifestError> {
        // Through a map, because a struct would also be read from a list.
        let read = |text| -> serde_json::Result<Option<Self>> {
            let fields: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(text)?;
            fields.map(|fields| serde_json::from_value(fields.into())).transpose()
        };
        let manifest = read(text).map_err(|error| ManifestError(error.to_string()))?.unwrap_or_default();
        if !(0..=VERSION).contains(&manifest.version) {
            let version = manifest.version;
            return Err(ManifestError(format!(
                "it has version {version}, only {VERSION} is known; provision again"
            )));
        }
        let outside = |(_, service): &(&String, &ManifestService)| {
            service.env.is_some() && service.env_file_path().is_none()
        };
        match manifest.services.iter().find(outside) {
            Some((name, _)) => Err(ManifestError(format!("service {name}: {ENV_FILE_ESCAPES}"))),
            None => Ok(manifest),
        }
    }

    /// Env file path (cleaned, from the compute root) → its variables; services that share a path are merged.
    ///
    /// For a key that two of them set, the service whose name is later in byte order wins.
    #[must_use]
    pub fn env_files(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut files: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for service in self.services.values() {
            if let (Some(env), Some(path)) = (&service.env, service.env_file_path()) {
                files.entry(path).or_default().extend(env.clone());
            }
        }
        files
    }
}

/// Two-space indented JSON as Go's encoder writes it, for a tree of texts and numbers with text keys.
pub(super) fn go_json(value: &impl Serialize) -> String {
    #[expect(clippy::expect_used, reason = "a tree of texts and numbers with text keys always has a JSON form")]
    let text = serde_json::to_string_pretty(value).expect("it has a JSON form");
    // Go's encoder escapes these; in JSON they occur nowhere but inside texts.
    text.replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

impl ManifestService {
    /// The env file's path from the compute root, cleaned; nothing when it would lie outside.
    fn env_file_path(&self) -> Option<String> {
        let mut parts: Vec<&str> = Vec::new();
        for part in self.path.split('/').chain(self.env_file.split('/')) {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                part => parts.push(part),
            }
        }
        (!parts.is_empty()).then(|| parts.join("/"))
    }
}

/// Go's decoder takes `null` for any field as "not set".
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[expect(clippy::ref_option, reason = "serde's skip_serializing_if passes a reference to the field")]
fn is_none_or_empty(env: &Option<BTreeMap<String, String>>) -> bool {
    env.as_ref().is_none_or(BTreeMap::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::project::ServiceConfig;

    fn config(path: &str, env: &[(&str, &str)]) -> ProjectConfig {
        let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let service = ServiceConfig { path: path.to_owned(), env: Some(env), ..ServiceConfig::default() };
        let services = BTreeMap::from([("web".to_owned(), service)]);
        ProjectConfig { name: "demo".to_owned(), services, ..ProjectConfig::default() }
    }

    #[test]
    fn secrets_stay_as_written() {
        let manifest = build(&config("w", &[("K", "a-{{secrets.STRIPE}}")]), &ManifestInputs::default()).unwrap();
        assert_eq!(manifest.env_files()["w/.env.local"]["K"], "a-{{secrets.STRIPE}}");
    }

    #[test]
    fn texts_are_escaped_as_go_escapes_them() {
        let value = "a&b<c>\u{2028}\u{2029}\u{8}\u{c}\u{1}\u{7f}é\"\\";
        let text = build(&config("w", &[("K", value)]), &ManifestInputs::default()).unwrap().to_text();
        let written = r#""K": "a\u0026b\u003cc\u003e\u2028\u2029\b\f\u0001"#;
        assert!(text.contains(written), "{text}");
        assert!(text.contains("\u{7f}é\\\"\\\\\""), "{text}");
        assert_eq!(Manifest::from_text(&text).unwrap().services["web"].env.as_ref().unwrap()["K"], value);
    }

    #[test]
    fn an_empty_env_is_lost_by_writing() {
        let manifest = build(&config("w", &[]), &ManifestInputs::default()).unwrap();
        assert_eq!(manifest.env_files().len(), 1);
        assert!(Manifest::from_text(&manifest.to_text()).unwrap().env_files().is_empty());
    }

    #[test]
    fn null_means_not_set() {
        assert_eq!(Manifest::from_text("null").unwrap(), Manifest::default());
        let text = r#"{"version":null,"services":null,"enabled_services":null,"branch":null}"#;
        assert_eq!(Manifest::from_text(text).unwrap(), Manifest::default());
    }

    #[test]
    fn a_newer_version_is_refused() {
        assert!(Manifest::from_text(r#"{"version":1}"#).is_ok());
        for text in [r#"{"version":2}"#, r#"{"version":-1}"#] {
            assert!(Manifest::from_text(text).unwrap_err().to_string().contains("version"), "{text}");
        }
    }

    #[test]
    fn hostile_texts_come_back_byte_for_byte() {
        let hostile = [
            "\0",
            "\u{1f}\u{7f}\u{85}\u{feff}",
            "\\u0026",
            "</script><!--",
            "\r\n\t",
            "🎉\u{10ffff}",
            "\\",
            "'\"",
        ];
        let env: Vec<(String, String)> =
            hostile.iter().map(|text| (format!("K{text}"), (*text).to_owned())).collect();
        let env: Vec<(&str, &str)> = env.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let manifest =
            build(&config("w", &env), &ManifestInputs { branch: "b&<>\u{2028}", ..Default::default() }).unwrap();
        let text = manifest.to_text();
        assert!(
            text.contains(r"\u0000") && text.contains(r"\\u0026") && text.contains(r"\u003c/script\u003e"),
            "{text}"
        );
        let read = Manifest::from_text(&text).unwrap();
        assert_eq!(read, manifest);
        assert_eq!(read.to_text(), text);
    }

    #[test]
    fn env_files_stay_inside_also_when_read() {
        let text = r#"{"services":{"web":{"path":"../x","env_file":".env","env":{"A":"1"}}}}"#;
        assert!(Manifest::from_text(text).unwrap_err().to_string().contains("web"));
        let error = build(&config("..", &[]), &ManifestInputs::default()).unwrap_err();
        assert_eq!(error.kind, "env_file_escapes");
        assert!(build(&config("/apps/web", &[]), &ManifestInputs::default()).is_ok());
    }
}
