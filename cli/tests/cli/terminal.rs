//! A terminal that a process believes to have: what it has drawn, and what stands there in the end.

use std::process::{Command, Stdio};

use crate::aggregator::{Place, Said};

/// Rows and columns of the terminal.
const SIZE: (usize, usize) = (24, 80);

/// What came to a terminal.
pub(crate) struct Terminal {
    pub(crate) said: Said,
}

impl Terminal {
    /// Runs the binary to its end on a terminal of its own, by util-linux's `script`. Arguments stand between blanks.
    pub(crate) fn run(place: &Place, arguments: &str) -> Self {
        let binary = aggregator_tests::folder::binary("aggregator");
        let (rows, columns) = SIZE;
        let line = format!("stty rows {rows} cols {columns}; exec {} {arguments}", binary.display());
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).current_dir(place.path());
        for name in ["RUST_LOG", "AGGREGATOR_STATE", "COLUMNS", "NO_COLOR", "CLICOLOR"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm").stdin(Stdio::null());
        Self { said: Said::from(command.output().expect("util-linux's `script`")) }
    }

    /// The screen after each piece that came; the last one is what stands there in the end.
    pub(crate) fn screens(&self) -> Vec<String> {
        let mut screen = Screen::default();
        let mut screens = Vec::new();
        // Whoever draws goes back first: the screen before that is what was seen.
        let mut rest = self.said.stdout.as_str();
        while let Some(next) = rest.chars().next() {
            let length = match rest.strip_prefix("\u{1b}[") {
                Some(code) => {
                    let end = code.find(|c: char| c.is_ascii_alphabetic()).expect("a whole sequence");
                    let last = code.as_bytes()[end];
                    if last == b'A' {
                        screens.push(screen.text());
                    }
                    screen.obey(last, code[..end].parse().unwrap_or(1));
                    end + 3
                }
                None => {
                    screen.put(next);
                    next.len_utf8()
                }
            };
            rest = &rest[length..];
        }
        screens.push(screen.text());
        screens
    }
}

/// So much of a terminal as the progress needs; anything else fails the test.
#[derive(Default)]
struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screen {
    fn put(&mut self, character: char) {
        match character {
            '\r' => self.column = 0,
            '\n' => self.row += 1,
            _ => {
                if self.column == SIZE.1 {
                    (self.row, self.column) = (self.row + 1, 0);
                }
                let column = self.column;
                let line = self.line();
                if line.len() <= column {
                    line.resize(column + 1, ' ');
                }
                line[column] = character;
                self.column += 1;
            }
        }
    }

    fn line(&mut self) -> &mut Vec<char> {
        let row = self.row;
        if self.lines.len() <= row {
            self.lines.resize_with(row + 1, Vec::new);
        }
        &mut self.lines[row]
    }

    fn obey(&mut self, code: u8, number: usize) {
        let column = self.column;
        match code {
            b'A' => self.row = self.row.checked_sub(number).expect("not above the first line"),
            b'B' => self.row += number,
            b'K' if number == 2 => self.line().clear(),
            b'K' => self.line().truncate(column),
            // Colours.
            b'm' => {}
            _ => panic!("a terminal was told {} {number}", char::from(code)),
        }
    }

    fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }
}
