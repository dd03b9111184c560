//! Manifests that were damaged between the phases.

use previewbot::manager::ManagerError;

use crate::manager::looks::e1;
use crate::manager::world::World;

const CONFIG: &str = "version: 1\nname: demo\nservices:\n  web: {path: w, env: {A: '1'}}\n";

/// Runs the runner phase with this manifest; what it says, and the env file that it left.
async fn run(manifest: &[u8]) -> (Result<(), ManagerError>, Option<String>) {
    let world = World::new();
    let manager = world.manager(CONFIG);
    manager.provision(&e1(), None).await.unwrap();
    world.write("wt/e1/w/.env.local", "kept\n");
    let path = world.path("wt/e1/.previewctl.json");
    std::fs::write(&path, manifest).unwrap();
    let outcome = manager.run(&path, None).await;
    assert_eq!(std::fs::read(&path).unwrap(), manifest, "what cannot be read stays as it is");
    (outcome, world.read("wt/e1/w/.env.local"))
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_told_and_changes_nothing() {
    let valid = br#"{"version":1,"env_name":"e1","services":{"web":{"path":"w","env_file":".env.local","env":{"A":"2"}}}}"#;
    let (outcome, env) = run(valid).await;
    outcome.unwrap();
    assert!(env.unwrap().contains("A=2"));
    let mut not_utf8 = valid.to_vec();
    let at = not_utf8.iter().position(|byte| *byte == b'2').unwrap();
    not_utf8[at] = 0xff;
    let cases: [(&[u8], &str); 6] = [
        (&not_utf8, "UTF-8"),
        (&valid[..40], "EOF"),
        (b"", "EOF"),
        (b"[]", "expected a map"),
        (b"\xff\xfe{\0}\0", "UTF-8"),
        (br#"{"services":{"web":{"path":"../..","env_file":".env","env":{"A":"2"}}}}"#, "outside"),
    ];
    for (manifest, told) in cases {
        let (outcome, env) = run(manifest).await;
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("manifest") && error.contains(told), "{error}");
        assert_eq!(env.as_deref(), Some("kept\n"));
    }
}
