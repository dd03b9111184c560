//! Which request goes where.

use super::answer::{Answer, Call};
use super::auth::{self, Caller};
use super::contents::{Source, Touched};
use super::state::World;
use super::{checks, comments, deployments, pulls, shapes};

/// What is to be done about a request.
pub(super) enum Reply {
    /// This is the answer.
    Now(Answer),
    /// The answer is a file of a git repository.
    File(Source),
    /// The answer is the files of a pull request.
    Touched(Touched),
}

/// Answers a request from the state, or says where the answer is.
pub(super) fn dispatch(world: &mut World, call: &Call) -> Reply {
    let segments = call.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let caller = match auth::caller(world, call) {
        Ok(caller) => caller,
        Err(answer) => return Reply::Now(answer),
    };
    match (&caller, segments.as_slice()) {
        (Caller::App, ["app", rest @ ..]) => Reply::Now(of_app(world, call, rest)),
        (Caller::Installation(_), ["app", ..]) => {
            Reply::Now(Answer::problem(401, "A JSON web token could not be decoded"))
        }
        (Caller::App, ["repos", owner, name, "installation"]) => Reply::Now(installation(world, owner, name)),
        (Caller::App, _) => Reply::Now(Answer::problem(403, "Resource not accessible by integration")),
        (Caller::Installation(only), ["repos", owner, name, rest @ ..]) => {
            let id = world.find(&format!("{owner}/{name}"));
            permitted(world, id, only.as_ref(), |world, id| in_repository(world, id, call, rest))
        }
        (Caller::Installation(only), ["repositories", id, rest @ ..]) => {
            permitted(world, id.parse().ok(), only.as_ref(), |world, id| in_repository(world, id, call, rest))
        }
        _ => Reply::Now(Answer::unexpected()),
    }
}

fn of_app(world: &mut World, call: &Call, rest: &[&str]) -> Answer {
    match (call.method.as_str(), rest) {
        ("GET", []) => Answer::ok(&shapes::app(world)),
        ("POST", ["installations", id, "access_tokens"]) => auth::issue(world, call, id),
        ("GET", ["installations", id]) if id.parse() == Ok(world.installation) => {
            Answer::ok(&shapes::installation(world, "acme"))
        }
        ("GET", ["installations"]) => {
            Answer::list(call, &world.base_url, vec![shapes::installation(world, "acme")])
        }
        _ => Answer::unexpected(),
    }
}

fn installation(world: &World, owner: &str, name: &str) -> Answer {
    match world.find(&format!("{owner}/{name}")) {
        Some(id) if auth::is_installed(world, id) => Answer::ok(&shapes::installation(world, owner)),
        _ => Answer::missing(),
    }
}

/// A repository that the token does not reach is a 404, as on GitHub.
fn permitted(
    world: &mut World,
    id: Option<u64>,
    only: Option<&std::collections::BTreeSet<u64>>,
    act: impl FnOnce(&mut World, u64) -> Reply,
) -> Reply {
    match id {
        Some(id) if auth::is_installed(world, id) && only.is_none_or(|only| only.contains(&id)) => act(world, id),
        _ => Reply::Now(Answer::missing()),
    }
}

fn in_repository(world: &mut World, id: u64, call: &Call, rest: &[&str]) -> Reply {
    if let ("GET", ["contents", path @ ..]) = (call.method.as_str(), rest) {
        return file(world, id, &path.join("/"));
    }
    if let ("GET", ["pulls", number, "files"]) = (call.method.as_str(), rest) {
        return touched(world, id, number);
    }
    Reply::Now(match (call.method.as_str(), rest) {
        (_, ["issues", rest @ ..]) => comments::route(world, id, call, rest),
        (_, ["check-runs", rest @ ..]) => checks::route(world, id, call, rest),
        (_, ["deployments", rest @ ..]) => deployments::route(world, id, call, rest),
        ("DELETE", ["environments", name]) => deployments::delete_environment(world, id, name),
        ("GET", rest) => read(world, id, call, rest),
        _ => Answer::unexpected(),
    })
}

fn read(world: &World, id: u64, call: &Call, rest: &[&str]) -> Answer {
    let repository = &world.repositories[&id];
    match rest {
        [] => Answer::ok(&shapes::repository(&world.base_url, repository)),
        ["pulls"] => pulls::list(world, repository, call),
        ["pulls", number] => pulls::get(world, repository, number),
        ["commits", sha, "pulls"] => pulls::of_commit(world, repository, call, sha),
        ["commits", sha, "check-runs"] => checks::of_commit(world, repository, call, sha),
        ["collaborators", login, "permission"] => pulls::permission(world, repository, login),
        _ => Answer::unexpected(),
    }
}

fn touched(world: &World, id: u64, number: &str) -> Reply {
    let repository = &world.repositories[&id];
    let pull = number.parse().ok().and_then(|number: u64| repository.pulls.get(&number));
    match (pull, &repository.spec.git_dir) {
        (Some(pull), Some(git_dir)) => Reply::Touched(Touched {
            git_dir: git_dir.clone(),
            base: pull.base_sha.clone(),
            head: pull.head_sha.clone(),
            base_url: world.base_url.clone(),
        }),
        _ => Reply::Now(Answer::missing()),
    }
}

fn file(world: &World, id: u64, path: &str) -> Reply {
    let repository = &world.repositories[&id];
    match &repository.spec.git_dir {
        None => Reply::Now(Answer::missing()),
        Some(git_dir) => Reply::File(Source {
            git_dir: git_dir.clone(),
            default_branch: repository.default_branch.clone(),
            url: shapes::repository_url(&world.base_url, &repository.spec.name),
            path: path.to_owned(),
        }),
    }
}
