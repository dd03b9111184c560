//! Judges the compose files of an untrusted preview before anything is done that they ask for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::domain::compose::Confinement;
use crate::domain::compose::policy::{Claim, Violation, Want, Wrong, judge_raw, judge_resolved, refusal};
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::outbound::machine::{Machine, Whereabouts};

/// Files that one may be made of.
const MOST_FILES: usize = 20;
/// How many of them may name each other in a row.
const DEEPEST: usize = 5;
/// Paths that one file may name.
const MOST_PATHS: usize = 500;

/// Stands before Compose.
pub(super) struct Warden<'a> {
    /// Where the checkout is.
    pub(super) machine: &'a dyn Machine,
    /// The checkout.
    pub(super) root: &'a Path,
    /// What is judged, for people.
    pub(super) what: &'a str,
    /// What may be asked for.
    pub(super) confinement: &'a Confinement,
}

/// A compose file that is still to be judged.
struct Written {
    /// Before its places: `sub/compose.yaml: `, nothing for the first.
    label: String,
    text: Vec<u8>,
    base: String,
}

impl Warden<'_> {
    /// Before Compose reads: a file as it was written, and those that it includes or extends.
    ///
    /// # Errors
    /// `Invalid` with everything that is refused.
    pub(super) async fn judge_written(&self, text: &[u8]) -> PortResult<()> {
        let mut refused = Vec::new();
        let mut seen = BTreeSet::new();
        let first = Written { label: String::new(), text: text.to_vec(), base: String::new() };
        let mut round = vec![first];
        for _ in 0..DEEPEST {
            round = self.judge_round(round, &mut seen, &mut refused).await?;
            if round.is_empty() || seen.len() > MOST_FILES {
                break;
            }
        }
        if !round.is_empty() {
            let message = format!("it is made of more than {MOST_FILES} files or {DEEPEST} levels: write fewer");
            refused.push(Violation::new("the file", Wrong::Limit, message));
        }
        self.told(refused)
    }

    /// Judges these files; those that they name come next.
    async fn judge_round(
        &self,
        round: Vec<Written>,
        seen: &mut BTreeSet<(String, String)>,
        refused: &mut Vec<Violation>,
    ) -> PortResult<Vec<Written>> {
        let (mut claims, mut follows) = (Vec::new(), Vec::new());
        for file in round {
            let judgement = judge_raw(&file.text, &file.base);
            let label = |place: &str| format!("{}{place}", file.label);
            refused.extend(judgement.violations.into_iter().map(|v| Violation { place: label(&v.place), ..v }));
            claims.extend(judgement.claims.into_iter().map(|c| Claim { place: label(&c.place), ..c }));
            follows.extend(judgement.follows);
        }
        let files = self.look(&claims, refused).await?;
        let mut next: Vec<(PathBuf, Written)> = Vec::new();
        for follow in follows {
            let Some((_, real)) = files.iter().find(|(path, _)| *path == follow.path) else { continue };
            if seen.insert((follow.path.clone(), follow.base.clone())) {
                let label = format!("{}: ", follow.path);
                next.push((real.clone(), Written { label, text: Vec::new(), base: follow.base }));
            }
        }
        let paths: Vec<&Path> = next.iter().map(|(path, _)| path.as_path()).collect();
        let texts = if paths.is_empty() { Vec::new() } else { self.machine.read(&paths).await? };
        let files = next.iter_mut().zip(texts);
        files.for_each(|((_, file), text)| file.text = text.unwrap_or_default());
        Ok(next.into_iter().map(|(_, file)| file).collect())
    }

    /// A file as Compose understood it.
    ///
    /// # Errors
    /// `Invalid` with everything that is refused.
    pub(super) async fn judge_resolved(&self, file: &Value) -> PortResult<()> {
        let judgement = judge_resolved(file, &self.root.to_string_lossy(), self.confinement);
        let mut refused = judgement.violations;
        self.look(&judgement.claims, &mut refused).await?;
        self.told(refused)
    }

    /// Looks where paths lead; the regular files among them, with where they really are.
    async fn look(&self, claims: &[Claim], refused: &mut Vec<Violation>) -> PortResult<Vec<(String, PathBuf)>> {
        let mut paths: Vec<&str> = claims.iter().map(|claim| claim.path.as_str()).collect();
        paths.sort_unstable();
        paths.dedup();
        if paths.len() > MOST_PATHS {
            let message = format!("{} paths are more than the {MOST_PATHS} that can be looked at", paths.len());
            refused.push(Violation::new("the file", Wrong::Limit, message));
            return Ok(Vec::new());
        }
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.machine.find(self.root, &paths).await?;
        let mut files = Vec::new();
        for (path, found) in paths.into_iter().zip(found) {
            let named = claims.iter().filter(|claim| claim.path == path);
            refused.extend(named.filter_map(|claim| violation(claim, &found)));
            if let Whereabouts::File(real) = found {
                files.push((path.to_owned(), real));
            }
        }
        Ok(files)
    }

    fn told(&self, refused: Vec<Violation>) -> PortResult<()> {
        if refused.is_empty() {
            return Ok(());
        }
        Err(PortError::new(ErrorKind::Invalid, refusal(self.what, refused)))
    }
}

fn violation(claim: &Claim, found: &Whereabouts) -> Option<Violation> {
    let (wrong, why) = match (found, claim.want) {
        (Whereabouts::Outside, _) => (Wrong::Outside, "a link leads out of the repository: use a path inside it"),
        (Whereabouts::Missing, Want::Something) => {
            (Wrong::Missing, "it is not in the repository: put it there, or use a volume for data")
        }
        (Whereabouts::Other, Want::FileIfAny) => (Wrong::Unclear, "it is no regular file: name one"),
        _ => return None,
    };
    Some(Violation::new(&claim.place, wrong, format!("`{}`: {why}", claim.path)))
}
