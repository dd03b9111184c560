//! Addresses that a service is told of: names and name servers may not lead into the host's own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::judge::{Judge, is_empty};
use super::violation::{Wrong, child};
use crate::domain::yaml::tree::shown;

/// Name servers: public ones only.
pub(super) fn servers(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.items(place, value, |judge, place, value| {
        let text = judge.text(place, value).to_owned();
        if !parse(&text).is_some_and(is_public) {
            inside(judge, place, &text);
        }
    });
}

/// Names with addresses: `name=address`, `name:address`, or a mapping.
pub(super) fn hosts(judge: &mut Judge<'_>, place: &str, value: &Value) {
    match value {
        Value::Object(entries) => {
            for (name, addresses) in entries {
                judge.items(&child(place, name), addresses, |judge, place, value| {
                    let text = judge.text(place, value).to_owned();
                    host(judge, place, &text);
                });
            }
        }
        other => judge.items(place, other, |judge, place, value| {
            let text = judge.text(place, value);
            let address = text.split_once('=').or_else(|| text.split_once(':')).map_or("", |(_, address)| address);
            host(judge, place, address);
        }),
    }
}

fn host(judge: &mut Judge<'_>, place: &str, text: &str) {
    if !parse(text).is_some_and(|address| address.to_canonical().is_loopback() || is_public(address)) {
        inside(judge, place, text);
    }
}

fn inside(judge: &mut Judge<'_>, place: &str, text: &str) {
    let message = format!("`{}` is no public address: remove it, or name a service", shown(text));
    judge.refuse(place, Wrong::Address, message);
}

fn parse(text: &str) -> Option<IpAddr> {
    text.trim().trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Two previews cannot have the same address, and a fixed one may be a neighbour's.
pub(super) fn fixed(judge: &mut Judge<'_>, place: &str, value: &Value) {
    if !is_empty(value) && value != &Value::Bool(false) {
        judge.refuse(
            place,
            Wrong::Address,
            "addresses are Docker's to give: remove it and use the service's name",
        );
    }
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (b == 18 || b == 19);
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || shared
        || benchmark)
}

/// Global unicast that no IPv4 address hides in (6to4, Teredo, NAT64).
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    (0x2000..0x4000).contains(&first) && first != 0x2002 && !(first == 0x2001 && second < 0x200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for text in ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:9.9.9.9"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "10.0.0.1",
            "172.17.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.100.100.200",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2001:0:a9fe:a9fe::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }
}
