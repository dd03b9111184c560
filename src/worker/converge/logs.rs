//! `/preview logs`: the last lines that an environment's containers printed. Nothing of the environment is changed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::trouble::Trouble;
use super::{Cancel, Converger, Task};
use crate::domain::error::{ErrorKind, PortError};
use crate::domain::job::{JobEnd, Reply};
use crate::domain::ports::{ClaimedJob, LineSink, LogRequest, Part};
use crate::domain::project::ProjectConfig;
use crate::domain::wording;
use crate::worker::assess;

/// Keeps the last lines.
struct Last {
    most: usize,
    lines: Mutex<VecDeque<String>>,
}

impl Last {
    fn into_lines(self) -> Vec<String> {
        self.lines.into_inner().unwrap_or_else(PoisonError::into_inner).into()
    }
}

impl LineSink for Last {
    fn line(&self, line: &str) -> bool {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == self.most {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
        true
    }
}

impl Converger {
    /// The lines as an answer. Who asked is told as well when there are none.
    pub async fn logs(
        &self,
        claimed: &ClaimedJob,
        cancel: &Cancel,
        (service, lines, reply): (Option<&str>, u32, &Reply),
    ) -> (JobEnd, Option<Reply>) {
        let answer = |text: String| Reply { body: Some(format!("{}\n{text}", reply.marker)), ..reply.clone() };
        let environment = match self.environment(claimed).await {
            Ok(environment) => environment,
            Err(error) => return (assess::retry_or_fail(&error), None),
        };
        let task = Task { claimed, environment, cancel };
        match self.last_lines(&task, service, lines).await {
            Ok(lines) => {
                let text = wording::logs(task.environment.name.as_str(), service, &lines);
                (JobEnd::Succeeded { reason: "the lines were shown".to_owned() }, Some(answer(text)))
            }
            Err(trouble) if trouble.may_retry() && claimed.job.attempt < claimed.job.max_attempts => {
                (JobEnd::Retry { reason: trouble.to_string(), after: trouble.wait() }, None)
            }
            Err(trouble) => {
                let why = self.redactor(&task).await.redact(&trouble.to_string());
                (JobEnd::Failed { reason: why.clone() }, Some(answer(wording::no_logs(&why))))
            }
        }
    }

    async fn last_lines(
        &self,
        task: &Task<'_>,
        service: Option<&str>,
        lines: u32,
    ) -> Result<Vec<String>, Trouble> {
        let prepared = self.in_force(&task.environment).await?;
        let parts = parts(&prepared.config, service);
        if parts.is_empty() {
            return Err(Trouble::Port(no_containers(&prepared.config, service)));
        }
        let bench = self.bench(task, &prepared).await?;
        let manager = self.manager(task, prepared, bench, false);
        let last = Last { most: usize::try_from(lines).unwrap_or(usize::MAX), lines: Mutex::default() };
        for part in parts {
            let services = service.map(str::to_owned).into_iter().collect();
            let request = LogRequest { services, tail: Some(lines), no_color: true, ..LogRequest::of(part) };
            manager.logs(task.environment.name.as_str(), &request, &last).await?;
        }
        let redactor = self.redactor(task).await;
        Ok(last.into_lines().iter().map(|line| redactor.redact(line)).collect())
    }
}

/// The compose files that have the service, or any.
fn parts(config: &ProjectConfig, service: Option<&str>) -> Vec<Part> {
    let names = |name: &str| service.is_none_or(|service| service == name);
    let infrastructure = config.infrastructure.as_ref().filter(|it| it.services.keys().any(|name| names(name)));
    let in_containers = config.runner.as_ref().is_some_and(|runner| runner.compose.is_some());
    let application = in_containers && config.services.keys().any(|name| names(name));
    let parts = [(infrastructure.is_some(), Part::Infrastructure), (application, Part::Application)];
    parts.into_iter().filter_map(|(has, part)| has.then_some(part)).collect()
}

fn no_containers(config: &ProjectConfig, service: Option<&str>) -> PortError {
    let all: Vec<&str> = parts(config, None)
        .into_iter()
        .flat_map(|part| match part {
            Part::Infrastructure => {
                config.infrastructure.iter().flat_map(|it| it.services.keys()).map(String::as_str).collect()
            }
            Part::Application => config.services.keys().map(String::as_str).collect::<Vec<_>>(),
        })
        .collect();
    let message = match service.filter(|_| !all.is_empty()) {
        Some(service) => format!("{service} is no service with containers, there are {}", all.join(", ")),
        None => "this project runs no containers, and what its hooks leave running prints to nobody".to_owned(),
    };
    PortError::new(ErrorKind::Invalid, message)
}
