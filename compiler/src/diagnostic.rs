//! What the compiler has to say: where, what, and what to do.

use std::fmt;

use serde::Serialize;

/// One mistake, or one thing worth knowing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// Whether it must be mended.
    pub severity: DiagnosticSeverity,
    /// A stable word for the kind of mistake, as `UnknownColumn`.
    pub code: &'static str,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

impl Diagnostic {
    /// Something that must be mended.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: DiagnosticSeverity::Error, code, message: message.into(), help: None, place: None }
    }

    /// Something worth knowing.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: DiagnosticSeverity::Warning, ..Self::error(code, message) }
    }

    /// With a place.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place: Some(place), ..self }
    }

    /// With advice; an empty one is none.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        let help = help.into();
        Self { help: (!help.is_empty()).then_some(help), ..self }
    }

    /// Whether it must be mended.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == DiagnosticSeverity::Error
    }
}

/// Whether something must be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum DiagnosticSeverity {
    /// It cannot run.
    Error,
    /// It can run; checks are weaker, or something is unused.
    Warning,
}

/// A place in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The file, as it was named.
    pub file: String,
    /// The object, as `Pipeline demo/delays-by-airport`.
    pub object: String,
    /// The path of the field, as `spec.transforms[2].sql.query`.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl fmt::Display for Diagnostic {
    /// `pipeline.yaml:12:7: error[UnknownColumn]: … \n  help: …`, the shape that editors understand.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(formatter, "{}:{}:{}: ", place.file, place.line, place.column)?;
        }
        let severity = match self.severity {
            DiagnosticSeverity::Error => "error",
            DiagnosticSeverity::Warning => "warning",
        };
        write!(formatter, "{severity}[{}]: {}", self.code, self.message)?;
        if let Some(place) = &self.place {
            write!(formatter, "\n  at {}", place.object)?;
            if !place.path.is_empty() {
                write!(formatter, " {}", place.path)?;
            }
        }
        if let Some(help) = &self.help {
            write!(formatter, "\n  help: {help}")?;
        }
        Ok(())
    }
}
