//! Objects as the server shows them to people.

use serde::Deserialize;
use serde_json::Value;

use crate::output;

/// A table of the API (`meta.k8s.io/v1`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ServerTable {
    column_definitions: Option<Vec<Column>>,
    rows: Option<Vec<Row>>,
    metadata: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    column_type: String,
    priority: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Row {
    cells: Vec<Value>,
    object: Value,
}

/// An object in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) cells: Vec<String>,
}

/// What of a table is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choice {
    /// Also the columns that are for a closer look.
    pub(super) wide: bool,
    /// A column with the namespaces.
    pub(super) namespaces: bool,
}

/// What stands above the columns, and which of them hold figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) names: Vec<String>,
    pub(super) figures: Vec<usize>,
}

impl ServerTable {
    /// The table of an answer; what is none has neither columns nor rows.
    pub(super) fn read(answer: Value) -> Self {
        serde_json::from_value(answer).unwrap_or_default()
    }

    /// One table of the pages of a list.
    pub(super) fn of_pages(pages: Vec<Value>) -> Self {
        let mut pages = pages.into_iter().map(Self::read);
        let mut whole = pages.next().unwrap_or_default();
        for page in pages {
            whole.add(page);
        }
        whole
    }

    /// Adds the rows of another one, whose version is that of the whole from now on.
    pub(super) fn add(&mut self, other: Self) {
        if !self.has_head() {
            self.column_definitions = other.column_definitions;
        }
        self.rows.get_or_insert_default().extend(other.rows.unwrap_or_default());
        self.metadata = other.metadata;
    }

    /// The version of the list.
    pub(super) fn version(&self) -> &str {
        self.metadata["resourceVersion"].as_str().unwrap_or_default()
    }

    /// Whether it has no row.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.as_ref().is_none_or(Vec::is_empty)
    }

    /// Whether it has columns: of a watch, only the first event's table has them.
    pub(super) fn has_head(&self) -> bool {
        self.column_definitions.as_ref().is_some_and(|columns| !columns.is_empty())
    }

    fn wanted(&self, choice: Choice) -> impl Iterator<Item = (usize, &Column)> {
        let columns = self.column_definitions.iter().flatten().enumerate();
        columns.filter(move |(_, column)| choice.wide || column.priority == 0)
    }

    /// What stands above the columns.
    pub(super) fn head(&self, choice: Choice) -> Head {
        let mut head = Head::default();
        if choice.namespaces {
            head.names.push("NAMESPACE".into());
        }
        for (_, column) in self.wanted(choice) {
            if matches!(column.column_type.as_str(), "integer" | "number") {
                head.figures.push(head.names.len());
            }
            head.names.push(column.name.to_uppercase());
        }
        head
    }

    /// The rows, in the columns of a table that has some.
    pub(super) fn rows(&self, columns: &Self, choice: Choice) -> Vec<Shown> {
        let indexes: Vec<usize> = columns.wanted(choice).map(|(index, _)| index).collect();
        let shown = |row: &Row| {
            let meta = |field: &str| {
                let value = row.object.pointer(&format!("/metadata/{field}")).and_then(Value::as_str);
                value.unwrap_or_default().to_owned()
            };
            let namespace = meta("namespace");
            let own = indexes.iter().map(|index| row.cells.get(*index).map(text).unwrap_or_default());
            let before = choice.namespaces.then(|| namespace.clone());
            let cells = before.into_iter().chain(own).collect();
            Shown { namespace, name: meta("name"), version: meta("resourceVersion"), cells }
        };
        self.rows.iter().flatten().map(shown).collect()
    }

    /// Shows it on standard output. Says whether there was a row.
    pub(super) fn show(&self, choice: Choice) -> bool {
        if self.is_empty() {
            return false;
        }
        let (head, rows) = (self.head(choice), self.rows(self, choice));
        let mut table = output::table(head.names);
        for row in &rows {
            table.add_row(&row.cells);
        }
        output::figures(&mut table, head.figures);
        output::show(&table);
        true
    }
}

/// A cell as text; what is not there is blank.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> ServerTable {
        ServerTable::read(json!({
            "kind": "Table",
            "metadata": {"resourceVersion": "7"},
            "columnDefinitions": [
                {"name": "Name", "type": "string", "format": "name", "priority": 0},
                {"name": "Read", "type": "integer", "priority": 0},
                {"name": "Last Check", "type": "date", "priority": 0},
                {"name": "Message", "type": "string", "priority": 1},
            ],
            "rows": [
                {"cells": ["a", 12, null, "fine"], "object": {"metadata": {"name": "a", "namespace": "n"}}},
                {"cells": ["b", null, "5m", true], "object": {"metadata": {"name": "b", "namespace": "m"}}},
            ],
        }))
    }

    fn lines(table: &ServerTable, choice: Choice) -> Vec<String> {
        table.rows(table, choice).iter().map(|row| row.cells.join("|")).collect()
    }

    #[test]
    fn columns_for_a_closer_look_are_shown_when_they_are_asked_for() {
        let (table, narrow) = (table(), Choice::default());
        assert_eq!(table.head(narrow).names.join("|"), "NAME|READ|LAST CHECK");
        assert_eq!(table.head(narrow).figures, [1]);
        assert_eq!(lines(&table, narrow), ["a|12|", "b||5m"]);
        let wide = Choice { wide: true, namespaces: true };
        assert_eq!(table.head(wide).names.join("|"), "NAMESPACE|NAME|READ|LAST CHECK|MESSAGE");
        assert_eq!(table.head(wide).figures, [2]);
        assert_eq!(lines(&table, wide), ["n|a|12||fine", "m|b||5m|true"]);
    }

    #[test]
    fn pages_are_one_table_of_the_last_one_s_version() {
        let row = json!({"cells": ["c", 1, "1m", ""]});
        let next = json!({"metadata": {"resourceVersion": "8"}, "columnDefinitions": [], "rows": [row]});
        let mut first = table();
        first.add(ServerTable::read(next));
        assert_eq!(first.version(), "8");
        assert_eq!(lines(&first, Choice::default()), ["a|12|", "b||5m", "c|1|1m"]);
        assert!(lines(&ServerTable::read(json!({"rows": null})), Choice::default()).is_empty());
    }

    #[test]
    fn an_event_s_row_stands_in_the_columns_of_the_first() {
        let event = ServerTable::read(json!({"columnDefinitions": null, "rows": [{"cells": ["d", 5, "2s", "x"]}]}));
        assert!(!event.has_head());
        let event = ServerTable::read(json!({"rows": [{"cells": ["d", 5, "2s", "x"], "object": null}]}));
        let rows = event.rows(&table(), Choice::default());
        assert_eq!(rows[0].cells, ["d", "5", "2s"]);
    }
}
