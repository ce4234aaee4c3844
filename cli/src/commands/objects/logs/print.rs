//! Lines of logs on standard output.

use std::io::IsTerminal;

use crate::output;

/// Shows lines, with the Pod in front where there are several.
#[derive(Debug)]
pub(super) struct Printer {
    pub(super) prefixed: bool,
    /// Whether a terminal shows them, which lines of a log could steer.
    terminal: bool,
}

impl Printer {
    pub(super) fn new(prefixed: bool) -> Self {
        Self { prefixed, terminal: std::io::stdout().is_terminal() }
    }

    /// Shows a line of a Pod's log.
    pub(super) fn show(&self, pod: &str, line: &str) {
        output::line(&self.shown(pod, line));
    }

    fn shown(&self, pod: &str, line: &str) -> String {
        let line = if self.terminal { output::harmless(line) } else { line.to_owned() };
        if self.prefixed { format!("[{pod}] {line}") } else { line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_as_it_is_but_for_a_terminal() {
        let file = Printer { prefixed: false, terminal: false };
        assert_eq!(file.shown("p", "a\tb\u{1b}[2J"), "a\tb\u{1b}[2J");
        let terminal = Printer { prefixed: true, terminal: true };
        assert_eq!(terminal.shown("p", "a\tb\u{1b}[2J"), "[p] a b [2J");
    }
}
