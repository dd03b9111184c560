//! The only file that names `serde_yaml`.

use serde::Deserialize as _;
use serde::de::DeserializeOwned;
pub use serde_yaml::{Error, Mapping, Value};

/// Reads the first document of a stream.
///
/// # Errors
/// What the parser says, with its location.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = serde_yaml::Deserializer::from_str(text);
    match documents.next() {
        Some(first) => T::deserialize(first),
        None => serde_yaml::from_value(Value::Null),
    }
}

/// Reads every document of a stream.
///
/// # Errors
/// What the parser says, with its location.
pub fn documents(text: &str) -> Result<Vec<Value>, Error> {
    serde_yaml::Deserializer::from_str(text).map(Value::deserialize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_document_of_a_stream_counts() {
        assert_eq!(from_str::<Value>("a\n---\nb\n").unwrap(), Value::from("a"));
        assert_eq!(from_str::<Value>("\u{feff}a\n").unwrap(), Value::from("a"));
        assert_eq!(from_str::<Value>("").unwrap(), Value::Null);
        assert!(from_str::<Value>("[a").is_err());
        assert_eq!(documents("a\n---\nb\n").unwrap(), [Value::from("a"), Value::from("b")]);
        assert!(documents("a\n---\n[b").is_err());
    }
}
