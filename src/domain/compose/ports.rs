//! Entries of `ports`, short and long, as Compose reads them.

use std::net::IpAddr;

use super::interpolate::{Interpolated, interpolate, outside_variables};
use super::is_mapping;
use crate::domain::project::PublishedPort;
use crate::domain::yaml::tree::{Content, Node};

/// One entry that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PortEntry {
    /// What it publishes.
    pub(super) port: PublishedPort,
    /// Port on the host and the variable that it is taken from, where the entry is of a form that names one port (spec
    /// §5): `8080:80`, `${NAME:-8080}:80` with an upper-case name, or `6379` alone.
    pub(super) definite: Option<(u16, String)>,
}

/// An entry that Compose would refuse as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unread {
    /// What is wrong with it.
    pub(super) why: String,
}

impl From<&str> for Unread {
    fn from(why: &str) -> Self {
        Self { why: why.to_owned() }
    }
}

const NOT_UNDERSTOOD: &str = "not understood";

/// The entry as people wrote it.
pub(super) fn text_of(node: &Node) -> String {
    let given = |name: &str| field(node, name).filter(|value| !value.is_null()).and_then(Node::scalar);
    let text = node.scalar().or_else(|| given("published")).or_else(|| given("target"));
    text.unwrap_or_default().to_owned()
}

/// Reads one entry of `ports`.
pub(super) fn read(node: &Node) -> Result<PortEntry, Unread> {
    match node.scalar() {
        Some(text) => Ok(PortEntry { port: short(text)?, definite: definite(text) }),
        None if is_mapping(node) => long(node),
        None => Err("neither text nor a mapping".into()),
    }
}

/// Reads one entry of `expose`: a port or a range of the container, perhaps with its protocol.
pub(super) fn exposed(node: &Node) -> Result<(), Unread> {
    let text = node.scalar().ok_or("neither a port nor a range")?;
    let (ports, protocol) = split_protocol(text);
    self::protocol(protocol)?;
    range(&interpolate(ports)?).map(drop)
}

/// `[IP:][HOST:]CONTAINER[/PROTOCOL]`.
fn short(text: &str) -> Result<PublishedPort, Unread> {
    let whole = interpolate(text)?;
    if whole.variable.is_some() && whole.text.contains(':') {
        return short_parts(&whole.text);
    }
    short_parts(text)
}

fn short_parts(text: &str) -> Result<PublishedPort, Unread> {
    let (ports, protocol) = split_protocol(text);
    let colons = outside_variables(ports, b':');
    let (address, host, container) = match colons.as_slice() {
        [] => ("", None, ports),
        [colon] => ("", Some(&ports[..*colon]), &ports[colon + 1..]),
        [.., before, colon] => (&ports[..*before], Some(&ports[before + 1..*colon]), &ports[colon + 1..]),
    };
    check_address(address)?;
    let host = host.map(interpolate).transpose()?.unwrap_or_default();
    published(&host, &interpolate(container)?, self::protocol(protocol)?)
}

fn long(node: &Node) -> Result<PortEntry, Unread> {
    let given = |name: &str| field(node, name).filter(|value| !value.is_null());
    let read = |name: &str| -> Result<Option<Interpolated>, Unread> {
        let Some(value) = given(name) else { return Ok(None) };
        let text = value.scalar().ok_or_else(|| Unread { why: format!("`{name}` must be text or a number") })?;
        Ok(Some(interpolate(text)?))
    };
    let target = read("target")?.ok_or("it has no `target`")?;
    let host = read("published")?.unwrap_or_default();
    if let Some(address) = read("host_ip")? {
        check_address(&address.text)?;
    }
    if read("mode")?.is_some_and(|mode| !mode.open && !matches!(mode.text.as_str(), "host" | "ingress")) {
        return Err("`mode` must be `host` or `ingress`".into());
    }
    let protocol = read("protocol")?.map_or("", |given| match given.text.as_str() {
        "udp" => "udp",
        "sctp" => "sctp",
        "" | "tcp" => "tcp",
        _ => "?",
    });
    let port = published(&host, &target, self::protocol(protocol)?)?;
    Ok(PortEntry { port, definite: host_port(&text_of(node)) })
}

fn field<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Content::Mapping(fields) = &node.content else { return None };
    let own = fields.iter().find(|(key, _)| key.scalar() == Some(name)).map(|(_, value)| value.as_ref());
    // One level of merge keys: nobody builds a port from more.
    own.or_else(|| {
        let mut merged = fields.iter().filter(|(key, _)| key.is_merge_key());
        merged.find_map(|(_, source)| match &source.content {
            Content::Mapping(fields) => {
                fields.iter().find(|(key, _)| key.scalar() == Some(name)).map(|(_, value)| value.as_ref())
            }
            _ => None,
        })
    })
}

fn published(host: &Interpolated, container: &Interpolated, protocol: &str) -> Result<PublishedPort, Unread> {
    let (inner, inner_count) = range(container)?;
    if inner == 0 && !container.open {
        return Err("a container has no port 0".into());
    }
    let (outer, outer_count) = if host.text.is_empty() { (0, inner_count) } else { range(host)? };
    if inner_count > 1 && outer != 0 && outer_count != inner_count {
        return Err("both ranges must be of the same length".into());
    }
    Ok(PublishedPort {
        host: outer,
        env_var: host.variable.clone().unwrap_or_default(),
        container: inner,
        count: outer_count,
        protocol: protocol.to_owned(),
    })
}

/// First port and number of ports of `80` or `3000-3005`. What a variable without a default decides is 0.
fn range(value: &Interpolated) -> Result<(u16, u16), Unread> {
    if value.open {
        return Ok((0, 1));
    }
    let (first, last) = value.text.split_once('-').unwrap_or((&value.text, &value.text));
    let (first, last) = (plain_port(first).ok_or(NOT_UNDERSTOOD)?, plain_port(last).ok_or(NOT_UNDERSTOOD)?);
    let count = last.checked_sub(first).and_then(|more| more.checked_add(1));
    Ok((first, count.ok_or("the range ends before it begins")?))
}

fn split_protocol(text: &str) -> (&str, &str) {
    match outside_variables(text, b'/').last() {
        Some(slash) => (&text[..*slash], &text[slash + 1..]),
        None => (text, "tcp"),
    }
}

fn protocol(text: &str) -> Result<&'static str, Unread> {
    match text {
        "" | "tcp" => Ok("tcp"),
        "udp" => Ok("udp"),
        "sctp" => Ok("sctp"),
        _ => Err("the protocol must be tcp, udp or sctp".into()),
    }
}

fn check_address(text: &str) -> Result<(), Unread> {
    let address = interpolate(text)?;
    if address.text.is_empty() || address.open {
        return Ok(());
    }
    let bare = address.text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&address.text);
    bare.parse::<IpAddr>().map(drop).map_err(|_| "what stands before the ports is no IP address".into())
}

/// The port on the host and its variable, where a short entry names exactly one.
fn definite(text: &str) -> Option<(u16, String)> {
    let (text, protocol) = match text.rsplit_once('/') {
        Some((ports, protocol)) => (ports, protocol),
        None => (text, "tcp"),
    };
    if !matches!(protocol, "tcp" | "udp" | "sctp") {
        return None;
    }
    let text = without_address(text);
    let end_of_host =
        if text.starts_with("${") { text.find('}')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, container) = text.split_at(end_of_host);
    match container.strip_prefix(':') {
        Some(container) => {
            plain_port(container)?;
            host_port(host)
        }
        // Only a number may stand alone: a variable alone would name the container's port.
        None if container.is_empty() => plain_port(host).map(|port| (port, String::new())),
        None => None,
    }
}

/// `text` without a leading `127.0.0.1:` or `[::1]:`.
fn without_address(text: &str) -> &str {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|t| t.split_once("]:")) {
        return if address.parse::<std::net::Ipv6Addr>().is_ok() { rest } else { text };
    }
    match text.split_once(':') {
        Some((address, rest)) if address.parse::<std::net::Ipv4Addr>().is_ok() => rest,
        _ => text,
    }
}

/// `8080`, or `${NAME:-8080}` with an upper-case name.
fn host_port(text: &str) -> Option<(u16, String)> {
    let Some(expression) = text.strip_prefix("${") else {
        return plain_port(text).map(|port| (port, String::new()));
    };
    let (name, default) = expression.strip_suffix('}')?.split_once(":-")?;
    let starts_well = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_');
    let is_name = starts_well && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let port = plain_port(default)?;
    is_name.then(|| (port, name.to_owned()))
}

fn plain_port(text: &str) -> Option<u16> {
    // `parse` alone would take a leading `+`.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_before_the_host_port() {
        assert_eq!(definite("[::1]:${A:-1}:2/udp"), Some((1, "A".to_owned())));
        for text in ["127.0.0.1::2", "example.com:1:2", "+1:2", ""] {
            assert_eq!(definite(text), None, "{text}");
        }
    }

    #[test]
    fn short_entries_as_compose_reads_them() {
        for (text, host, variable, container, count, protocol) in [
            ("80", 0, "", 80, 1, "tcp"),
            ("8080:80", 8080, "", 80, 1, "tcp"),
            ("8080:80/udp", 8080, "", 80, 1, "udp"),
            ("127.0.0.1:8080:80", 8080, "", 80, 1, "tcp"),
            ("127.0.0.1::80", 0, "", 80, 1, "tcp"),
            ("[::1]:8080:80", 8080, "", 80, 1, "tcp"),
            ("${IP:-127.0.0.1}:${P:-1}:${C:-2}", 1, "P", 2, 1, "tcp"),
            ("3000-3005:3000-3005", 3000, "", 3000, 6, "tcp"),
            ("3000-3005:80", 3000, "", 80, 6, "tcp"),
            ("3000-3001", 0, "", 3000, 2, "tcp"),
            ("$port:80", 0, "port", 80, 1, "tcp"),
            ("${port:?needed}:80", 0, "port", 80, 1, "tcp"),
            ("${port:-}:80", 0, "port", 80, 1, "tcp"),
            ("1${X:-2}:80", 12, "", 80, 1, "tcp"),
            ("${BOTH:-8080:80}", 8080, "", 80, 1, "tcp"),
            ("${A:-${B:-9}}:9", 9, "A", 9, 1, "tcp"),
            ("${P:-80}", 0, "", 80, 1, "tcp"),
        ] {
            let expected = PublishedPort {
                host,
                env_var: variable.to_owned(),
                container,
                count,
                protocol: protocol.to_owned(),
            };
            assert_eq!(short(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            " 80:80",
            "80:80x",
            "80:",
            "nope",
            "99999:80",
            "80:0",
            "٦:6",
            "5-3:5-3",
            "1-2:1-3",
            "80/icmp",
            "example.com:1:2",
            "$:80",
            "${A:80",
            "+1:2",
            "1:2:3:4:5",
        ] {
            assert!(short(text).is_err(), "{text}");
        }
    }
}
