//! The columns of an endpoint: declared, or of its first pages.

use std::sync::Arc;

use aggregator_compiler::plural::counted;
use aggregator_crds::connector::FileFormat;
use arrow::datatypes::SchemaRef;

use super::api::Api;
use super::document::Document;
use super::endpoint::{Answers, Endpoint};
use super::pages::Pages;
use crate::connector::{ConnectorError, ErrorKind, Result, check_columns};
use crate::format::{SchemaProbe, infer_schema};

/// What is known of an endpoint before it is read.
#[derive(Clone)]
pub(super) struct Shape {
    /// The columns.
    pub schema: SchemaRef,
    /// What a person should know of them.
    pub notes: Vec<String>,
}

impl Shape {
    /// Asks for as many pages as tell the columns.
    ///
    /// # Errors
    /// When a page cannot be had, or none has a column.
    pub(super) async fn infer(api: &Arc<Api>, endpoint: &Arc<Endpoint>) -> Result<Self> {
        let mut pages = Pages::new(Arc::clone(api), Arc::clone(endpoint), None)?;
        let (shape, looked) = match &endpoint.answers {
            Answers::Document(document) => of_documents(document, &mut pages, endpoint.infer).await?,
            Answers::Content(format) => {
                let probe = SchemaProbe::within(api.buffers());
                of_content(format, &mut pages, probe, endpoint.infer).await?
            }
        };
        check_columns(&format!("endpoint `{}`", endpoint.name), shape.schema.fields().len())?;
        if shape.schema.fields().is_empty() {
            let operation = format!("infer the schema of endpoint `{}`", endpoint.name);
            let remedy = match &endpoint.answers {
                Answers::Content(FileFormat::Parquet(_)) => {
                    "check `path` and `query`: a Parquet file names its columns"
                }
                Answers::Content(_) => "declare the columns with `schema: {columns: […]}` inside `format`",
                Answers::Document(_) => "declare the columns with `schema: {columns: […]}`",
            };
            let detail = format!("no column was found in the first {}", counted(looked, "record"));
            return Err(ConnectorError::new(ErrorKind::Data, operation, detail).remedy(remedy));
        }
        Ok(shape)
    }
}

async fn of_documents(document: &Document, pages: &mut Pages, most: u64) -> Result<(Shape, u64)> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut sample = Vec::new();
    while sample.len() < most {
        let Some(records) = pages.next_records(document).await? else { break };
        sample.extend(records);
    }
    sample.truncate(most);
    Ok((Shape { schema: infer_schema(&sample), notes: Vec::new() }, sample.len() as u64))
}

async fn of_content(format: &FileFormat, pages: &mut Pages, mut probe: SchemaProbe, most: u64) -> Result<(Shape, u64)> {
    while probe.records < most {
        let left = most - probe.records;
        if !pages.look(&mut probe, left).await? {
            break;
        }
    }
    let looked = probe.records;
    Ok((Shape { schema: probe.schema(format)?, notes: probe.notes }, looked))
}
