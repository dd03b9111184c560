//! What a service of an untrusted preview gets, whatever it asked for. One that asks for less keeps its own.

use serde_json::{Map, Value, json};

use crate::domain::compose::{Confinement, MIB};

/// Capabilities that Docker gives and ordinary images can do without. What they need to change owner and account, to
/// listen below port 1024 and to end their children stays.
const DROPPED: [&str; 6] = ["AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP", "SETPCAP", "SYS_CHROOT"];
/// How often Docker starts a service again that failed.
const RESTARTS: u64 = 10;
/// How many files a service's output is kept in; the oldest goes.
const LOG_FILES: u64 = 2;
/// How readily the kernel ends a container rather than the host's own programs when memory is short.
const OOM_SCORE: i64 = 500;

/// Bounds one service.
pub(super) fn impose(service: &mut Map<String, Value>, confinement: &Confinement) {
    let asked = take_resources(service);
    bound_resources(service, &asked, confinement);
    // Docker follows the paths that are mounted anew at every start; nobody looks where they lead by then.
    let restart = if mounts_paths(service) { Some("no".to_owned()) } else { restart(service, &asked) };
    if let Some(restart) = restart {
        service.insert("restart".to_owned(), json!(restart));
    }
    let kept = confinement.log.div_ceil(LOG_FILES).max(1024);
    service.insert(
        "logging".to_owned(),
        json!({"driver": "json-file", "options": {"max-size": kept.to_string(), "max-file": LOG_FILES.to_string()}}),
    );
    service.insert("security_opt".to_owned(), json!(["no-new-privileges:true"]));
    drop_capabilities(service);
    service.entry("oom_score_adj").or_insert_with(|| json!(OOM_SCORE));
    bound_memory_files(service, confinement.memory);
    bound_mounts(service, confinement.memory);
}

/// What `deploy` asks for. Compose refuses a file that says a limit in both places, and asks Docker for reservations that
/// may be above the limit.
fn take_resources(service: &mut Map<String, Value>) -> Map<String, Value> {
    let Some(deploy) = service.get_mut("deploy").and_then(Value::as_object_mut) else { return Map::new() };
    let mut asked = Map::new();
    let limits = deploy.remove("resources").and_then(|mut resources| resources.get_mut("limits").map(Value::take));
    if let Some(Value::Object(limits)) = limits {
        asked = limits;
    }
    if let Some(policy) = deploy.remove("restart_policy") {
        asked.insert("restart_policy".to_owned(), policy);
    }
    asked
}

fn bound_resources(service: &mut Map<String, Value>, asked: &Map<String, Value>, confinement: &Confinement) {
    let limit = f64::from(confinement.milli_cpus) / 1000.0;
    let cpus = [service.get("cpus"), asked.get("cpus")].into_iter().flatten().filter_map(decimal);
    let cpus = cpus.filter(|cpus| *cpus > 0.0).fold(limit, f64::min);
    let memory = least([service.get("mem_limit"), asked.get("memory")], confinement.memory);
    let pids = least([service.get("pids_limit"), asked.get("pids")], u64::from(confinement.pids));
    service.remove("mem_reservation");
    service.insert("cpus".to_owned(), json!(cpus));
    service.insert("mem_limit".to_owned(), json!(memory.to_string()));
    // As much as the memory: no swap.
    service.insert("memswap_limit".to_owned(), json!(memory.to_string()));
    service.insert("pids_limit".to_owned(), json!(pids));
    for place in ["", "/build"] {
        let shared = service_part(service, place).and_then(|part| part.get_mut("shm_size"));
        if let Some(shared) = shared {
            *shared = json!(least([Some(&*shared)], memory).to_string());
        }
    }
}

fn service_part<'a>(service: &'a mut Map<String, Value>, place: &str) -> Option<&'a mut Map<String, Value>> {
    match place {
        "" => Some(service),
        _ => service.get_mut("build").and_then(Value::as_object_mut),
    }
}

/// The least of what is asked for and the limit; 0 and below stand for no limit.
fn least<'a>(asked: impl IntoIterator<Item = Option<&'a Value>>, limit: u64) -> u64 {
    asked.into_iter().flatten().filter_map(whole).filter(|asked| *asked > 0).fold(limit, u64::min)
}

/// Compose prints sizes as texts, counts as numbers.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn decimal(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// A service that is to be started again whenever it ends is so only a number of times.
fn restart(service: &Map<String, Value>, asked: &Map<String, Value>) -> Option<String> {
    let wanted = service.get("restart").and_then(Value::as_str).filter(|wanted| !wanted.is_empty());
    let policy = asked.get("restart_policy");
    let wanted = match (wanted, policy) {
        (Some(wanted), _) => wanted.to_owned(),
        (None, Some(policy)) if policy.get("condition").and_then(Value::as_str) == Some("none") => "no".to_owned(),
        (None, Some(policy)) => {
            let tries = policy.get("max_attempts").and_then(whole).unwrap_or(RESTARTS);
            format!("on-failure:{tries}")
        }
        (None, None) => return None,
    };
    if wanted == "no" {
        return Some(wanted);
    }
    let tries = wanted.strip_prefix("on-failure:").and_then(|tries| tries.parse().ok());
    let tries: u64 = tries.filter(|tries| *tries > 0).unwrap_or(RESTARTS);
    Some(format!("on-failure:{}", tries.min(RESTARTS)))
}

fn drop_capabilities(service: &mut Map<String, Value>) {
    let theirs = service.get("cap_drop").and_then(Value::as_array).cloned().unwrap_or_default();
    if theirs.iter().any(|name| name.as_str().is_some_and(|name| name.eq_ignore_ascii_case("all"))) {
        return;
    }
    let own = DROPPED.iter().map(|name| json!(name)).filter(|name| !theirs.contains(name));
    let all: Vec<Value> = theirs.iter().cloned().chain(own).collect();
    service.insert("cap_drop".to_owned(), all.into());
}

/// `tmpfs`, as a list of `/path:option,…`.
fn bound_memory_files(service: &mut Map<String, Value>, most: u64) {
    let Some(tmpfs) = service.get_mut("tmpfs") else { return };
    if let Some(single) = tmpfs.as_str() {
        *tmpfs = json!([single]);
    }
    for mount in tmpfs.as_array_mut().into_iter().flatten() {
        let text = mount.as_str().unwrap_or_default();
        let (path, options) = text.split_once(':').unwrap_or((text, ""));
        let asked = options.split(',').find_map(|option| option.trim().strip_prefix("size="));
        let size = asked.and_then(size).filter(|size| *size > 0).unwrap_or(most).min(most);
        let others = options.split(',').filter(|option| !option.trim().starts_with("size=") && !option.is_empty());
        let options: Vec<String> = others.map(str::to_owned).chain([format!("size={size}")]).collect();
        *mount = json!(format!("{path}:{}", options.join(",")));
    }
}

/// A size as `mount` reads it: bytes, or with `k`, `m` or `g`. `None` also for a share of all memory (`50%`).
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().ok()?;
    let unit = match &text[digits.len()..] {
        "" | "b" => 1,
        "k" | "K" => 1024,
        "m" | "M" => MIB,
        "g" | "G" => 1024 * MIB,
        _ => return None,
    };
    number.checked_mul(unit)
}

fn mounts_paths(service: &Map<String, Value>) -> bool {
    let mounts = service.get("volumes").and_then(Value::as_array);
    mounts.into_iter().flatten().any(|mount| mount.get("type").and_then(Value::as_str) == Some("bind"))
}

/// What is mounted from the checkout can be read only: whoever could write there could lay a link that the next start
/// would follow.
fn bound_mounts(service: &mut Map<String, Value>, most: u64) {
    let mounts = service.get_mut("volumes").and_then(Value::as_array_mut);
    for mount in mounts.into_iter().flatten().filter_map(Value::as_object_mut) {
        match mount.get("type").and_then(Value::as_str) {
            Some("bind") => {
                mount.insert("read_only".to_owned(), json!(true));
                if let Some(options) = mount.get_mut("bind").and_then(Value::as_object_mut) {
                    options.remove("create_host_path");
                }
            }
            Some("tmpfs") => {
                let options = mount.entry("tmpfs").or_insert_with(|| json!({}));
                let size = least([options.get("size")], most);
                if let Some(options) = options.as_object_mut() {
                    options.insert("size".to_owned(), json!(size.to_string()));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imposed(mut service: Value) -> Value {
        let confinement =
            Confinement { milli_cpus: 1500, memory: 512 * MIB, pids: 100, log: 4 * MIB, containers: 4 };
        impose(service.as_object_mut().unwrap(), &confinement);
        service
    }

    #[test]
    fn a_service_that_asks_for_nothing_is_bounded_in_everything() {
        let expected = json!({
            "image": "x",
            "cpus": 1.5,
            "mem_limit": "536870912",
            "memswap_limit": "536870912",
            "pids_limit": 100,
            "oom_score_adj": 500,
            "cap_drop": ["AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP", "SETPCAP", "SYS_CHROOT"],
            "security_opt": ["no-new-privileges:true"],
            "logging": {"driver": "json-file", "options": {"max-size": "2097152", "max-file": "2"}}
        });
        assert_eq!(imposed(json!({"image": "x"})), expected);
    }

    #[test]
    fn less_is_kept_and_more_is_lowered() {
        let less = imposed(json!({
            "cpus": 0.5, "mem_limit": "1048576", "pids_limit": 5, "oom_score_adj": 900, "restart": "on-failure:3",
            "shm_size": "1024", "cap_drop": ["ALL"], "tmpfs": ["/a:size=1k,mode=1777"],
            "volumes": [{"type": "tmpfs", "target": "/t", "tmpfs": {"size": "10"}}]
        }));
        assert_eq!(
            (&less["cpus"], &less["mem_limit"], &less["pids_limit"]),
            (&json!(0.5), &json!("1048576"), &json!(5))
        );
        assert_eq!((&less["restart"], &less["oom_score_adj"]), (&json!("on-failure:3"), &json!(900)));
        assert_eq!((&less["shm_size"], &less["cap_drop"]), (&json!("1024"), &json!(["ALL"])));
        assert_eq!(less["tmpfs"], json!(["/a:mode=1777,size=1024"]));
        assert_eq!(less["volumes"][0]["tmpfs"]["size"], json!("10"));

        let more = imposed(json!({
            "cpus": 64, "mem_limit": "99999999999", "memswap_limit": -1, "mem_reservation": "99", "pids_limit": -1,
            "restart": "always", "shm_size": "99999999999", "build": {"shm_size": "99999999999"},
            "tmpfs": ["/a", "/b:size=90%", "/c:size=99g,exec"], "logging": {"driver": "none"},
            "volumes": [
                {"type": "tmpfs", "target": "/t"},
                {"type": "bind", "source": "/r", "target": "/r", "bind": {"create_host_path": true}}
            ],
            "deploy": {
                "replicas": 2,
                "resources": {"limits": {"cpus": 9, "memory": "5"}, "reservations": {"memory": "7"}},
                "restart_policy": {"condition": "any"}
            }
        }));
        assert_eq!(
            (&more["cpus"], &more["mem_limit"], &more["pids_limit"]),
            (&json!(1.5), &json!("5"), &json!(100))
        );
        assert_eq!((&more["memswap_limit"], &more["restart"]), (&json!("5"), &json!("no")));
        assert_eq!(more["tmpfs"], json!(["/a:size=536870912", "/b:size=536870912", "/c:exec,size=536870912"]));
        assert_eq!(more["volumes"][0]["tmpfs"]["size"], json!("536870912"));
        assert_eq!(
            more["volumes"][1],
            json!({"type": "bind", "source": "/r", "target": "/r", "bind": {}, "read_only": true})
        );
        assert_eq!((&more["deploy"], &more["mem_reservation"]), (&json!({"replicas": 2}), &Value::Null));
        assert_eq!((&more["shm_size"], &more["build"]["shm_size"]), (&json!("5"), &json!("5")));
    }

    #[test]
    fn restarts_are_counted() {
        for (asked, expected) in [
            (json!({"restart": "no"}), json!("no")),
            (json!({"restart": "unless-stopped"}), json!("on-failure:10")),
            (json!({"restart": "on-failure"}), json!("on-failure:10")),
            (
                json!({"restart": "always", "volumes": [{"type": "bind", "source": "/r", "target": "/r"}]}),
                json!("no"),
            ),
            (
                json!({"restart": "always", "volumes": [{"type": "volume", "target": "/v"}]}),
                json!("on-failure:10"),
            ),
            (json!({"restart": "on-failure:99"}), json!("on-failure:10")),
            (json!({"deploy": {"restart_policy": {"condition": "none"}}}), json!("no")),
            (
                json!({"deploy": {"restart_policy": {"condition": "any", "max_attempts": 4}}}),
                json!("on-failure:4"),
            ),
        ] {
            assert_eq!(imposed(asked.clone())["restart"], expected, "{asked}");
        }
    }
}
