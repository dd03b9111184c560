//! What a service may say.

use serde_json::Value;

use super::judge::{
    Judge, Rule, any, driver_options, foreign, is_empty, labels, limit, must_be_false, outside, privilege,
};
use super::violation::{Wrong, item};
use super::{address, build, mounts, resources};
use crate::domain::yaml::tree::shown;

pub(super) fn services(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.each(place, value, |judge, place, service| judge.mapping(place, service, SERVICE));
}

const SERVICE: &[Rule] = &[
    ("annotations", privilege),
    ("attach", any),
    ("blkio_config", limit),
    ("build", build::build),
    ("cap_add", cap_add),
    ("cap_drop", any),
    ("cgroup", namespace),
    ("cgroup_parent", limit),
    ("command", any),
    ("configs", build::grants),
    ("container_name", any),
    ("cpu_count", limit),
    ("cpu_percent", limit),
    ("cpu_period", limit),
    ("cpu_quota", limit),
    ("cpu_rt_period", limit),
    ("cpu_rt_runtime", limit),
    ("cpu_shares", limit),
    ("cpus", any),
    ("cpuset", limit),
    ("credential_spec", privilege),
    ("depends_on", any),
    ("deploy", resources::deploy),
    ("develop", outside),
    ("device_cgroup_rules", privilege),
    ("devices", privilege),
    ("dns", address::servers),
    ("dns_opt", any),
    ("dns_search", any),
    ("domainname", any),
    ("entrypoint", any),
    ("env_file", outside),
    ("environment", any),
    ("expose", any),
    ("external_links", foreign),
    ("extra_hosts", address::hosts),
    ("gpus", privilege),
    ("group_add", any),
    ("healthcheck", healthcheck),
    ("hostname", any),
    ("image", image),
    ("init", any),
    ("ipc", namespace),
    ("isolation", privilege),
    ("label_file", outside),
    ("labels", labels),
    ("links", links),
    ("logging", logging),
    ("mac_address", address::fixed),
    ("mem_limit", any),
    ("mem_reservation", any),
    ("mem_swappiness", limit),
    ("memswap_limit", any),
    ("models", foreign),
    ("network_mode", namespace),
    ("networks", networks),
    ("oom_kill_disable", must_be_false),
    ("oom_score_adj", resources::oom_score),
    ("pid", namespace),
    ("pids_limit", any),
    ("platform", any),
    ("ports", ports),
    ("post_start", privilege),
    ("pre_stop", privilege),
    ("privileged", must_be_false),
    ("profiles", any),
    ("provider", foreign),
    ("pull_policy", any),
    ("read_only", any),
    ("restart", any),
    ("runtime", privilege),
    ("scale", any),
    ("secrets", build::grants),
    ("security_opt", security),
    ("shm_size", any),
    ("stdin_open", any),
    ("stop_grace_period", any),
    ("stop_signal", any),
    ("storage_opt", driver_options),
    ("sysctls", privilege),
    ("tmpfs", mounts::tmpfs),
    ("tty", any),
    ("ulimits", resources::ulimits),
    ("use_api_socket", privilege),
    ("user", any),
    ("userns_mode", namespace),
    ("uts", namespace),
    ("volumes", mounts::volumes),
    ("volumes_from", volumes_from),
    ("working_dir", any),
];

/// Capabilities that a container has anyway, and keeps.
const KEPT: [&str; 8] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"];

fn cap_add(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.items(place, value, |judge, place, value| {
        let name = judge.text(place, value).to_ascii_uppercase();
        let name = name.strip_prefix("CAP_").unwrap_or(&name);
        if !KEPT.contains(&name) {
            let message = format!("capability {} gives rights on the host: remove it", shown(name));
            judge.refuse(place, Wrong::Privilege, message);
        }
    });
}

/// A service may have a namespace of its own, none, or that of another service of the file.
fn namespace(judge: &mut Judge<'_>, place: &str, value: &Value) {
    let text = judge.text(place, value);
    let key = place.rsplit('.').next().unwrap_or_default();
    let own = matches!(
        (key, text),
        (_, "") | ("network_mode", "none") | ("ipc", "private" | "none" | "shareable") | ("cgroup", "private")
    );
    let of_a_service = matches!(key, "network_mode" | "pid" | "ipc") && judge.is_own_service(text);
    if !own && !of_a_service {
        let message = format!("`{}` is not the preview's own: remove it, or name a service", shown(text));
        judge.refuse(place, Wrong::Namespace, message);
    }
}

/// What is built for a preview is called `previewbot/<life>`, whatever registry is named before it.
fn image(judge: &mut Judge<'_>, place: &str, value: &Value) {
    let text = judge.text(place, value).to_ascii_lowercase();
    if text.split('/').rev().skip(1).any(|part| part == "previewbot") {
        judge.refuse(place, Wrong::Foreign, "images of other previews cannot be used: name another image");
    }
}

/// Links to services of the file: `service` or `service:alias`.
fn links(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.items(place, value, |judge, place, value| {
        let text = judge.text(place, value);
        own(judge, place, text.split(':').next().unwrap_or_default());
    });
}

/// `service` or `service:ro`; never `container:name`.
fn volumes_from(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.items(place, value, |judge, place, value| {
        let text = judge.text(place, value);
        own(judge, place, text.split(':').next().unwrap_or_default());
    });
}

fn own(judge: &mut Judge<'_>, place: &str, name: &str) {
    if !judge.services.contains(name) {
        let message = format!("`{}` is no service of this file: name one", shown(name));
        judge.refuse(place, Wrong::Foreign, message);
    }
}

fn logging(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.mapping(place, value, &[("driver", log_driver), ("options", any)]);
}

fn log_driver(judge: &mut Judge<'_>, place: &str, value: &Value) {
    if !matches!(judge.text(place, value), "" | "json-file" | "local") {
        judge.refuse(place, Wrong::Driver, "logs are kept by Docker itself: remove it");
    }
}

fn healthcheck(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.mapping(
        place,
        value,
        &[
            ("disable", any),
            ("interval", any),
            ("retries", any),
            ("start_interval", any),
            ("start_period", any),
            ("test", any),
            ("timeout", any),
        ],
    );
}

fn networks(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.each(place, value, |judge, place, network| {
        judge.mapping(
            place,
            network,
            &[
                ("aliases", any),
                ("driver_opts", driver_options),
                ("gw_priority", any),
                ("ipv4_address", address::fixed),
                ("ipv6_address", address::fixed),
                ("link_local_ips", address::fixed),
                ("mac_address", address::fixed),
                ("priority", any),
            ],
        );
    });
}

/// Where they are published is decided elsewhere.
fn ports(judge: &mut Judge<'_>, place: &str, value: &Value) {
    judge.items(place, value, |judge, place, port| {
        judge.mapping(
            place,
            port,
            &[
                ("app_protocol", any),
                ("host_ip", any),
                ("mode", any),
                ("name", any),
                ("protocol", any),
                ("published", any),
                ("target", any),
            ],
        );
    });
}

fn security(judge: &mut Judge<'_>, place: &str, value: &Value) {
    let Some(options) = value.as_array() else {
        if !is_empty(value) {
            judge.refuse(place, Wrong::Unknown, "a list was expected");
        }
        return;
    };
    for (index, option) in options.iter().enumerate() {
        let option = option.as_str().unwrap_or_default();
        if !matches!(option, "no-new-privileges" | "no-new-privileges:true" | "no-new-privileges=true") {
            let message = format!("`{}` weakens the container: remove it", shown(option));
            judge.refuse(&item(place, index), Wrong::Privilege, message);
        }
    }
}
