//! `previewbot doctor`: each thing that can be wrong is made wrong, and found.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::support::bot::Setup;
use crate::support::process::Served;

fn parsed(output: &Output) -> Vec<Value> {
    let found: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    found.as_array().unwrap().clone()
}

/// The one finding of a check.
fn of<'a>(found: &'a [Value], subject: &str, check: &str) -> &'a Value {
    let one = found.iter().find(|finding| finding["subject"] == subject && finding["check"] == check);
    one.unwrap_or_else(|| panic!("{subject} {check}: {found:#?}"))
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_has_everything_passes_and_what_is_wrong_is_found_by_its_name() {
    let served = Served::prepare(Setup::default(), "").await;
    mode(served.world.data.path(), 0o700);
    let doctor = || served.run(&["doctor", "--json"]);
    let failed = |subject: &str, check: &str, said: &str| {
        let output = doctor();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let found = parsed(&output);
        let finding = of(&found, subject, check);
        assert_eq!(finding["verdict"], "failed", "{finding}");
        assert!(finding["said"].as_str().unwrap().contains(said), "{finding}");
        assert!(finding["mend"].as_str().is_some_and(|mend| !mend.is_empty()), "{finding}");
    };
    let output = doctor();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found = parsed(&output);
    assert!(found.iter().all(|finding| finding["verdict"] == "passed"), "{found:#?}");
    for (subject, check) in [
        ("settings", "file"),
        ("programs", "git"),
        ("data", "data_dir"),
        ("database", "open"),
        ("github", "app_key"),
        ("github", "webhook_secret"),
    ] {
        of(&found, subject, check);
    }
    let printed = String::from_utf8(served.run(&["doctor"]).stdout).unwrap();
    assert!(printed.contains("github\n  ✓ app_key"), "{printed}");

    let data = served.world.data.path();
    mode(data, 0o777);
    failed("data", "data_dir", "others can write to it");
    mode(data, 0o700);

    let (database, kept) = (data.join("previewbot.db"), data.join("kept"));
    let _ = served.store().await;
    std::fs::copy(&database, &kept).unwrap();
    mode(&database, 0o644);
    failed("database", "private", "others can read it");
    std::fs::write(&database, "this is no database at all, but long enough to be taken for one").unwrap();
    failed("database", "open", "is not a sound SQLite database");
    std::fs::rename(&kept, &database).unwrap();

    let (key, secret) = (served.path("github-app.pem"), served.path("github-webhook-secret"));
    let pem = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, "no key").unwrap();
    failed("github", "app_key", "no RSA private key");
    std::fs::write(&key, pem).unwrap();
    std::fs::write(&secret, "\n").unwrap();
    failed("github", "credentials", "the secret is empty");
    std::fs::write(&secret, "a secret").unwrap();
    std::fs::remove_file(data.join("site")).unwrap();
    failed("settings", "secrets", "projects.secrets.PREVIEW_SITE");

    let file = served.path("previewbot.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        format!("{text}\n[[hosts]]\nname = \"vm-1\"\naddress = \"127.0.0.1\"\nport = 1\nuser = \"x\"\n"),
    )
    .unwrap();
    failed("host vm-1", "reachable", "Connection refused");
    std::fs::write(&file, format!("dat_dir = \"x\"\n{text}")).unwrap();
    failed("settings", "file", "did you mean `data_dir`?");
}
