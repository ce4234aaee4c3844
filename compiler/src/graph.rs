//! What compiling gives: a typed graph, ready to be executed.

use std::collections::BTreeMap;
use std::time::Duration;

use aggregator_crds::pipeline::{RejectBudget, Severity, SyncMode, WriteMode};
use arrow::datatypes::SchemaRef;
use datafusion_expr::LogicalPlan;

/// A Pipeline whose every edge has a schema.
#[derive(Clone, Debug)]
pub struct CompiledPipeline {
    /// The Pipeline's namespace.
    pub namespace: String,
    /// The Pipeline's name.
    pub name: String,
    /// Which of its many streams it is compiled for; None when its sources name one each.
    pub stream: Option<String>,
    /// The nodes; each stands after the nodes it reads.
    pub nodes: Vec<Node>,
    /// What must hold before anything is committed.
    pub quality: Vec<QualityCheck>,
    /// Where rejected rows go.
    pub rejects: Option<RejectsTarget>,
    /// About how many bytes of a stream are read between two points from which an interrupted run goes on.
    pub split_bytes: u64,
}

impl CompiledPipeline {
    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// `namespace/name`, and `namespace/name:stream` for one of many streams: what positions and commits are kept under.
    #[must_use]
    pub fn id(&self) -> String {
        match &self.stream {
            Some(stream) => format!("{}/{}:{stream}", self.namespace, self.name),
            None => format!("{}/{}", self.namespace, self.name),
        }
    }
}

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The nodes it reads, in the order of `from`.
    pub inputs: Vec<String>,
    /// The schema of the rows it puts out; for a sink, of the rows it takes in.
    pub schema: SchemaRef,
    /// Where each of its columns comes from.
    pub lineage: Lineage,
    /// What it does.
    pub kind: NodeKind,
}

/// Where columns come from: for each column, the source columns its values are computed from, sorted.
pub type Lineage = BTreeMap<String, Vec<SourceColumn>>;

/// A column of a source node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceColumn {
    /// The source node.
    pub node: String,
    /// Its column.
    pub column: String,
}

/// What a node does.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// It reads a stream.
    Source(SourceNode),
    /// It changes rows.
    Transform(TransformNode),
    /// It writes a stream.
    Sink(SinkNode),
}

/// Reads a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceNode {
    /// The Connector's name.
    pub connector: String,
    /// The stream, as the Connector's type understands it.
    pub stream: String,
    /// Everything, or what is new.
    pub sync: SyncMode,
    /// The cursor column of an incremental read; None: the source's own position (files).
    pub cursor: Option<String>,
    /// How long rows wait for writers that commit late.
    pub lag: Option<Duration>,
    /// The columns that name a row: `sync.key`, else the catalogue's primary key, else empty.
    pub key: Vec<String>,
}

/// Changes rows.
#[derive(Clone, Debug)]
pub struct TransformNode {
    /// The key that names the operation in the manifest.
    pub operation: &'static str,
    /// Whether rows go through one by one.
    pub grain: Grain,
    /// The plan. Its table scans are named by the input nodes; parameters are already bound. Casts are explicit;
    /// rows that a rule takes out go through [`crate::sieve::Sieve`].
    pub plan: LogicalPlan,
}

/// Whether a node's rows go through one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum Grain {
    /// Each row goes out, or is filtered, rejected or deduplicated: `in = out + filtered + rejected + deduplicated`.
    Row,
    /// Rows are combined or multiplied: in and out are recorded, not equated.
    Changed,
}

/// Writes a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkNode {
    /// The Connector's name.
    pub connector: String,
    /// The stream, as the Connector's type understands it.
    pub stream: String,
    /// How rows meet what is there.
    pub mode: WriteMode,
    /// The columns that name a row, resolved; empty when the mode needs none.
    pub key: Vec<String>,
    /// The columns whose values become folders.
    pub partition_by: Vec<String>,
}

/// What must hold over all rows of a node.
#[derive(Clone, Debug)]
pub struct QualityCheck {
    /// The rule's name.
    pub name: String,
    /// The node whose rows are looked at.
    pub node: String,
    /// The expression as written.
    pub expression: String,
    /// What a broken rule does.
    pub severity: Severity,
    /// Of a rule that is one comparison: its sides that are no literals, as text.
    pub sides: Vec<String>,
    /// Gives one row: whether the rule holds, and then the value of each side. Its table scan is named by the node.
    pub plan: LogicalPlan,
}

/// Where rejected rows go.
#[derive(Clone, Debug, PartialEq)]
pub struct RejectsTarget {
    /// The Connector's name.
    pub connector: String,
    /// The folder or table.
    pub stream: String,
    /// How many are too many.
    pub budget: Option<RejectBudget>,
}
