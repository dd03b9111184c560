//! Generated files as the real tools read them: hostile texts arrive as they are, or are refused.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use previewbot::domain::manifest::Manifest;
use previewbot::domain::port_map::PortMap;
use previewbot::domain::project::{
    ProjectConfig, ProxyConfig, ProxyRule, RunnerComposeConfig, RunnerConfig, ServiceConfig,
};
use previewbot::domain::render::{compose, error_pages, nginx};
use serde_json::Value;

use super::bench::until;
use super::compose::{has_docker, unused_port};
use crate::support::nginx::structure;

/// Texts that mean something to a shell, to YAML, to Compose or to nginx.
fn hostile() -> Vec<String> {
    let texts = [
        "a b",
        "it's",
        "\"q\"",
        "$HOME ${HOME} $$",
        "# no comment",
        ": x",
        "- y",
        "{a: b}",
        "[c]",
        "%d %20",
        "é🎈",
        "two\nlines",
        "tab\t",
        "back\\slash",
        "a;b{c}",
        "`id`",
        "!tag",
        "&anchor *alias",
        "null",
        "1e3",
        "yes",
        "|",
        ">",
    ];
    texts.iter().map(|&text| text.to_owned()).chain(["x".repeat(100 * 1024)]).collect()
}

fn service(path: &str, start: &str) -> ServiceConfig {
    ServiceConfig { path: path.to_owned(), start: start.to_owned(), ..ServiceConfig::default() }
}

fn project(services: BTreeMap<String, ServiceConfig>, proxy: Option<ProxyConfig>) -> ProjectConfig {
    let compose = RunnerComposeConfig { image: "node:20".to_owned(), proxy, ..RunnerComposeConfig::default() };
    ProjectConfig {
        name: "demo".to_owned(),
        services,
        runner: Some(RunnerConfig { compose: Some(compose), ..RunnerConfig::default() }),
        ..ProjectConfig::default()
    }
}

/// What Compose makes of a generated file.
fn understood(folder: &Path, text: &str) -> Value {
    std::fs::write(folder.join(compose::COMPOSE_FILE), text).unwrap();
    let output = Command::new("docker")
        .args(["compose", "-f", compose::COMPOSE_FILE, "-p", "demo", "config", "--format", "json"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `docker compose config` writes a dollar sign as `$$`, as a compose file does.
fn plain(value: &Value) -> String {
    value.as_str().unwrap().replace("$$", "$")
}

#[test]
fn compose_reads_every_text_as_it_was_meant() {
    if !has_docker() {
        return;
    }
    for text in hostile() {
        let folder = tempfile::tempdir().unwrap();
        // A name of a folder is at most 255 bytes long.
        let path = if text.len() < 200 { format!("a{text}b") } else { "long".to_owned() };
        std::fs::create_dir(folder.path().join(&path)).unwrap();
        for file in [".env", ".env.local"] {
            std::fs::write(folder.path().join(&path).join(file), "A=1\n").unwrap();
        }
        let start = format!("echo {text}; true");
        let config = project(BTreeMap::from([("web".to_owned(), service(&path, &start))]), None);
        let file = compose::render(&config, &Manifest::default(), &BTreeMap::new(), None).unwrap();
        let web = understood(folder.path(), &file)["services"]["web"].clone();
        let command: Vec<String> = web["command"].as_array().unwrap().iter().map(plain).collect();
        assert_eq!(command, ["/bin/sh", "-c", &start], "{text:.40}");
        assert_eq!(plain(&web["working_dir"]), format!("/app/{path}"));
        assert_eq!(web["environment"]["A"], "1", "the env files were found");
    }
}

#[test]
fn compose_splits_a_plain_command_as_a_shell_would() {
    if !has_docker() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        (r#"sh -c "echo: # hi""#, vec!["sh", "-c", "echo: # hi"]),
        ("npm start -- -p 61000", vec!["npm", "start", "--", "-p", "61000"]),
        ("node 'a b'.js %d é", vec!["node", "a b.js", "%d", "é"]),
    ];
    for (start, words) in cases {
        let config = project(BTreeMap::from([("web".to_owned(), service("web", start))]), None);
        let file = compose::render(&config, &Manifest::default(), &BTreeMap::new(), None).unwrap();
        let file = file.replace("web/.env.local", "/dev/null").replace("web/.env", "/dev/null");
        assert_eq!(understood(folder.path(), &file)["services"]["web"]["command"], serde_json::json!(words));
    }
}

fn proxied(rules: Vec<ProxyRule>) -> ProjectConfig {
    let web = ServiceConfig { proxy: rules, ..service("web", "run") };
    let services = [("web", web), ("api", service("api", "run")), ("odd name;{}", service("odd", "run"))];
    let proxy = ProxyConfig { domain: "p.example.com".to_owned(), ..ProxyConfig::default() };
    project(services.map(|(name, service)| (name.to_owned(), service)).into(), Some(proxy))
}

fn manifest(environment: &str, ports: &[(&str, u16)]) -> Manifest {
    let ports: PortMap = ports.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
    Manifest { env_name: environment.to_owned(), ports: Some(ports), ..Manifest::default() }
}

fn rule(path: &str, target_path: &str) -> ProxyRule {
    ProxyRule { path: path.to_owned(), target_path: target_path.to_owned(), to_service: "api".to_owned() }
}

fn has_nginx() -> bool {
    let there =
        Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !there {
        println!("skipped: no nginx (run scripts/setup.sh test)");
    }
    there
}

/// A folder with everything that nginx needs to run the generated file by itself, on another port than 80.
fn nginx_folder(text: &str, port: u16) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_string_lossy().into_owned();
    let text =
        text.replace("listen 80", &format!("listen 127.0.0.1:{port}")).replace("/app/preview/error-pages", &root);
    std::fs::write(folder.path().join("generated.conf"), text).unwrap();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {root}/{name};\n"))
        .concat();
    let main = format!(
        "daemon off;\nmaster_process off;\npid {root}/pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}include {root}/generated.conf;\n}}\n"
    );
    std::fs::write(folder.path().join("main.conf"), main).unwrap();
    for (name, text) in error_pages::render("pr-1") {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn nginx_command(folder: &Path) -> Command {
    let mut command = Command::new("nginx");
    command.arg("-e").arg("stderr").arg("-p").arg(folder).arg("-c").arg(folder.join("main.conf"));
    command
}

#[test]
fn nginx_takes_every_name_and_every_path_or_we_refuse_it() {
    let nginx_is_there = has_nginx();
    let (mut taken, mut refused) = (0, 0);
    for text in hostile() {
        let config = proxied(vec![rule(&format!("/{text}"), &format!("/to/{text}"))]);
        let manifest = manifest(&text, &[("web", 1), ("api", 2), ("odd name;{}", 3)]);
        let Ok(generated) = nginx::render(&config, &manifest) else {
            refused += 1;
            continue;
        };
        let generated = generated.unwrap();
        // Read strictly: every location is the rule's own path, whatever stands in it.
        let servers = structure(&generated)["servers"].clone();
        let web =
            servers.as_array().unwrap().iter().find(|s| s["locations"].as_object().unwrap().len() == 4).unwrap();
        assert!(web["locations"].get(format!("/{text}/")).is_some(), "{web}");
        if nginx_is_there {
            let folder = nginx_folder(&generated, unused_port());
            let output = nginx_command(folder.path()).arg("-t").output().unwrap();
            assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        }
        taken += 1;
    }
    assert_eq!((taken, refused), (hostile().len() - 3, 3), "control characters and what is too long are refused");
}

/// Answers every request with its own name and the path that was asked for.
fn upstream(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or_default();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let header = |name: &str| {
                let found = request.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                found.unwrap_or_default().to_owned()
            };
            let body = format!("{name} {path} {} {}", header("Host"), header("X-Forwarded-Host"));
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(port: u16, host: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let code = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (code, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[tokio::test]
async fn nginx_leads_requests_where_the_rules_say() {
    if !has_nginx() {
        return;
    }
    let config = proxied(vec![rule("/rpc", "/v1"), rule("/a b$c", "")]);
    let mut manifest = manifest("pr-1", &[("web", upstream("web")), ("api", upstream("api"))]);
    manifest.enabled_services = vec!["web".to_owned()];
    let port = unused_port();
    let folder = nginx_folder(&nginx::render(&config, &manifest).unwrap().unwrap(), port);
    let child = nginx_command(folder.path()).stderr(Stdio::null()).spawn().unwrap();
    let _running = Running(child);
    until("nginx listens", || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
    let web = "pr-1--web.p.example.com";
    assert_eq!(ask(port, web, "/x?y=1"), (200, format!("web /x?y=1 localhost {web}")));
    assert_eq!(ask(port, web, "/rpc/call"), (200, format!("api /v1/call localhost {web}")));
    assert_eq!(ask(port, web, "/a%20b$c/call"), (200, format!("api /a%20b%24c/call localhost {web}")));
    let (code, page) = ask(port, "pr-1--api.p.example.com", "/");
    assert_eq!(code, 503);
    assert!(page.contains("previewbot service start &lt;service&gt; --env pr-1"), "{page}");
    let (code, page) = ask(port, "elsewhere.example.com", "/");
    assert!(code == 404 && page.contains("<strong>pr-1</strong>"), "{code} {page}");
    assert_eq!(ask(port, "elsewhere.example.com", "/health"), (200, "ok".to_owned()));
}

#[test]
fn what_cannot_be_a_proxy_is_refused() {
    let refused = |proxy: ProxyConfig| {
        let config = project(BTreeMap::from([("web".to_owned(), service("web", "run"))]), Some(proxy));
        nginx::render(&config, &manifest("pr-1", &[("web", 1)])).unwrap_err().kind()
    };
    let domain = |domain: &str| ProxyConfig { domain: domain.to_owned(), ..ProxyConfig::default() };
    assert_eq!(refused(domain("")), "proxy_domain_missing");
    assert_eq!(refused(domain("a.com; evil on")), "proxy_domain_invalid");
    assert_eq!(refused(ProxyConfig { kind: "traefik".to_owned(), ..domain("a.com") }), "unsupported_proxy_type");
    let config = proxied(vec![rule("/rpc", "")]);
    let error = nginx::render(&config, &manifest("pr-1", &[("web", 1)])).unwrap_err();
    assert_eq!(error.to_string(), "service web: proxy rule /rpc leads to `api`, which has no port");
    let twice = proxied(vec![rule("/rpc", ""), rule("rpc/", "/x")]);
    let error = nginx::render(&twice, &manifest("pr-1", &[("web", 1), ("api", 2)])).unwrap_err();
    assert!(error.to_string().contains("stands twice"), "{error}");
}
