//! The names of children: told from their owner alone, so that creating one twice is impossible.

use sha2::{Digest, Sha256};

/// The longest value of a label, and so the longest name of a Job, whose Pods carry it as one.
const LONGEST: usize = 63;

/// The longest name of a Job whose Pods are numbered up to 999: their host names are labels, too.
const LONGEST_OF_MANY: usize = LONGEST - "-999".len();

/// A hash that stands for parts: no two lists of parts have the same one.
pub type Mark = [u8; 16];

fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        // With the length in front, two lists of parts never give the same text.
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// The mark of parts: where a text would be kept thousands of times to be compared alone, its mark takes less room.
#[must_use]
pub fn mark<'a>(parts: impl IntoIterator<Item = &'a str>) -> Mark {
    let mut mark = Mark::default();
    mark.copy_from_slice(&digest(parts)[..size_of::<Mark>()]);
    mark
}

/// A hash of parts, in hexadecimal digits.
#[must_use]
pub fn hash(parts: &[&str], digits: usize) -> String {
    let mut hex: String = digest(parts.iter().copied()).iter().map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(digits);
    hex
}

/// An owner's name with a suffix. Where that is too long, the name is cut, and a hash of the whole keeps two apart.
#[must_use]
pub fn child(owner: &str, suffix: &str) -> String {
    let whole = format!("{owner}-{suffix}");
    if whole.len() <= LONGEST {
        return whole;
    }
    let hash = hash(&[owner], 8);
    let room = LONGEST - suffix.len() - hash.len() - 2;
    let cut = owner.get(..room).unwrap_or(owner).trim_end_matches(['-', '.']);
    format!("{cut}-{hash}-{suffix}")
}

/// The name of the Job of an attempt at a run: the run's own for the first. Where Pods cannot have host names made from it,
/// because it is too long or has dots, a hash keeps two apart.
#[must_use]
pub fn job(run: &str, attempt: u32) -> String {
    let number = if attempt <= 1 { String::new() } else { format!("-{attempt}") };
    let whole = format!("{run}{number}");
    if whole.len() <= LONGEST_OF_MANY && !run.contains('.') {
        return whole;
    }
    let end = format!("-{}{number}", hash(&[run], 8));
    let plain = run.replace('.', "-");
    let cut = plain.get(..LONGEST_OF_MANY - end.len()).unwrap_or(&plain).trim_end_matches('-');
    format!("{cut}{end}")
}

/// A name as a label's value: at most 63 characters.
#[must_use]
pub fn label(name: &str) -> String {
    if name.len() <= LONGEST { name.to_owned() } else { format!("{}-{}", &name[..54], hash(&[name], 8)) }
}

/// The name of a run that a Schedule fires: readable, and the same for the same fire.
#[must_use]
pub fn run(schedule: &str, uid: &str, trigger: &str, fire: jiff::Timestamp, event: &str) -> String {
    let time = fire.strftime("%Y%m%d-%H%M%S");
    format!("{schedule}-{time}-{}", hash(&[uid, trigger, &fire.to_string(), event], 5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_marked_by_what_they_are_and_where_one_ends() {
        assert_eq!(mark(["demo", "orders"]), mark(vec!["demo", "orders"]));
        assert_ne!(mark(["demo", "orders"]), mark(["demoo", "rders"]));
        assert_ne!(mark(["demo", "orders"]), mark(["demoorders"]));
        assert_ne!(mark(["", "a"]), mark(["a", ""]));
        let hex: String = mark(["a", "b"]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash(&["a", "b"], 32), hex, "both are of one hash");
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        assert_eq!(child("orders", "2"), "orders-2");
        let (one, other) = (format!("{}a", "x".repeat(62)), format!("{}b", "x".repeat(62)));
        assert_eq!(child(&one, "12").len(), 63);
        assert_ne!(child(&one, "12"), child(&other, "12"));
        assert_eq!(child(&one, "12"), child(&one, "12"));
        let dashed = format!("{}-{}", "x".repeat(50), "y".repeat(12));
        assert!(!child(&dashed, "2").contains("--"), "{}", child(&dashed, "2"));
    }

    #[test]
    fn a_job_has_a_name_from_which_its_pods_can_have_host_names() {
        assert_eq!((job("orders", 1), job("orders", 12)), ("orders".to_owned(), "orders-12".to_owned()));
        let longest = "x".repeat(59);
        assert_eq!(job(&longest, 1), longest);
        for (one, other) in [
            ("x".repeat(63), format!("{}y", "x".repeat(62))),
            ("a.b".to_owned(), "a-b".to_owned()),
            (format!("{}.z", "x".repeat(49)), format!("{}-z", "x".repeat(49))),
        ] {
            for attempt in [1, 2, 10_000] {
                let name = job(&one, attempt);
                assert!(name.len() <= 59 && !name.contains('.') && !name.contains("--"), "{name}");
                assert_ne!(name, job(&other, attempt));
                assert_ne!(name, job(&one, attempt + 1));
            }
        }
    }

    #[test]
    fn a_fire_names_its_run() {
        let fire: jiff::Timestamp = "2026-11-23T09:05:00Z".parse().expect("a time");
        let name = run("delays-hourly", "uid", "cron", fire, "");
        assert!(name.starts_with("delays-hourly-20261123-090500-"), "{name}");
        assert_eq!(name, run("delays-hourly", "uid", "cron", fire, ""));
        assert_ne!(name, run("delays-hourly", "another", "cron", fire, ""));
        assert_ne!(name, run("delays-hourly", "uid", "webhook", fire, ""));
    }
}
