//! Text that no field can hold, whatever it means: control characters, which no name, query or address has, and which end
//! what a program is told.

use serde::Serialize;
use serde_json::Value;

use super::path::Path;
use super::report::Report;

/// Fields of a CSV format that are characters, or data: any may stand there.
const OF_CSV: [&str; 6] = ["delimiter", "quote", "escape", "comment", "terminator", "nullValues"];
/// Rows of tests and states of positions are data.
const DATA: [&str; 2] = ["rows", "state"];

impl Report {
    /// Every text of a spec.
    pub(super) fn plain(&mut self, path: &Path, spec: &impl Serialize) {
        // What cannot be written as JSON is no manifest, and comes from none.
        let spec = serde_json::to_value(spec).unwrap_or_default();
        self.plain_value(path, "", &spec);
    }

    fn plain_value(&mut self, path: &Path, field: &str, value: &Value) {
        match value {
            Value::String(text) => self.plain_text(path, text),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.plain_value(&path.index(index), field, item);
                }
            }
            Value::Object(fields) => {
                let data = |name: &str| (field == "csv" && OF_CSV.contains(&name)) || DATA.contains(&name);
                for (name, value) in fields.iter().filter(|(name, value)| !data(name) || value.is_number()) {
                    let path = path.key(name);
                    self.plain_text(&path, name);
                    self.plain_value(&path, name, value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn plain_text(&mut self, path: &Path, text: &str) {
        let found = text.chars().find(|character| character.is_control() && !matches!(character, '\t' | '\n' | '\r'));
        if let Some(found) = found {
            let message = format!("the text holds the control character U+{:04X}", u32::from(found));
            self.add(path, message, "take it out");
        }
    }
}
