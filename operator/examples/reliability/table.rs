//! Tables, as GitHub's Markdown has them.

use std::time::Duration;

use aggregator_tests::figures::at;
use serde_json::Value;

/// A table of those columns.
pub(crate) struct Table(String);

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        let head = columns.join(" | ");
        let line = vec!["---"; columns.len()].join("|");
        Self(format!("| {head} |\n|{line}|\n"))
    }

    pub(crate) fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        let cells: Vec<String> = cells.iter().map(|cell| cell.as_ref().replace('|', "\\|")).collect();
        self.0 += &format!("| {} |\n", cells.join(" | "));
    }

    pub(crate) fn text(self) -> String {
        self.0
    }
}

/// A field of a line, as a text.
pub(crate) fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap_or_default()
}

/// The values of a field, each once, in the order in which they come.
pub(crate) fn values<'a>(lines: &[&'a Value], field: &str) -> Vec<&'a str> {
    let mut values = Vec::new();
    for line in lines {
        let value = text(line, field);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

/// The lines whose field has that value.
pub(crate) fn with<'a>(lines: &[&'a Value], field: &str, value: &str) -> Vec<&'a Value> {
    lines.iter().copied().filter(|line| text(line, field) == value).collect()
}

/// The sum of a field.
pub(crate) fn sum(lines: &[&Value], field: &str) -> u64 {
    lines.iter().filter_map(|line| line[field].as_u64()).sum()
}

/// The sum of a field of seconds.
pub(crate) fn seconds(lines: &[&Value], field: &str) -> f64 {
    lines.iter().filter_map(|line| line[field].as_f64()).sum()
}

/// The median, the longest but for a hundredth, and the longest of a field of milliseconds.
pub(crate) fn spread(lines: &[&Value], field: &str) -> [String; 3] {
    let times: Vec<Duration> =
        lines.iter().filter_map(|line| line[field].as_u64()).map(Duration::from_millis).collect();
    spread_of(&times)
}

/// The same of times.
pub(crate) fn spread_of(times: &[Duration]) -> [String; 3] {
    [50, 99, 100].map(|hundredths| shown(at(times, hundredths)))
}

/// A time for people.
pub(crate) fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// Whether what was asked holds.
pub(crate) fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "**missed**" }
}
