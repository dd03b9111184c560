//! A bot whose pool is made of test hosts.

use serde_json::{Value, json};

use crate::support::bot::{REPO, Setup};
use crate::support::host::Login;

/// What the settings say of a host; previews lie in `root`.
pub(super) fn host(name: &str, login: &Login, root: &str) -> Value {
    json!({
        "name": name,
        "address": login.address.ip().to_string(),
        "port": login.address.port(),
        "user": login.user,
        "identity_file": login.identity,
        "known_hosts_file": login.known_hosts_file(),
        "root": root,
        "bind": "0.0.0.0",
        "labels": ["preview"],
    })
}

/// A bot that places previews of the repository on these hosts.
pub(super) fn setup(files: &[(&str, &str)], hosts: &[Value]) -> Setup {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    Setup {
        files: files.iter().map(owned).collect(),
        settings: json!({
            "hosts": hosts,
            "projects": [{ "repository": format!("github:{REPO}"), "mode": "preview" }],
        }),
    }
}
