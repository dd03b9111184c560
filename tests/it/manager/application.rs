//! An application in containers: its steps, and the verbs that work on parts of an environment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use previewbot::domain::line_diff::LineChange;
use previewbot::domain::ports::{LineSink, LogRequest, Part};
use previewbot::domain::redact::Redactor;
use previewbot::manager::{Manager, Reconciled, RefreshScope, StepPreview};

use super::looks::e1;
use super::world::World;

const CONFIG: &str = "version: 1
name: demo
provisioner:
  services:
    db: {outputs: [URL], seed: 'echo URL=u1', reset: 'cat <root>/reset', destroy: 'echo gone >> <root>/gone'}
infrastructure: {compose_file: infra.yaml}
services:
  web: {path: web, depends_on: [api], build: 'echo web >> <root>/built', start: 'run {{self.port}} {{store.ZONE}}', env: {DB: '{{provisioner.db.URL}}'}}
  api: {path: api, build: 'echo api >> <root>/built', start: 'api', port: 4000}
  docs: {path: docs}
runner:
  compose: {image: 'node:20', autostart: [web], proxy: {domain: p.example.com}}
";

fn running_config() -> String {
    CONFIG.replace("{{store.ZONE}}", "x")
}

async fn running() -> Arc<World> {
    let world = World::new();
    world.write("wt/e1/infra.yaml", "services: {}\n");
    world.manager(&running_config()).init(&e1(), None).await.unwrap();
    world.take_events();
    world.take_calls();
    world
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test]
async fn the_whole_list_of_steps_runs_in_order() {
    let world = World::new();
    let deployed = world.manager(&running_config()).init(&e1(), None).await.unwrap();
    let expected = [
        "create_compute",
        "allocate_ports",
        "seed_db",
        "build_manifest",
        "write_manifest",
        "generate_env",
        "start_infra",
        "generate_compose",
        "generate_nginx",
        "build_services",
        "start_services",
    ];
    assert_eq!(deployed.ran, expected);
    assert_eq!(deployed.entry.enabled_services, ["web"]);
    assert!(world.take_calls().contains(&"up application nginx web".to_owned()));
    assert_eq!(world.read("built").unwrap(), "web\n", "only what is enabled is built");
    assert!(world.read("wt/e1/.previewctl.json").unwrap().contains("\"enabled_services\""));
    assert!(world.read("wt/e1/preview/nginx.conf").unwrap().contains("server_name e1--web.p.example.com;"));
    assert!(world.read("wt/e1/preview/error-pages/previewctl_502.html").is_some());
}

#[tokio::test]
async fn services_are_built_and_started_after_what_they_depend_on() {
    let world = running().await;
    std::fs::remove_file(world.path("built")).unwrap();
    let manager = world.manager(&running_config());
    manager.service_start("e1", "api").await.unwrap();
    assert_eq!(world.read("built").unwrap(), "api\n", "what was built stays built");
    manager.init(&e1(), Some("build_services")).await.unwrap();
    assert_eq!(world.read("built").unwrap(), "api\napi\nweb\n");
    let calls = world.take_calls();
    assert!(calls.contains(&"up application nginx api web".to_owned()), "{calls:?}");
    let file = world.read("wt/e1/.previewctl.compose.yaml").unwrap();
    let file: serde_json::Value = serde_json::from_str(&file).unwrap();
    assert_eq!(file["services"]["web"]["depends_on"]["api"]["condition"], "service_started");
    assert_eq!(world.entry("e1").unwrap().enabled_services, ["web", "api"], "the order of enabling is kept");
}

#[tokio::test]
async fn a_failing_build_names_its_service() {
    let world = World::new();
    let config = running_config().replace("echo web >> <root>/built", "echo no compiler; exit 4");
    let error = world.manager(&config).init(&e1(), None).await.unwrap_err();
    assert_eq!(error.to_string(), "hook services.web.build exited with code 4");
    let config = config.replace("compose: {image", "build: 'exit 5'\n  compose: {image");
    let error = world.manager(&config).init(&e1(), None).await.unwrap_err();
    assert_eq!(error.to_string(), "hook runner.build exited with code 5");
}

#[tokio::test]
async fn a_stopped_service_stays_stopped_and_known() {
    let world = running().await;
    let manager = world.manager(&running_config());
    manager.service_stop("e1", "web").await.unwrap();
    assert_eq!(world.take_calls()[0], "halt application web");
    manager.init(&e1(), None).await.unwrap();
    assert!(world.entry("e1").unwrap().enabled_services.is_empty(), "autostart does not enable it again");
    let rows = manager.services("e1").await.unwrap();
    let shown: Vec<String> = rows
        .iter()
        .map(|row| {
            format!("{} {} {} {:?}", row.service, row.enabled, row.state.as_deref().unwrap_or("-"), row.port)
        })
        .collect();
    assert_eq!(shown, ["api false missing Some(4000)", "docs false - None", "web false stopped Some(61000)"]);
    for (service, words) in [("ghost", "api, docs, web"), ("docs", "services.docs.start")] {
        let error = manager.service_start("e1", service).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = manager.service_restart("nope", "web").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no environment `nope`");
    let without = world.manager("version: 1\nname: demo\n");
    let error = without.service_start("e1", "web").await.unwrap_err();
    assert!(error.to_string().contains("runner.compose"), "{error}");
}

#[tokio::test]
async fn an_application_that_the_configuration_lost_is_stopped() {
    let world = running().await;
    world.manager("version: 1\nname: demo\n").init(&e1(), None).await.unwrap();
    assert!(world.take_calls().contains(&"halt application".to_owned()));
    assert!(!world.entry("e1").unwrap().steps.contains_key("start_services"));
}

#[tokio::test]
async fn run_works_from_a_manifest_alone_with_every_step() {
    let world = running().await;
    let config = running_config().replace("runner:\n", "runner:\n  before: 'true'\n  deploy: 'true'\n");
    let entry = world.entry("e1");
    world.manager(&config).run(&world.path("wt/e1/.previewctl.json"), None).await.unwrap();
    let expected = [
        "runner_before",
        "generate_env",
        "start_infra",
        "generate_compose",
        "generate_nginx",
        "build_services",
        "start_services",
        "runner_deploy",
    ];
    assert_eq!(world.take_ran(), expected);
    assert_eq!(world.entry("e1"), entry, "nothing is stored");
    world.take_events();
    world.manager(&config).run(&world.path("wt/e1/.previewctl.json"), Some("start_services")).await.unwrap();
    assert_eq!(world.take_ran(), ["start_services", "runner_deploy"]);
}

#[tokio::test]
async fn single_steps_run_whatever_their_records_say_and_see_each_other() {
    let world = running().await;
    let config = running_config().replace("DB: '", "NEW: '1', DB: '");
    let steps = names(&["generate_manifest", "generate_env"]);
    world.manager(&config).run_steps("e1", &steps).await.unwrap();
    assert_eq!(world.take_ran(), ["generate_manifest", "generate_env"]);
    assert!(world.read("wt/e1/web/.env.local").unwrap().contains("NEW=1\n"));
    let entry = world.entry("e1").unwrap();
    assert!(entry.step_completed("generate_manifest") && entry.step_completed("generate_env"));
    world.manager(&config).init(&e1(), None).await.unwrap();
    assert_eq!(world.take_ran(), ["build_services", "start_services"], "what was built on the old one");

    let error = world.manager(&config).run_steps("e1", &names(&["generate_env", "bogus"])).await.unwrap_err();
    assert!(error.to_string().contains("bogus") && error.to_string().contains("generate_manifest"), "{error}");
    assert!(world.take_events().is_empty(), "nothing runs before all names are known");
    let error = world.manager(&config).run_steps("nope", &names(&["generate_env"])).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no environment `nope`");
}

#[tokio::test]
async fn a_refresh_runs_everything_of_the_runner_phase_or_a_part() {
    let world = running().await;
    let manager = world.manager(&running_config());
    manager.refresh("e1", RefreshScope::default()).await.unwrap();
    let expected = [
        "generate_manifest",
        "generate_env",
        "start_infra",
        "generate_compose",
        "generate_nginx",
        "build_services",
        "start_services",
    ];
    assert_eq!(world.take_ran(), expected);
    manager.init(&e1(), None).await.unwrap();
    assert!(world.take_ran().is_empty(), "a refresh leaves nothing to do");
    let only = names(&["generate_env", "generate_manifest"]);
    manager.refresh("e1", RefreshScope { only: &only, from: None }).await.unwrap();
    assert_eq!(world.take_ran(), ["generate_manifest", "generate_env"], "in the phase's order");
    manager.refresh("e1", RefreshScope { only: &[], from: Some("build_services") }).await.unwrap();
    assert_eq!(world.take_ran(), ["build_services", "start_services"]);
    let error = manager.refresh("e1", RefreshScope { only: &[], from: Some("x") }).await.unwrap_err();
    assert!(error.to_string().contains("start_services"), "{error}");
}

#[tokio::test]
async fn a_refresh_needs_no_application() {
    let world = World::new();
    world.owns_checkout.store(true, std::sync::atomic::Ordering::SeqCst);
    let config = "version: 1\nname: demo\nrunner: {deploy: 'true'}\n";
    world.manager(config).init(&e1(), None).await.unwrap();
    world.take_events();
    world.manager(config).refresh("e1", RefreshScope::default()).await.unwrap();
    assert_eq!(world.take_ran(), ["sync_code", "generate_manifest", "start_infra", "runner_deploy"]);
}

#[tokio::test]
async fn a_sync_writes_the_files_and_starts_what_is_enabled() {
    let world = running().await;
    let config = running_config().replace("node:20", "node:22");
    world.manager(&config).sync("e1").await.unwrap();
    let expected = ["generate_manifest", "generate_env", "generate_compose", "generate_nginx", "start_services"];
    assert_eq!(world.take_ran(), expected);
    assert!(world.take_calls().contains(&"up application nginx web".to_owned()));
    world.manager(&config).init(&e1(), None).await.unwrap();
    assert!(world.take_ran().is_empty());
}

#[tokio::test]
async fn a_reset_restarts_what_works_with_the_data() {
    let world = running().await;
    world.write("reset", "URL=u1\n");
    let manager = world.manager(&running_config());
    assert!(manager.core_reset("db", "e1").await.unwrap());
    assert!(world.take_calls().contains(&"restart application web".to_owned()), "the same outputs, other data");
    world.write("reset", "URL=u2\n");
    manager.core_reset_only("db", "e1").await.unwrap();
    assert!(world.take_calls().is_empty() && !world.read("wt/e1/web/.env.local").unwrap().contains("u2"));
    manager.init(&e1(), None).await.unwrap();
    assert!(world.read("wt/e1/web/.env.local").unwrap().contains("DB=u2\n"), "the next deploy tells of it");
    manager.service_stop("e1", "web").await.unwrap();
    world.take_calls();
    manager.core_reset("db", "e1").await.unwrap();
    assert!(!world.take_calls().iter().any(|call| call.starts_with("restart")), "what is off stays off");
}

#[tokio::test]
async fn a_seed_by_hand_reaches_all_that_was_made_from_it() {
    let world = running().await;
    let config = running_config().replace("echo URL=u1", "echo URL=u7");
    assert!(world.manager(&config).core_seed("db", "e1").await.unwrap());
    let entry = world.entry("e1").unwrap();
    assert_eq!(entry.provisioner_outputs.unwrap()["db"]["URL"], "u7");
    assert_eq!(entry.steps["seed_db"].outputs["outputs"]["URL"], "u7");
    assert!(world.read("wt/e1/.previewctl.json").unwrap().contains("u7"));
    assert!(world.read("wt/e1/web/.env.local").unwrap().contains("DB=u7\n"));
    assert!(world.manager(&config).init(&e1(), None).await.unwrap().stale_seeds.is_empty());
    world.manager(&config).core_destroy("db", "e1").await.unwrap();
    assert_eq!(world.read("gone").unwrap(), "gone\n");
    assert!(!world.entry("e1").unwrap().steps.contains_key("seed_db"));
    world.take_events();
    world.manager(&config).init(&e1(), None).await.unwrap();
    assert_eq!(world.take_ran(), ["seed_db"], "the next deploy has data again");
}

#[tokio::test]
async fn the_store_is_seen_by_start_commands_and_refuses_odd_keys() {
    let world = World::new();
    let manager = world.manager(CONFIG);
    let error = manager.init(&e1(), None).await.unwrap_err();
    assert!(error.to_string().contains("service web, start: `{{store.ZONE}}`"), "{error}");
    let values = |key: &str| BTreeMap::from([(key.to_owned(), "eu 1".to_owned())]);
    for bad in ["", "a.b", "1a", "a b", "é"] {
        let error = manager.store_set("e1", &values(bad)).await.unwrap_err();
        assert!(error.to_string().contains(&format!("`{bad}`")), "{error}");
    }
    manager.store_set("e1", &values("ZONE")).await.unwrap();
    assert_eq!(manager.store_get("e1", "ZONE").await.unwrap(), "eu 1");
    assert_eq!(manager.store_list("e1").await.unwrap(), values("ZONE"));
    let error = manager.store_get("e1", "ZON").await.unwrap_err();
    assert_eq!(error.to_string(), "the store of `e1` has no value `ZON`; it has ZONE");
    manager.init(&e1(), None).await.unwrap();
    assert!(world.read("wt/e1/.previewctl.compose.yaml").unwrap().contains("run 61000 eu 1"));
}

#[tokio::test]
async fn what_hooks_put_into_the_store_survives() {
    let world = World::new();
    let config = "version: 1\nname: demo\nrunner: {before: 'touch <root>/began; until test -e <root>/go; do sleep 0.01; done', deploy: 'echo $PREVIEWCTL_STORE_K > <root>/seen'}\n";
    let manager = world.manager(config);
    let set = async {
        super::super::local::bench::until("the hook began", || world.path("began").exists()).await;
        let other = world.manager(config);
        other.store_set("e1", &BTreeMap::from([("K".to_owned(), "v".to_owned())])).await.unwrap();
        world.write("go", "");
    };
    let request = e1();
    let (deployed, ()) = tokio::join!(manager.init(&request, None), set);
    deployed.unwrap();
    assert_eq!(world.read("seen").unwrap(), "v\n");
    assert_eq!(world.entry("e1").unwrap().env["K"], "v");
}

#[tokio::test]
async fn infrastructure_is_worked_on_by_name() {
    let world = running().await;
    let mut dependencies = world.dependencies(&running_config(), "local");
    let infrastructure = dependencies.config.infrastructure.as_mut().unwrap();
    for name in ["db", "mq"] {
        infrastructure.services.insert(name.to_owned(), previewbot::domain::project::InfraService::default());
    }
    let manager = Manager::new(dependencies);
    manager.infra_start("e1", &names(&["db"])).await.unwrap();
    manager.infra_restart("e1", &[]).await.unwrap();
    manager.infra_stop("e1", &names(&["db"])).await.unwrap();
    let expected = ["up infrastructure db", "restart infrastructure", "halt infrastructure db"];
    assert_eq!(world.take_calls(), expected);
    let rows = manager.infra_status("e1").await.unwrap();
    let shown: Vec<(&str, &str)> = rows.iter().map(|r| (r.service.as_str(), r.status.as_str())).collect();
    assert_eq!(shown, [("db", "stopped"), ("mq", "missing")]);
    let error = manager.infra_start("e1", &names(&["ghost"])).await.unwrap_err();
    assert_eq!(error.to_string(), "the infrastructure has no service `ghost`; it has db, mq");
    let error = world.manager("version: 1\nname: demo\n").infra_stop("e1", &[]).await.unwrap_err();
    assert!(error.to_string().contains("compose_file"), "{error}");
}

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl LineSink for Lines {
    fn line(&self, line: &str) -> bool {
        self.0.lock().unwrap().push(line.to_owned());
        true
    }
}

#[tokio::test]
async fn logs_show_no_secret() {
    let world = running().await;
    let mut dependencies = world.dependencies(&running_config(), "local");
    dependencies.redactor = Redactor::new(["secret-value".to_owned()]);
    let lines = Lines::default();
    Manager::new(dependencies).logs("e1", &LogRequest::of(Part::Application), &lines).await.unwrap();
    assert_eq!(*lines.0.lock().unwrap(), ["one", "two ********", "three"]);
}

#[tokio::test]
async fn a_reconcile_heals_what_is_gone_and_a_dry_one_only_says_so() {
    let world = running().await;
    let manager = world.manager(&running_config());
    std::fs::remove_file(world.path("wt/e1/preview/nginx.conf")).unwrap();
    let outcome = |report: previewbot::manager::ReconcileReport, step: &str| {
        report.results.into_iter().find(|(name, _)| name == step).unwrap().1
    };
    let dry = manager.reconcile("e1", true).await.unwrap();
    assert!(!dry.is_well());
    let missing = "preview/nginx.conf is missing or was changed".to_owned();
    assert_eq!(outcome(dry.clone(), "generate_nginx"), Reconciled::Broken(missing.clone()));
    assert_eq!(outcome(dry.clone(), "generate_env"), Reconciled::Ok);
    assert_eq!(outcome(dry.clone(), "build_services"), Reconciled::Skipped);
    assert_eq!(outcome(dry, "runner_deploy"), Reconciled::NotRun);
    assert!(!world.path("wt/e1/preview/nginx.conf").exists(), "a dry look changes nothing");

    world.containers.lock().unwrap().clear();
    world.fail(&["up"]);
    let report = manager.reconcile("e1", false).await.unwrap();
    assert_eq!(outcome(report.clone(), "generate_nginx"), Reconciled::Healed(missing));
    assert_eq!(outcome(report, "start_services"), Reconciled::Failed("up boom".to_owned()));
    world.fail(&[]);
    let audit: Vec<String> =
        world.audit.lock().unwrap()["e1"].iter().map(|l| format!("{}:{:?}", l.step, l.action)).collect();
    assert!(audit.ends_with(&names(&[
        "generate_nginx:Reconciled",
        "start_services:Invalidated",
        "start_services:ReconcileFailed"
    ])));
    manager.reconcile("e1", false).await.unwrap();
    assert!(manager.reconcile("e1", true).await.unwrap().is_well());
    assert!(manager.reconcile("nope", true).await.unwrap_err().to_string().contains("nope"));
}

#[tokio::test]
async fn a_step_shows_what_it_would_write() {
    let world = running().await;
    let config = running_config().replace("DB: '", "NEW: '1', DB: '");
    let manager = world.manager(&config);
    let preview = manager.preview_step("e1", "generate_env").await.unwrap();
    let StepPreview::Files(files) = &preview else { panic!("it writes files") };
    assert_eq!(files[0].changes, [LineChange::Added("NEW=1".to_owned())]);
    assert_eq!(preview.difference(), "web/.env.local:\n+ NEW=1\n");
    assert!(preview.text().starts_with("# web/.env.local\n#") && preview.text().ends_with("DB=u1\nNEW=1\n\n"));
    let same = world.manager(&running_config()).preview_step("e1", "generate_nginx").await.unwrap();
    assert!(same.difference().starts_with("preview/nginx.conf: no changes\n"), "{}", same.difference());
    let build = manager.preview_step("e1", "build_services").await.unwrap();
    assert!(build.text().starts_with("# services.web.build\necho web >> "), "{}", build.text());
    let error = manager.preview_step("e1", "start_infra").await.unwrap_err();
    assert!(error.to_string().contains("start_infra"), "{error}");
    assert!(manager.preview_step("e1", "x").await.unwrap_err().to_string().contains("generate_env"));
    assert!(world.take_events().is_empty() && world.take_calls().is_empty(), "nothing was done");
    assert!(!world.read("wt/e1/web/.env.local").unwrap().contains("NEW"));
}

#[tokio::test]
async fn a_preview_shows_no_secret() {
    let world = World::new();
    let config = running_config().replace("DB: '", "KEY: '{{secrets.KEY}}', DB: '");
    let manager = |secret: &str| {
        let mut dependencies = world.dependencies(&config, "local");
        dependencies.secrets.insert("KEY".to_owned(), secrecy::SecretString::from(secret));
        dependencies.redactor = Redactor::of_secrets(&dependencies.secrets);
        Manager::new(dependencies)
    };
    manager("first-secret").init(&e1(), None).await.unwrap();
    let preview = manager("second-secret").preview_step("e1", "generate_env").await.unwrap();
    assert!(!preview.text().contains("second-secret"), "{}", preview.text());
    assert!(preview.difference().contains("+ KEY=********\n"), "{}", preview.difference());
}
