//! Compose files as far as the core reads them (spec §5), what `docker compose ps` prints, names of compose projects
//! (spec §9), and what an untrusted preview's file may ask for.

mod confinement;
mod interpolate;
mod name;
pub mod policy;
mod ports;
mod ps;

use std::collections::BTreeMap;

pub use confinement::{Confinement, MIB};
pub use name::project_name;
pub use ps::{ComposeContainer, PS_FORMAT, PsError, parse_ps};

use super::project::InfraService;
use super::project::parse::kind;
use super::project::parse::reader::{Entries, Entry, Reader};
use super::project::places::{self, Places, Span};
use super::project::problem::{Problem, Severity};
use super::yaml::tree::{self, Content, Node, shown};
use ports::Unread;

/// Kind of a problem with an entry of `ports` or `expose`.
const UNSUPPORTED: &str = "unsupported_port_mapping";

/// What a compose file says.
#[derive(Debug)]
pub struct ComposeFile {
    /// Its services with their images and published ports.
    pub services: BTreeMap<String, InfraService>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// Where the services and their ports stand, below `infrastructure.services`.
    pub places: Places,
}

/// Reads a compose file; `file` is its path, for problems.
#[must_use]
pub fn read(text: &str, file: &str) -> ComposeFile {
    let reader = Reader::new(file, kind::COMPOSE_INVALID);
    let mut services = BTreeMap::new();
    match tree::read(text) {
        Ok(document) => {
            document.faults.into_iter().for_each(|fault| reader.tree_error(fault));
            if let Some(root) = document.root {
                services = read_services(&reader, &root);
            }
        }
        Err(mut error) => {
            error.message = format!("the compose file does not parse: {}", error.message);
            reader.tree_error(error);
            reader.break_at("infrastructure.services");
        }
    }
    let (problems, places) = reader.finish();
    ComposeFile { services, problems, places }
}

fn read_services(reader: &Reader<'_>, root: &Node) -> BTreeMap<String, InfraService> {
    let file = reader.entries(root, "infrastructure.services");
    if file.contains_key("include") {
        // Services of other files are not known here.
        reader.break_at("infrastructure.include");
    }
    let Some(services) = file.get("services") else { return BTreeMap::new() };
    let services = reader.entries(services.value, "infrastructure.services");
    services.into_iter().map(|(name, entry)| (name.to_owned(), read_service(reader, name, entry))).collect()
}

fn read_service(reader: &Reader<'_>, name: &str, entry: Entry<'_>) -> InfraService {
    let place = places::child("infrastructure.services", name);
    reader.note(&place, entry, true);
    let fields = reader.entries(entry.value, &place);
    let service = Service { reader, name, place, fields };
    let mut read = InfraService { image: service.image(), ..InfraService::default() };
    for (index, (node, place)) in service.list("ports").into_iter().enumerate() {
        match ports::read(node) {
            Ok(entry) => {
                if index == 0 {
                    (read.port, read.env_var) =
                        entry.definite.clone().unwrap_or_else(|| (entry.port.host, entry.port.env_var.clone()));
                    if entry.definite.is_none() {
                        service.warn_indefinite(node, &place);
                    }
                }
                read.ports.push(entry.port);
            }
            Err(unread) => service.refuse_port(node, &place, &unread),
        }
    }
    for (node, place) in service.list("expose") {
        if let Err(unread) = ports::exposed(node) {
            service.refuse_port(node, &place, &unread);
        }
    }
    read
}

/// One service that is being read.
struct Service<'r, 't> {
    reader: &'r Reader<'r>,
    name: &'r str,
    place: String,
    fields: Entries<'t>,
}

impl<'t> Service<'_, 't> {
    fn image(&self) -> String {
        let Some(image) = self.fields.get("image").filter(|image| !image.value.is_null()) else {
            return String::new();
        };
        let text = image.value.scalar().map(str::to_owned);
        text.unwrap_or_else(|| {
            self.reader.mismatch(image.value, &places::child(&self.place, "image"), "text");
            String::new()
        })
    }

    /// The items of a list with their places.
    fn list(&self, key: &str) -> Vec<(&'t Node, String)> {
        let Some(list) = self.fields.get(key) else { return Vec::new() };
        let at = places::child(&self.place, key);
        let items = self.reader.items(list.value, &at).into_iter().enumerate();
        items
            .map(|(index, node)| {
                let place = places::item(&at, index);
                self.reader.note_item(&place, node);
                (node, place)
            })
            .collect()
    }

    fn refuse_port(&self, node: &Node, place: &str, unread: &Unread) {
        let message =
            format!("service `{}`: port `{}`: {}", shown(self.name), shown(&ports::text_of(node)), unread.why);
        let problem = self.reader.problem(UNSUPPORTED, Span::of(node), place, message);
        self.reader
            .report(problem.with_help("write it as `8080:80` or `${NAME:-8080}:80` with ports up to 65535"));
    }

    /// Compose reads it, but it names no single port on the host.
    fn warn_indefinite(&self, node: &Node, place: &str) {
        let text = shown(&ports::text_of(node));
        let message =
            format!("service `{}`: port `{text}` names no single port that is known beforehand", shown(self.name));
        let problem = self.reader.problem(UNSUPPORTED, Span::of(node), place, message);
        let help = "the preview publishes it on a port of its own; previewctl itself reads only `8080:80`, `${NAME:-8080}:80` and `6379`";
        self.reader.report(Problem { severity: Severity::Warning, ..problem }.with_help(help));
    }
}

/// Whether a node is a mapping.
fn is_mapping(node: &Node) -> bool {
    matches!(node.content, Content::Mapping(_))
}

#[cfg(test)]
mod tests;
