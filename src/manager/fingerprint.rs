//! Hashes of a step's inputs.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::step::{Hashed, Inputs};

/// Raised when the meaning of a fingerprint changes; every step that goes by its inputs then runs once more.
const ALGORITHM: &str = "1";

/// Digits of an input's own hash: enough to see that it changed.
const PART_DIGITS: usize = 12;

/// Collects named inputs into one hash.
pub(super) struct Fingerprint {
    all: Sha256,
    parts: BTreeMap<String, String>,
}

impl Fingerprint {
    /// The hash of nothing but the subject, usually the step's name.
    pub(super) fn of(subject: &str) -> Self {
        let mut fingerprint = Self { all: Sha256::new(), parts: BTreeMap::new() };
        fingerprint.add("algorithm", ALGORITHM.as_bytes());
        fingerprint.add("subject", subject.as_bytes());
        fingerprint
    }

    /// Name and value carry their lengths, so that no two lists of inputs look alike.
    fn add(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.all.update((part.len() as u64).to_le_bytes());
            self.all.update(part);
        }
    }

    /// Adds one input under a name that no other one has.
    pub(super) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.add(name, value.as_ref());
        let mut hash = hex::encode(Sha256::digest(value.as_ref()));
        hash.truncate(PART_DIGITS);
        self.parts.insert(name.to_owned(), hash);
        self
    }

    /// Adds an input that may be absent, which differs from empty.
    pub(super) fn with_optional(mut self, name: &str, value: Option<impl AsRef<[u8]>>) -> Self {
        if let Some(value) = value {
            return self.with(name, value);
        }
        self.add("absent", name.as_bytes());
        self.parts.insert(name.to_owned(), "absent".to_owned());
        self
    }

    /// The hash in hexadecimal digits.
    pub(super) fn finish(self) -> String {
        hex::encode(self.all.finalize())
    }

    /// The hash and that of each input, for a step's record.
    pub(super) fn inputs(self) -> Inputs {
        Inputs::Hash(Hashed { hash: hex::encode(self.all.finalize()), parts: self.parts })
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
