//! TCP ports, their leases, and waiting for a URL to answer.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use previewbot::domain::change::{ChangeNumber, ForgeKind, Repository, RepositoryId};
use previewbot::domain::environment::{EnvName, Environment, EnvironmentId, Project, ProjectId, Slug};
use previewbot::domain::error::{ErrorKind, PortError, PortResult};
use previewbot::domain::port_map::{PortMap, block_start};
use previewbot::domain::ports::{NetworkingPort, PortLeases, ReadinessProbe};
use previewbot::outbound::networking::{LeasedNetworking, NetworkingOptions};
use previewbot::outbound::probe::HttpProbe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::bench::life;

/// Leases in memory, of environments `pr-<id>` of one project, `pr-100` and later ones of another; the first `conflicts` attempts lose a race: another environment takes the first port.
#[derive(Default)]
struct Leases {
    rows: Mutex<Vec<(u16, EnvironmentId, String)>>,
    conflicts: Mutex<u32>,
}

#[async_trait]
impl PortLeases for Leases {
    async fn leases(&self, _host: &str) -> PortResult<Vec<(u16, EnvironmentId, String)>> {
        Ok(self.rows.lock().unwrap().clone())
    }

    async fn holder(&self, id: EnvironmentId) -> PortResult<Option<Environment>> {
        let slug = Slug::from_text(if id.0 < 100 { "shop" } else { "other" });
        let name = "acme/shop".parse().unwrap();
        let repository = Repository { forge: ForgeKind::Github, id: RepositoryId(5001), name, installation: None };
        let project = Project { id: ProjectId(1), slug, repository };
        let number = ChangeNumber(id.0.cast_unsigned());
        let name = EnvName::of_change(ForgeKind::Github, number);
        Ok(Some(Environment::new(id, project, name, life(), number)))
    }

    async fn lease(&self, _host: &str, environment: EnvironmentId, ports: &PortMap) -> PortResult<()> {
        let (mut rows, mut conflicts) = (self.rows.lock().unwrap(), self.conflicts.lock().unwrap());
        if *conflicts > 0 {
            *conflicts -= 1;
            rows.push((*ports.values().next().unwrap(), EnvironmentId(99), "theirs".to_owned()));
            return Err(PortError::new(ErrorKind::Conflict, "taken"));
        }
        rows.retain(|(_, id, _)| *id != environment);
        rows.extend(ports.iter().map(|(name, port)| (*port, environment, name.clone())));
        Ok(())
    }

    async fn release(&self, environment: EnvironmentId) -> PortResult<()> {
        self.rows.lock().unwrap().retain(|(_, id, _)| *id != environment);
        Ok(())
    }
}

fn networking(leases: &Arc<Leases>, id: i64) -> LeasedNetworking {
    let options = NetworkingOptions {
        host: "local".to_owned(),
        environment: EnvironmentId(id),
        slug: "shop".to_owned(),
        public_host: "previews.example.com".into(),
        template: "http://{host}:{port}".to_owned(),
    };
    LeasedNetworking::new(leases.clone(), Arc::default(), options)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The ports of the block that nothing on this machine listens on, in order.
fn unused(environment: &str) -> impl Iterator<Item = u16> {
    let start = block_start(environment);
    (start..start + 100).filter(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok())
}

#[tokio::test]
async fn ports_come_from_the_block_and_skip_what_is_taken_or_leased() {
    let name = "networking-a";
    let free: Vec<u16> = unused(name).take(5).collect();
    let _busy = TcpListener::bind(("127.0.0.1", free[1])).unwrap();
    let leases = Arc::new(Leases::default());
    leases.rows.lock().unwrap().push((free[2], EnvironmentId(7), "web".to_owned()));
    let ports =
        networking(&leases, 1).allocate_ports(name, &names(&["web", "db"]), &PortMap::new()).await.unwrap();
    assert_eq!(ports, PortMap::from([("db".to_owned(), free[0]), ("web".to_owned(), free[3])]));
}

#[tokio::test]
async fn a_port_that_listens_only_on_ipv6_is_taken() {
    let name = "networking-b";
    let free: Vec<u16> = unused(name).take(2).collect();
    let Ok(_busy) = TcpListener::bind(("::1", free[0])) else { return };
    let ports =
        networking(&Arc::default(), 1).allocate_ports(name, &names(&["web"]), &PortMap::new()).await.unwrap();
    assert_eq!(ports["web"], free[1]);
}

#[tokio::test]
async fn a_leased_port_is_kept_even_while_it_is_in_use_and_a_lost_race_is_tried_again() {
    let name = "networking-c";
    let leases = Arc::new(Leases { conflicts: Mutex::new(2), ..Leases::default() });
    let free: Vec<u16> = unused(name).take(5).collect();
    let first = networking(&leases, 1).allocate_ports(name, &names(&["web"]), &PortMap::new()).await.unwrap();
    assert_eq!(first["web"], free[2], "two were lost");
    let _served = TcpListener::bind(("0.0.0.0", first["web"])).unwrap();
    let again =
        networking(&leases, 1).allocate_ports(name, &names(&["api", "web"]), &PortMap::new()).await.unwrap();
    assert_eq!((again["web"], again["api"]), (free[2], free[3]));

    *leases.conflicts.lock().unwrap() = u32::MAX;
    let error = networking(&leases, 2).allocate_ports(name, &names(&["web"]), &PortMap::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_fixed_port_is_leased_and_whose_it_is_already_is_told() {
    let name = "networking-d";
    let leases = Arc::new(Leases::default());
    let free: Vec<u16> = unused(name).take(4).collect();
    let fixed = |port| PortMap::from([("db".to_owned(), port)]);
    let all = names(&["api", "db", "web"]);
    let allocate = async |id, fixed: &PortMap| networking(&leases, id).allocate_ports(name, &all, fixed).await;
    let ports =
        |api, db, web| PortMap::from([("api", api), ("db", db), ("web", web)].map(|(n, p)| (n.to_owned(), p)));
    let first = allocate(1, &fixed(4717)).await.unwrap();
    assert_eq!(first, ports(free[0], 4717, free[2]), "the others stay where they were without it");
    assert_eq!(allocate(1, &fixed(4717)).await.unwrap(), first, "one's own is no hindrance");

    let error = allocate(2, &fixed(4717)).await.unwrap_err();
    let told = "port 4717, to which `services.db.port` is fixed, belongs to environment `pr-1`: ";
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().starts_with(told), "{error}");
    assert!(leases.rows.lock().unwrap().iter().all(|(_, id, _)| *id != EnvironmentId(2)), "nothing was leased");
    leases.rows.lock().unwrap().push((4718, EnvironmentId(100), "web".to_owned()));
    let error = allocate(1, &fixed(4718)).await.unwrap_err();
    assert!(error.to_string().contains("belongs to an environment of another project: "), "{error}");

    let moved = allocate(1, &fixed(free[0])).await.unwrap();
    assert_eq!((moved["db"], moved["web"]), (free[0], free[2]));
    assert_ne!(moved["api"], free[0], "a port that became fixed is nobody else's");
    allocate(1, &fixed(4719)).await.unwrap();
    let free_again = allocate(1, &PortMap::new()).await.unwrap();
    assert!((block_start(name)..block_start(name) + 100).contains(&free_again["db"]), "{free_again:?}");
}

#[tokio::test]
async fn a_fixed_port_that_is_lost_in_a_race_is_told_like_any_other() {
    let leases = Arc::new(Leases { conflicts: Mutex::new(1), ..Leases::default() });
    let fixed = PortMap::from([("web".to_owned(), 4720)]);
    let error = networking(&leases, 1).allocate_ports("networking-e", &names(&["web"]), &fixed).await.unwrap_err();
    assert!(error.to_string().contains("belongs to environment `pr-99`"), "{error}");
}

#[test]
fn urls_name_the_service_that_has_no_port() {
    let networking = networking(&Arc::default(), 1);
    let ports = PortMap::from([("web".to_owned(), 61400)]);
    assert_eq!(networking.service_url(&ports, "pr-42", "web").unwrap(), "http://previews.example.com:61400");
    let error = networking.service_url(&ports, "pr-42", "api").unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("api")), (ErrorKind::NotFound, true));
}

/// Answers each connection with the next of these, the last one for ever. Returns its URL.
async fn server(answers: &'static [&'static str]) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for index in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let answer = answers[index.min(answers.len() - 1)];
            let _ = stream.write_all(format!("HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n").as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn the_probe_waits_for_an_answer_of_the_application() {
    let probe = HttpProbe::new().unwrap();
    let cancel = CancellationToken::new();
    let second = Duration::from_secs(10);
    for answers in [
        &["502 Bad Gateway", "503 Busy", "200 OK"][..],
        &["404 Not Found"],
        &["302 Found\r\nLocation: http://preview.invalid/"],
    ] {
        probe.wait_ready(&server(answers).await, second, &cancel).await.unwrap();
    }
    let url = server(&["500 Broken"]).await;
    let error = probe.wait_ready(&url, Duration::from_millis(500), &cancel).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("500"), "{error}");

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/");
    let error = probe.wait_ready(&url, Duration::from_millis(300), &cancel).await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("refused"), "{error}");
    cancel.cancel();
    assert_eq!(probe.wait_ready(&url, second, &cancel).await.unwrap_err().kind(), ErrorKind::Cancelled);
}
