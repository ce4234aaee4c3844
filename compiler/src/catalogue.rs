//! What `discover` found at a Connector: its streams and their columns. Plain data; no I/O.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::types;

/// The streams of one Connector, in the order the system gives them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalogue {
    /// The streams.
    pub streams: Vec<Stream>,
    /// The Connector has more than are listed: what selects among them may miss some.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl Catalogue {
    /// The stream of that name.
    #[must_use]
    pub fn stream(&self, name: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.name == name)
    }
}

/// One stream: a table, a set of files, an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stream {
    /// What a Pipeline writes in `stream:` to mean it.
    pub name: String,
    /// What the system says of it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// The columns that name a row; empty when the system knows none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub primary_key: Vec<String>,
    /// About how many rows there are, when the system tells cheaply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_rows: Option<u64>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its Arrow type as manifests write it, as `Timestamp(Microsecond, UTC)`.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Whether a row may lack it.
    pub nullable: bool,
    /// What the system says of it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl Stream {
    /// A stream with the columns of an Arrow schema. Column comments are taken from the field metadata key `comment`.
    #[must_use]
    pub fn from_schema(name: impl Into<String>, schema: &Schema) -> Self {
        let columns = schema
            .fields()
            .iter()
            .map(|field| Column {
                name: field.name().clone(),
                data_type: types::name(field.data_type()),
                nullable: field.is_nullable(),
                comment: field.metadata().get(types::COMMENT_KEY).cloned(),
            })
            .collect();
        Self { name: name.into(), columns, ..Self::default() }
    }

    /// The Arrow schema of the stream's rows.
    ///
    /// # Errors
    /// When a column's type is not one that manifests know (a catalogue edited by hand).
    pub fn schema(&self) -> Result<SchemaRef, types::UnknownType> {
        let fields = self
            .columns
            .iter()
            .map(|column| {
                let field = Field::new(&column.name, types::parse(&column.data_type)?, column.nullable);
                Ok(match &column.comment {
                    Some(comment) => field.with_metadata(std::collections::HashMap::from([(
                        types::COMMENT_KEY.to_owned(),
                        comment.clone(),
                    )])),
                    None => field,
                })
            })
            .collect::<Result<Vec<_>, types::UnknownType>>()?;
        Ok(Arc::new(Schema::new(fields)))
    }
}

/// The catalogues of the Connectors that a Pipeline names, by the Connector's name. One that is missing weakens the
/// checks; the compiler says so.
pub type Catalogues = BTreeMap<String, Catalogue>;
