//! The one way in: reads a project's files, merges them, checks the result, and tells all that is wrong at once.

use std::collections::{BTreeSet, HashSet};

use async_trait::async_trait;

use super::overlay::{self, BASE_FILE, overlay_files};
use super::parse::{self, kind};
use super::places::Places;
use super::problem::{Problem, Problems};
use super::source::Sources;
use super::validate::{self, ProjectFiles, ValidationError, clean};
use super::{PreviewPolicy, ProjectConfig};
use crate::domain::compose;
use crate::domain::error::PortError;

/// Reads files of a project at one state.
#[async_trait]
pub trait ProjectReader: Send + Sync {
    /// The content of a file by its path from the project root; `None` when there is no such file.
    ///
    /// # Errors
    /// [`ReadError`].
    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, ReadError>;

    /// Which state that is, to end a sentence with: `at commit 1234abc`, `in /home/ann/shop`.
    fn whereabouts(&self) -> String;
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is there, but is no file to be read: a folder, too large, a link that leaves the project. One sentence.
    #[error("{0}")]
    Refused(String),
    /// Nobody knows; trying again may help.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// What to load.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Which overlay applies.
    pub mode: &'a str,
    /// Absolute path of the project root, for messages.
    pub root: &'a str,
    /// Names of the project's secrets; `None` where nobody knows which there are.
    pub secrets: Option<&'a BTreeSet<String>>,
}

/// A configuration that can be used.
#[derive(Debug)]
pub struct Loaded {
    /// Base and overlay merged, with the services of the compose file.
    pub config: ProjectConfig,
    /// What is not wrong but worth a look.
    pub warnings: Problems,
    /// The texts of the files.
    pub sources: Sources,
    /// The files that were read, in this order.
    pub files: Vec<String>,
}

/// A configuration that cannot be used.
#[derive(Debug)]
pub struct Refused {
    /// Everything that is wrong.
    pub problems: Problems,
    /// The texts of the files, for excerpts.
    pub sources: Sources,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is wrong.
    #[error("{}", .0.problems)]
    Refused(Box<Refused>),
    /// It could not be read this time.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// Reads base, overlay and compose file, merges and checks them.
///
/// # Errors
/// Everything that is wrong with them, or a port that failed.
pub async fn load(
    request: &Request<'_>,
    reader: &dyn ProjectReader,
    files: &dyn ProjectFiles,
) -> Result<Loaded, LoadError> {
    load_adjusted(request, reader, files, |policy| policy).await
}

/// The same, with a policy that is the reader's own in part.
///
/// # Errors
/// As [`load`].
pub async fn load_adjusted(
    request: &Request<'_>,
    reader: &dyn ProjectReader,
    files: &dyn ProjectFiles,
    adjust: impl FnOnce(PreviewPolicy) -> PreviewPolicy + Send,
) -> Result<Loaded, LoadError> {
    let mut reading = Reading::of(request.mode, reader).await?;
    if !reading.unreadable {
        reading.config.preview = adjust(std::mem::take(&mut reading.config.preview));
        let config = &reading.config;
        let mut found = without_own_cycles(validate::validate_with_secrets(config, request.secrets));
        found.extend(validate::validate_files(config, request.root, files));
        found.extend(validate::warnings(config));
        reading.tell(found);
    }
    reading.finish()
}

/// Reads a configuration that was in use already: what was checked then is not checked again, so that what it made
/// can be taken down whatever a newer check would say.
///
/// # Errors
/// What keeps it from being read, or a port that failed.
pub async fn recall(mode: &str, reader: &dyn ProjectReader) -> Result<Loaded, LoadError> {
    let mut reading = Reading::of(mode, reader).await?;
    if !reading.unreadable {
        let found = validate::structure(&reading.config);
        reading.tell(found);
    }
    reading.finish()
}

/// What is known of the files so far.
#[derive(Default)]
struct Reading {
    config: ProjectConfig,
    places: Places,
    problems: Vec<Problem>,
    sources: Sources,
    files: Vec<String>,
    /// Base or overlay could not be read at all, so that nothing can be said of the whole.
    unreadable: bool,
}

impl Reading {
    async fn of(mode: &str, reader: &dyn ProjectReader) -> Result<Self, PortError> {
        let mut reading = Self::default();
        let overlays = overlay_files(mode).unwrap_or_else(|problem| {
            reading.problems.push(*problem);
            Vec::new()
        });
        reading.base(reader).await?;
        for name in overlays {
            if reading.overlay(&name, reader).await? {
                break;
            }
        }
        mode.clone_into(&mut reading.config.mode);
        reading.infrastructure(reader).await?;
        Ok(reading)
    }

    /// The text of a file; what keeps it from being read is told with this kind.
    async fn text(
        &mut self,
        (path, kind): (&str, &'static str),
        reader: &dyn ProjectReader,
    ) -> Result<Text, PortError> {
        let bytes = match reader.read(path).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Text::Absent),
            Err(ReadError::Refused(why)) => {
                self.problems.push(Problem::of_file(kind, path, why));
                return Ok(Text::Unreadable);
            }
            Err(ReadError::Port(error)) => return Err(error),
        };
        self.files.push(path.to_owned());
        match String::from_utf8(bytes) {
            Ok(text) => {
                self.sources.insert(path, &text);
                Ok(Text::Read(text))
            }
            Err(error) => {
                self.problems.push(not_utf8(kind, path, error.as_bytes(), error.utf8_error().valid_up_to()));
                Ok(Text::Unreadable)
            }
        }
    }

    async fn base(&mut self, reader: &dyn ProjectReader) -> Result<(), PortError> {
        match self.text((BASE_FILE, kind::UNREADABLE), reader).await? {
            Text::Read(text) => {
                let document = parse::read(&text, (BASE_FILE, kind::INVALID), PreviewPolicy::default());
                self.unreadable |= document.places.is_given_up();
                self.config = document.config;
                self.places = document.places;
                self.problems.extend(document.problems);
                // The base must be sound by itself.
                self.tell(validate::structure(&self.config));
            }
            Text::Absent => {
                let message = format!("the file does not exist {}", reader.whereabouts());
                let problem = Problem::of_file(kind::UNREADABLE, BASE_FILE, message);
                self.problems.push(problem.with_help("add it at the repository's root"));
                self.unreadable = true;
            }
            Text::Unreadable => self.unreadable = true,
        }
        Ok(())
    }

    /// Lays an overlay over what was read; whether there is one.
    async fn overlay(&mut self, name: &str, reader: &dyn ProjectReader) -> Result<bool, PortError> {
        let text = match self.text((name, "overlay_unreadable"), reader).await? {
            Text::Absent => return Ok(false),
            Text::Unreadable => {
                self.unreadable = true;
                return Ok(true);
            }
            Text::Read(text) => text,
        };
        let policy = self.config.preview.clone();
        let document = parse::read(&text, (name, kind::OVERLAY_INVALID), policy);
        self.unreadable |= document.places.is_given_up();
        self.problems.extend(document.problems);
        self.places.lay_over(document.places);
        let preview = document.config.preview.clone();
        let base = std::mem::take(&mut self.config);
        self.config = ProjectConfig { preview, ..overlay::merge(base, document.config) };
        Ok(true)
    }

    /// Reads the services of the compose file; that it exists and lies inside is checked with the other files.
    async fn infrastructure(&mut self, reader: &dyn ProjectReader) -> Result<(), PortError> {
        let Some(infrastructure) = &self.config.infrastructure else { return Ok(()) };
        let Some(path) = inside(&infrastructure.compose_file) else {
            self.places.break_at("infrastructure.services");
            return Ok(());
        };
        let Text::Read(text) = self.text((&path, "compose_unreadable"), reader).await? else {
            self.places.break_at("infrastructure.services");
            return Ok(());
        };
        let file = compose::read(&text, &path);
        self.problems.extend(file.problems);
        self.places.lay_over(file.places);
        if let Some(infrastructure) = &mut self.config.infrastructure {
            infrastructure.services = file.services;
        }
        Ok(())
    }

    fn tell(&mut self, found: Vec<ValidationError>) {
        let located = found.into_iter().filter_map(|error| self.places.locate(error, &self.sources));
        self.problems.extend(located);
    }

    fn finish(self) -> Result<Loaded, LoadError> {
        let problems = Problems::in_order(self.problems, &self.files);
        if problems.has_errors() {
            return Err(LoadError::Refused(Box::new(Refused { problems, sources: self.sources })));
        }
        Ok(Loaded { config: self.config, warnings: problems, sources: self.sources, files: self.files })
    }
}

/// A service that depends on itself is a cycle too (spec §4), but one mistake.
fn without_own_cycles(mut found: Vec<ValidationError>) -> Vec<ValidationError> {
    let own = found.iter().filter(|error| error.kind == "self_dependency");
    let own: HashSet<String> = own.map(|error| error.place.clone()).collect();
    found.retain(|error| error.kind != "dependency_cycle" || !own.contains(&error.place));
    found
}

enum Text {
    Absent,
    Unreadable,
    Read(String),
}

fn not_utf8(kind: &'static str, path: &str, bytes: &[u8], offset: usize) -> Problem {
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let line = before.matches('\n').count() as u64 + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) as u64 + 1;
    let byte = bytes.get(offset).copied().unwrap_or_default();
    let message = format!("the file is not UTF-8 text: byte 0x{byte:02x} at offset {offset}");
    let problem = Problem::of_file(kind, path, message).with_help("save it as UTF-8");
    Problem { line: Some(line), column: Some(column), ..problem }
}

/// A path from the project root without detours; `None` when it is empty, the root itself or leaves it.
fn inside(path: &str) -> Option<String> {
    // A root of one folder below the top shows whether the path climbs out.
    let cleaned = clean(&format!("/project/{path}"));
    cleaned.strip_prefix("/project/").map(str::to_owned)
}
