//! How a stream of files is divided: small ones in groups, a large one bit by bit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::data_file::{DataFile, Identity};
use crate::connector::{ConnectorError, ErrorKind, ReadSplit, Result, Split, is_long};
use crate::format::Place;

/// Files, and what was in them when they were listed.
pub(super) type FilesRead = BTreeMap<String, Identity>;

/// Where a part of a file begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stop {
    /// Between which records.
    pub(super) place: Place,
    /// About how many of the file's bytes are before it.
    bytes: u64,
}

/// What a split of files is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FileSplit {
    /// Whole files, or a part of one.
    pub(super) files: FilesRead,
    /// Where the part begins, if not at the file's beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<Stop>,
    /// Where it ends, if not at the file's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<Stop>,
}

impl FileSplit {
    /// What is left of a file.
    fn rest_of(file: &DataFile, from: Option<Stop>) -> Self {
        Self { files: FilesRead::from([(file.path.clone(), file.identity.clone())]), from, to: None }
    }

    pub(super) fn of(split: &Split) -> Result<Self> {
        serde_json::from_value(split.state.clone()).map_err(|error| {
            ConnectorError::new(ErrorKind::Data, "go on with a divided read", format!("a split is broken: {error}"))
                .remedy("run in mode Full: it reads everything again")
        })
    }

    pub(super) fn split(&self, bytes: u64) -> Result<Split> {
        let state = serde_json::to_value(self)
            .map_err(|error| ConnectorError::new(ErrorKind::Bug, "divide files", error.to_string()))?;
        Ok(Split { state, bytes })
    }

    /// The part before a place, which has so many bytes, and the part after it.
    pub(super) fn cut(&self, place: Place, bytes: u64) -> (Self, Self) {
        let stop = Some(Stop { place, bytes: self.from.map_or(0, |from| from.bytes) + bytes });
        (Self { to: stop, ..self.clone() }, Self { from: stop, ..self.clone() })
    }

    /// Whether this is what comes next of each of its files, which are still the same.
    fn goes_on(&self, left: &Left<'_>) -> bool {
        let next = |(path, identity): (&String, &Identity)| {
            left.0.get(path.as_str()).is_some_and(|(now, from)| *now == identity && *from == self.from)
        };
        !self.files.is_empty() && self.files.iter().all(next)
    }
}

/// The files that were not read to their end: what is in them, and how far they were read.
struct Left<'a>(BTreeMap<&'a str, (&'a Identity, Option<Stop>)>);

impl Left<'_> {
    fn pass(&mut self, split: &FileSplit) {
        for path in split.files.keys() {
            match split.to {
                None => drop(self.0.remove(path.as_str())),
                stop => drop(self.0.get_mut(path.as_str()).map(|(_, from)| *from = stop)),
            }
        }
    }
}

/// Groups of files, in order, each of about so many bytes; a file that is longer is by itself. What was read and is still
/// the same is left out.
pub(super) fn divide(files: &[DataFile], bytes: u64, earlier: &[ReadSplit]) -> Result<(Vec<bool>, Vec<Split>)> {
    let mut left = Left(files.iter().map(|file| (file.path.as_str(), (&file.identity, None))).collect());
    // One that cannot be understood was written by another version of the program: it is read again.
    let read: Vec<Option<FileSplit>> = earlier.iter().map(|read| FileSplit::of(&read.split).ok()).collect();
    let mut stands = vec![false; earlier.len()];
    // Parts of a file stand from its beginning on, without a gap.
    loop {
        let next = |(at, split): (usize, &Option<FileSplit>)| {
            split.as_ref().filter(|split| !stands[at] && split.goes_on(&left)).map(|split| (at, split.clone()))
        };
        let Some((at, split)) = read.iter().enumerate().find_map(next) else { break };
        left.pass(&split);
        stands[at] = true;
    }
    let mut groups: Vec<(FileSplit, u64)> = Vec::new();
    for file in files {
        let Some((_, from)) = left.0.get(file.path.as_str()) else { continue };
        let alone = from.is_some() || is_long(file.identity.size, bytes);
        match groups.last_mut() {
            Some((group, size)) if !alone && *size < bytes && group.from.is_none() => {
                group.files.insert(file.path.clone(), file.identity.clone());
                *size = size.saturating_add(file.identity.size);
            }
            _ => {
                let size = file.identity.size.saturating_sub(from.map_or(0, |from| from.bytes));
                groups.push((FileSplit::rest_of(file, *from), size));
            }
        }
    }
    let rest = groups.into_iter().map(|(group, size)| group.split(size));
    Ok((stands, rest.collect::<Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::super::Version;
    use super::*;

    fn files(of: &[(&str, u64)]) -> Vec<DataFile> {
        let file = |(path, size): &(&str, u64)| DataFile {
            path: (*path).to_owned(),
            identity: Identity { size: *size, version: Version::Changed { modified: 7 } },
            modified: 7,
        };
        of.iter().map(file).collect()
    }

    fn paths(splits: &[Split]) -> Vec<Vec<String>> {
        splits.iter().map(|split| FileSplit::of(split).expect("files").files.into_keys().collect()).collect()
    }

    fn read(splits: Vec<Split>) -> Vec<ReadSplit> {
        splits.into_iter().map(|split| ReadSplit { split, read: 1 }).collect()
    }

    #[test]
    fn files_are_grouped_in_order_until_a_group_is_large_enough() {
        let (stands, splits) =
            divide(&files(&[("a", 4), ("b", 5), ("c", 20), ("d", 1), ("e", 0)]), 8, &[]).expect("fit");
        assert_eq!(stands, Vec::<bool>::new());
        assert_eq!(paths(&splits), [vec!["a", "b"], vec!["c"], vec!["d", "e"]]);
        assert_eq!(splits.iter().map(|split| split.bytes).collect::<Vec<_>>(), [9, 20, 1]);
    }

    #[test]
    fn what_was_read_stands_unless_one_of_its_files_changed_and_nothing_is_read_twice() {
        let (_, splits) = divide(&files(&[("a", 4), ("b", 5), ("c", 20), ("d", 1)]), 8, &[]).expect("fit");
        let earlier = read(splits);
        // `b` has grown, `c` has gone, `e` has come.
        let now = files(&[("a", 4), ("b", 6), ("d", 1), ("e", 3)]);
        let (stands, rest) = divide(&now, 8, &earlier).expect("fit");
        assert_eq!(stands, [false, false, true]);
        assert_eq!(paths(&rest), [["a", "b"].as_slice(), ["e"].as_slice()]);
        let doubled = [earlier[2].clone(), earlier[2].clone()];
        assert_eq!(divide(&now, 8, &doubled).expect("fit").0, [true, false]);
    }

    #[test]
    fn parts_of_a_file_stand_from_its_beginning_on() {
        // The text is compressed to a tenth.
        let place = |bytes| Place::Text { offset: bytes * 10, line: bytes };
        let all = files(&[("a", 4), ("large", 300)]);
        let whole = FileSplit::rest_of(&all[1], None);
        let (first, rest) = whole.cut(place(100), 100);
        let (second, third) = rest.cut(place(200), 100);
        let earlier = |parts: &[&FileSplit]| read(parts.iter().map(|part| part.split(100).expect("state")).collect());
        let of = |parts: &[&FileSplit]| {
            let (stands, rest) = divide(&all, 50, &earlier(parts)).expect("fit");
            let rest = rest
                .iter()
                .map(|split| (FileSplit::of(split).expect("files").from.map(|from| from.place), split.bytes));
            (stands, rest.collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), (vec![], vec![(None, 4), (None, 300)]));
        // In whatever order, but without a gap, and only once.
        assert_eq!(of(&[&second, &first, &first]), (vec![true, true, false], vec![(None, 4), (Some(place(200)), 100)]));
        assert_eq!(of(&[&second, &third]), (vec![false, false], vec![(None, 4), (None, 300)]));
        assert_eq!(of(&[&first, &third, &second]), (vec![true; 3], vec![(None, 4)]));
        // Whole, it is not read in parts as well.
        assert_eq!(of(&[&whole, &first]), (vec![true, false], vec![(None, 4)]));
        let grown = files(&[("large", 301)]);
        assert_eq!(divide(&grown, 50, &earlier(&[&first])).expect("fit").0, [false]);
    }

    #[test]
    fn what_another_version_has_saved_is_read_again() {
        let state = serde_json::json!({"a": {"size": 4, "modified": 7}});
        let earlier = read(vec![Split { state, bytes: 4 }]);
        let (stands, rest) = divide(&files(&[("a", 4)]), 8, &earlier).expect("fit");
        assert_eq!((stands, paths(&rest)), (vec![false], vec![vec!["a".to_owned()]]));
    }
}
