//! What the status of a run says of the rows at each node.

use aggregator_compiler::plural::counted;
use aggregator_crds::run::{NodeCounters, PipelineRunStatus};

use crate::output::{self, count};

/// A column, and the figure that stands there.
type Column = (&'static str, fn(&NodeCounters) -> u64);

/// The columns of every ledger come first: of a source, `IN` is what it read; of a sink, `OUT` is what the target has.
const COLUMNS: [Column; 5] = [
    ("IN", |node| node.read.or(node.input).unwrap_or(0)),
    ("OUT", |node| node.written.or(node.output).unwrap_or(0)),
    ("FILTERED", |node| node.filtered.unwrap_or(0)),
    ("REJECTED", |node| node.rejected.unwrap_or(0)),
    ("DEDUPLICATED", |node| node.deduplicated.unwrap_or(0)),
];
const ALWAYS: usize = 2;

/// The nodes of a run that has ended, or as far as one has come.
pub(super) fn nodes(status: &PipelineRunStatus) -> &[NodeCounters] {
    match (&status.nodes, &status.progress) {
        (nodes, Some(progress)) if nodes.is_empty() => &progress.nodes,
        (nodes, _) => nodes,
    }
}

/// The rows of the ledger: what stands above them, and each node.
fn rows(nodes: &[NodeCounters]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    // What happened nowhere needs no column.
    let shown: Vec<Column> = COLUMNS
        .into_iter()
        .enumerate()
        .filter(|(index, (_, figure))| *index < ALWAYS || nodes.iter().any(|node| figure(node) > 0))
        .map(|(_, column)| column)
        .collect();
    let head = std::iter::once("NODE").chain(shown.iter().map(|(name, _)| *name)).collect();
    let row = |node: &NodeCounters| {
        let name = match &node.stream {
            Some(stream) => format!("{} ({stream})", node.name),
            None => node.name.clone(),
        };
        let figures = shown.iter().enumerate().map(|(index, (_, figure))| match figure(node) {
            0 if index >= ALWAYS => "·".to_owned(),
            number => count(number),
        });
        std::iter::once(name).chain(figures).collect()
    };
    (head, nodes.iter().map(row).collect())
}

/// Shows the ledger on standard output. Says whether there is one.
pub(super) fn show(status: &PipelineRunStatus) -> bool {
    let nodes = nodes(status);
    if nodes.is_empty() {
        return false;
    }
    let (head, rows) = rows(nodes);
    let figures = 1..head.len();
    let mut table = output::table(head);
    for row in &rows {
        table.add_row(row);
    }
    output::figures(&mut table, figures);
    output::show(&table);
    if let Some(omitted @ 1..) = status.nodes_omitted {
        output::paragraph(&format!("and {} more", counted(count(omitted), "node")));
    }
    for mismatch in status.ledger.iter().flat_map(|ledger| &ledger.mismatches) {
        output::paragraph(&format!("the ledger is not balanced: {mismatch}"));
    }
    true
}

#[cfg(test)]
mod tests {
    use aggregator_crds::run::RunProgress;

    use super::*;

    fn node(name: &str) -> NodeCounters {
        NodeCounters { name: name.into(), ..NodeCounters::default() }
    }

    #[test]
    fn a_row_reads_as_its_equation() {
        let nodes = [
            NodeCounters { read: Some(1007), output: Some(1004), rejected: Some(3), ..node("orders") },
            NodeCounters { input: Some(4), output: Some(3), stream: Some("eu".into()), ..node("cleaned") },
            NodeCounters { input: Some(3), written: Some(3), ..node("lines") },
        ];
        let (head, rows) = rows(&nodes);
        assert_eq!(head, ["NODE", "IN", "OUT", "REJECTED"]);
        assert_eq!(
            rows,
            [["orders", "1 007", "1 004", "3"], ["cleaned (eu)", "4", "3", "·"], ["lines", "3", "3", "·"]]
        );
    }

    #[test]
    fn the_counters_of_a_run_that_goes_on_stand_in_for_its_ledger() {
        let progress = RunProgress {
            run: String::new(),
            attempt: 1,
            time: jiff::Timestamp::UNIX_EPOCH,
            nodes: vec![node("orders")],
            outcome: None,
        };
        let mut status = PipelineRunStatus { progress: Some(progress), ..PipelineRunStatus::default() };
        assert_eq!(nodes(&status), [node("orders")]);
        status.nodes = vec![node("lines")];
        assert_eq!(nodes(&status), [node("lines")]);
    }
}
