//! A host whose disk is full.

use crate::hosts::bench::{host, setup};
use crate::support::bot::{TestBot, deploy_only, eventually};
use crate::support::host::sshd::Sshd;
use crate::support::small_disk::SmallDisk;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_and_the_deploy_works_once_there_is_room() {
    let sshd = Sshd::start().await;
    let root = sshd.home().join("previews");
    std::fs::create_dir(&root).unwrap();
    let Some(disk) = SmallDisk::over(&root, 8 * 1024) else { return };
    let config = deploy_only("echo deployed >>log");
    let mut vm = host("vm-1", sshd.login(), &root.to_string_lossy());
    vm["disk_floor_mb"] = 1.into();
    let hosts = [vm];
    let bot = TestBot::with(setup(&[("previewctl.yaml", &config), ("page", "one\n")], &hosts)).await;
    let (number, sha) = bot.open("first", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    let checkout = root.join("shop/pr-1");
    let manifest = std::fs::read(checkout.join(".previewctl.json")).unwrap();

    // Noise, which cannot be packed: more than is left, so that it is the push, the checkout or a file that fails.
    disk.fill(40 * 1024);
    let noise: String =
        (0..300_000_u32).map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 24) as u8 % 26)).collect();
    let sha = bot.push(number, "first", &[("page", Some("two\n")), ("noise", Some(&noise))]).await;
    let told = || async {
        let jobs = bot.jobs().await;
        jobs.into_iter().map(|job| job.reason).find(|why| why.contains("vm-1") && why.contains("disk"))
    };
    let why = eventually("a word about the disk", String::new, told).await;
    assert!(why.contains("its disk is full"), "{why}");
    assert_eq!(std::fs::read(checkout.join(".previewctl.json")).unwrap(), manifest, "nothing is half written");
    let page = std::fs::read_to_string(checkout.join("page")).unwrap();
    assert!(page == "one\n" || page == "two\n", "{page:?}");

    disk.empty();
    bot.check_ended(number, &sha, "success").await;
    assert_eq!(std::fs::read_to_string(checkout.join("page")).unwrap(), "two\n");
    assert_eq!(std::fs::read_to_string(checkout.join("noise")).unwrap(), noise);
}
