//! Comments on pull requests and issues, and the reactions to them.

use serde_json::{Value, json};

use super::answer::{Answer, Call};
use super::shapes;
use super::state::{FakeRepository, World};

/// A reaction to a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeReaction {
    /// GitHub's id.
    pub id: u64,
    /// `eyes`, `rocket`, …
    pub content: String,
    /// Who reacted.
    pub login: String,
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeComment {
    /// GitHub's id.
    pub id: u64,
    /// Number of the pull request or issue that it is on.
    pub issue: u64,
    /// Who wrote it.
    pub author: String,
    /// Its text.
    pub body: String,
    /// When it was written.
    pub created_at: String,
    /// When it was last edited.
    pub updated_at: String,
    /// Reactions to it, oldest first.
    pub reactions: Vec<FakeReaction>,
}

impl FakeComment {
    /// Whether somebody reacted in this way.
    #[must_use]
    pub fn has_reaction(&self, content: &str) -> bool {
        self.reactions.iter().any(|reaction| reaction.content == content)
    }
}

const REACTIONS: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];
const LONGEST: usize = 65_536;

/// A comment as the API shows it.
pub(super) fn shape(world: &World, repository: &FakeRepository, comment: &FakeComment) -> Value {
    let api = shapes::repository_url(&world.base_url, &repository.spec.name);
    let kind = if repository.pulls.contains_key(&comment.issue) { "pull" } else { "issues" };
    let by_app = comment.author == world.bot_login();
    let url = format!("{api}/issues/comments/{}", comment.id);
    json!({
        "id": comment.id,
        "node_id": format!("IC_{}", comment.id),
        "url": url,
        "html_url": format!("{}/{}/{kind}/{}#issuecomment-{}", world.base_url, repository.spec.name, comment.issue, comment.id),
        "issue_url": format!("{api}/issues/{}", comment.issue),
        "user": shapes::account(&world.base_url, &comment.author),
        "created_at": comment.created_at,
        "updated_at": comment.updated_at,
        "body": comment.body,
        "author_association": if comment.author == repository.owner() { "OWNER" } else { "NONE" },
        "reactions": rollup(&url, comment),
        "performed_via_github_app": by_app.then(|| shapes::app(world)),
    })
}

fn rollup(url: &str, comment: &FakeComment) -> Value {
    let mut rollup = json!({ "url": format!("{url}/reactions"), "total_count": comment.reactions.len() });
    for content in REACTIONS {
        rollup[content] = json!(comment.reactions.iter().filter(|r| r.content == content).count());
    }
    rollup
}

fn reaction_shape(world: &World, reaction: &FakeReaction) -> Value {
    json!({
        "id": reaction.id,
        "node_id": format!("REA_{}", reaction.id),
        "user": shapes::account(&world.base_url, &reaction.login),
        "content": reaction.content,
        "created_at": world.now(),
    })
}

/// Everything below `/repos/{o}/{r}/issues`.
pub(super) fn route(world: &mut World, id: u64, call: &Call, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("GET", [issue, "comments"]) => list(world, id, call, issue),
        ("POST", [issue, "comments"]) => create(world, id, call, issue),
        ("GET", ["comments", comment]) => get(world, id, comment),
        // GitHub takes a POST for a PATCH here, and octocrab counts on it.
        ("PATCH" | "POST", ["comments", comment]) => edit(world, id, call, comment),
        ("DELETE", ["comments", comment]) => delete(world, id, comment),
        ("GET", ["comments", comment, "reactions"]) => reactions(world, id, call, comment),
        ("POST", ["comments", comment, "reactions"]) => react(world, id, call, comment),
        _ => Answer::unexpected(),
    }
}

fn repository(world: &World, id: u64) -> &FakeRepository {
    &world.repositories[&id]
}

fn list(world: &World, id: u64, call: &Call, issue: &str) -> Answer {
    let Some(issue) = existing(world, id, issue) else { return Answer::missing() };
    let repository = repository(world, id);
    let found = repository.comments.values().filter(|comment| comment.issue == issue);
    Answer::list(call, &world.base_url, found.map(|comment| shape(world, repository, comment)).collect())
}

fn existing(world: &World, id: u64, issue: &str) -> Option<u64> {
    let number = issue.parse().ok()?;
    let repository = repository(world, id);
    (repository.pulls.contains_key(&number) || repository.issues.contains(&number)).then_some(number)
}

fn body_of(call: &Call) -> Result<String, Answer> {
    match call.text("body") {
        Some(body) if body.trim().is_empty() => {
            Err(Answer::invalid("IssueComment", "body", "body cannot be blank"))
        }
        Some(body) if body.chars().count() > LONGEST => {
            Err(Answer::invalid("IssueComment", "body", "body is too long (maximum is 65536 characters)"))
        }
        Some(body) => Ok(body),
        None => Err(Answer::problem(422, "Invalid request.\n\n\"body\" wasn't supplied.")),
    }
}

fn create(world: &mut World, id: u64, call: &Call, issue: &str) -> Answer {
    let Some(issue) = existing(world, id, issue) else { return Answer::missing() };
    let body = match body_of(call) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let author = world.bot_login();
    let comment = add(world, id, issue, &author, &body);
    Answer::created(&shape(world, repository(world, id), &comment))
}

/// Writes a comment, whoever it is by.
pub(super) fn add(world: &mut World, id: u64, issue: u64, author: &str, body: &str) -> FakeComment {
    let now = world.now();
    let comment = FakeComment {
        id: world.next_id(),
        issue,
        author: author.to_owned(),
        body: body.to_owned(),
        created_at: now.clone(),
        updated_at: now,
        reactions: Vec::new(),
    };
    if let Some(repository) = world.repositories.get_mut(&id) {
        repository.comments.insert(comment.id, comment.clone());
    }
    comment
}

fn get(world: &World, id: u64, comment: &str) -> Answer {
    let repository = repository(world, id);
    let comment = comment.parse().ok().and_then(|comment: u64| repository.comments.get(&comment));
    comment.map_or_else(Answer::missing, |comment| Answer::ok(&shape(world, repository, comment)))
}

fn edit(world: &mut World, id: u64, call: &Call, comment: &str) -> Answer {
    let body = match body_of(call) {
        Ok(body) => body,
        Err(answer) => return answer,
    };
    let (now, bot) = (world.now(), world.bot_login());
    let Some(comment) = find(world, id, comment) else { return Answer::missing() };
    if comment.author != bot {
        return Answer::problem(403, "Resource not accessible by integration");
    }
    comment.body = body;
    comment.updated_at = now;
    let comment = comment.clone();
    Answer::ok(&shape(world, repository(world, id), &comment))
}

fn delete(world: &mut World, id: u64, comment: &str) -> Answer {
    let removed =
        comment.parse().ok().and_then(|comment: u64| world.repositories.get_mut(&id)?.comments.remove(&comment));
    removed.map_or_else(Answer::missing, |_| Answer::none())
}

fn find<'a>(world: &'a mut World, id: u64, comment: &str) -> Option<&'a mut FakeComment> {
    let comment: u64 = comment.parse().ok()?;
    world.repositories.get_mut(&id)?.comments.get_mut(&comment)
}

fn reactions(world: &World, id: u64, call: &Call, comment: &str) -> Answer {
    let found = comment.parse().ok().and_then(|comment: u64| repository(world, id).comments.get(&comment));
    let Some(comment) = found else { return Answer::missing() };
    let wanted =
        |reaction: &&FakeReaction| call.asked("content").is_none_or(|content| content == reaction.content);
    let shown = comment.reactions.iter().filter(wanted).map(|reaction| reaction_shape(world, reaction));
    Answer::list(call, &world.base_url, shown.collect())
}

/// 201 the first time, 200 with the same reaction after that.
fn react(world: &mut World, id: u64, call: &Call, comment: &str) -> Answer {
    let content = call.text("content").unwrap_or_default();
    if !REACTIONS.contains(&content.as_str()) {
        return Answer::invalid("Reaction", "content", "content is not one of the known reactions");
    }
    let (next, login) = (world.next_id(), world.bot_login());
    let Some(comment) = find(world, id, comment) else { return Answer::missing() };
    let known = comment.reactions.iter().find(|r| r.content == content && r.login == login).cloned();
    if let Some(reaction) = known {
        return Answer::ok(&reaction_shape(world, &reaction));
    }
    let reaction = FakeReaction { id: next, content, login };
    comment.reactions.push(reaction.clone());
    Answer::created(&reaction_shape(world, &reaction))
}
