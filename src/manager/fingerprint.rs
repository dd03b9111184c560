//! Hashes of a step's inputs.

use sha2::{Digest, Sha256};

/// Raised when the meaning of a fingerprint changes; every step that goes by its inputs then runs once more.
const ALGORITHM: &str = "1";

/// Collects named inputs into one hash.
pub(super) struct Fingerprint(Sha256);

impl Fingerprint {
    /// The hash of nothing but the subject, usually the step's name.
    pub(super) fn of(subject: &str) -> Self {
        Self(Sha256::new()).with("algorithm", ALGORITHM).with("subject", subject)
    }

    /// Adds one input. Name and value carry their lengths, so that no two lists of inputs look alike.
    pub(super) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_bytes(), value.as_ref()] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// Adds an input that may be absent, which differs from empty.
    pub(super) fn with_optional(self, name: &str, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self.with("absent", name),
        }
    }

    /// The hash in hexadecimal digits.
    pub(super) fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::Fingerprint;

    #[test]
    fn inputs_do_not_run_into_each_other() {
        let first = Fingerprint::of("s").with("ab", "c").finish();
        let second = Fingerprint::of("s").with("a", "bc").finish();
        assert_ne!(first, second);
    }

    #[test]
    fn absent_differs_from_empty() {
        let absent = Fingerprint::of("s").with_optional("x", None::<&str>).finish();
        let empty = Fingerprint::of("s").with_optional("x", Some("")).finish();
        assert_ne!(absent, empty);
    }
}
