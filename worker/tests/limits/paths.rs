//! Names of streams that would lead out of a Connector's root.

use std::path::Path;
use std::sync::Arc;

use aggregator_crds::pipeline::WriteMode;
use aggregator_worker::connector::{ErrorKind, WriteOptions};
use arrow::array::{Int64Array, RecordBatch, StringArray};
use serde_json::json;

use crate::harness::Lake;

const LEAVES: &str = "the path is absolute or has `..` in it: it could leave the root";

#[tokio::test]
async fn a_name_that_leaves_the_root_is_refused_for_reading_and_writing() {
    let lake = Lake::new(Some(json!({"csv": {}})));
    let rows = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
    for (stream, why) in [
        ("../secret.csv", LEAVES),
        ("in/../../secret.csv", LEAVES),
        ("/etc/passwd", LEAVES),
        ("in/..", LEAVES),
        ("..", LEAVES),
        ("..\\secret.csv", "a path holds no backslash and no NUL"),
        ("in\0.csv", "a path holds no backslash and no NUL"),
        ("_aggregator/record.json", "folders and files that begin with `.` or `_` are not data"),
    ] {
        let read = lake.read(stream).await.unwrap_err();
        let append = WriteOptions { mode: WriteMode::Append, ..WriteOptions::default() };
        let written = lake.sink(stream, rows.schema(), append).await.err().unwrap();
        for error in [read, written] {
            assert_eq!(error.kind, ErrorKind::Config, "{error}");
            assert_eq!(error.to_string(), format!("find stream `{stream}`: {why}"));
            let remedy = "name files below the Connector's root, as `2026/**/*.csv` or `out/`";
            assert_eq!(error.remedy.as_deref(), Some(remedy));
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_that_leaves_the_root_is_not_followed_and_that_is_said() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.csv"), "id\n99\n").unwrap();
    let lake = Lake::plain();
    let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, lake.root().join(name)).unwrap();
    lake.put("in/a.csv", "id\n1\n");
    link(&outside.path().join("secret.csv"), "in/secret.csv");
    link(outside.path(), "in/folder");
    link(outside.path(), "away");
    let outcome = lake.read("in/").await.unwrap();
    assert_eq!(outcome.rows(), [["1"]]);
    let note = outcome.end.note.unwrap();
    let (_, links) = note.split_once("links that leave the root were not followed: ").unwrap();
    let mut links: Vec<&str> = links.split(", ").collect();
    links.sort_unstable();
    assert_eq!(links, ["in/folder", "in/secret.csv"]);
    for stream in ["in/secret.csv", "away/secret.csv", "in/folder/"] {
        let error = lake.read(stream).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("leave"), "{error}");
    }
}

#[tokio::test]
async fn a_value_that_names_a_folder_stays_one_folder() {
    let lake = Lake::new(Some(json!({"csv": {}})));
    let rows = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3])) as _),
        ("part", Arc::new(StringArray::from(vec!["../../x", "/etc", ".."])) as _),
    ])
    .unwrap();
    let write = WriteOptions { mode: WriteMode::Append, partition_by: vec!["part".into()], ..WriteOptions::default() };
    assert_eq!(lake.write("out/", &rows, write, 1).await, 3);
    let folders: Vec<String> = lake.files().iter().map(|file| file.rsplit_once('/').unwrap().0.to_owned()).collect();
    assert_eq!(folders, ["out/part=%2Fetc", "out/part=..%2F..%2Fx", "out/part=.."]);
    let mut back = lake.read("out/").await.unwrap().rows();
    back.sort();
    assert_eq!(back, [["1", "../../x"], ["2", "/etc"], ["3", ".."]]);
}
