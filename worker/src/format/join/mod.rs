//! Pieces to one file: text is put together, Parquet by its row groups. Nothing is decoded.

mod row_groups;
mod text;

use std::fs::File;
use std::path::{Path, PathBuf};

use aggregator_crds::connector::FileFormat;
use arrow::datatypes::SchemaRef;

use super::writer::{footer_rows, made_durable, write_error};
use crate::connector::{ConnectorError, ErrorKind, Result};

/// A file that was written as [`super::Extent::Piece`].
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Its rows: at least one.
    pub rows: u64,
}

/// Joins pieces, in their order, into a file at `path`, which must not exist, and makes it durable; gives its bytes and its
/// rows: for Parquet, what its footer says. Each byte is read and written once. `proceed` is asked between short steps;
/// its error ends the work. Blocking.
///
/// # Errors
/// [`ErrorKind::Data`] when a piece is not as it was written, [`ErrorKind::Limit`] when a Parquet file would have too many
/// row groups, and when the file cannot be written.
pub fn join(
    path: &Path,
    format: &FileFormat,
    schema: &SchemaRef,
    pieces: &[Piece],
    proceed: &dyn Fn() -> Result<()>,
) -> Result<(u64, u64)> {
    proceed()?;
    let create = File::options().write(true).create_new(true).open(path);
    let mut file = create.map_err(|error| write_error(path, error))?;
    if let FileFormat::Parquet(parquet) = format {
        let file = row_groups::join(file, path, parquet, pieces, proceed)?;
        let bytes = made_durable(&file, path)?;
        return Ok((bytes, footer_rows(path)?));
    }
    text::join(&mut file, path, format, schema, pieces, proceed)?;
    Ok((made_durable(&file, path)?, pieces.iter().map(|piece| piece.rows).sum()))
}

/// A piece that is not as it was written.
fn spoiled(piece: &Piece, detail: &str) -> ConnectorError {
    let folder = piece.path.parent().unwrap_or(&piece.path).display();
    ConnectorError::new(ErrorKind::Data, format!("join the piece {}", piece.path.display()), detail)
        .remedy(format!("remove the folder {folder}: the run reads its rows again"))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, new_null_array};
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int64Type;
    use parquet::arrow::arrow_reader::{
        ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
    };

    use parquet::file::metadata::PageIndexPolicy;

    use super::row_groups::open;
    use super::*;
    use crate::connector::Buffers;
    use crate::format::{Extent, FileWriter};

    /// Columns of all that Parquet treats differently: with and without a dictionary, nested, of nulls, of NaN.
    fn rows(range: std::ops::Range<i64>) -> RecordBatch {
        let ids: Vec<i64> = range.collect();
        let list = |id: &i64| (id % 5 != 0).then(|| (0..id % 4).map(Some).collect::<Vec<_>>());
        let columns: [(&str, ArrayRef); 5] = [
            ("id", Arc::new(Int64Array::from(ids.clone()))),
            (
                "name",
                Arc::new(ids.iter().map(|id| (id % 3 != 0).then(|| format!("n{}", id % 7))).collect::<StringArray>()),
            ),
            ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(ids.iter().map(list)))),
            ("nothing", new_null_array(&arrow::datatypes::DataType::Utf8, ids.len())),
            ("nan", Arc::new(Float64Array::from(vec![f64::NAN; ids.len()]))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    struct Place {
        folder: tempfile::TempDir,
        format: FileFormat,
    }

    impl Place {
        fn new(format: &str) -> Self {
            let format = serde_json::from_str(format).unwrap();
            Self { folder: tempfile::tempdir().unwrap(), format }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str, batch: &RecordBatch, extent: Extent) -> Piece {
            let path = self.path(name);
            let buffers = Buffers::default();
            let mut writer = FileWriter::create(&path, &self.format, &batch.schema(), extent, buffers).unwrap();
            for from in (0..batch.num_rows()).step_by(1000) {
                writer.write(&batch.slice(from, (batch.num_rows() - from).min(1000))).unwrap();
            }
            let (bytes, rows) = writer.finish().unwrap();
            Piece { path, bytes, rows }
        }

        fn pieces(&self, of: &[RecordBatch]) -> Vec<Piece> {
            let each = of.iter().enumerate();
            each.map(|(number, batch)| self.write(&number.to_string(), batch, Extent::Piece)).collect()
        }

        fn join(&self, pieces: &[Piece], schema: &SchemaRef, proceed: &dyn Fn() -> Result<()>) -> Result<(u64, u64)> {
            join(&self.path("joined"), &self.format, schema, pieces, proceed)
        }
    }

    #[test]
    fn row_groups_and_indexes_are_those_of_one_go_to_the_byte() {
        let place = Place::new(r#"{"parquet": {"rowGroupRows": 50000}}"#);
        let parts = [rows(0..50_000), rows(50_000..150_000), rows(150_000..150_001)];
        let schema = parts[0].schema();
        let (bytes, rows) = place.join(&place.pieces(&parts), &schema, &|| Ok(())).unwrap();
        let joined = Piece { path: place.path("joined"), bytes, rows };
        let whole = place.write("whole", &concat_batches(&schema, &parts).unwrap(), Extent::Whole);
        assert_eq!((joined.rows, whole.rows), (150_001, 150_001));
        let before_footer = |piece: &Piece| {
            let mut bytes = std::fs::read(&piece.path).unwrap();
            let length = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap());
            bytes.truncate(bytes.len() - 8 - length as usize);
            bytes
        };
        assert!(before_footer(&joined) == before_footer(&whole));
        // The footer repeats the least and the greatest value for readers of before 2018, which a reader of now forgets.
        let says = |piece: &Piece| format!("{:#?}", open(piece).unwrap().1);
        assert_eq!(says(&joined), says(&whole));
    }

    #[test]
    fn pages_are_found_by_the_index_of_the_joined_file() {
        let place = Place::new(r#"{"parquet": {}}"#);
        let parts = [rows(0..70_000), rows(70_000..130_000)];
        let schema = parts[0].schema();
        place.join(&place.pieces(&parts), &schema, &|| Ok(())).unwrap();
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let file = File::open(place.path("joined")).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
        let pages = |group: usize| reader.metadata().offset_index().unwrap()[group][0].page_locations().len();
        assert!(pages(0) > 2 && pages(1) > 2, "one page would be found without an index");
        // The first row, some in the middle of each piece, and the last one.
        let picks = [0..1, 45_000..45_003, 69_999..70_002, 111_111..111_113, 129_999..130_000];
        let mut selectors = Vec::new();
        let mut at = 0;
        for pick in &picks {
            selectors.push(RowSelector::skip(pick.start - at));
            selectors.push(RowSelector::select(pick.len()));
            at = pick.end;
        }
        let batches = reader.with_row_selection(RowSelection::from(selectors)).build().unwrap();
        let came = concat_batches(&schema, &batches.collect::<std::result::Result<Vec<_>, _>>().unwrap()).unwrap();
        let all = rows(0..130_000);
        let expected: Vec<RecordBatch> = picks.iter().map(|pick| all.slice(pick.start, pick.len())).collect();
        // As text, because NaN is not NaN.
        let text = |batch: &RecordBatch| {
            arrow::util::pretty::pretty_format_batches(std::slice::from_ref(batch)).unwrap().to_string()
        };
        assert_eq!(text(&came), text(&concat_batches(&schema, &expected).unwrap()));
    }

    #[test]
    fn a_header_is_written_as_in_one_go() {
        for format in [r#"{"csv": {"formulas": "Prefix"}}"#, r#"{"csv": {"escape": "\\"}}"#, r#"{"csv": {}}"#] {
            let place = Place::new(format);
            let column: ArrayRef = Arc::new(StringArray::from(vec!["=1", "a\\b"]));
            let all = RecordBatch::try_from_iter([("=a\\b", column)]).unwrap();
            place.join(&place.pieces(&[all.slice(0, 1), all.slice(1, 1)]), &all.schema(), &|| Ok(())).unwrap();
            let whole = place.write("whole", &all, Extent::Whole);
            let text = |path: PathBuf| std::fs::read_to_string(path).unwrap();
            assert_eq!(text(place.path("joined")), text(whole.path), "{format}");
        }
    }

    #[test]
    fn pieces_of_other_columns_are_refused() {
        let place = Place::new(r#"{"parquet": {}}"#);
        let parts = [rows(0..10), rows(10..20).project(&[0, 1]).unwrap()];
        let error = place.join(&place.pieces(&parts), &parts[0].schema(), &|| Ok(())).expect_err("other columns");
        assert_eq!(error.kind, ErrorKind::Data);
        assert!(error.to_string().contains("columns"), "{error}");
    }

    #[test]
    fn more_row_groups_than_fit_are_refused_before_they_are_written() {
        let place = Place::new(r#"{"parquet": {"rowGroupRows": 1}}"#);
        let part = rows(0..20_000).project(&[0]).unwrap();
        let piece = place.pieces(std::slice::from_ref(&part)).remove(0);
        let error = place.join(&[piece.clone(), piece], &part.schema(), &|| Ok(())).expect_err("40000 row groups");
        assert_eq!(error.kind, ErrorKind::Limit, "{error}");
        assert!(error.remedy.unwrap().contains("splitSize"));
    }

    #[test]
    fn it_can_be_stopped_between_any_two_steps() {
        for format in [r#"{"parquet": {}}"#, r#"{"ndjson": {"compression": "zstd"}}"#] {
            let place = Place::new(format);
            let parts = [rows(0..10), rows(10..20)];
            let (schema, pieces) = (parts[0].schema(), place.pieces(&parts));
            let asked = Cell::new(0);
            let up_to = |most: u32| {
                asked.set(0);
                place.join(&pieces, &schema, &|| {
                    asked.set(asked.get() + 1);
                    let stop = || Err(ConnectorError::new(ErrorKind::Interrupted, "test", "stopped here"));
                    if asked.get() > most { stop() } else { Ok(()) }
                })
            };
            up_to(u32::MAX).unwrap();
            let steps = asked.get();
            assert!(steps >= 5, "{format}: {steps} steps");
            for most in 0..steps {
                std::fs::remove_file(place.path("joined")).unwrap_or_default();
                assert_eq!(up_to(most).expect_err("stopped").kind, ErrorKind::Interrupted, "{format}: {most}");
                assert_eq!(asked.get(), most + 1, "{format}: it went on");
            }
        }
    }
}
