//! The page for people: pull requests with what the bot wrote on them, everything escaped.

use std::fmt::Write;

use super::answer::{Answer, Call};
use super::comments::FakeComment;
use super::pulls::FakePull;
use super::state::{FakeRepository, World};
use crate::demo::html::escape;

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
<meta http-equiv=refresh content=2><title>A stand-in for GitHub</title><style>\
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1f2328}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f6f8fa;border:1px solid #d1d9e0;border-radius:6px;padding:1rem}\
h3{margin-bottom:.3rem}small{color:#59636e}</style><h1>A stand-in for GitHub</h1>\
<p><small>What the bot wrote, as it sent it. The page reloads itself.</small>";

/// The page at `/`, `/{owner}/{repo}` and `/{owner}/{repo}/pull/{n}`; `None` for everything that is the API's.
pub(super) fn answer(world: &World, call: &Call) -> Option<Answer> {
    let segments = call.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let wanted = match (call.method.as_str(), segments.as_slice()) {
        ("GET", []) => None,
        ("GET", [owner, name, "pull", number]) if *owner != "repos" => Some((format!("{owner}/{name}"), *number)),
        _ => return None,
    };
    let mut html = HEAD.to_owned();
    for repository in world.repositories.values() {
        for pull in repository.pulls.values().rev() {
            let is_wanted = |(name, number): &(String, &str)| {
                *name == repository.spec.name && *number == pull.number.to_string()
            };
            if wanted.as_ref().is_none_or(is_wanted) {
                show(&mut html, repository, pull);
            }
        }
    }
    Some(Answer::raw("text/html; charset=utf-8", html.into_bytes()))
}

fn show(html: &mut String, repository: &FakeRepository, pull: &FakePull) {
    let state = match (pull.open, pull.merged, pull.draft) {
        (true, _, true) => "draft",
        (true, _, false) => "open",
        (false, true, _) => "merged",
        (false, false, _) => "closed",
    };
    line(html, &format!("<hr><h2>{} #{}: ", escape(&repository.spec.name), pull.number));
    line(html, &format!("{} <small>{state}</small></h2>", escape(&pull.title)));
    line(html, &format!("<p>{} at <code>{}</code></p>", escape(&pull.head_branch), escape(&pull.head_sha)));
    for comment in repository.comments.values().filter(|comment| comment.issue == pull.number) {
        show_comment(html, comment);
    }
    line(html, "<h3>Checks</h3><ul>");
    for check in repository.checks.values().filter(|check| check.head_sha == pull.head_sha) {
        let state = check.conclusion.as_deref().unwrap_or(&check.status);
        line(html, &format!("<li>{}: <b>{}</b> {}", escape(&check.name), escape(state), escape(check.title())));
    }
    line(html, "</ul><h3>Deployments</h3><ul>");
    let suffix = format!("pr-{}", pull.number);
    for deployment in repository.deployments.values().filter(|d| d.environment.ends_with(&suffix)) {
        let (state, url) = (deployment.state(), deployment.url().unwrap_or_default());
        line(html, &format!("<li>{}: <b>{}</b> {}", escape(&deployment.environment), escape(state), link(url)));
    }
    line(html, "</ul>");
}

fn show_comment(html: &mut String, comment: &FakeComment) {
    let reactions: Vec<&str> = comment.reactions.iter().map(|reaction| reaction.content.as_str()).collect();
    let who = format!("<h3>{} <small>{}</small></h3>", escape(&comment.author), escape(&reactions.join(" ")));
    line(html, &format!("{who}<pre>{}</pre>", escape(&comment.body)));
}

/// A link only where it leads to the web.
fn link(url: &str) -> String {
    let text = escape(url);
    if url.starts_with("http://") || url.starts_with("https://") {
        format!("<a href=\"{text}\">{text}</a>")
    } else {
        text
    }
}

fn line(html: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(html, "{text}");
}
