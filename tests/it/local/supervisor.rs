//! What only the bot's own machine can do with a hook; the rest of its life is in `machine`.

use previewbot::domain::ports::{HookOutput, HookRunner};
use previewbot::outbound::supervisor::{LocalHookRunner, RunnerOptions, UserIds};
use tokio_util::sync::CancellationToken;

use super::bench::Bench;

#[tokio::test]
async fn hooks_run_as_another_account_when_the_bot_is_root() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can run hooks as another account");
        return;
    }
    let bench = Bench::new();
    let nobody = UserIds { uid: 65534, gid: 65534 };
    std::fs::set_permissions(bench.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let options = RunnerOptions { run_as: Some(nobody), ..bench.options(1) };
    let runner = LocalHookRunner::take_over(options).await.unwrap();
    let epoch = bench.life_folder().join("epoch");
    let script = format!(
        "id -u; id -G; echo x >\"$HOME/f\" && echo y >\"$TMPDIR/f\" && echo home; echo out >>/dev/stdout; echo 9 2>&- >{} || echo fenced",
        epoch.display()
    );
    let outcome = runner.run(&bench.hook("step", &script), &CancellationToken::new()).await.unwrap();
    assert_eq!(outcome.stdout, "65534\n65534\nhome\nout\nfenced\n");
    assert_eq!(std::fs::read_to_string(epoch).unwrap(), "1\n");
}

#[derive(Default)]
struct Shown(std::sync::Mutex<Vec<String>>);

impl HookOutput for Shown {
    fn line(&self, step: &str, line: &str) {
        self.0.lock().unwrap().push(format!("{step}: {line}"));
    }
}

/// What a hook prints is seen while it still runs, and a person's own variables reach it.
#[tokio::test]
async fn output_is_shown_while_the_hook_runs_and_a_persons_variables_reach_it() {
    let bench = Bench::new();
    let shown = std::sync::Arc::new(Shown::default());
    let own =
        [("PATH", std::env::var("PATH").unwrap()), ("HOME", "/home/me".to_owned()), ("MINE", "yes".to_owned())];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let runner = bench.runner(1).await.shown_to(shown.clone()).inheriting(own);
    let go = bench.path("go");
    let script =
        format!("echo first; while [ ! -e {} ]; do sleep 0.02; done; echo \"$HOME $MINE\" >&2", go.display());
    let seen = async {
        while shown.0.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        std::fs::write(&go, "").unwrap();
    };
    let hook = bench.hook("step", &script);
    let cancel = CancellationToken::new();
    let (outcome, ()) = tokio::join!(runner.run(&hook, &cancel), seen);
    assert!(outcome.unwrap().succeeded());
    assert_eq!(*shown.0.lock().unwrap(), ["step: first", "step: /home/me yes"]);
}
