//! What hooks print.

use previewbot::domain::hook::{display_line, global_outputs, parse_outputs};

use super::{json, text_map};
use crate::conformance::vectors::{Binding, check_topic, compare};

#[test]
fn hook_outputs() {
    check_topic("hook_outputs", |vector, binding| {
        let result = match vector.op.as_deref().unwrap_or_default() {
            "hook_parse" => {
                let outputs = parse_outputs(vector.text("stdout"));
                if let Binding::Requirement(_) = binding {
                    let spaced = outputs.keys().any(|name| name.contains(' '));
                    return if spaced { Err(format!("a name with a space: {outputs:?}")) } else { Ok(()) };
                }
                json(outputs)
            }
            "redact" => json(display_line(vector.text("line"))),
            "globals" => json(global_outputs(&text_map(vector, "outputs"))),
            // Running hooks is the supervisor's business.
            "hook_exec" => return Ok(()),
            other => return Err(format!("unknown operation {other}")),
        };
        compare(binding, Ok(result))
    });
}
