//! How long to wait after what sort of failure. In memory: after a restart a first try costs little.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::environment::EnvironmentId;
use crate::domain::error::ErrorKind;
use crate::domain::ports::PostedKind;

/// Until something that the forge refused is tried again: somebody has to mend it meanwhile.
pub(super) const REFUSED_MS: i64 = 600_000;

/// Between two edits of a comment that only tell how far a deploy is: what begins and ends is told at once.
const PROGRESS_MS: i64 = 30_000;

/// Longest wait when the forge does not work.
const LONGEST_MS: i64 = 300_000;

pub(super) struct Patience {
    /// First wait when the forge does not work; it doubles from there.
    first_ms: i64,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Failures in a row.
    failures: BTreeMap<EnvironmentId, u32>,
    /// What the forge refused, and until when it is left alone (ms since the epoch).
    refused: BTreeMap<(EnvironmentId, PostedKind), i64>,
    /// When the comment was last written (ms since the epoch).
    written: BTreeMap<EnvironmentId, i64>,
}

impl Patience {
    pub(super) fn new(first_ms: i64) -> Self {
        Self { first_ms, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while the lock is held, and a count that is off by one harms nobody.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long to wait after this failure, in ms.
    pub(super) fn after(&self, id: EnvironmentId, kind: ErrorKind) -> i64 {
        if let ErrorKind::RateLimited(wait) = kind {
            return i64::try_from(wait.as_millis()).unwrap_or(LONGEST_MS);
        }
        let mut inner = self.inner();
        let failures = inner.failures.entry(id).or_default();
        *failures = failures.saturating_add(1);
        self.first_ms.saturating_mul(1 << (*failures - 1).min(10)).min(LONGEST_MS)
    }

    /// It worked again.
    pub(super) fn reset(&self, id: EnvironmentId) {
        self.inner().failures.remove(&id);
    }

    /// The forge said no to this kind of thing at `now`.
    pub(super) fn refuse(&self, id: EnvironmentId, kind: PostedKind, now: i64) {
        self.inner().refused.insert((id, kind), now + REFUSED_MS);
    }

    /// Whether this kind of thing is left alone for now.
    pub(super) fn is_refused(&self, id: EnvironmentId, kind: PostedKind, now: i64) -> bool {
        self.inner().refused.get(&(id, kind)).is_some_and(|until| now < *until)
    }

    /// The comment was written at `now`.
    pub(super) fn wrote(&self, id: EnvironmentId, now: i64) {
        let mut inner = self.inner();
        inner.written.retain(|_, at| *at > now - PROGRESS_MS);
        inner.written.insert(id, now);
    }

    /// Whether it is too early to write a comment again that has nothing but progress to tell.
    pub(super) fn holds_progress(&self, id: EnvironmentId, now: i64) -> bool {
        self.inner().written.get(&id).is_some_and(|at| now < at + PROGRESS_MS)
    }

    /// Environments with something that was refused and may be tried again; each is told once.
    pub(super) fn over(&self, now: i64) -> Vec<EnvironmentId> {
        let mut inner = self.inner();
        let mut over: Vec<_> =
            inner.refused.iter().filter(|(_, until)| **until <= now).map(|((id, _), _)| *id).collect();
        inner.refused.retain(|_, until| *until > now);
        over.dedup();
        over
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ID: EnvironmentId = EnvironmentId(1);

    #[test]
    fn failures_in_a_row_wait_longer_up_to_five_minutes() {
        let patience = Patience::new(5_000);
        let waits: Vec<_> = (0..8).map(|_| patience.after(ID, ErrorKind::Unavailable)).collect();
        assert_eq!(waits, [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
        patience.reset(ID);
        assert_eq!(patience.after(ID, ErrorKind::Unavailable), 5_000);
        assert_eq!(patience.after(ID, ErrorKind::RateLimited(Duration::from_secs(90))), 90_000);
    }

    #[test]
    fn progress_waits_half_a_minute_after_the_last_writing() {
        let patience = Patience::new(5_000);
        assert!(!patience.holds_progress(ID, 1_000));
        patience.wrote(ID, 1_000);
        assert!(patience.holds_progress(ID, 30_999));
        assert!(!patience.holds_progress(ID, 31_000));
    }

    #[test]
    fn what_was_refused_is_tried_again_after_ten_minutes() {
        let patience = Patience::new(5_000);
        patience.refuse(ID, PostedKind::Check, 1_000);
        assert!(patience.is_refused(ID, PostedKind::Check, 600_999));
        assert!(!patience.is_refused(ID, PostedKind::Comment, 1_000));
        assert!(patience.over(600_999).is_empty());
        assert_eq!(patience.over(601_000), [ID]);
        assert!(patience.over(601_000).is_empty());
    }
}
