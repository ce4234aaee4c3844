//! Rows of lists of Parquet files that take too much: by having too many values in whatever pages, or by repeating large ones.

use std::sync::Arc;

use aggregator_tests::alone::is_alone;
use aggregator_worker::connector::ErrorKind;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type};
use parquet::basic::{CompressionCodec, Encoding};

use crate::pages::{LITTLE, NAME, Page, check_memory, file_of, number, read, read_from};

const MIB: usize = 1 << 20;
const NUMBERS: &str = "REPEATED INT64 a";
const TEXTS: &str = "REPEATED BYTE_ARRAY a (UTF8)";

fn list(of: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", of, true)))
}

/// Levels, as a page of the first version has them: each so often.
fn levels(runs: &[(u64, u8)]) -> Vec<u8> {
    let runs: Vec<u8> = runs.iter().flat_map(|(times, level)| [number(times << 1), vec![*level]].concat()).collect();
    [&u32::try_from(runs.len()).unwrap().to_le_bytes()[..], &runs].concat()
}

/// The levels at which rows of so many values begin, and go on.
fn rows(count: usize, values: u64) -> Vec<(u64, u8)> {
    [(1, 0), (values - 1, 1)].repeat(count)
}

/// A page of values that are all the first one of the dictionary.
fn page(repetition: &[(u64, u8)]) -> Page {
    let values: u64 = repetition.iter().map(|(times, _)| times).sum();
    let content = [levels(repetition), levels(&[(values, 1)]), vec![1], number(values << 1), vec![0]].concat();
    Page::plain(values, Encoding::RLE_DICTIONARY, content)
}

fn dictionary(values: u64, content: Vec<u8>) -> Page {
    Page { dictionary: true, ..Page::plain(values, Encoding::PLAIN, content) }
}

fn a_number() -> Page {
    dictionary(1, 7_i64.to_le_bytes().to_vec())
}

fn text(bytes: usize) -> Vec<u8> {
    [&u32::try_from(bytes).unwrap().to_le_bytes()[..], &vec![b'x'; bytes]].concat()
}

/// The rows of each block, and the values in their lists.
fn counts(batch: &RecordBatch) -> (usize, usize) {
    (batch.num_rows(), batch.column(0).as_list::<i32>().values().len())
}

#[test]
fn rows_of_lists_that_take_too_much_are_refused_before_they_are_decoded() {
    if !is_alone("lists::rows_of_lists_that_take_too_much_are_refused_before_they_are_decoded") {
        return;
    }
    let many = 1_u64 << 28;
    let some = 1_u64 << 20;
    let over_pages = || {
        let next = (0..7).map(|_| page(&[(some, 1)]));
        [a_number(), page(&rows(1, some))].into_iter().chain(next).collect::<Vec<_>>()
    };
    let texts = |row: u64| vec![dictionary(1, text(MIB)), page(&rows(1, row))];
    for (what, column, of, stated, pages) in [
        ("a page", NUMBERS, DataType::Int64, [LITTLE, LITTLE], vec![a_number(), page(&rows(1, many))]),
        ("the same, as the footer says", NUMBERS, DataType::Int64, [1, many], vec![a_number(), page(&rows(1, many))]),
        ("several pages", NUMBERS, DataType::Int64, [LITTLE, LITTLE], over_pages()),
        ("large texts", TEXTS, DataType::Utf8, [LITTLE, LITTLE], texts(70)),
        ("more of them than there is memory", TEXTS, DataType::Utf8, [LITTLE, LITTLE], texts(3_000_000)),
    ] {
        let content = file_of(column, CompressionCodec::UNCOMPRESSED, LITTLE, stated, &pages);
        let error = read(content, list(of), RecordBatch::num_rows).expect_err(what);
        let told = format!("read {NAME}, column `a`: a row takes more than 64 MiB when it is decoded");
        assert_eq!((error.kind, error.to_string()), (ErrorKind::Limit, told), "{what}");
        let remedy = "leave the column out, or write what its lists hold as rows of their own";
        assert_eq!(error.remedy.as_deref(), Some(remedy), "{what}");
    }
    check_memory();
}

#[test]
fn rows_of_lists_that_are_fine_each_are_read_fewer_at_once() {
    if !is_alone("lists::rows_of_lists_that_are_fine_each_are_read_fewer_at_once") {
        return;
    }
    // Two rows of 36 MiB each, of which the second one begins in the first one's last page.
    let part = 1_u64 << 20;
    let pages =
        [a_number(), page(&rows(1, part)), page(&[(part, 1)]), page(&[(part, 1), (1, 0)]), page(&[(3 * part, 1)])];
    let content = file_of(NUMBERS, CompressionCodec::UNCOMPRESSED, LITTLE, [2, 6 * part + 1], &pages);
    let row = 3 * part as usize;
    assert_eq!(read(content, list(DataType::Int64), counts).unwrap(), [(1, row), (1, row + 1)]);

    // A hundred rows of 4 MiB each, of which the footer says that they are small.
    let pages = [dictionary(1, text(MIB)), page(&rows(100, 4))];
    let content = file_of(TEXTS, CompressionCodec::UNCOMPRESSED, LITTLE, [100, 100], &pages);
    let mut blocks = vec![(15, 60); 6];
    blocks.push((10, 40));
    assert_eq!(read(content, list(DataType::Utf8), counts).unwrap(), blocks);

    // A long text that could come ten thousand times, and comes once.
    let mut numbers = vec![0; 1250];
    numbers[700] = 1;
    let content = [levels(&rows(100, 100)), levels(&[(10_000, 1)]), vec![1], number(2 * 1250 + 1), numbers].concat();
    let texts = dictionary(2, [text(1), text(3 * MIB)].concat());
    let pages = [texts, Page::plain(10_000, Encoding::RLE_DICTIONARY, content)];
    let content = file_of(TEXTS, CompressionCodec::UNCOMPRESSED, LITTLE, [100, 10_000], &pages);
    let lengths = |batch: &RecordBatch| {
        let lists = batch.column(0).as_list::<i32>();
        let texts = lists.values().as_string::<i32>();
        texts.iter().flatten().filter(|text| text.len() > 1).map(str::len).collect::<Vec<_>>()
    };
    assert_eq!(read(content, list(DataType::Utf8), lengths).unwrap(), [vec![3 * MIB]]);
    check_memory();
}

#[test]
fn rows_of_lists_are_read_by_their_levels_whatever_their_pages_say() {
    // As Arrow C++ before its version 12 writes the second version of pages: they say that they have as many rows as values,
    // and rows go on in the next one.
    let rows: Vec<Vec<i64>> = (0..20).map(|row| (0..=row % 5).map(|value| 10 * row + value).collect()).collect();
    let with_level = |(at, value): (usize, &i64)| (u8::from(at > 0), *value);
    let values: Vec<(u8, i64)> = rows.iter().flat_map(|row| row.iter().enumerate().map(with_level)).collect();
    let page = |values: &[(u8, i64)]| {
        let count = values.len() as u64;
        let repetition: Vec<u8> = values.iter().flat_map(|(level, _)| [2, *level]).collect();
        let definition = [number(count << 1), vec![1]].concat();
        let levels = [repetition.len() as u64, definition.len() as u64];
        let content = values.iter().flat_map(|(_, value)| value.to_le_bytes()).collect();
        let content = [repetition, definition, content].concat();
        Page { rows: Some(count), levels, ..Page::plain(count, Encoding::PLAIN, content) }
    };
    let pages: Vec<Page> = values.chunks(7).map(page).collect();
    let stated = [rows.len() as u64, values.len() as u64];
    let content = file_of(NUMBERS, CompressionCodec::UNCOMPRESSED, LITTLE, stated, &pages);
    let told = |batch: &RecordBatch| {
        let lists = batch.column(0).as_list::<i32>().iter().flatten();
        lists.map(|list| list.as_primitive::<Int64Type>().values().to_vec()).collect::<Vec<_>>()
    };
    for row in 0..rows.len() {
        let read = read_from(content.clone(), list(DataType::Int64), Some(row as u64), told).unwrap().concat();
        assert_eq!(read, rows[row..], "from row {row}");
    }
}
