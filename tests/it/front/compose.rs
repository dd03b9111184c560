//! The whole thread with real compose files and a real docker.

mod docker;
mod killed;

use docker::{Foreign, IMAGE, Made, Names, Sweeper, needed};

use crate::support::bot::{REPO, TestBot, get};

#[tokio::test(flavor = "multi_thread")]
async fn two_previews_of_one_compose_file_live_side_by_side_and_go_without_a_trace() {
    needed();
    let names = Names::new("thread");
    let foreign = Foreign::start(&names);
    let bot = TestBot::with(names.setup(&names.compose("one"))).await;
    let _sweeper = Sweeper::of(&bot);
    let (first, one) = bot.open("first", &[]).await;
    let (second, two) = bot.open("second", &[]).await;
    bot.check_ended(first, &one, "success").await;
    bot.check_ended(second, &two, "success").await;
    let (url, other) = (bot.url("pr-1").await, bot.url("pr-2").await);
    assert_ne!(url, other);
    for url in [&url, &other] {
        assert!(get(url).await.unwrap().1.contains("<p>one</p>"), "the deploy reached the cache");
    }
    let life = bot.environment("pr-1").await.life;
    let other_life = bot.environment("pr-2").await.life;
    let made = Made::by(life);
    assert_eq!(made.counts(), [1, 1, 1], "{made:?}");
    let others = Made::by(other_life);
    assert_eq!(others.counts(), [1, 1, 1], "{others:?}");

    let changed = names.compose("two");
    let pushed = bot.push(first, "first", &[("compose.yaml", Some(&changed))]).await;
    bot.check_ended(first, &pushed, "success").await;
    assert!(get(&url).await.unwrap().1.contains("<p>two</p>"), "the changed file runs");
    assert!(get(&other).await.unwrap().1.contains("<p>one</p>"));
    let after = Made::by(life);
    assert_eq!((&after.networks, &after.volumes), (&made.networks, &made.volumes), "data stays");
    assert_ne!(after.containers, made.containers);

    bot.github.people().merge(REPO, first, "alice").await.unwrap();
    bot.comment_with(first, "destroyed").await;
    assert_eq!(Made::by(life).counts(), [0, 0, 0]);
    assert_eq!(Made::by(other_life), others, "the other preview is not touched");
    assert!(get(&url).await.is_none());
    assert!(get(&other).await.is_some());
    bot.github.people().merge(REPO, second, "alice").await.unwrap();
    bot.comment_with(second, "destroyed").await;
    assert_eq!(Made::by(other_life).counts(), [0, 0, 0]);
    assert!(foreign.is_untouched());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_infrastructure_is_said_where_people_see_it() {
    needed();
    let exits = format!(
        "services:\n  fine: {{ image: {IMAGE}, init: true }}\n  \
         cache: {{ image: {IMAGE}, command: sh -c 'echo no disk left; exit 1', ports: [\"18099:80\"] }}\n"
    );
    let waits = format!(
        "services:\n  cache:\n    image: {IMAGE}\n    init: true\n    depends_on:\n      \
         first: {{ condition: service_completed_successfully }}\n  \
         first: {{ image: {IMAGE}, command: sh -c 'echo no schema; exit 7' }}\n"
    );
    let unhealthy = format!(
        "services:\n  cache:\n    image: {IMAGE}\n    init: true\n    command: sh -c 'echo warming up; exec httpd -f -p 80'\n    \
         healthcheck: {{ test: [\"CMD\", \"false\"], interval: 1s, retries: 2 }}\n"
    );
    let cases: [(&str, Option<&str>, &[&str]); 6] = [
        ("exits", Some(&exits), &["start_infra", "service cache", "no disk left"]),
        ("waits", Some(&waits), &["start_infra", "service first", "no schema"]),
        ("unhealthy", Some(&unhealthy), &["start_infra", "service cache", "unhealthy", "warming up"]),
        ("schema", Some("services:\n  cache:\n    imag: x\n"), &["compose.yaml", "imag"]),
        ("broken", Some("services:\n  cache:\n   image: x\n  - y\n"), &["compose.yaml", "line"]),
        ("missing", None, &["compose.yaml"]),
    ];
    let names = Names::new("wrong");
    let bot = TestBot::with(names.setup(&names.compose("one"))).await;
    let _sweeper = Sweeper::of(&bot);
    let mut opened = Vec::new();
    for (branch, file, words) in cases {
        opened.push((bot.open(branch, &[("compose.yaml", file)]).await, branch, words));
    }
    for ((number, sha), branch, words) in &opened {
        bot.check_ended(*number, sha, "failure").await;
        let comment = bot.comment_with(*number, "failed").await.body;
        for word in *words {
            assert!(comment.contains(word), "{branch}: {word:?} is not in\n{comment}");
        }
        bot.github.people().merge(REPO, *number, "alice").await.unwrap();
    }
    for (index, ((number, _), branch, _)) in opened.iter().enumerate() {
        bot.comment_with(*number, "destroyed").await;
        let life = bot.environment(&format!("pr-{}", index + 1)).await.life;
        assert_eq!(Made::by(life).counts(), [0, 0, 0], "{branch}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ends_well_is_no_failure_and_does_not_hide_what_is_not_ready_yet() {
    needed();
    let names = Names::new("job");
    let file = names
        .compose("one")
        .replace("services:\n", &format!("services:\n  job: {{ image: {IMAGE}, command: echo done }}\n"));
    let slow = file.replace("command: sh -c '", "command: sh -c 'sleep 3; ");
    let bot = TestBot::with(names.setup(&slow)).await;
    let _sweeper = Sweeper::of(&bot);
    let (number, sha) = bot.open("feature", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    bot.github.people().merge(REPO, number, "alice").await.unwrap();
    bot.comment_with(number, "destroyed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_answered_with_what_containers_print() {
    needed();
    let names = Names::new("logs");
    let compose = names.compose("one").replace("exec httpd", "echo a line of mine; exec httpd");
    let bot = TestBot::with(names.setup(&compose)).await;
    let _sweeper = Sweeper::of(&bot);
    let (number, sha) = bot.open("feature", &[]).await;
    bot.check_ended(number, &sha, "success").await;
    let posted = bot.github.bot_comments(REPO, number).len();
    let order = bot.say(number, "/preview logs lines=20").await;
    bot.reaction(number, order, "rocket").await;
    bot.comment_with(number, "a line of mine").await;
    let order = bot.say(number, "/preview logs nobody").await;
    bot.reaction(number, order, "confused").await;
    let reply = bot.comment_with(number, "is no service with containers").await;
    assert!(reply.body.contains("cache"), "{}", reply.body);
    bot.idle().await;
    assert_eq!(bot.github.bot_comments(REPO, number).len(), posted + 2);
    let comment = bot.comment_with(number, "Preview ready").await;
    assert!(!comment.body.contains("queued"), "who only looks is no deploy: {}", comment.body);
}
