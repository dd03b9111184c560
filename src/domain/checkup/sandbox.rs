//! What a host for untrusted work needs beside all else.

use super::host::{Facts, HostAsked, prepare};
use super::{Bytes, Judgement};
use crate::domain::host::is_sandbox;

pub(super) fn prepared(asked: &HostAsked, facts: &Facts) -> Option<Judgement> {
    is_sandbox(&asked.labels).then(|| match facts.text("prepared") {
        Some("yes") => Judgement::passed("it was prepared for untrusted work"),
        _ => Judgement::failed("it is labelled sandbox, but was not prepared for untrusted work", prepare(asked)),
    })
}

pub(super) fn egress(asked: &HostAsked, facts: &Facts) -> Option<Judgement> {
    is_sandbox(&asked.labels).then(|| {
        let said = match (facts.text("confined"), facts.text("rules")) {
            (Some("yes"), Some("no")) => {
                "the rules that keep previews from private networks were set, and are not in force now"
            }
            (Some("yes"), _) => return Judgement::passed("rules keep previews from private networks"),
            _ => "no rules keep previews from private networks: after a boot they must be set again",
        };
        Judgement::failed(said, format!("{}, or there `systemctl restart previewbot-egress`", prepare(asked)))
    })
}

pub(super) fn limits(asked: &HostAsked, facts: &Facts) -> Option<Judgement> {
    is_sandbox(&asked.labels).then(|| match facts.number("limited") {
        Some(most) => Judgement::passed(format!("previews and builds together may have {}", Bytes(most))),
        None => Judgement::warning(
            "nothing bounds what previews and builds take together: a build may take the whole machine",
            format!("{}, or there `systemctl restart previewbot-limits`", prepare(asked)),
        ),
    })
}
