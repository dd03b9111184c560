//! Which topics there are, whose answer counts for each, and which function checks it.

use super::checks::Verdict;
use super::vectors::{Answer, Vector};
use super::{
    access, compose, engine, env_files, hooks, informative, lifecycle, places, ports, project, records, render,
    templates,
};

/// A function that holds one vector to an answer.
pub(super) type Check = fn(&Vector, &Answer) -> Verdict;

/// Whose answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// That of later versions, where they differ.
    Later,
    /// The seed's, for vectors of the seed; what only later versions do is for information.
    Seed,
    /// Nobody's: vectors are for information.
    Informative,
}

/// What can be done with a topic's vectors.
#[derive(Clone, Copy)]
pub(super) enum Means {
    /// They are checked.
    Check(Check),
    /// Nothing here does this, on purpose; the reason.
    Nothing(&'static str),
}

/// One file of vectors.
pub(super) struct Topic {
    pub(super) name: &'static str,
    rank: Rank,
    pub(super) means: Means,
}

const fn topic(name: &'static str, rank: Rank, means: Means) -> Topic {
    Topic { name, rank, means }
}

use Means::{Check as By, Nothing};
use Rank::{Informative, Later, Seed};

/// All topics that are known.
const TOPICS: &[Topic] = &[
    topic("config_parse", Later, By(project::config_parse)),
    topic("overlay_merge", Later, By(project::overlay_merge)),
    topic("validate", Later, By(project::validation)),
    topic("compose_parse", Later, By(compose::parse)),
    topic("templates", Later, By(templates::templates)),
    topic("toposort", Later, By(project::toposort)),
    topic("ports", Later, By(ports::ports)),
    topic("compose_project_name", Later, By(compose::project_names)),
    topic("sanitize", Later, By(compose::sanitize)),
    topic("env_file", Later, By(env_files::env_file)),
    topic("manifest", Later, By(templates::manifest)),
    topic("resolve_cwd", Later, By(places::resolving)),
    topic("hook_outputs", Later, By(hooks::hook_outputs)),
    topic("state_file", Later, By(records::state_file)),
    topic("dotenv_load", Later, By(places::dotenv_load)),
    topic("status_markdown", Later, By(places::status_table)),
    topic("error_pages", Later, By(render::error_page_texts)),
    topic("compose_generate", Later, By(render::compose_generate)),
    topic("nginx_generate", Later, By(render::nginx_generate)),
    topic("propagate", Later, By(render::propagate)),
    topic("compose_ps", Later, By(compose::ps)),
    topic("compute_access_local", Later, By(access::local)),
    topic("step_engine", Seed, By(engine::step_engine)),
    topic("step_order", Seed, By(engine::step_order)),
    topic("invalidate_steps", Seed, By(records::invalidate_steps)),
    topic("lifecycle", Seed, By(lifecycle::lifecycle)),
    topic("format_duration", Informative, By(informative::format_duration)),
    topic("clean", Informative, Nothing("leftovers are known by their labels, not by their names")),
    topic("compute_access_ssh", Informative, Nothing("remote commands are compared by meaning, not by argv")),
    topic(
        "compose_env",
        Informative,
        Nothing("the resolved compose file holds the ports; no variables are passed"),
    ),
    topic("shell_quote", Informative, Nothing("values reach a shell as variables or on its standard input")),
    topic("semver_newer", Informative, Nothing("there is no update check")),
    topic("line_diff", Informative, By(render::line_differences)),
];

/// A topic by its name.
pub(super) fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

impl Topic {
    /// Whether a vector's answer binds.
    pub(super) fn binds(&self, vector: &Vector) -> bool {
        match self.rank {
            Later => true,
            Seed => vector.since == "seed",
            Informative => false,
        }
    }

    /// The answer that a vector is held to, or compared with for information.
    pub(super) fn answer(&self, vector: &Vector) -> Result<Answer, String> {
        vector.answer(self.rank != Seed || vector.since != "seed")
    }
}
