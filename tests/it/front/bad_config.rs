//! Configuration files that cannot be used: the check points at the line, the comment says what is wrong.

use serde_json::json;

use super::tools::{annotation, annotations, bot_of_change, bot_with, published};
use crate::support::bot::{REPO, TestBot, deploy_only, eventually, get, sample_files};

/// Opens a change with these bad files; the bot must say `message` at this place.
async fn is_told(files: &[(&str, Option<&str>)], (path, line): (&str, u64), message: &str) {
    let bot = TestBot::with_config(&deploy_only("true")).await;
    let (number, sha) = bot.open("feature", files).await;
    let title = bot.check_ended(number, &sha, "failure").await;
    assert_eq!(title, "Failed at configuration");
    let (at_path, at_line, said) = annotation(&bot, &sha);
    assert_eq!((at_path.as_str(), at_line), (path, line), "{said}");
    assert!(said.contains(message), "{said}");
    let comment = bot.comment_with(number, "Preview failed").await;
    assert!(comment.body.contains(path) && comment.body.contains(&format!("line {line}")), "{}", comment.body);
    assert!(!comment.body.contains("Previewctl.yaml"), "a file's name is written as it is: {}", comment.body);
    assert!(bot.environment("pr-1").await.published.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_push_is_annotated_at_its_line_while_the_old_commit_serves_on_until_a_mended_one_comes() {
    let bot = bot_of_change(31).await;
    let (number, good) = bot.open("feature", &[("web/index.html", Some("<h1>One</h1><!-- notes -->"))]).await;
    bot.check_ended(number, &good, "success").await;
    let url = bot.url("pr-31").await;

    let broken = "version: 1\nname: guestbook\nrunner: {deploy: [\n";
    let bad = bot.push(number, "feature", &[("previewctl.yaml", Some(broken))]).await;
    bot.check_ended(number, &bad, "failure").await;
    let (path, line, message) = annotation(&bot, &bad);
    assert_eq!(path, "previewctl.yaml");
    assert!((3..=4).contains(&line), "{line}: {message}");
    let comment = bot.comment_with(number, "Preview failed").await;
    let quoted = message.split(['`', '\'', '"', '[', '{', '<']).next().unwrap();
    assert!(quoted.len() > 10 && comment.body.to_lowercase().contains(&quoted.to_lowercase()), "{message}");
    assert!(comment.body.contains(&format!("serves `{}`", good.short())), "{}", comment.body);
    assert_eq!(bot.environment("pr-31").await.published, Some(good));
    assert!(get(&url).await.unwrap().1.contains("<h1>One</h1>"), "the old commit serves on");

    let mended = sample_files().into_iter().find(|(path, _)| path == "previewctl.yaml").unwrap().1;
    let page = Some("<h1>Two</h1><!-- notes -->");
    let files = [("previewctl.yaml", Some(mended.as_str())), ("web/index.html", page)];
    let third = bot.push(number, "feature", &files).await;
    bot.check_ended(number, &third, "success").await;
    let (_, page) = get(&url).await.unwrap();
    assert!(page.contains("<h1>Two</h1>"), "{page}");
    assert_eq!(bot.github.bot_comments(REPO, number).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_whose_newest_configuration_is_broken_is_still_destroyed_by_a_close() {
    let bot = bot_of_change(32).await;
    let (number, good) = bot.open("feature", &[]).await;
    published(&bot, "pr-32", &good).await;
    let (root, url) = (bot.compute_root("pr-32"), bot.url("pr-32").await);
    let bad = bot.push(number, "feature", &[("previewctl.yaml", Some("{"))]).await;
    bot.check_ended(number, &bad, "failure").await;
    bot.github.people().close(REPO, number, "alice").await.unwrap();
    bot.comment_with(number, "Preview destroyed").await;
    assert!(!root.exists() && get(&url).await.is_none());
    assert_eq!(std::fs::read_dir(bot.data.path().join("database")).unwrap().count(), 0, "the destroy hook ran");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    let file = "version: 1\nname: shop\nrunner:\n  deplyo: 'true'\n";
    is_told(&[("previewctl.yaml", Some(file))], ("previewctl.yaml", 4), "deploy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_a_wrong_type_is_told_with_its_line() {
    let file = "version: 1\nname: shop\nrunner:\n  deploy: [1, 2]\n";
    is_told(&[("previewctl.yaml", Some(file))], ("previewctl.yaml", 4), "deploy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_removes_the_configuration_is_told_that_it_is_missing() {
    let files = [("previewctl.yaml", None), ("README.md", Some("hello"))];
    is_told(&files, ("previewctl.yaml", 1), "does not exist at commit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compose_file_that_does_not_parse_is_annotated() {
    let config =
        "version: 1\nname: shop\ninfrastructure:\n  compose_file: compose.yaml\nrunner:\n  deploy: 'true'\n";
    let compose = "services:\n  db:\n    image: postgres\n   ports: [\n";
    let bot = bot_with(&[("previewctl.yaml", config), ("compose.yaml", compose)], json!({})).await;
    let (number, sha) = bot.open("feature", &[]).await;
    bot.check_ended(number, &sha, "failure").await;
    let (path, _, message) = annotation(&bot, &sha);
    assert_eq!(path, "compose.yaml");
    assert!(message.contains("does not parse"), "{message}");
    let comment = bot.comment_with(number, "Preview failed").await;
    assert!(comment.body.contains("compose.yaml") && comment.body.contains("does not parse"), "{}", comment.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_no_utf8_text_is_told_so() {
    let bot = TestBot::with_config(&deploy_only("true")).await;
    let sha = bot.repository.commit_bytes("feature", "previewctl.yaml", b"version: 1\nname: \xff\xfe\n");
    let new = previewbot::demo::fake_github::NewPull::new("alice", "feature");
    let (number, _) = bot.github.people().open_pull(REPO, new).await.unwrap();
    bot.check_ended(number, &sha, "failure").await;
    let (path, _, message) = annotation(&bot, &sha);
    assert_eq!(path, "previewctl.yaml");
    assert!(message.contains("UTF-8"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_refers_to_what_is_not_there_is_told_all_its_problems() {
    let file =
        "version: 1\nname: shop\nservices:\n  web: {path: web, depends_on: [nowhere]}\n  api: {path: gone}\n";
    let bot = TestBot::with_config(&deploy_only("true")).await;
    let files = [("previewctl.yaml", Some(file)), ("web/page", Some("hello"))];
    let (number, sha) = bot.open("feature", &files).await;
    bot.check_ended(number, &sha, "failure").await;
    let all = annotations(&bot, &sha);
    let places: Vec<(&str, u64)> = all.iter().map(|(path, line, _)| (path.as_str(), *line)).collect();
    assert_eq!(places, [("previewctl.yaml", 4), ("previewctl.yaml", 5)], "{all:?}");
    assert!(all[0].2.contains("nowhere") && all[1].2.contains("gone"), "{all:?}");
    let comment = bot.comment_with(number, "Preview failed").await;
    for part in ["2 problems", "line 4", "nowhere", "line 5", "gone"] {
        assert!(comment.body.contains(part), "{part}: {}", comment.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_problems_than_one_request_holds_are_all_annotated_once() {
    use std::fmt::Write as _;
    let mut file = String::from("version: 1\nname: shop\n");
    (0..120).for_each(|at| writeln!(file, "wrong{at}: 1").unwrap());
    let bot = TestBot::with_config(&deploy_only("true")).await;
    let (number, sha) = bot.open("feature", &[("previewctl.yaml", Some(&file))]).await;
    bot.check_ended(number, &sha, "failure").await;
    let seen = || format!("{} annotations", annotations(&bot, &sha).len());
    let sent = || async { (annotations(&bot, &sha).len() >= 120).then_some(()) };
    eventually("all annotations", seen, sent).await;
    let lines: Vec<u64> = annotations(&bot, &sha).iter().map(|(_, line, _)| *line).collect();
    assert_eq!(lines, (3..123).collect::<Vec<u64>>());
    let comment = bot.comment_with(number, "Preview failed").await;
    assert!(comment.body.contains("120 problems") && comment.body.contains("and 110 more"), "{}", comment.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_base_does_not_keep_the_change_that_mends_it_from_a_preview() {
    let bot = TestBot::with_config("version: [\n").await;
    let mended = deploy_only("true");
    let (number, sha) = bot.open("feature", &[("previewctl.yaml", Some(&mended))]).await;
    bot.check_ended(number, &sha, "success").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_without_a_configuration_is_left_alone_until_somebody_asks() {
    let bot = bot_with(&[("README.md", "hello")], json!({})).await;
    let (number, sha) = bot.open("feature", &[]).await;
    bot.idle().await;
    assert!(bot.github.bot_comments(REPO, number).is_empty() && bot.github.checks(REPO, sha.as_str()).is_empty());
    let order = bot.say(number, "/preview deploy").await;
    bot.reaction(number, order, "confused").await;
    bot.comment_with(number, "has no previewctl.yaml").await;
    bot.idle().await;
    assert!(bot.jobs().await.iter().all(|job| !job.work.touches_environment()));
}
