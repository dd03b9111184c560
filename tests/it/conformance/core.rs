//! The core's pure parts: texts, names and records.

mod compose;
mod env_files;
mod hooks;
mod ports;
mod records;
mod templates;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::vectors::Vector;

/// A part of a vector's input; its default where the input lacks it or says null.
fn part<T: DeserializeOwned + Default>(vector: &Vector, key: &str) -> T {
    let value = vector.input.get(key).cloned().unwrap_or_default();
    serde_json::from_value::<Option<T>>(value).unwrap().unwrap_or_default()
}

fn text_map(vector: &Vector, key: &str) -> BTreeMap<String, String> {
    part(vector, key)
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}
