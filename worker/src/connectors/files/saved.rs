//! The names of what is saved of a split: its files, and beside them the manifest that makes them count.

use uuid::Uuid;

const SPLIT: &str = "split-";
const MANIFEST: &str = ".json";

/// The beginning of the names of a split's files. Where processes share an attempt, one that was taken for dead may write
/// the same split as the one in its place: then each has names of its own.
pub(crate) fn prefix_of_split(number: u64, shared: bool) -> String {
    let own = if shared { format!("-{}", Uuid::new_v4().simple()) } else { String::new() };
    format!("{SPLIT}{number:06}{own}")
}

/// The name of a split's manifest.
pub(crate) fn manifest_of_split(number: u64) -> String {
    format!("{SPLIT}{number:06}{MANIFEST}")
}

/// Whether a file of that name is a manifest.
pub(crate) fn is_manifest(name: &str) -> bool {
    name.starts_with(SPLIT) && name.ends_with(MANIFEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_never_write_the_same_file_of_a_split() {
        assert_eq!(prefix_of_split(7, false), "split-000007");
        let (one, two) = (prefix_of_split(7, true), prefix_of_split(7, true));
        assert!(one.starts_with("split-000007-") && one != two, "{one} {two}");
        assert!(is_manifest(&manifest_of_split(7)) && !is_manifest(&one));
    }
}
