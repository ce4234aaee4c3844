//! What a source's sync mode and a sink's write mode make of each row: the table of `docs/delivery.md` is written from it.
//! `points.rs` holds runs of the sync mode FullRefresh to it, `kill.rs` has those of Incremental.

use aggregator_tests::folder;
use aggregator_tests::golden::golden_part;

/// How often a row of the source is in the target, whatever was killed and repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Guarantee {
    /// One time: the position is committed with the rows.
    ExactlyOnce,
    /// Rows may be written again, and the result is the same.
    EffectivelyOnce,
    /// One time for each run that was asked for.
    OnceEachRun,
    /// Only those of the last run are there.
    LastRunOnly,
}

impl Guarantee {
    fn shown(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly once",
            Self::EffectivelyOnce => "effectively once",
            Self::OnceEachRun => "each run adds everything again, each time exactly once",
            Self::LastRunOnly => "the target holds the last run's rows only",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sync {
    Incremental,
    FullRefresh,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    Append,
    Overwrite,
    Upsert,
    Merge,
    Scd2,
}

impl Mode {
    /// As a Pipeline writes it, for rows with an `id`; a Merge takes those for deletes for which the expression holds.
    pub(crate) fn write(self, deleted: &str) -> String {
        match self {
            Self::Append => "mode: Append".into(),
            Self::Overwrite => "mode: Overwrite".into(),
            Self::Upsert => "mode: Upsert, key: [id]".into(),
            Self::Merge => format!("mode: Merge, key: [id], delete: {{where: \"{deleted}\"}}"),
            Self::Scd2 => "mode: SCD2, key: [id]".into(),
        }
    }
}

pub(crate) fn guarantee(sync: Sync, mode: Mode) -> Guarantee {
    match (sync, mode) {
        (Sync::Incremental, Mode::Append) => Guarantee::ExactlyOnce,
        (Sync::Incremental, Mode::Overwrite) => Guarantee::LastRunOnly,
        (Sync::FullRefresh, Mode::Append) => Guarantee::OnceEachRun,
        (Sync::FullRefresh, Mode::Overwrite) | (_, Mode::Upsert | Mode::Merge | Mode::Scd2) => {
            Guarantee::EffectivelyOnce
        }
    }
}

#[test]
fn the_table_in_the_documentation_is_this_one() {
    let columns = [Mode::Append, Mode::Overwrite, Mode::Upsert, Mode::Merge, Mode::Scd2];
    let names = ["Append", "Overwrite", "Upsert", "Merge", "SCD2"];
    let mut table = format!("| source's sync mode | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for (sync, name) in [(Sync::Incremental, "Incremental"), (Sync::FullRefresh, "FullRefresh")] {
        let cells: Vec<&str> = columns.iter().map(|mode| guarantee(sync, *mode).shown()).collect();
        table += &format!("| `{name}` | {} |\n", cells.join(" | "));
    }
    let page = folder::workspace().join("docs/delivery.md");
    assert_eq!(golden_part(&page, "cli/tests/cli/delivery.rs", &table), None);
}
