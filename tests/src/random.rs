//! Numbers that look random and can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

/// What says where the numbers of a run of tests begin.
const SEED: &str = "SEED";

/// Numbers that look random and follow from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Those of a test. A number in `SEED` is the seed; `SEED=clock` takes another one each time. Without it the seed follows
    /// from the test's name, so that a run that decides whether a change is good is the same every time. It is printed either
    /// way, so that a failure can be had again.
    ///
    /// # Panics
    /// When `SEED` is neither.
    #[must_use]
    #[expect(clippy::print_stdout, reason = "a failure is had again by its seed")]
    pub fn seeded(test: &str) -> Self {
        let seed = seed(std::env::var(SEED).ok().as_deref(), test);
        println!("{test}: {SEED}={seed}");
        Self(seed)
    }

    /// Those of a seed that is no business of whoever runs tests: data that is the same in every run.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// Those for one of several who go on at the same time.
    #[must_use]
    pub fn of(&self, number: usize) -> Self {
        // The numbers of seeds that are near each other have nothing in common; so those of this one are the seeds.
        Self(mixed(self.0.wrapping_add(mixed(number as u64 + 1))))
    }

    /// Any number.
    #[expect(clippy::should_implement_trait, reason = "there is always one more, and no Option of it")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// From 0 to below the end.
    ///
    /// # Panics
    /// When there is none: the end is 0.
    pub fn below(&mut self, end: usize) -> usize {
        assert!(end > 0, "no number is below 0");
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    /// From 0 to below 1.
    pub fn share(&mut self) -> f64 {
        let upper = u32::try_from(self.next() >> 32).expect("32 bits");
        f64::from(upper) / 4_294_967_296.0
    }

    /// Yes, so many times of a hundred.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Some of them, in any order: each with that chance, in percent.
    pub fn some<T: Clone>(&mut self, of: &[T], chance: usize) -> Vec<T> {
        let mut some: Vec<T> = Vec::new();
        for item in of {
            if self.percent(chance) {
                let place = self.below(some.len() + 1);
                some.insert(place, item.clone());
            }
        }
        some
    }

    /// At least one of them, and at most so many, in order.
    ///
    /// # Panics
    /// When there is none, or none is asked for.
    pub fn few<T: Clone + Ord>(&mut self, of: &[T], most: usize) -> Vec<T> {
        let count = 1 + self.below(most);
        let mut few: Vec<T> = (0..count).map(|_| self.pick(of).clone()).collect();
        few.sort_unstable();
        few.dedup();
        few
    }
}

/// The seed that is wanted, or that of the test's name (FNV-1a).
fn seed(wanted: Option<&str>, test: &str) -> u64 {
    match wanted {
        None | Some("") => test
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)),
        Some("clock") => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
            u64::try_from(now.as_micros()).expect("before the year 500000")
        }
        Some(number) => number.parse().unwrap_or_else(|_| panic!("{SEED} is a number or `clock`, and not {number}")),
    }
}

/// A number that has nothing in common with those beside it.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_what_is_wanted_or_that_of_the_name() {
        assert_eq!(seed(Some("7"), "a"), 7);
        assert_eq!(seed(None, "a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(seed(Some(""), "foobar"), 0x8594_4171_f739_67e8);
        assert!(seed(Some("clock"), "a") > 1_700_000_000_000_000);
    }

    #[test]
    #[should_panic(expected = "SEED is a number or `clock`, and not tomorrow")]
    fn a_seed_that_is_none_is_refused() {
        seed(Some("tomorrow"), "a");
    }

    #[test]
    fn numbers_are_those_of_the_seed() {
        let mut random = Random::from_seed(0);
        let numbers = [random.next(), random.next(), random.next()];
        assert_eq!(numbers, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }

    #[test]
    fn streams_of_one_seed_have_no_number_in_common() {
        let random = Random::from_seed(1);
        let streams = (0..8).map(|number| random.of(number)).chain([random.clone()]);
        let mut numbers: Vec<u64> = streams.flat_map(|mut own| (0..100).map(move |_| own.next())).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 900);
    }

    #[test]
    fn draws_are_what_was_asked_for() {
        let mut random = Random::from_seed(2);
        let (mut shares, mut hits) = (0.0, 0);
        for _ in 0..2_000 {
            assert!(random.below(3) < 3);
            let share = random.share();
            assert!((0.0..1.0).contains(&share), "{share}");
            shares += share;
            hits += usize::from(random.percent(20));
        }
        assert!((900.0..1_100.0).contains(&shares), "{shares}");
        assert!((300..500).contains(&hits), "{hits}");
        assert!(!random.percent(0) && random.percent(100));
        let of = ["a", "b", "c", "d"];
        assert_eq!((random.some(&of, 0).len(), random.some(&of, 100).len()), (0, 4));
        for _ in 0..100 {
            let few = random.few(&of, 3);
            assert!((1..=3).contains(&few.len()) && few.is_sorted(), "{few:?}");
            let picked = random.pick(&few);
            assert!(of.contains(picked));
        }
    }
}
