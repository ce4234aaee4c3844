//! Intervals that do not touch, sorted.

use aggregator_crds::run::Backfill;

/// The ranges with one more; those that touch become one.
#[must_use]
pub(super) fn add(ranges: Vec<Backfill>, mut one: Backfill) -> Vec<Backfill> {
    let mut result = Vec::with_capacity(ranges.len() + 1);
    for range in ranges {
        if range.to < one.from || range.from > one.to {
            result.push(range);
        } else {
            one = Backfill { from: one.from.min(range.from), to: one.to.max(range.to) };
        }
    }
    let place = result.partition_point(|range: &Backfill| range.from < one.from);
    result.insert(place, one);
    result
}

/// Whether one of the ranges has all of an interval.
#[must_use]
pub(super) fn covering(ranges: &[Backfill], interval: &Backfill) -> bool {
    ranges.iter().any(|range| range.from <= interval.from && range.to >= interval.to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: i64, to: i64) -> Backfill {
        let at = |hour: i64| jiff::Timestamp::from_second(hour * 3600).expect("a time");
        Backfill { from: at(from), to: at(to) }
    }

    #[test]
    fn what_touches_becomes_one() {
        let mut ranges = Vec::new();
        for (from, to) in [(4, 5), (0, 1), (8, 9), (1, 2), (5, 8)] {
            ranges = add(ranges, hours(from, to));
        }
        assert_eq!(ranges, [hours(0, 2), hours(4, 9)]);
        assert_eq!(add(ranges.clone(), hours(1, 6)), [hours(0, 9)]);
        assert_eq!(add(ranges.clone(), hours(5, 6)), ranges);
        assert!(covering(&ranges, &hours(5, 9)) && !covering(&ranges, &hours(1, 3)));
    }
}
