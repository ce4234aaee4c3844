//! What helps against rejected rows: by why they were rejected, and by whom.

use aggregator_worker::ledger::EntryKind;

/// What helps against rows that were rejected for a reason at a node of a kind.
pub(crate) fn remedy(reason: &str, at: Option<EntryKind>) -> &'static str {
    match (reason, at) {
        ("Malformed", _) => "mend the rows, or correct `format` in the Connector: `quote`, `escape`, `encoding`",
        ("FieldCount", _) => {
            "put text that holds the delimiter in quotes, correct `delimiter`, or set `raggedRows: Fill` in the \
             Connector's `format`"
        }
        ("CastFailed", Some(EntryKind::Source)) => {
            "correct the values, declare another type for the column in the Connector's `schema`, or list in \
             `nullValues` what stands for none"
        }
        ("CastFailed", Some(EntryKind::Sink)) => {
            "give the target's column the type of the rows, or cast them before; `schemaPolicy: {dataType: …}` of the \
             sink says what becomes of such rows"
        }
        ("CastFailed", _) => {
            "correct the values, or say in the mapping what becomes of them: `onError: SetNull` or `Default`"
        }
        ("NullValue", Some(EntryKind::Source)) => {
            "fill the column where the rows come from, or declare it with `nullable: true` in the Connector's `schema`"
        }
        ("NullValue", _) => "fill the column before, as by `coalesce(column, 0)`, or leave such rows out with `filter`",
        ("RuleBroken", _) => "correct the rows where they come from, or the rule in `validate`",
        ("WriteRefused", _) => {
            "look at the target's own rules (keys, constraints, sizes), and take such rows out before with `filter` or \
             `deduplicate`; `schemaPolicy` of the sink is for columns that it has not"
        }
        _ => "look at the rows below, and mend them where they come from",
    }
}

#[cfg(test)]
mod tests {
    use aggregator_compiler::reject::RejectReason;

    use super::*;

    /// The last line is for reasons that nobody knows: every one of ours has words of its own, at every kind of node.
    #[test]
    fn every_reason_has_a_remedy_of_its_own() {
        for kind in [EntryKind::Source, EntryKind::RowTransform, EntryKind::Sink] {
            let mut told: Vec<&str> =
                RejectReason::ALL.iter().map(|reason| remedy(reason.as_str(), Some(kind))).collect();
            told.push(remedy("Unheard", Some(kind)));
            let count = told.len();
            told.sort_unstable();
            told.dedup();
            assert_eq!(told.len(), count, "{kind:?}");
        }
    }
}
