//! A set of minutes of the day.

/// How many minutes a day has.
const OF_A_DAY: u32 = 24 * 60;

/// A set of minutes of the day, each from 0 to 1439.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Minutes([u64; 23]);

impl Minutes {
    pub(super) fn or(mut self, other: &Self) -> Self {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
        self
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0 == [0; 23]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..).zip(self.0).flat_map(|(word, bits)| {
            let mut left = bits;
            std::iter::from_fn(move || {
                let lowest = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(word * 64 + lowest)
            })
        })
    }
}

impl FromIterator<u32> for Minutes {
    fn from_iter<T: IntoIterator<Item = u32>>(minutes: T) -> Self {
        let mut set = Self::default();
        for minute in minutes.into_iter().filter(|minute| *minute < OF_A_DAY) {
            set.0[(minute / 64) as usize] |= 1 << (minute % 64);
        }
        set
    }
}
