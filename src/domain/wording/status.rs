//! The status of an environment as a Markdown table, for a comment that a pipeline writes (spec §21).

use std::collections::BTreeSet;

use super::escape;
use crate::domain::host_name;
use crate::domain::port_map::PortMap;

/// What the table is made of.
#[derive(Debug, Clone, Copy)]
pub struct StatusTable<'a> {
    /// Environment name.
    pub environment: &'a str,
    /// Ports of the environment.
    pub ports: &'a PortMap,
    /// Names among them that are infrastructure: people do not open those.
    pub infrastructure: &'a BTreeSet<String>,
    /// Domain of the proxy; empty when there is none.
    pub proxy_domain: &'a str,
}

/// One row for each service: behind a proxy its link, else its address on this machine. Host names are legal
/// whatever the environment is called (mends W-04); without a legal domain there is no proxy to link to.
#[must_use]
pub fn status_markdown(status: &StatusTable<'_>) -> String {
    let mut table = "| Service | URL |\n|---|---|\n".to_owned();
    for (service, port) in status.ports.iter().filter(|(name, _)| !status.infrastructure.contains(*name)) {
        let shown = escape(service);
        let url = if host_name::is_domain(status.proxy_domain) {
            let host = host_name::service_label(status.environment, service);
            format!("[{shown} Preview](https://{host}.{})", status.proxy_domain)
        } else {
            format!("http://localhost:{port}")
        };
        table.extend(["| ", &shown, " | ", &url, " |\n"]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_legal_and_names_break_no_table() {
        let ports = PortMap::from([("we|b".to_owned(), 1), ("db".to_owned(), 2)]);
        let infrastructure = BTreeSet::from(["db".to_owned()]);
        let mut status = StatusTable {
            environment: "pr-1",
            ports: &ports,
            infrastructure: &infrastructure,
            proxy_domain: "p.io",
        };
        let table = status_markdown(&status);
        assert!(table.contains("| we&#124;b | [we&#124;b Preview](https://pr-1--we-b-"), "{table}");
        status.proxy_domain = "p.io) <script>";
        assert!(status_markdown(&status).ends_with("| we&#124;b | http://localhost:1 |\n"));
    }
}
