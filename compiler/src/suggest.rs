//! Which of the known names somebody may have meant.

/// The known name that is nearest to what was written, if one is near enough to be meant.
pub(crate) fn closest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = written.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            let candidate = name.to_lowercase();
            let last = candidate.rsplit('.').next().unwrap_or(&candidate);
            let distance =
                strsim::damerau_levenshtein(&folded, &candidate).min(if last == folded { 1 } else { usize::MAX });
            (distance, name)
        })
        .filter(|(distance, name)| *distance <= 1 + folded.chars().count().max(name.chars().count()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Advice that names what may have been meant, and what there is: ``did you mean `delay`? columns: delay, origin``.
pub(crate) fn advice<'a>(written: &str, what: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let listed = list(known.clone());
    match (closest(written, known), listed.is_empty()) {
        (_, true) => format!("there are no {what}"),
        (Some(name), false) => format!("did you mean `{name}`? {what}: {listed}"),
        (None, false) => format!("{what}: {listed}"),
    }
}

/// Names, separated by commas; at most thirty of them.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 30;
    let names: Vec<&str> = names.into_iter().collect();
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        assert_eq!(closest("delimeter", ["delimiter", "quote"]), Some("delimiter"));
        assert_eq!(closest("DELAY", ["origin", "delay"]), Some("delay"));
        assert_eq!(closest("airports", ["public.airlines", "public.airports"]), Some("public.airports"));
        assert_eq!(closest("colour", ["delimiter", "quote"]), None);
    }

    #[test]
    fn advice_lists_what_there_is() {
        assert_eq!(advice("dely", "columns", ["delay", "x"]), "did you mean `delay`? columns: delay, x");
        assert_eq!(advice("zzz", "columns", ["delay"]), "columns: delay");
        assert_eq!(advice("zzz", "columns", []), "there are no columns");
    }
}
