//! Whether a key came twice, told from hashes of the keys that were sent.
//!
//! To ask the server for it takes one more way over all staged rows. Keys with different hashes are different, unless
//! the server compares in a way of its own (`char(n)`, collations that are not deterministic); then it refuses to
//! change a row twice in one statement (SQLSTATE 21000), and is asked after all.

use arrow::array::RecordBatch;
use datafusion::common::hash_utils::{RandomState, create_hashes};

/// The keys of the rows that one attempt has staged.
pub(super) struct Keys {
    /// Where the key's columns are.
    columns: Vec<usize>,
    /// None when it is not known any more.
    hashes: Option<Vec<u64>>,
    /// The most keys that are looked at.
    most: usize,
}

impl Keys {
    /// Of no row yet, in so many bytes at most; `columns` are those of the key, and without any nothing is known.
    pub(super) fn new(columns: Vec<usize>, bytes: usize) -> Self {
        let hashes = (!columns.is_empty()).then(Vec::new);
        Self { columns, hashes, most: bytes / size_of::<u64>() }
    }

    /// Takes the keys of rows.
    pub(super) fn see(&mut self, rows: &RecordBatch) {
        let Some(hashes) = &mut self.hashes else { return };
        let before = hashes.len();
        if before + rows.num_rows() > self.most {
            return self.lose();
        }
        hashes.resize(before + rows.num_rows(), 0);
        let columns = self.columns.iter().map(|at| rows.column(*at));
        // A fixed state: keys are no secret, and who would make them collide makes the server's answer slower only.
        if let Err(error) = create_hashes(columns, &RandomState::default(), &mut hashes[before..]) {
            tracing::debug!(%error, "keys of this type have no hash");
            self.lose();
        }
    }

    /// Other rows wait beside those that were seen.
    pub(super) fn lose(&mut self) {
        self.hashes = None;
    }

    /// Whether all keys are different; false also when that is not known.
    pub(super) fn distinct(&mut self) -> bool {
        self.hashes.as_mut().is_some_and(|hashes| {
            hashes.sort_unstable();
            hashes.windows(2).all(|pair| pair[0] != pair[1])
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    fn rows(keys: &[(i64, &str)]) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(keys.iter().map(|(number, _)| *number)));
        let words: ArrayRef = Arc::new(StringArray::from_iter_values(keys.iter().map(|(_, word)| *word)));
        RecordBatch::try_from_iter([("number", numbers), ("word", words)]).expect("a batch")
    }

    #[test]
    fn a_key_is_all_its_columns_over_all_batches() {
        let both = [(1, "a"), (1, "b"), (2, "a")];
        let distinct = |columns: &[usize], batches: &[&[(i64, &str)]]| {
            let mut keys = Keys::new(columns.to_vec(), 1 << 10);
            batches.iter().for_each(|batch| keys.see(&rows(batch)));
            keys.distinct()
        };
        assert!(distinct(&[0, 1], &[&both, &[(2, "b")]]));
        assert!(!distinct(&[0], &[&both]));
        assert!(!distinct(&[0, 1], &[&both, &[(3, "c"), (1, "b")]]));
        assert!(distinct(&[0, 1], &[]));
        assert!(!distinct(&[], &[&both]), "no key is known");
    }

    #[test]
    fn what_is_not_known_is_not_distinct() {
        let mut keys = Keys::new(vec![0], 1 << 10);
        keys.see(&rows(&[(1, "a")]));
        assert!(keys.distinct());
        keys.lose();
        assert!(!keys.distinct());

        let mut many = Keys::new(vec![0], 100 * size_of::<u64>());
        for start in [0, 50] {
            many.see(&rows(&(start..start + 50).map(|number| (number, "")).collect::<Vec<_>>()));
        }
        assert!(many.distinct());
        many.see(&rows(&[(100, "")]));
        assert!(!many.distinct(), "more than are looked at");
    }
}
