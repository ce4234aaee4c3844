//! The ledger: every row is accounted for at every node and on every edge, or the run fails. Pure.
//!
//! The figures are taken at different places on purpose: `read` by the source where it splits raw bytes, `out` by the
//! plan, `taken` by each reader, `written` by the target. A batch that is lost or doubled in between shows as a
//! [`Imbalance`].

use serde::{Deserialize, Serialize};

/// What kind of node an entry speaks of: it decides which figures must add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// `read = out + rejected + deduplicated + filtered`.
    Source,
    /// `in = out + filtered + rejected + deduplicated`.
    RowTransform,
    /// In and out are recorded, not equated.
    GrainTransform,
    /// `in = written + rejected + deduplicated`.
    Sink,
    /// The rejects sink: `in = written`, and `in` is the sum of all `rejected`.
    Rejects,
}

/// The figures of one node, in rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The node's name.
    pub name: String,
    /// What kind of node it is.
    pub kind: EntryKind,
    /// Rows the source met in the system, by its own count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub read: u64,
    /// Rows taken in, over all inputs.
    #[serde(default, rename = "in", skip_serializing_if = "is_zero")]
    pub taken: u64,
    /// Rows put out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub out: u64,
    /// Rows that were not wanted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub filtered: u64,
    /// Rows that were wrong.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rejected: u64,
    /// Rows of which another one was kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deduplicated: u64,
    /// Rows the target says it has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub written: u64,
    /// Bytes read from or written to the system.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
}

/// Whether a figure may be left out of what is written.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
pub(crate) fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Entry {
    /// An entry without figures yet.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: EntryKind) -> Self {
        Self {
            name: name.into(),
            kind,
            read: 0,
            taken: 0,
            out: 0,
            filtered: 0,
            rejected: 0,
            deduplicated: 0,
            written: 0,
            bytes: 0,
        }
    }

    /// Adds the figures of the same node elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, u64::saturating_add);
    }

    fn combine(&mut self, other: &Self, figure: fn(u64, u64) -> u64) {
        for (own, other) in [
            (&mut self.read, other.read),
            (&mut self.taken, other.taken),
            (&mut self.out, other.out),
            (&mut self.filtered, other.filtered),
            (&mut self.rejected, other.rejected),
            (&mut self.deduplicated, other.deduplicated),
            (&mut self.written, other.written),
            (&mut self.bytes, other.bytes),
        ] {
            *own = figure(*own, other);
        }
    }

    /// Whether it is the target that has the last word.
    fn is_written(&self) -> bool {
        matches!(self.kind, EntryKind::Sink | EntryKind::Rejects)
    }

    fn imbalance(&self) -> Option<Imbalance> {
        let (left, right, rule) = match self.kind {
            EntryKind::Source => (
                self.read,
                self.out + self.rejected + self.deduplicated + self.filtered,
                "read = out + rejected + deduplicated + filtered",
            ),
            EntryKind::RowTransform => (
                self.taken,
                self.out + self.filtered + self.rejected + self.deduplicated,
                "in = out + filtered + rejected + deduplicated",
            ),
            EntryKind::Sink => {
                (self.taken, self.written + self.rejected + self.deduplicated, "in = written + rejected + deduplicated")
            }
            EntryKind::Rejects => (self.taken, self.written, "in = written"),
            EntryKind::GrainTransform => return None,
        };
        (left != right).then(|| Imbalance { place: format!("node `{}`", self.name), rule, left, right })
    }
}

/// The figures of one edge, in rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// The node that puts rows out.
    pub from: String,
    /// The node that takes them in.
    pub to: String,
    /// Rows taken in, as this reader counted them.
    pub rows: u64,
}

/// All figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// One entry a node, in the graph's order.
    pub nodes: Vec<Entry>,
    /// One entry a reader of a node.
    pub edges: Vec<Edge>,
}

/// Two figures that should be equal and are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imbalance {
    /// The node or edge.
    pub place: String,
    /// The equation that does not hold.
    pub rule: &'static str,
    /// Its left side, in rows.
    pub left: u64,
    /// Its right side, in rows.
    pub right: u64,
}

impl std::fmt::Display for Imbalance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {} does not hold: {} is not {}", self.place, self.rule, self.left, self.right)
    }
}

impl Ledger {
    /// The figures of this part of a run and of another one together. Both are of the same graph.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.combined(other, u64::saturating_add)
    }

    /// The figures of what came after `before`.
    #[must_use]
    pub fn minus(&self, before: &Self) -> Self {
        self.combined(before, u64::saturating_sub)
    }

    fn combined(&self, other: &Self, figure: fn(u64, u64) -> u64) -> Self {
        let mut together = self.clone();
        for entry in &other.nodes {
            match together.nodes.iter_mut().find(|own| own.name == entry.name) {
                Some(own) => own.combine(entry, figure),
                None => {
                    let mut own = Entry::new(entry.name.clone(), entry.kind);
                    own.combine(entry, figure);
                    together.nodes.push(own);
                }
            }
        }
        for (at, edge) in other.edges.iter().enumerate() {
            // A node may read another one twice: then the edges differ by their order only.
            match together.edges.get_mut(at) {
                Some(own) => own.rows = figure(own.rows, edge.rows),
                None => together.edges.push(Edge { rows: figure(0, edge.rows), ..edge.clone() }),
            }
        }
        together
    }

    /// Every equation that does not hold; empty when the ledger is balanced.
    #[must_use]
    pub fn imbalances(&self) -> Vec<Imbalance> {
        let written = self.nodes.iter().filter(|entry| entry.is_written()).filter_map(Entry::imbalance);
        let mut found = self.imbalances_before_staging();
        found.extend(written);
        found
    }

    /// Every equation that does not hold, apart from those of the targets, which have not counted yet what they have.
    #[must_use]
    pub fn imbalances_before_staging(&self) -> Vec<Imbalance> {
        let moved = self.nodes.iter().filter(|entry| !entry.is_written());
        let mut found: Vec<Imbalance> = moved.filter_map(Entry::imbalance).collect();
        for edge in &self.edges {
            let Some(from) = self.nodes.iter().find(|entry| entry.name == edge.from) else { continue };
            if from.out != edge.rows {
                found.push(Imbalance {
                    place: format!("edge `{}` → `{}`", edge.from, edge.to),
                    rule: "out = in",
                    left: from.out,
                    right: edge.rows,
                });
            }
        }
        if let Some(rejects) = self.nodes.iter().find(|entry| entry.kind == EntryKind::Rejects) {
            let rejected = self.rejected();
            if rejected != rejects.taken {
                found.push(Imbalance {
                    place: format!("node `{}`", rejects.name),
                    rule: "rejected by all nodes = in",
                    left: rejected,
                    right: rejects.taken,
                });
            }
        }
        found
    }

    /// Rows read by all sources.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.nodes.iter().map(|entry| entry.read).sum()
    }

    /// Rows rejected by all nodes.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.nodes.iter().filter(|entry| entry.kind != EntryKind::Rejects).map(|entry| entry.rejected).sum()
    }

    /// Rows written by all sinks but the rejects sink.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.nodes.iter().filter(|entry| entry.kind == EntryKind::Sink).map(|entry| entry.written).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced() -> Ledger {
        let entry = |name: &str, kind| Entry::new(name, kind);
        Ledger {
            nodes: vec![
                Entry { read: 10, out: 9, rejected: 1, ..entry("flights", EntryKind::Source) },
                Entry { taken: 9, out: 6, filtered: 2, deduplicated: 1, ..entry("late", EntryKind::RowTransform) },
                Entry { taken: 6, out: 2, ..entry("by_airport", EntryKind::GrainTransform) },
                Entry { taken: 2, written: 2, ..entry("table", EntryKind::Sink) },
                Entry { taken: 1, written: 1, ..entry("rejects", EntryKind::Rejects) },
            ],
            edges: vec![
                Edge { from: "flights".into(), to: "late".into(), rows: 9 },
                Edge { from: "late".into(), to: "by_airport".into(), rows: 6 },
                Edge { from: "by_airport".into(), to: "table".into(), rows: 2 },
            ],
        }
    }

    #[test]
    fn a_run_that_accounts_for_every_row_is_balanced() {
        assert_eq!(balanced().imbalances(), vec![]);
    }

    #[test]
    fn parts_of_a_run_add_up_to_it() {
        let (part, whole) = (balanced(), balanced().plus(&balanced()));
        assert_eq!((whole.read(), whole.written(), whole.rejected(), whole.edges[1].rows), (20, 4, 2, 12));
        assert_eq!(whole.imbalances(), vec![]);
        assert_eq!(whole.minus(&part), part);
        assert_eq!(Ledger::default().plus(&part), part);
    }

    #[test]
    fn every_single_lost_or_doubled_row_shows() {
        let mut missed = Vec::new();
        for (index, field) in (0..5).flat_map(|index| (0..7).map(move |field| (index, field))) {
            let mut ledger = balanced();
            let entry = &mut ledger.nodes[index];
            // A grain-changing node equates nothing of its own; its figures are held by the edges around it.
            if entry.kind == EntryKind::GrainTransform && field != 2 {
                continue;
            }
            let unused = matches!(
                (entry.kind, field),
                (EntryKind::Source, 1 | 6)
                    | (EntryKind::RowTransform, 0 | 6)
                    | (EntryKind::Sink, 0 | 2 | 3)
                    | (EntryKind::Rejects, 0 | 2..=5)
            );
            if unused {
                continue;
            }
            *[
                &mut entry.read,
                &mut entry.taken,
                &mut entry.out,
                &mut entry.filtered,
                &mut entry.rejected,
                &mut entry.deduplicated,
                &mut entry.written,
            ][field] += 1;
            if ledger.imbalances().is_empty() {
                missed.push((index, field));
            }
        }
        assert_eq!(missed, vec![]);
        for edge in 0..3 {
            let mut ledger = balanced();
            ledger.edges[edge].rows -= 1;
            assert_eq!(ledger.imbalances().len(), 1);
        }
    }

    #[test]
    fn an_imbalance_names_the_place_the_rule_and_both_figures() {
        let mut ledger = balanced();
        ledger.nodes[3].written = 1;
        assert_eq!(ledger.imbalances_before_staging(), vec![], "it is the target that says so");
        let said: Vec<String> = ledger.imbalances().iter().map(ToString::to_string).collect();
        assert_eq!(said, ["node `table`: in = written + rejected + deduplicated does not hold: 2 is not 1"]);
    }
}
