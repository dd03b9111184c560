//! Topics that bind nobody but have a counterpart here.

use previewbot::domain::wording::short_duration;
use serde_json::json;

use super::checks::{Verdict, compare, ensure};
use super::vectors::{Answer, Vector};

pub(super) fn format_duration(vector: &Vector, answer: &Answer) -> Verdict {
    let shown = short_duration(vector.part_or_default("ms"));
    compare(answer, Ok(json!(shown)), |_, _| {
        ensure(!shown.ends_with("60s") && !shown.contains("60.0"), shown.clone())
    })
}
