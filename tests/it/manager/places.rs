//! Where generated files land, and who may read them: through the real access, in a checkout that tries to lead out.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use super::looks::e1;
use super::world::World;

const CONFIG: &str = "version: 1
name: demo
services:
  web: {path: web, start: 'run', env: {A: '1'}}
runner:
  compose: {image: node, autostart: [web], proxy: {domain: p.example.com}}
";

fn world() -> Arc<World> {
    let world = World::new();
    world.real_access.store(true, std::sync::atomic::Ordering::SeqCst);
    std::fs::create_dir_all(world.path("wt/e1")).unwrap();
    std::fs::create_dir_all(world.path("outside")).unwrap();
    world
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn what_may_hold_secrets_is_its_owners_alone() {
    let world = world();
    // One that was there before with a wider mode.
    world.write("wt/e1/web/.env.local", "");
    std::fs::set_permissions(world.path("wt/e1/web/.env.local"), PermissionsExt::from_mode(0o666)).unwrap();
    world.manager(CONFIG).init(&e1(), None).await.unwrap();
    for private in [".previewctl.json", "web/.env.local", ".previewctl.compose.yaml"] {
        assert_eq!(mode(&world.path("wt/e1").join(private)), 0o600, "{private}");
    }
    // The proxy's own account reads these, and they hold no secret.
    for readable in ["preview/nginx.conf", "preview/error-pages/previewctl_404.html"] {
        assert_eq!(mode(&world.path("wt/e1").join(readable)), 0o644, "{readable}");
    }
}

#[tokio::test]
async fn nothing_is_written_through_a_link_out_of_the_environment() {
    let cases: [(&str, &str, &str); 3] = [
        ("web", "generate_env", "a service's folder"),
        ("preview", "generate_nginx", "the proxy's folder"),
        ("preview/error-pages", "generate_nginx", "the error pages' folder"),
    ];
    for (link, step, what) in cases {
        let world = world();
        let at = world.path("wt/e1").join(link);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(world.path("outside"), &at).unwrap();
        let error = world.manager(CONFIG).init(&e1(), None).await.unwrap_err();
        assert!(error.to_string().contains("leaves"), "{what}: {error}");
        assert_eq!(world.take_events().last().unwrap(), &format!("{step}:failed"), "{what}");
        assert_eq!(files_in(&world.path("outside")), 0, "{what}");
    }
}

#[tokio::test]
async fn a_generated_file_that_is_a_link_is_replaced_and_its_target_stays() {
    let world = world();
    std::fs::create_dir_all(world.path("wt/e1/web")).unwrap();
    std::fs::create_dir_all(world.path("wt/e1/preview")).unwrap();
    for file in [".previewctl.json", "web/.env.local", ".previewctl.compose.yaml", "preview/nginx.conf"] {
        let target = world.path("outside").join(file.replace('/', "_"));
        std::fs::write(&target, "theirs").unwrap();
        symlink(&target, world.path("wt/e1").join(file)).unwrap();
    }
    world.manager(CONFIG).init(&e1(), None).await.unwrap();
    for file in std::fs::read_dir(world.path("outside")).unwrap() {
        assert_eq!(std::fs::read_to_string(file.unwrap().path()).unwrap(), "theirs");
    }
    assert!(world.read("wt/e1/preview/nginx.conf").unwrap().contains("server_name"));
}

#[tokio::test]
async fn a_destroy_leaves_a_persons_worktree_as_it_was() {
    let world = world();
    std::fs::create_dir_all(world.path("ext/web")).unwrap();
    world.write("ext/web/.env", "theirs=1\n");
    let path = world.path("ext").to_string_lossy().into_owned();
    world.manager(CONFIG).attach("x1", &path).await.unwrap();
    assert!(world.path("ext/preview/nginx.conf").exists());
    world.manager(CONFIG).destroy("x1").await.unwrap();
    for gone in [".previewctl.json", "web/.env.local", ".previewctl.compose.yaml", "preview/nginx.conf"] {
        assert!(!world.path("ext").join(gone).exists(), "{gone}");
    }
    assert_eq!(files_in(&world.path("ext/preview/error-pages")), 0);
    assert_eq!(world.read("ext/web/.env").unwrap(), "theirs=1\n");
}
