use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::*;
use crate::domain::project::PreviewPolicy;
use crate::domain::project::policy::{CommentMode, Drafts, Probe, Trigger};

fn load(text: &str) -> Result<Settings, SettingsError> {
    load_with(text, &[])
}

fn load_with(text: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("previewbot.toml");
    std::fs::write(&file, text).unwrap();
    let variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Settings::load(Some(&file), variables)
}

#[test]
fn an_empty_file_gives_the_documented_defaults() {
    let settings = load("").unwrap();
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.worker.concurrency, 4);
    assert_eq!(settings.limits.ttl_hours, 168);
    assert!(settings.data_dir.is_absolute());
    let DatabaseUrl::Sqlite(path) = &settings.database.url else { panic!("a file is the default") };
    assert!(path.ends_with("data/previewbot.db") && path.is_absolute());
}

#[test]
fn the_whole_documented_file_is_accepted() {
    let settings = load(include_str!("../../fixtures/settings/full.toml")).unwrap();
    let github = settings.github.as_ref().unwrap();
    assert_eq!(github.app_id, 12345);
    assert!(github.private_key_file.as_ref().unwrap().is_absolute());
    assert_eq!(settings.hosts[0].labels, ["preview"]);
    assert_eq!(settings.projects[0].trusted_bots, ["renovate[bot]"]);
    let preview =
        settings.projects[0].preview.over(PreviewPolicy { urls: vec!["api".to_owned()], ..Default::default() });
    assert_eq!(preview, instead());
    let nothing = PreviewSettings::default().over(instead());
    assert_eq!(nothing, instead(), "what is left out is as the repository says");
    assert_eq!(settings.sandbox.confinement().memory, 1024 * 1024 * 1024);
    assert_eq!(settings.limits.checkout().bytes, 4096 * 1024 * 1024);
    assert_eq!(
        settings.projects[0].secrets["STRIPE_KEY"],
        SecretSource::Environment("STRIPE_TEST_KEY".to_owned())
    );
}

#[test]
fn the_floor_of_a_disk_is_the_hosts_own_or_that_of_all_or_follows_the_size() {
    const GIB: u64 = 1024 * 1024 * 1024;
    let host = "[[hosts]]\nname = \"a\"\naddress = \"a\"\nuser = \"u\"\n";
    let floor = |text: &str| {
        let settings = load(text).unwrap();
        settings.disk_floor(&settings.hosts[0], Some(100 * GIB))
    };
    assert_eq!(floor(host), 5 * GIB);
    assert_eq!(floor(&format!("[limits]\ndisk_floor_mb = 2048\n{host}")), 2 * GIB);
    assert_eq!(floor(&format!("[limits]\ndisk_floor_mb = 2048\n{host}disk_floor_mb = 3072\n")), 3 * GIB);
}

#[test]
fn the_url_of_a_server_is_a_secret() {
    let settings = load_with("", &[("PREVIEWBOT__DATABASE__URL", "postgres://me:hunter2@db/bot")]).unwrap();
    assert!(
        matches!(&settings.database.url, DatabaseUrl::Postgres(url) if url.expose_secret().contains("hunter2"))
    );
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn every_key_can_come_from_the_environment() {
    let settings = load_with(
        "[server]\nlisten = \"127.0.0.1:1\"",
        &[
            ("PREVIEWBOT__SERVER__LISTEN", "127.0.0.1:9"),
            ("PREVIEWBOT__WORKER__CONCURRENCY", "7"),
            ("PREVIEWBOT__GITHUB__APP_ID", "5"),
            ("PREVIEWBOT__GITHUB__WEBHOOK_SECRET", "s3cret"),
            ("PREVIEWBOT__PUBLIC_URL", "https://previews.example.com/"),
            ("UNRELATED", "x"),
        ],
    )
    .unwrap();
    assert_eq!(settings.server.listen.port(), 9);
    assert_eq!(settings.worker.concurrency, 7);
    assert_eq!(settings.github.unwrap().app_id, 5);
    assert_eq!(settings.public_url, "https://previews.example.com");
}

#[test]
fn a_secret_of_digits_stays_text() {
    let settings = load_with(
        "[github]\napp_id = 1\nprivate_key = \"k\"",
        &[("PREVIEWBOT__GITHUB__WEBHOOK_SECRET", "0123456789")],
    )
    .unwrap();
    let credentials = settings.github.unwrap().credentials().unwrap();
    assert_eq!(credentials.webhook_secret.expose_secret(), "0123456789");
}

/// What `full.toml` says instead of a repository's own policy.
fn instead() -> PreviewPolicy {
    PreviewPolicy {
        trigger: Trigger::Label,
        label: "try-me".to_owned(),
        drafts: Drafts::Skip,
        paths: vec!["apps/**".to_owned(), "!**/*.md".to_owned()],
        ttl: Some(Duration::from_hours(72)),
        probe: Probe { service: "web".to_owned(), path: "/healthz".to_owned(), timeout: Duration::from_mins(2) },
        urls: vec!["web".to_owned()],
        comment: CommentMode::OnChange,
    }
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("[server]\nlisen = \"x\"", "unknown key `server.lisen`; did you mean `server.listen`"),
        ("databse = 1", "unknown key `databse`; did you mean `database`"),
        ("[[projects]]\nrepository = \"github:a/b\"\nmodes = \"local\"", "did you mean `projects[0].mode`"),
        ("[server]\nlisten = \"here\"", "listen"),
        ("[worker]\nconcurrency = 0", "worker.concurrency must be at least 1"),
        ("[database]\nurl = \"mysql://u:pw@h/d\"", "or postgres://<user>@<host>/<database>"),
        ("[database]\nurl = \"sqlite://\"", "names no file"),
        ("[database]\nurl = \"sqlite://:memory:\"", "names no file"),
        ("[database]\nurl = \"bot.db\"", "must be sqlite://<file>"),
        ("public_url = \"ftp://x\"", "must begin with http"),
        ("[urls]\ntemplate = \"http://{hots}\"", "{hots} is not known"),
        ("[[projects]]\nrepository = \"acme/shop\"", "must be github:owner/name"),
        ("[[projects]]\nrepository = \"github:a/b\"\nsecrets = { K = \"hunter2\" }", "env:NAME"),
        (
            "[[projects]]\nrepository = \"github:a/b\"\npreview = { trigge = 1 }",
            "did you mean `projects[0].preview.trigger`",
        ),
        (
            "[[projects]]\nrepository = \"github:a/b\"\npreview.probe.pth = 1",
            "did you mean `projects[0].preview.probe.path`",
        ),
        ("[[projects]]\nrepository = \"github:a/b\"\npreview = { trigger = \"never\" }", "trigger"),
        ("[[projects]]\nrepository = \"github:a/b\"\npreview = { ttl = \"soon\" }", "no length of time"),
        ("[[projects]]\nrepository = \"github:a/b\"\npreview = { paths = [\"a[\"] }", "`a[` is no glob"),
        ("[[projects]]\nrepository = \"github:a/b\"\npreview = { label = \" \" }", "name of a label"),
        ("[[projects]]\nrepository = \"github:a/b\"\npreview = { probe = { path = \"x\" } }", "begins with `/`"),
        ("[sandbox]\nmemory = 1", "unknown key `sandbox.memory`"),
        ("[sandbox]\nmemory_mb = 1", "sandbox.memory_mb must be 16 to 1048576"),
        ("[sandbox]\ncpus = nan", "sandbox.cpus must be 0.05 to 1024"),
        ("[sandbox]\ncpus = 0", "sandbox.cpus must be 0.05 to 1024"),
        ("[sandbox]\npids = 0", "sandbox.pids must be 16 to 65536"),
        ("[sandbox]\npids = -1", "pids"),
        ("[sandbox]\nlog_mb = 100000", "sandbox.log_mb must be 1 to 10240"),
        ("[sandbox]\ncontainers = 0", "sandbox.containers must be 1 to 1000"),
        ("a = [", "TOML"),
    ];
    for (text, expected) in cases {
        let message = load(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text:?}: {message}");
        assert!(!message.contains("hunter2") && !message.contains("pw@"), "{message}");
    }
}

#[test]
fn an_empty_webhook_secret_stops_the_start() {
    for text in [
        "[github]\napp_id = 1\nprivate_key = \"k\"\nwebhook_secret = \"\"",
        "[github]\napp_id = 1\nprivate_key = \"k\"\nwebhook_secret = \" \\n\"",
        "[github]\napp_id = 1\nprivate_key = \"k\"",
    ] {
        let error = load(text).unwrap().github.unwrap().credentials().unwrap_err();
        assert!(error.to_string().contains("github.webhook_secret"), "{error}");
    }
}

#[test]
fn local_placement_must_be_chosen() {
    let repository = crate::domain::change::Repository {
        forge: crate::domain::change::ForgeKind::Github,
        id: crate::domain::change::RepositoryId(1),
        name: "Acme/Shop".parse().unwrap(),
        installation: None,
    };
    let chosen = load("[[projects]]\nrepository = \"github:acme/shop\"\nmode = \"local\"").unwrap();
    assert_eq!(chosen.placement(&repository), Placed::In(Mode::Local));
    let none = load("").unwrap();
    assert!(matches!(none.placement(&repository), Placed::Nowhere(why) if why.contains("mode = \"local\"")));
}
