//! Reading grows with the file, not with its square.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use previewbot::domain::project::load::{Request, load};
use previewbot::outbound::project_folder::ProjectFolder;

/// How long a sound project of so many services takes, at best of three.
async fn time(services: usize) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("version: 1\nname: large\nservices:\n");
    for at in 0..services {
        let next = if at + 1 < services { format!("s{}", at + 1) } else { String::new() };
        write!(text, "  s{at}:\n    path: .\n    depends_on: [{next}]\n    env:\n").unwrap();
        for key in 0..5 {
            writeln!(text, "      K{key}: 'http://localhost:{{{{services.s{at}.port}}}}'").unwrap();
        }
    }
    std::fs::write(folder.path().join("previewctl.yaml"), text).unwrap();
    let folder_of = ProjectFolder::at(folder.path());
    let request = Request { mode: "local", root: "/project", secrets: None };
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        load(&request, &folder_of, &folder_of).await.unwrap();
        best = best.min(started.elapsed());
    }
    best
}

#[tokio::test]
async fn ten_times_the_services_take_about_ten_times_as_long() {
    let (small, large) = (time(200).await, time(2_000).await);
    println!("200 services: {small:?}, 2000 services: {large:?}");
    assert!(large < small * 40, "{small:?} for 200 services, {large:?} for 2000");
}
