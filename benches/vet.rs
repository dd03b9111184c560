//! What `vet` costs on a large configuration, sound and full of mistakes: reading, merging, checking and drawing.
//! `cargo bench --bench vet`; without `--bench` it does nothing.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use previewbot::domain::project::load::Request;
use previewbot::inbound::cli::vet::{self, Options};
use previewbot::outbound::project_folder::ProjectFolder;

const RUNS: usize = 50;

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for services in [200, 2_000] {
        for (what, depends_on) in [("sound", "s"), ("all wrong", "t")] {
            let median = runtime.block_on(measure(&configuration(services, depends_on)));
            println!("{services:>5} services, {what:<9}  {median:>10.2?}");
        }
    }
}

fn configuration(services: usize, depends_on: &str) -> String {
    let mut text = String::from("version: 1\nname: large\nservices:\n");
    for at in 0..services {
        let before = at.saturating_sub(1);
        let dependency = if at == 0 { String::new() } else { format!("{depends_on}{before}") };
        write!(text, "  s{at}:\n    path: .\n    depends_on: [{dependency}]\n    env:\n").unwrap();
        for key in 0..5 {
            writeln!(text, "      K{key}: 'http://localhost:{{{{services.s{at}.port}}}}/path'").unwrap();
        }
    }
    text
}

async fn measure(text: &str) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("previewctl.yaml"), text).unwrap();
    let folder = ProjectFolder::at(folder.path());
    let request = Request { mode: "local", root: "/project", secrets: None };
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let started = Instant::now();
        let mut out = Vec::new();
        vet::run(&request, (&folder, &folder), Options::default(), &mut out).await.unwrap();
        times.push(started.elapsed());
    }
    times.sort();
    times[RUNS / 2]
}
