//! What containers print.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_util::sync::CancellationToken;

use super::compose::Compose;
use crate::domain::error::PortResult;
use crate::domain::ports::{LineSink, LogRequest};

impl Compose {
    /// Hands lines to a sink until there are no more, it has enough, or the work is cancelled.
    pub(super) async fn logs(
        &self,
        request: &LogRequest,
        sink: &dyn LineSink,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let services = self.named(request.part, &request.services)?;
        if services.is_empty() || request.head == Some(0) {
            return Ok(());
        }
        let arguments = [self.before(request), options(request), services].concat();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let head = Head { sink, most: request.head, handed: AtomicU32::new(0) };
        self.place.docker.stream("cannot read the logs", &arguments, &head, cancel).await
    }

    fn before(&self, request: &LogRequest) -> Vec<String> {
        let ansi = if request.no_color { "never" } else { "always" };
        let mut arguments = vec!["compose".to_owned(), "--ansi".to_owned(), ansi.to_owned()];
        arguments.extend(self.file_arguments());
        arguments
    }
}

/// Hands on the first lines of all.
struct Head<'a> {
    sink: &'a dyn LineSink,
    most: Option<u32>,
    handed: AtomicU32,
}

impl LineSink for Head<'_> {
    fn line(&self, line: &str) -> bool {
        let wants_more = self.sink.line(line);
        let count = self.handed.fetch_add(1, Ordering::Relaxed) + 1;
        wants_more && self.most.is_none_or(|most| count < most)
    }
}

/// The command and its options; each value is in one argument with its option, so that none can be another option.
fn options(request: &LogRequest) -> Vec<String> {
    let mut options = vec!["logs".to_owned()];
    let flags =
        [("--follow", request.follow), ("--timestamps", request.timestamps), ("--no-color", request.no_color)];
    options.extend(flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag.to_owned()));
    let tail = request.tail.map(|lines| lines.to_string());
    let values = [("--since", &request.since), ("--until", &request.until), ("--tail", &tail)];
    options.extend(values.into_iter().filter_map(|(flag, value)| Some(format!("{flag}={}", value.as_ref()?))));
    options.push("--".to_owned());
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ports::Part;

    #[test]
    fn values_cannot_become_options() {
        let request =
            LogRequest { since: Some("--follow".to_owned()), tail: Some(3), ..LogRequest::of(Part::Application) };
        assert_eq!(options(&request), ["logs", "--no-color", "--since=--follow", "--tail=3", "--"]);
    }
}
