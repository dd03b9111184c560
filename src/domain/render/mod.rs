//! Pure text: files that are generated for an environment.

pub mod compose;
pub mod dotenv;
pub mod env_file;
pub mod error_pages;
pub mod nginx;

use super::project::template::TemplateError;

/// A file that cannot be generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// There is no `runner.compose`.
    #[error("runner.compose is not configured: there is nothing to generate")]
    NotConfigured,
    /// `runner.compose.image` is not set.
    #[error("runner.compose.image is not set: every generated service runs in it")]
    NoImage,
    /// A proxy that is not nginx.
    #[error("runner.compose.proxy.type `{0}` is not supported: it can only be nginx")]
    ProxyType(String),
    /// The proxy has no domain.
    #[error("runner.compose.proxy.domain is not set: hosts of services are made below it")]
    NoDomain,
    /// The proxy's domain can be no domain.
    #[error(
        "runner.compose.proxy.domain `{0}` is no domain: write it in lower case, such as previews.example.com"
    )]
    BadDomain(String),
    /// A rule leads to a service that has no port.
    #[error("service {service}: proxy rule {path} leads to `{target}`, which has no port")]
    RuleWithoutPort {
        /// The service whose rule it is.
        service: String,
        /// The rule's path.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// A rule's path that nginx cannot be told.
    #[error("service {service}: proxy rule {path:?} {why}")]
    BadPath {
        /// The service whose rule it is.
        service: String,
        /// The path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A service has the name of the generated proxy.
    #[error(
        "a service cannot be called `{}`: that is the generated proxy's name; rename it or switch the proxy off",
        compose::PROXY_SERVICE
    )]
    ReservedName,
    /// A placeholder cannot be rendered.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

impl RenderError {
    /// Kind name of the conformance vectors.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotConfigured => "compose_not_configured",
            Self::NoImage => "compose_image_missing",
            Self::ProxyType(_) => "unsupported_proxy_type",
            Self::NoDomain => "proxy_domain_missing",
            Self::BadDomain(_) => "proxy_domain_invalid",
            Self::RuleWithoutPort { .. } => "proxy_target_without_port",
            Self::BadPath { .. } => "proxy_path_invalid",
            Self::ReservedName => "reserved_service_name",
            Self::Template(error) => error.kind,
        }
    }
}
