//! A value that is not of its type.

use std::fmt;

use serde_json::Value;

/// A mistake, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    path: String,
    message: String,
}

/// Some mistakes, of which there is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistakes(pub(super) Vec<Mistake>);

impl Mistake {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { path: String::new(), message: message.into() }
    }

    /// The same, seen from one step further out.
    pub(super) fn below(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |mistake: &Mistake| match mistake.path.as_str() {
            "" => mistake.message.clone(),
            path => format!("{path}: {}", mistake.message),
        };
        match self.0.as_slice() {
            [one] => write!(to, "{}", text(one)),
            several => {
                let texts: Vec<String> = several.iter().map(|mistake| format!("\n  {}", text(mistake))).collect();
                write!(to, "errors:{}", texts.concat())
            }
        }
    }
}

/// A value as Go's `%v` prints it inside of the struct that the API server keeps it in.
pub(super) fn held(value: &Value) -> String {
    format!("&{{{}}}", crate::api::patch::printed(value))
}
