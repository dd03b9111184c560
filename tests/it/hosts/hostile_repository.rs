//! Repositories that mean harm: each is deployed or refused, and nothing of it runs or reads where it must not.

use super::bench::{PAGE, host, setup};
use crate::local::bench::git_with;
use crate::support::bot::{ALICE, REPO, TestBot};
use crate::support::host::sshd::Sshd;
use previewbot::demo::fake_github::NewPull;

/// A tree that git is given as it is: mode, what it holds, path. `@` stands for the canary's folder.
struct Case {
    name: &'static str,
    tree: &'static [(&'static str, &'static str, &'static str)],
    /// Words of the reason where it is refused.
    refused: Option<&'static str>,
}

const EXTERNAL: &str =
    "[submodule \"x\"]\n\tpath = x\n\turl = ext::sh -c 'touch @/canary'\n\tupdate = !touch @/canary\n";
const FILTERS: &str = "* filter=evil diff=evil merge=evil ident export-subst working-tree-encoding=UTF-16\n";

const CASES: &[Case] = &[
    Case { name: "a link to a file of the host", tree: &[("120000", "/etc/passwd", "stolen")], refused: None },
    Case { name: "a link to the root", tree: &[("120000", "/", "root")], refused: None },
    Case { name: "a link in a circle", tree: &[("120000", "self", "self")], refused: None },
    Case { name: "a service that is a link out", tree: &[("120000", "@", "web")], refused: Some("web") },
    Case {
        name: "an env file that is a link out",
        tree: &[("120000", "@/canary", "web/.env.local")],
        refused: None,
    },
    Case { name: "filters", tree: &[("100644", FILTERS, ".gitattributes")], refused: None },
    Case {
        name: "a submodule that runs a program",
        tree: &[("100644", EXTERNAL, ".gitmodules"), ("160000", "", "x")],
        refused: None,
    },
    Case {
        name: "hooks in a .git of its own",
        tree: &[("100755", "#!/bin/sh\ntouch @/canary\n", ".git/hooks/post-checkout")],
        refused: Some("invalid path"),
    },
    Case {
        name: "the same for another file system",
        tree: &[("100644", "[core]\n\tfsmonitor = touch @/canary\n", "GIT~1/config")],
        refused: Some("invalid path"),
    },
    Case {
        name: "the same with a character that is ignored",
        tree: &[("100644", "[core]\n", ".g\u{200c}it/config")],
        refused: Some("invalid path"),
    },
    Case { name: "a way up", tree: &[("100644", "x", "../canary")], refused: Some("invalid path") },
    Case {
        name: "a repository within",
        tree: &[
            ("100644", "[core]\n\tbare = true\n\tfsmonitor = touch @/canary\n", "inner/config"),
            ("100644", "ref: refs/heads/main\n", "inner/HEAD"),
        ],
        refused: None,
    },
    Case {
        name: "names that differ by case alone",
        tree: &[("100644", "a", "Readme"), ("100644", "b", "README")],
        refused: None,
    },
    Case { name: "a name like an option", tree: &[("100644", "x", "--upload-pack=touch canary")], refused: None },
    Case { name: "a name with a line break", tree: &[("100644", "x", "a\nb")], refused: None },
    Case { name: "a name that is no text", tree: &[("100644", "x", "caf\u{e9}\u{202e}")], refused: None },
];

/// Makes the objects of a tree below main's own files, innermost first, and returns the tree.
fn tree_of(bot: &TestBot, entries: &[(&str, String, String)], base: &str) -> String {
    let bare = bot.repository.bare(REPO);
    let mut lines: Vec<String> = base.split_terminator('\0').map(str::to_owned).collect();
    let mut folders: Vec<&str> = Vec::new();
    for (mode, text, path) in entries {
        match path.split_once('/') {
            Some((folder, _)) => {
                if !folders.contains(&folder) {
                    folders.push(folder);
                }
            }
            None if *mode == "160000" => lines.push(format!("160000 commit {}\t{path}", "1".repeat(40))),
            None => {
                let blob = git_with(&bare, &["hash-object", "-w", "--stdin"], text);
                lines.push(format!("{mode} blob {blob}\t{path}"));
            }
        }
    }
    for folder in folders {
        let below: Vec<_> = entries
            .iter()
            .filter_map(|(mode, text, path)| {
                let (head, rest) = path.split_once('/')?;
                (head == folder).then(|| (*mode, text.clone(), rest.to_owned()))
            })
            .collect();
        lines.push(format!("040000 tree {}\t{folder}", tree_of(bot, &below, "")));
    }
    // A later entry takes the place of main's own.
    let path = |line: &String| line.split_once('\t').unwrap().1.to_owned();
    let all: std::collections::BTreeMap<String, String> =
        lines.iter().map(|line| (path(line), line.clone())).collect();
    let input: String = all.into_values().map(|line| line + "\0").collect();
    git_with(&bare, &["mktree", "-z", "--missing"], &input)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_repository_is_deployed_or_refused_and_does_nothing_else() {
    let sshd = Sshd::start().await;
    let root = sshd.home().join("previews");
    let canaries = tempfile::tempdir().unwrap();
    let files = [("previewctl.yaml", PAGE), ("page", "one\n"), ("web/README", "")];
    let bot = TestBot::with(setup(&files, &[host("vm-1", sshd.login(), &root.to_string_lossy())])).await;
    let bare = bot.repository.bare(REPO);
    let base = git_with(&bare, &["ls-tree", "-z", "main"], "");
    let mut opened = Vec::new();
    for (index, case) in CASES.iter().enumerate() {
        let here = |text: &str| text.replace('@', &canaries.path().to_string_lossy());
        let entries: Vec<_> =
            case.tree.iter().map(|(mode, text, path)| (*mode, here(text), (*path).to_owned())).collect();
        let tree = tree_of(&bot, &entries, &base);
        let commit = git_with(&bare, &["commit-tree", "-p", "main", "-m", case.name, &tree], "");
        let branch = format!("hostile-{index}");
        git_with(&bare, &["update-ref", &format!("refs/heads/{branch}"), &commit], "");
        let pull = NewPull::new(ALICE, &branch);
        opened.push((bot.github.people().open_pull(REPO, pull).await.unwrap().0, commit.parse().unwrap()));
    }
    for (case, (number, commit)) in CASES.iter().zip(&opened) {
        match case.refused {
            None => {
                bot.check_ended(*number, commit, "success").await;
            }
            Some(reason) => {
                bot.check_ended(*number, commit, "failure").await;
                let comment = bot.comment_with(*number, "failed").await.body;
                assert!(comment.contains(reason), "{}: {comment}", case.name);
            }
        }
        assert_eq!(std::fs::read_dir(canaries.path()).unwrap().count(), 0, "{}", case.name);
    }
    for (number, _) in &opened {
        bot.github.people().close(REPO, *number, ALICE).await.unwrap();
    }
    for (case, (number, _)) in CASES.iter().zip(&opened) {
        let comment = bot.comment_with(*number, "estroyed").await;
        assert!(!comment.body.contains("left"), "{}: {}", case.name, comment.body);
    }
    assert_eq!(std::fs::read_dir(root.join(".previewbot")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(canaries.path()).unwrap().count(), 0);
    assert!(std::path::Path::new("/etc/passwd").exists());
}
