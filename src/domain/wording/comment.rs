//! The sticky comment (`ux.md` §2). Order of facts: state, link, commit, log, time.

use crate::domain::change::Sha;
use crate::domain::command::COMMANDS;
use crate::domain::environment::{Annotation, AnnotationLevel, Environment, Failure};
use crate::domain::policy::NO_SANDBOX;
use crate::domain::progress::StepStatus;
use crate::domain::report::{Shown, Snapshot, StepLine};

use super::escape::{code, cut, escape, fence};
use super::replies::how_to_approve;
use super::shown::shown;
use super::state::{
    dot, failed_to_destroy, given_up, how_back, is_cancelled, is_unplaced, lifetime, resetting, sentence,
    why_gone, words,
};
use super::time::{about, date, duration};

/// GitHub's limit of a comment's body, in characters.
const MAX_BODY: usize = 65_536;

/// Lines of output that a failure shows.
const MAX_LOG_LINES: usize = 15;

/// Steps that the table shows; a plan is far shorter, a hostile one is cut.
const MAX_STEPS: usize = 100;

/// The hidden marker of a change's sticky comment.
#[must_use]
pub fn comment_marker(environment: &Environment) -> String {
    format!("<!-- previewbot:{}/{} -->", environment.project.repository.id, environment.number)
}

/// The sticky comment's Markdown, marker included, at most 65,536 characters.
#[must_use]
pub fn comment(snapshot: &Snapshot, public_url: &str) -> String {
    let shown = shown(snapshot);
    let body = |with_steps: bool| {
        let mut parts = vec![format!("{}\n{}", comment_marker(&snapshot.environment), heading(snapshot, &shown))];
        parts.push(facts(snapshot, &shown));
        if with_steps {
            parts.push(steps_details(&snapshot.steps));
        }
        parts.push(commands_details());
        parts.push(footer(public_url));
        parts.retain(|part| !part.is_empty());
        parts.join("\n\n")
    };
    let whole = body(true);
    if whole.chars().count() <= MAX_BODY { whole } else { cut(&body(false), MAX_BODY - 1) }
}

/// Everything between heading and folded parts; also the check's summary.
pub(super) fn facts(snapshot: &Snapshot, shown: &Shown) -> String {
    let environment = &snapshot.environment;
    let mut parts = match shown {
        Shown::Ready => vec![url_table(snapshot, shown), life_line(snapshot)],
        Shown::Queued(..) | Shown::Deploying(..) => {
            vec![url_table(snapshot, shown), progress_line(snapshot, shown)]
        }
        Shown::Failed if failed_to_destroy(snapshot) => vec![failure(snapshot)],
        Shown::Failed if is_cancelled(snapshot) => {
            vec![
                url_table(snapshot, shown),
                format!("{} `/preview deploy` goes on.", sentence(given_up(snapshot))),
            ]
        }
        Shown::Failed => vec![url_table(snapshot, shown), failure(snapshot)],
        Shown::Stopped => vec!["It is stopped, its data is kept. `/preview start` brings it back.".to_owned()],
        Shown::Destroying => vec![format!("{} It is being torn down.", why_gone(environment))],
        Shown::Destroyed | Shown::Expired => vec![gone(environment)],
        Shown::Skipped => vec![sentence(&environment.reason)],
        Shown::WaitingForApproval => vec![sentence(&environment.reason), approval(environment)],
    };
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn heading(snapshot: &Snapshot, shown: &Shown) -> String {
    let environment = &snapshot.environment;
    let commit = commit_shown(environment).map(|sha| format!(" · `{}`", sha.short())).unwrap_or_default();
    let title = match shown {
        Shown::Failed if failed_to_destroy(snapshot) => "could not be destroyed".to_owned(),
        Shown::Failed if is_cancelled(snapshot) => "cancelled".to_owned(),
        Shown::Skipped if is_unplaced(environment) => "not possible yet".to_owned(),
        Shown::Deploying(..) if resetting(snapshot).is_some() => "resetting data".to_owned(),
        Shown::Queued(..) | Shown::Deploying(..) => escape(&words(shown)),
        other => other.word().to_owned(),
    };
    format!("### {} Preview {title}{commit}", dot(shown))
}

/// Whether a sticky comment of ours said that this commit waits for approval. The heading counts too: what a preview printed
/// may stand below another one, and be anything.
#[must_use]
pub fn asks_for_approval(body: &str, commit: &Sha) -> bool {
    let waiting = Shown::WaitingForApproval;
    let heading = format!("### {} Preview {} · `{}`", dot(&waiting), waiting.word(), commit.short());
    body.lines().nth(1) == Some(heading.as_str()) && body.contains(&how_to_approve(commit))
}

/// The commit that the state is about: the wanted one, else the change's head.
fn commit_shown(environment: &Environment) -> Option<&Sha> {
    environment.desired.commit().or_else(|| environment.change.as_ref().map(|change| &change.head.sha))
}

fn url_table(snapshot: &Snapshot, shown: &Shown) -> String {
    let environment = &snapshot.environment;
    if environment.urls.is_empty() {
        return String::new();
    }
    let current =
        environment.published.is_some() && environment.published.as_ref() == environment.desired.commit();
    let status = match (&environment.published, shown) {
        (_, Shown::Ready) => "🟢 ready".to_owned(),
        (None, _) => "⚪ not up yet".to_owned(),
        (Some(_), Shown::Failed) if current => "🔴 failed".to_owned(),
        (Some(_), _) if current => "🟡 updating".to_owned(),
        (Some(sha), _) => format!("🟡 serves `{}`", sha.short()),
    };
    let mut table = "| Service | Status | Preview |\n|---|---|---|".to_owned();
    for (service, url) in &environment.urls {
        table.push_str(&format_row(&[&code(service), &status, &link(url)]));
    }
    table
}

fn format_row(cells: &[&str]) -> String {
    format!("\n| {} |", cells.join(" | "))
}

/// A URL as it is when it is plainly one, else as code: a host name from settings and a port make nothing else.
fn link(url: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?=&%+,".contains(c);
    let web = url.starts_with("http://") || url.starts_with("https://");
    if web && url.chars().all(plain) { format!("<{url}>") } else { code(url) }
}

/// Duration, age of the data and what is left of the life.
fn life_line(snapshot: &Snapshot) -> String {
    let (environment, now) = (&snapshot.environment, snapshot.now);
    let mut parts = Vec::new();
    if let Some(ms) = environment.deploy_ms {
        parts.push(format!("Deployed in {}", duration(ms)));
    }
    if let Some(seeded) = environment.seeded_at {
        let reset = environment.reset_at.map(|at| format!(", reset {} ago", about(now - at))).unwrap_or_default();
        parts.push(format!("data: seed of {}{reset}", date(seeded)));
    }
    if let Some(expires) = environment.expires_at {
        parts.push(format!("expires in {}", about(expires - now)));
    }
    parts.join(" · ")
}

fn progress_line(snapshot: &Snapshot, shown: &Shown) -> String {
    let environment = &snapshot.environment;
    let first = match (resetting(snapshot), shown) {
        (Some(service), Shown::Deploying(..)) => format!("The data of {} goes back to its seed.", code(service)),
        (Some(service), _) => format!("A reset of {} waits for its turn.", code(service)),
        (None, Shown::Deploying(_, _, step)) if !step.is_empty() => format!("Now at {}.", code(step)),
        _ => String::new(),
    };
    let waits = snapshot.active_job().filter(|job| job.state == crate::domain::job::JobState::Waiting);
    let waits = waits.map(|job| sentence(&job.reason)).unwrap_or_default();
    let serves = match (&environment.published, environment.desired.commit()) {
        (Some(old), Some(new)) if old != new => format!("The links still serve `{}`.", old.short()),
        _ => String::new(),
    };
    [first, waits, serves].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn failure(snapshot: &Snapshot) -> String {
    let Some(failure) = &snapshot.environment.failure else {
        let reason = snapshot.job.as_ref().map(|job| sentence(&job.reason)).unwrap_or_default();
        return format!("{reason}\n\n`/preview deploy` tries again.").trim_start().to_owned();
    };
    let exit = failure.exit_code.map(|exit| format!(" (exit code {exit})")).unwrap_or_default();
    let mut parts = vec![format!("**Failed at {}**{exit}: {}", code(&failure.step), what_failed(failure))];
    if !failure.left_behind.is_empty() {
        let left: Vec<_> = failure.left_behind.iter().take(20).map(|item| format!("- {}", code(item))).collect();
        parts.push(format!("Left behind:\n\n{}", left.join("\n")));
    }
    parts.push(log_details(failure));
    parts.push(what_to_try(snapshot, failure));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

/// Problems of the configuration that a comment lists; the check shows all.
const MAX_PROBLEMS: usize = 10;

/// What went wrong; where files are to blame, their paths and lines come first.
fn what_failed(failure: &Failure) -> String {
    let errors: Vec<&Annotation> =
        failure.annotations.iter().filter(|place| place.level == AnnotationLevel::Failure).collect();
    let told =
        |place: &Annotation| format!("{}, line {}: {}", code(&place.path), place.line, sentence(&place.message));
    let place = match errors.as_slice() {
        [] => return sentence(&failure.message),
        [place] => place,
        many => {
            let mut lines: Vec<String> =
                many.iter().take(MAX_PROBLEMS).map(|place| format!("- {}", told(place))).collect();
            if many.len() > MAX_PROBLEMS {
                lines.push(format!("- and {} more, which the check shows", many.len() - MAX_PROBLEMS));
            }
            return format!("{} problems.\n\n{}", many.len(), lines.join("\n"));
        }
    };
    let at = told(place);
    if failure.message.contains(&place.message) { at } else { format!("{}\n\n{at}", sentence(&failure.message)) }
}

pub(super) fn log_details(failure: &Failure) -> String {
    if failure.log_tail.is_empty() {
        return String::new();
    }
    let tail = &failure.log_tail[failure.log_tail.len().saturating_sub(MAX_LOG_LINES)..];
    format!("<details open><summary>Last lines of output</summary>\n\n{}\n\n</details>", fence(tail))
}

fn what_to_try(snapshot: &Snapshot, failure: &Failure) -> String {
    if failed_to_destroy(snapshot) {
        return "What to try: `/preview destroy` once more; what is named above may have to be removed by hand."
            .to_owned();
    }
    let known = snapshot.steps.iter().any(|line| line.step == failure.step);
    let again = if known {
        format!("or try again from that step with {}", code(&format!("/preview deploy --from {}", failure.step)))
    } else {
        "or try again with `/preview deploy`".to_owned()
    };
    format!("What to try: push a fix, {again}, or run every step anew with `/preview rebuild`.")
}

/// How to let an untrusted commit run, where that can be.
fn approval(environment: &Environment) -> String {
    let head = environment.change.as_ref().map(|change| &change.head.sha);
    head.filter(|_| !environment.reason.ends_with(NO_SANDBOX)).map(how_to_approve).unwrap_or_default()
}

fn gone(environment: &Environment) -> String {
    let lived = lifetime(environment).map(|lived| format!(" It lived {lived}.")).unwrap_or_default();
    format!("{}{lived} {}", why_gone(environment), how_back(environment.cause))
}

/// Steps with results and times.
pub(super) fn steps_table(steps: &[StepLine]) -> String {
    let mut table = "| Step | Result | Time |\n|---|---|---|".to_owned();
    for line in steps.iter().take(MAX_STEPS) {
        let result = match line.status {
            StepStatus::Started | StepStatus::Streaming => "🟡 running",
            StepStatus::Completed => "🟢 done",
            StepStatus::Failed => "🔴 failed",
            StepStatus::Skipped => "⚪ done before",
        };
        let time = line.duration_ms.map(duration).unwrap_or_default();
        table.push_str(&format_row(&[&code(&line.step), result, &time]));
    }
    table
}

fn steps_details(steps: &[StepLine]) -> String {
    if steps.is_empty() {
        return String::new();
    }
    format!("<details><summary>Steps</summary>\n\n{}\n\n</details>", steps_table(steps))
}

fn commands_details() -> String {
    let rows: Vec<_> = COMMANDS.iter().map(|row| format!("- `/preview {}`: {}", row.usage, row.meaning)).collect();
    format!("<details><summary>Commands</summary>\n\n{}\n\n</details>", rows.join("\n"))
}

fn footer(public_url: &str) -> String {
    let plain = public_url.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/?=&%+".contains(c));
    if plain && public_url.starts_with("http") {
        format!("<sub>[previewbot]({public_url})</sub>")
    } else {
        String::new()
    }
}
