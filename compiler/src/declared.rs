//! The columns that a Connector's own manifest declares: nobody need be asked for them.

use std::sync::Arc;

use aggregator_crds::connector::{
    ConnectorType, FileFormat, GeneratedColumn, GeneratedStream, GeneratorKind, HttpEndpoint, SchemaColumn,
    StreamSchema,
};
use arrow::array::timezone::Tz;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::catalogue::Stream;
use crate::{suggest, types};

/// What a Connector's manifest says of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Declared {
    /// Its columns.
    Columns(Stream),
    /// The manifest lists every stream there is, and this is none; these are.
    Missing(Vec<String>),
    /// The columns are found at the system.
    Unknown,
}

/// What a Connector's manifest says of the stream of that name.
#[must_use]
pub fn stream(kind: &ConnectorType, name: &str) -> Declared {
    match kind {
        ConnectorType::Generator(generator) => match generator.streams.iter().find(|stream| stream.name == name) {
            Some(stream) => Declared::Columns(generated(stream)),
            None => Declared::Missing(generator.streams.iter().map(|stream| stream.name.clone()).collect()),
        },
        ConnectorType::Http(http) => match http.endpoints.iter().find(|endpoint| endpoint.name == name) {
            Some(endpoint) => match endpoint_schema(endpoint) {
                Some(StreamSchema::Columns(columns)) => of_columns(name, columns, &endpoint.primary_key),
                Some(StreamSchema::Infer(_)) | None => Declared::Unknown,
            },
            None => Declared::Missing(http.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect()),
        },
        ConnectorType::File(_) | ConnectorType::S3(_) => match file_format(kind).and_then(format_schema) {
            // A folder below may be a partition, which adds a column.
            Some(StreamSchema::Columns(columns)) if in_one_folder(name) => of_columns(name, columns, &[]),
            _ => Declared::Unknown,
        },
        ConnectorType::Postgres(_) | ConnectorType::Sqlite(_) => Declared::Unknown,
    }
}

/// Every declaration of a column in a Connector's manifest that cannot stand.
#[must_use]
pub fn mistakes(kind: &ConnectorType) -> Vec<WrongColumn> {
    let of = |schema: Option<&StreamSchema>, path: String| match schema {
        Some(StreamSchema::Columns(columns)) => match schema_of(columns) {
            Ok(_) => Vec::new(),
            Err(mut wrong) => {
                // That names differ is told by the Connector's own rules.
                wrong.retain(|wrong| wrong.path.ends_with(".type"));
                wrong.iter_mut().for_each(|wrong| wrong.path = format!("{path}.columns{}", wrong.path));
                wrong
            }
        },
        Some(StreamSchema::Infer(_)) | None => Vec::new(),
    };
    let within = |format: &FileFormat| format!("format.{}.schema", format.key());
    match kind {
        ConnectorType::File(_) | ConnectorType::S3(_) => match file_format(kind) {
            Some(format) => of(format_schema(format), format!("spec.{}.{}", kind.key(), within(format))),
            None => Vec::new(),
        },
        ConnectorType::Http(http) => {
            let all = http.endpoints.iter().enumerate().flat_map(|(index, endpoint)| {
                let path = format!("spec.http.endpoints[{index}]");
                let mut wrong = of(endpoint.schema.as_ref(), format!("{path}.schema"));
                if let Some(format) = &endpoint.format {
                    wrong.extend(of(format_schema(format), format!("{path}.{}", within(format))));
                }
                wrong
            });
            all.collect()
        }
        ConnectorType::Generator(_) | ConnectorType::Postgres(_) | ConnectorType::Sqlite(_) => Vec::new(),
    }
}

/// A declared column that cannot stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WrongColumn {
    /// The column.
    pub column: String,
    /// Its field, as `spec.file.format.csv.schema.columns[1].type`; of [`schema_of`], from the list on: `[1].type`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// The schema of declared columns.
///
/// # Errors
/// Every column whose type is not known or cannot be read from text, or whose name stands twice.
pub fn schema_of(columns: &[SchemaColumn]) -> Result<SchemaRef, Vec<WrongColumn>> {
    let (mut fields, mut wrong): (Vec<Field>, Vec<WrongColumn>) = (Vec::with_capacity(columns.len()), Vec::new());
    let mut names = std::collections::HashSet::new();
    for (index, column) in columns.iter().enumerate() {
        let mut refuse = |field: &str, message: String, help: String| {
            wrong.push(WrongColumn { column: column.name.clone(), path: format!("[{index}].{field}"), message, help });
        };
        if !names.insert(column.name.as_str()) {
            refuse("name", "the name stands twice".to_owned(), "give every column a name of its own".to_owned());
        }
        match types::parse(&column.data_type) {
            Ok(data_type) if text_holds(&data_type) => {
                fields.push(Field::new(&column.name, data_type, column.nullable));
            }
            Ok(data_type) => {
                let help = "declare `Utf8` and convert it in a transform".to_owned();
                refuse("type", format!("text holds no {}", types::name(&data_type)), help);
            }
            Err(_) => {
                let help = suggest::advice(&column.data_type, "types", types::COMMON);
                refuse("type", format!("`{}` is not a type", column.data_type), help);
            }
        }
    }
    if wrong.is_empty() { Ok(Arc::new(Schema::new(fields))) } else { Err(wrong) }
}

/// Whether values of a type can be read from text.
fn text_holds(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(element) => text_holds(element.data_type()),
        DataType::Timestamp(_, Some(zone)) => zone.parse::<Tz>().is_ok(),
        DataType::Null | DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => true,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => true,
        DataType::Float32 | DataType::Float64 | DataType::Date32 | DataType::Date64 => true,
        DataType::Timestamp(_, None) | DataType::Decimal128(_, _) => true,
        DataType::Time32(TimeUnit::Second | TimeUnit::Millisecond) => true,
        DataType::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond) => true,
        _ => false,
    }
}

/// The field of a made-up column, and whether each row has a value of its own in it.
#[must_use]
pub fn generated_field(column: &GeneratedColumn) -> (Field, bool) {
    let data_type = match &column.kind {
        GeneratorKind::Sequence { .. } | GeneratorKind::Integer { .. } => DataType::Int64,
        GeneratorKind::Number { .. } => DataType::Float64,
        GeneratorKind::Text { .. } | GeneratorKind::Choice { .. } => DataType::Utf8,
        GeneratorKind::Boolean {} => DataType::Boolean,
        GeneratorKind::Timestamp { .. } => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    };
    let share = column.null_share.as_ref().and_then(|text| text.trim().parse::<f64>().ok());
    let complete = share.is_none_or(|share| share == 0.0);
    let names_rows = complete && matches!(column.kind, GeneratorKind::Sequence { .. });
    (Field::new(&column.name, data_type, !complete), names_rows)
}

/// A made-up stream as a catalogue shows it. A sequence without nulls names its rows.
#[must_use]
pub fn generated(stream: &GeneratedStream) -> Stream {
    let columns: Vec<(Field, bool)> = stream.columns.iter().map(generated_field).collect();
    let key = columns.iter().find(|(_, names_rows)| *names_rows).map(|(field, _)| field.name().clone());
    let fields: Vec<Field> = columns.into_iter().map(|(field, _)| field).collect();
    Stream {
        primary_key: key.into_iter().collect(),
        estimated_rows: Some(stream.rows),
        ..Stream::from_schema(&stream.name, &Schema::new(fields))
    }
}

/// The declaration that an endpoint's answers are read by.
#[must_use]
pub fn endpoint_schema(endpoint: &HttpEndpoint) -> Option<&StreamSchema> {
    endpoint.schema.as_ref().or_else(|| format_schema(endpoint.format.as_ref()?))
}

/// The declaration of a file format; Parquet files have their own.
#[must_use]
pub fn format_schema(format: &FileFormat) -> Option<&StreamSchema> {
    match format {
        FileFormat::Csv(csv) => csv.schema.as_ref(),
        FileFormat::Ndjson(lines) => lines.schema.as_ref(),
        FileFormat::Json(json) => json.schema.as_ref(),
        FileFormat::Parquet(_) => None,
    }
}

fn file_format(kind: &ConnectorType) -> Option<&FileFormat> {
    match kind {
        ConnectorType::File(file) => file.format.as_ref(),
        ConnectorType::S3(s3) => s3.format.as_ref(),
        _ => None,
    }
}

fn of_columns(name: &str, columns: &[SchemaColumn], primary_key: &[String]) -> Declared {
    match schema_of(columns) {
        Ok(schema) => {
            Declared::Columns(Stream { primary_key: primary_key.to_vec(), ..Stream::from_schema(name, &schema) })
        }
        // Told by `mistakes`.
        Err(_) => Declared::Unknown,
    }
}

/// Whether all files of a pattern stand in one folder, which is no partition.
fn in_one_folder(pattern: &str) -> bool {
    match pattern.rsplit_once('/') {
        Some((_, "")) => false,
        Some((folders, _)) => !folders.contains(['*', '?', '[', '{', '=']),
        None => pattern != "**",
    }
}
