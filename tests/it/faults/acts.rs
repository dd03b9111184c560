//! Each kind of act on a host, with the connection lost before, during and after it.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use previewbot::domain::ports::{FileToWrite, HookCommand, HookExit};
use previewbot::outbound::tool::Tool;
use tokio_util::sync::CancellationToken;

use super::bench::{FAR, Far, cuts, tortures};
use crate::machine::bench::Held;
use crate::support::host::proxy::{Cut, Fault};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Look,
    Read,
    Write,
    WritePrivate,
    TakeOver,
    Hook,
    LoudHook,
    LongTool,
    EndRuns,
    Remove,
}

const ACTS: [Act; 10] = [
    Act::Look,
    Act::Read,
    Act::Write,
    Act::WritePrivate,
    Act::TakeOver,
    Act::Hook,
    Act::LoudHook,
    Act::LongTool,
    Act::EndRuns,
    Act::Remove,
];

/// Larger than one packet.
const LARGE: usize = 150_000;

/// An act on a life, and how often it was done.
struct Actor {
    far: Far,
    act: Act,
    held: Held,
    epoch: i64,
    turn: usize,
}

impl Actor {
    async fn new(act: Act) -> Self {
        let far = Far::new().await;
        let held = far.bench.held(1).await;
        Self { far, act, held, epoch: 1, turn: 0 }
    }

    /// What must be there before the act.
    async fn prepare(&mut self) {
        self.turn += 1;
        let bench = &self.far.bench;
        match self.act {
            Act::Read => drop(bench.says(&format!("head -c {LARGE} /dev/zero >root/large")).await),
            Act::Remove => drop(bench.says("mkdir -p root/old/deep && touch root/old/deep/file").await),
            Act::EndRuns => {
                let turn = self.turn;
                let hook = bench.hook("lasting", &format!("echo $$ >pid-{turn}; exec sleep 1000"));
                let (cancel, pid) = (CancellationToken::new(), format!("pid-{turn}"));
                tokio::select! {
                    ended = self.held.runner.run(&hook, &cancel) => panic!("ended early: {ended:?}"),
                    _ = bench.pid(&pid) => {}
                }
            }
            _ => {}
        }
    }

    /// Does it, and looks whether it was done, and done once.
    async fn act(&mut self) {
        let (bench, turn) = (&self.far.bench, self.turn);
        let Held { access, machine, runner } = &self.held;
        let cancel = CancellationToken::new();
        match self.act {
            Act::Look => assert!(machine.is_folder(Path::new(&bench.path("root"))).await.unwrap()),
            Act::Read => assert_eq!(access.read_file("large").await.unwrap().unwrap(), vec![0; LARGE]),
            Act::Write => {
                let data = vec![b'a' + u8::try_from(turn % 26).unwrap(); LARGE];
                let file =
                    |path: &str| FileToWrite { path: path.to_owned(), data: Some(data.clone()), mode: 0o600 };
                access.write_files(&[file("one"), file("two")]).await.unwrap();
                for name in ["one", "two"] {
                    assert_eq!(std::fs::read(bench.path(&format!("root/{name}"))).unwrap(), data, "{name}");
                }
                assert_eq!(bench.says("ls -A root").await, "one\ntwo\n", "nothing temporary is left");
            }
            Act::WritePrivate => {
                let path = format!("{}/compose.json", bench.life_folder());
                let data = vec![b'0' + u8::try_from(turn % 10).unwrap(); LARGE];
                machine.write(Path::new(&path), &data).await.unwrap();
                assert_eq!(std::fs::read(&path).unwrap(), data);
            }
            Act::TakeOver => {
                self.epoch += 1;
                self.held = bench.held(self.epoch).await;
                let epoch = std::fs::read_to_string(format!("{}/epoch", bench.life_folder())).unwrap();
                assert_eq!(epoch.trim(), self.epoch.to_string());
            }
            Act::Hook | Act::LoudHook => {
                let loud = if self.act == Act::LoudHook { "yes | head -c 3000000;" } else { "" };
                let script = format!("echo x >>count-{turn}; {loud} echo A={turn}; exit 3");
                let hook = HookCommand { timeout: Duration::from_mins(20), ..bench.hook("step", &script) };
                let outcome = runner.run(&hook, &cancel).await.unwrap();
                assert_eq!(outcome.exit, HookExit::Code(3));
                assert!(outcome.stdout.ends_with(&format!("A={turn}\n")));
                assert_eq!(bench.lines(&format!("count-{turn}")).await, 1, "it ran once");
                let kept = format!("grep -ac 'left out' {}/runs/step/stdout || :", bench.life_folder());
                let parts = if self.act == Act::LoudHook { "1\n" } else { "0\n" };
                assert_eq!(bench.says(&kept).await, parts, "what is kept of its output was cut once");
            }
            Act::LongTool => {
                let script = format!("echo x >>ups-{turn}; echo up");
                let output = machine.run(self.tool(&script), &cancel).await.unwrap();
                assert_eq!((output.succeeded(), output.text().as_str()), (true, "up\n"));
                assert_eq!(bench.lines(&format!("ups-{turn}")).await, 1, "it ran once");
            }
            Act::EndRuns => {
                let pid = bench.pid(&format!("pid-{turn}")).await;
                self.epoch += 1;
                drop(bench.take_over(self.epoch, None).await.unwrap());
                assert!(!bench.lives(pid).await);
                self.epoch += 1;
                self.held = bench.held(self.epoch).await;
            }
            Act::Remove => {
                machine.remove(Path::new(&bench.path("root/old"))).await.unwrap();
                assert!(!Path::new(&bench.path("root/old")).exists());
            }
        }
    }

    fn tool(&self, script: &str) -> Tool {
        Tool {
            program: "sh",
            arguments: vec!["-c".to_owned(), script.to_owned()],
            directory: Some(self.far.bench.path("").into()),
            timeout: Duration::from_mins(20),
            ..Tool::default()
        }
    }

    /// How many bytes it takes, there and back.
    async fn measure(&mut self) -> (usize, usize) {
        // The first may still begin a shell.
        for _ in 0..2 {
            self.prepare().await;
            let before = self.far.proxy.carried();
            self.act().await;
            let after = self.far.proxy.carried();
            if self.turn == 2 {
                return (after.0 - before.0, after.1 - before.1);
            }
        }
        unreachable!("the second turn is measured")
    }

    async fn suffer(&mut self, cut: Cut) {
        self.prepare().await;
        self.far.proxy.cut(cut);
        self.act().await;
        assert!(self.far.proxy.has_cut(), "{:?}: {cut:?} came too late", self.act);
    }
}

/// Lets the act suffer cuts all over.
async fn suffers(act: Act) {
    let mut actor = Actor::new(act).await;
    let bytes = actor.measure().await;
    let (resets, half_closes) = if tortures() { (20, 10) } else { (2, 1) };
    let all = [cuts(bytes, Fault::Reset, resets), cuts(bytes, Fault::HalfClose, half_closes)].concat();
    for cut in all {
        eprintln!("{act:?} of {bytes:?} bytes: {cut:?}");
        actor.suffer(cut).await;
    }
    actor.far.proxy.set(Fault::Delay(FAR)).await;
    actor.prepare().await;
    actor.act().await;
}

macro_rules! acts {
    ($($name:ident: $act:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                suffers(Act::$act).await;
            }
        )*
    };
}

acts! {
    a_cut_look_is_made_again: Look,
    a_cut_read_is_made_again: Read,
    a_cut_write_leaves_whole_files: Write,
    a_cut_private_write_leaves_a_whole_file: WritePrivate,
    a_cut_takeover_takes_over: TakeOver,
    a_cut_hook_runs_once: Hook,
    a_cut_loud_hook_runs_once: LoudHook,
    a_cut_long_tool_runs_once: LongTool,
    a_cut_end_ends_what_runs: EndRuns,
    a_cut_removal_removes: Remove
}

/// A connection that carries nothing any more and never ends: nobody on the host may wait for what will not come.
#[tokio::test(flavor = "multi_thread")]
async fn every_act_survives_a_connection_that_falls_silent() {
    let one = |act, to_host| async move {
        let mut actor = Actor::new(act).await;
        let bytes = actor.measure().await;
        let cut = Cut { to_host, after: if to_host { bytes.0 / 2 } else { 0 }, how: Fault::Blackhole };
        eprintln!("{act:?} of {bytes:?} bytes: {cut:?}");
        actor.suffer(cut).await;
    };
    let in_the_request = ACTS.map(|act| one(act, true));
    let in_the_answer = if tortures() { &ACTS[..] } else { &[Act::Hook, Act::LongTool][..] };
    let in_the_answer = in_the_answer.iter().map(|act| one(*act, false));
    join_all(in_the_request.into_iter().chain(in_the_answer)).await;
}
