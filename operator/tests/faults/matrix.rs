//! Which writes go wrong in which way: all of them in every way, or as many as there is time for.

/// Says that everything is to be tried, as `all`.
const VARIABLE: &str = "AGGREGATOR_FAULTS";
/// Without it, one of so many: each write goes wrong in three ways out of twelve, and in each way goes every fourth write.
const ONE_OF: usize = 4;

/// Whether everything is to be tried.
pub(crate) fn everything() -> bool {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    assert!(["", "all"].contains(&wanted.as_str()), "{VARIABLE} is `{wanted}`: it may be `all`, or not set");
    wanted == "all"
}

/// Which of so many writes go wrong in which of so many ways: the places of both. Each write and each way is among them.
pub(crate) fn pairs(writes: usize, ways: usize, everything: bool) -> Vec<(usize, usize)> {
    let one_of = if everything { 1 } else { ONE_OF.min(writes).min(ways).max(1) };
    let all = (0..writes).flat_map(|write| (0..ways).map(move |way| (write, way)));
    all.filter(|(write, way)| (write + way).is_multiple_of(one_of)).collect()
}

/// Before which write the past is remembered, and after which the operator is killed that is then shown it: the places of
/// both, two apart where there are as many.
pub(crate) fn pasts(writes: usize, everything: bool) -> Vec<(usize, usize)> {
    let all = (0..writes).map(|after| (after.saturating_sub(2), after));
    if everything {
        return all.collect();
    }
    let some = [writes / 2, writes.saturating_sub(1)];
    all.filter(|(_, after)| some.contains(after)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_write_and_each_way_is_tried() {
        for writes in 1..30 {
            let some = pairs(writes, 12, false);
            let tried: (BTreeSet<usize>, BTreeSet<usize>) = some.iter().copied().unzip();
            assert_eq!(tried, ((0..writes).collect(), (0..12).collect()), "{writes} writes");
            assert_eq!(pairs(writes, 12, true).len(), 12 * writes);
            assert!(some.len() < 12 * writes || writes == 1, "{writes} writes: {}", some.len());
        }
    }

    #[test]
    fn the_past_is_two_writes_ago() {
        assert_eq!(pasts(8, false), [(2, 4), (5, 7)]);
        assert_eq!(pasts(1, false), [(0, 0)]);
        assert_eq!(pasts(3, true), [(0, 0), (0, 1), (0, 2)]);
        assert_eq!(pasts(0, false), []);
    }
}
