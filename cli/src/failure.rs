//! What ends a command early: shown once, on standard error, with what to do.

use std::path::Path;
use std::process::ExitCode;

use aggregator_compiler::diagnostic::{Diagnostic, Place};
use aggregator_compiler::plural::counted;
use aggregator_crds::Reason;
use aggregator_worker::connector::ConnectorError;
use aggregator_worker::run::{ReportedError, RunError};
use serde::Serialize;

use crate::args::{Global, Output};
use crate::output;

/// What ends a command early.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    /// A stable word.
    pub(crate) reason: &'static str,
    /// What happened.
    pub(crate) message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
    /// Where the manifest says what cannot be, when one place does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<Box<Place>>,
    /// Each mistake of the manifests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The process's exit code.
    pub(crate) exit_code: u8,
}

impl Failure {
    /// The user asked for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            reason: Reason::Usage.as_str(),
            message: message.into(),
            remedy: Some(remedy.into()),
            place: None,
            diagnostics: Vec::new(),
            exit_code: 2,
        }
    }

    /// Standard output could not be written.
    pub(crate) fn unwritten(error: &std::io::Error) -> Self {
        Self {
            reason: Reason::Io.as_str(),
            message: format!("the command has ended well, but its output could not be written: {error}"),
            remedy: Some("make room where standard output goes, and do not take what is there for whole".into()),
            place: None,
            diagnostics: Vec::new(),
            exit_code: 1,
        }
    }

    /// The report of a run could not be written to its file.
    pub(crate) fn unreported(path: &Path, error: &std::io::Error) -> Self {
        Self {
            reason: Reason::Io.as_str(),
            message: format!(
                "the run has ended as shown, but its report could not be written to {}: {error}",
                path.display()
            ),
            remedy: Some("make room there, or name another file with --report; what the run did stands".into()),
            place: None,
            diagnostics: Vec::new(),
            exit_code: 1,
        }
    }

    /// The manifests cannot stand.
    pub(crate) fn invalid(diagnostics: Vec<Diagnostic>) -> Self {
        let message = format!("the manifests hold {}", counted(diagnostics.len(), "error"));
        Self { message, ..RunError::Invalid(diagnostics).into() }
    }

    /// Files of tests cannot stand.
    pub(crate) fn invalid_tests(diagnostics: Vec<Diagnostic>) -> Self {
        let message = format!("the tests hold {}", counted(diagnostics.len(), "error"));
        let remedy = Some("mend what is listed above; docs/testing.md shows how tests are written".into());
        Self { message, remedy, ..RunError::Invalid(diagnostics).into() }
    }

    /// Writes the failure to standard error.
    pub(crate) fn show(&self, global: &Global) -> ExitCode {
        match (output::failure_line(self), global.output) {
            // Whoever reads lines wants this one among them, however results are shown.
            (Some(line), _) => output::stderr(&line),
            (None, Output::Json) => {
                let text = serde_json::to_string_pretty(&serde_json::json!({ "error": self }));
                output::error_line(&text.unwrap_or_else(|_| self.message.clone()));
            }
            (None, Output::Table) => output::error_line(&self.text()),
        }
        ExitCode::from(self.exit_code)
    }

    /// The failure in words, as several lines.
    pub(crate) fn text(&self) -> String {
        let diagnostics = self.diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n\n"));
        let (before, below) = self.place.as_deref().map(shown).unwrap_or_default();
        let help = self.remedy.as_ref().map(|remedy| format!("\n  help: {remedy}")).unwrap_or_default();
        let diagnostics: String = diagnostics.collect();
        format!("{diagnostics}{before}error[{}]: {}{below}{help}", self.reason, self.message)
    }
}

/// A place as diagnostics have it: before what is wrong, and in the line below it.
fn shown(place: &Place) -> (String, String) {
    let Place { file, object, path, line, column } = place;
    let path = if path.is_empty() { String::new() } else { format!(" {path}") };
    (format!("{file}:{line}:{column}: "), format!("\n  at {object}{path}"))
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        ReportedError::from(&error).into()
    }
}

impl From<ReportedError> for Failure {
    fn from(error: ReportedError) -> Self {
        Self {
            reason: error.reason,
            message: error.sentence(),
            remedy: error.remedy,
            place: error.place,
            diagnostics: error.diagnostics,
            exit_code: error.exit_code,
        }
    }
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        RunError::Connector { node: None, error }.into()
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self {
            reason: Reason::Io.as_str(),
            message: error.to_string(),
            remedy: None,
            place: None,
            diagnostics: Vec::new(),
            exit_code: 1,
        }
    }
}
