//! `previewbot explain`: what a delivery meant, what was decided, and why.

mod assume;

use std::io::Write;

use serde::Serialize;

use super::output::{self, CliError};
use crate::domain::decision::Decision;
use crate::domain::event::{Delivery, DeliveryId, Event, Parsed};
use crate::domain::ports::Assessments;
use crate::inbound::http::webhook::github;

/// What is printed.
#[derive(Debug, Serialize)]
struct Explanation {
    delivery: Option<String>,
    event_name: String,
    action: Option<String>,
    event: Option<Event>,
    outcome: String,
    decisions: Vec<Decision>,
    /// What was taken for granted because no forge was asked.
    assumed: Vec<String>,
}

/// Explains a stored delivery.
///
/// # Errors
/// When there is no such delivery; when the store or the output fails.
pub async fn stored(
    assessments: &dyn Assessments,
    id: &str,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let id = DeliveryId(id.to_owned());
    let Some(delivery) = assessments.delivery(&id).await? else {
        let asked = output::plain(&id.0);
        return Err(CliError::Asked(format!("no delivery {asked} is stored; the forge's webhook page shows ids")));
    };
    let decisions = assessments.decisions_of_delivery(&id).await?;
    let explanation = Explanation {
        outcome: outcome(&delivery),
        delivery: Some(delivery.id.0),
        event_name: delivery.event_name,
        action: delivery.action,
        event: delivery.event,
        decisions: decisions.into_iter().map(|record| record.decision).collect(),
        assumed: Vec::new(),
    };
    print(&explanation, json, out)
}

fn outcome(delivery: &Delivery) -> String {
    delivery.outcome.clone().unwrap_or_else(|| "not assessed yet".to_owned())
}

/// Explains a payload file without asking any forge: it says what it assumed.
///
/// # Errors
/// When the payload is not readable as that event, or the output fails.
pub fn payload(event_name: &str, body: &[u8], json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let (action, parsed) = github::parse(event_name, body, None)
        .map_err(|error| CliError::Asked(format!("the payload is not readable as {event_name}: {error}")))?;
    let mut explanation = Explanation {
        delivery: None,
        event_name: event_name.to_owned(),
        action,
        event: None,
        outcome: String::new(),
        decisions: Vec::new(),
        assumed: Vec::new(),
    };
    match parsed {
        Parsed::Ignored { because } => explanation.outcome = format!("nothing to do, because {because}"),
        Parsed::Event(event) => {
            let assumption = assume::decide(&event, body);
            explanation.outcome.clone_from(&assumption.outcome);
            explanation.decisions = assumption.decisions;
            explanation.assumed = assumption.assumed;
            explanation.event = Some(*event);
        }
    }
    print(&explanation, json, out)
}

fn print(explanation: &Explanation, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    if json {
        return output::json(out, explanation);
    }
    let action = explanation.action.as_ref().map(|action| format!(" ({action})")).unwrap_or_default();
    if let Some(delivery) = &explanation.delivery {
        writeln!(out, "delivery  {}", output::plain(delivery))?;
    }
    writeln!(out, "received  {}{}", output::plain(&explanation.event_name), output::plain(&action))?;
    if let Some(event) = &explanation.event {
        let sender = event.sender.as_ref().map_or("somebody", |sender| sender.login.as_str());
        let key = event.subject.key();
        writeln!(out, "event     {} by {}, about {key}", event.kind.label(), output::plain(sender))?;
    }
    writeln!(out, "outcome   {}", output::plain(&explanation.outcome))?;
    for decision in &explanation.decisions {
        if let Some(change) = &decision.desired {
            let commit = change.desired.commit().map(|sha| format!(" {sha}")).unwrap_or_default();
            writeln!(out, "desired   {}{commit} ({})", change.desired.as_str(), change.cause.as_str())?;
        }
        for work in &decision.work {
            writeln!(out, "job       {}", work.kind())?;
        }
        for reply in &decision.replies {
            let first = reply.body.as_deref().and_then(|body| body.lines().find(|line| !line.starts_with("<!--")));
            writeln!(out, "reply     {}", output::plain(first.unwrap_or("a reaction only")))?;
        }
    }
    explanation.assumed.iter().try_for_each(|line| writeln!(out, "assumed   {line}"))?;
    Ok(())
}
