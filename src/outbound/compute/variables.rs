//! What a compose file finds in the variables that Compose is run with.

use std::collections::BTreeMap;

use crate::domain::compose;
use crate::domain::port_map::PortMap;
use crate::domain::project::{InfraService, PublishedPort};

/// Variables of the account's session that an untrusted file must not learn: they say where the bot is.
const HIDDEN: [&str; 3] = ["SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY"];
/// Switches that keep Compose from fetching files.
const NOT_REMOTE: [&str; 2] = ["COMPOSE_EXPERIMENTAL_GIT_REMOTE", "COMPOSE_EXPERIMENTAL_OCI_REMOTE"];

/// What Compose is told besides when the file is not trusted.
pub(super) fn confined() -> impl Iterator<Item = (String, String)> {
    let hidden = HIDDEN.iter().map(|name| ((*name).to_owned(), String::new()));
    hidden.chain(NOT_REMOTE.iter().map(|name| ((*name).to_owned(), "false".to_owned())))
}

/// `<NAME>_PORT` for every name, and the variables that the file itself takes a service's port from.
pub(super) fn port_variables(text: &str, ports: &PortMap) -> BTreeMap<String, String> {
    let variable = |name: &str| format!("{}_PORT", name.to_uppercase().replace('-', "_"));
    let mut variables: BTreeMap<String, String> =
        ports.iter().map(|(name, port)| (variable(name), port.to_string())).collect();
    // A file that does not parse is compose's to complain about.
    for (name, service) in compose::read(text, "").services {
        if let Some(port) = ports.get(&name) {
            variables.extend(own_variables(&service).map(|variable| (variable.to_owned(), port.to_string())));
        }
    }
    variables
}

/// Variables of a service's ports that its one leased port can be given to: the first port's, and those of ports that
/// stand for the same one (TCP and UDP of one number). Docker chooses all other ports, whatever their variables say.
fn own_variables(service: &InfraService) -> impl Iterator<Item = &str> {
    let first = service.ports.first();
    let same = move |port: &&PublishedPort| first.is_some_and(|first| port.host == first.host && port.host != 0);
    let others = service.ports.iter().skip(1).filter(same).map(|port| port.env_var.as_str());
    std::iter::once(service.env_var.as_str()).chain(others).filter(|variable| !variable.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_that_can_be_given_the_leased_port_is_given_it() {
        let text = "services:\n  dns:\n    ports: ['${dns_port:-53}:53/tcp', '${DNS_UDP:-53}:53/udp', '${UI:-80}:80']\n  \
                    db-1: {ports: ['${WANTED:?say}:5432']}\n  other: {ports: ['${OTHER:-1}:1']}\n";
        let ports = PortMap::from([("dns".to_owned(), 61_001), ("db-1".to_owned(), 61_002)]);
        let variables = port_variables(text, &ports);
        let found: Vec<(&str, &str)> =
            variables.iter().map(|(name, port)| (name.as_str(), port.as_str())).collect();
        assert_eq!(
            found,
            [
                ("DB_1_PORT", "61002"),
                ("DNS_PORT", "61001"),
                ("DNS_UDP", "61001"),
                ("WANTED", "61002"),
                ("dns_port", "61001"),
            ]
        );
    }
}
