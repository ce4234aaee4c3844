//! The differences that are known: each is in `README.md`, and each is shown by a case. One that no case shows is a
//! mistake, so that the list cannot grow old.

use std::fmt;

use crate::compare::Difference;

/// A difference that is known.
#[derive(Debug)]
pub(crate) struct Allowed {
    /// The cases that may show it, by family and name. In all patterns, `*` stands for any letters.
    case: &'static str,
    /// Where it is in an answer.
    place: &'static str,
    /// What each side says that says anything.
    says: &'static str,
    /// Why it is so.
    why: &'static str,
}

const fn anywhere(case: &'static str, place: &'static str, why: &'static str) -> Allowed {
    Allowed { case, place, says: "*", why }
}

const fn says(case: &'static str, place: &'static str, says: &'static str, why: &'static str) -> Allowed {
    Allowed { case, place, says, why }
}

const LINES: &str = "what is different is not shown line by line, in words of the program";
const INNER: &str = "an object in a message is shown as it is written, and not in words of the program";
const KEYS: &str = "a key of YAML is a text, as YAML has it since 1.2: kubectl sends JSON";

/// All of them.
pub(crate) const ALLOWED: &[Allowed] = &[
    anywhere("unsupported/unsupported-kinds", "*", "the list of kinds is closed"),
    anywhere("unsupported/unsupported-rollouts", "*", "the list of kinds is closed"),
    anywhere("unsupported/unsupported-ways-into-pods", "*", "a node runs processes, into which there is no way"),
    anywhere("unsupported/unsupported-quotas", "*", "of quotas, only numbers of objects are kept to"),
    anywhere("unsupported/unsupported-counts", "*", "what a quota has used is counted when the quota is written"),
    anywhere("unsupported/unsupported-priorities", "*", "each Pod has the same priority"),
    anywhere("unsupported/unsupported-watch-paths", "*", "paths that were replaced long ago are not served"),
    anywhere("unsupported/unsupported-security", "*", "the standards of Pod security are not enforced"),
    anywhere("pods/pod-in-a-namespace-with-limits", "*", "limits are kept, and neither filled in nor enforced"),
    anywhere("lists/version-that-is-exact", "*", "a list is of the newest version: older ones are not kept"),
    anywhere("discovery/document-*", "*.storageVersionHash", "nothing but migrations asks for it"),
    anywhere(
        "discovery/document-of-the-core-versions",
        "body.serverAddress*",
        "it is asked in process, too, without a port",
    ),
    anywhere("discovery/versions-by-kubectl", "*", "it says that it is the embedded one, and has no Services"),
    anywhere(
        "discovery/explain-what-a-field-may-be",
        "out",
        "descriptions of built-in kinds lack the values of fields",
    ),
    says(
        "describe/describe-a-node",
        "out",
        "Annotations:*",
        "no controller says how long a node may keep what it has read, as none has to ask less often",
    ),
    anywhere("custom/custom-in-protobuf", "*", "answers are JSON"),
    says(
        "custom/custom-objects-that-are-none",
        "*",
        "*no such key*",
        "of two sides of a rule that both fail, the other one is told",
    ),
    says(
        "custom/custom-objects-that-are-none",
        "headers.warning",
        "*unknown field*",
        "an object of another version is refused without a look at its fields",
    ),
    anywhere(
        "discovery/document-of-the-schemas-of-boats",
        "*.x-kubernetes-selectable-fields",
        "documents do not tell by which fields objects of a defined kind are selected",
    ),
    anywhere(
        "custom/custom-number-without-a-fraction",
        "*",
        "a number without a fraction is an integer for rules, too, however it was written",
    ),
    anywhere("definitions/definition-with-rules-of-wrong-types", "*", "a rule is looked at when there is an object"),
    says("rights/can-an-account-do-something", "out", "*openid*", "nobody outside has to know the keys of tokens"),
    says("rights/can-an-account-do-something", "out", "*clustertrustbundles*", "the list of kinds is closed"),
    anywhere("objects/form-of-a-quota", "body.status*", "what a quota has used is counted when the quota is written"),
    says(
        "objects/pod-that-changes",
        "body.*message",
        "*pod updates may not change fields other than*",
        "what is different is not shown line by line, in words of the program",
    ),
    anywhere("refusals/body-in-yaml", "headers.warning*", KEYS),
    anywhere("refusals/body-in-yaml", "body.data.*", KEYS),
    anywhere("refusals/body-in-yaml", "body.metadata.managedFields*", KEYS),
    anywhere("creation/create-a-quota", "out.status*", "what a quota has used is counted when the quota is written"),
    says("applying/apply-a-pod", "err", "@@ *", LINES),
    says("applying/apply-a-pod", "err", "  *", LINES),
    says("applying/apply-a-pod", "err", "- *", LINES),
    says("applying/apply-a-pod", "err", "+ *", LINES),
    says("changes/set-an-image", "err", "*Invalid value: {*field is immutable*", INNER),
    says("changes/replace-by-force", "err", "*Invalid value: {*field is immutable*", INNER),
    says("patches/strategic-patch-of-a-job", "body.*message", "*Invalid value: {*field is immutable*", INNER),
    anywhere("refusals/answer-in-yaml", "*", "answers are JSON"),
    anywhere("refusals/answer-in-protobuf", "*", "answers are JSON"),
    anywhere(
        "refusals/answer-that-is-large",
        "headers.content-encoding*",
        "on one machine it costs more than it saves",
    ),
    anywhere("refusals/body-that-is-no-json", "body.message", "what JSON is wrong with is told in other words"),
];

impl Allowed {
    /// Whether it is that difference.
    pub(crate) fn covers(&self, case: &str, difference: &Difference) -> bool {
        fits(self.case, case)
            && fits(self.place, &difference.place)
            && difference.sides().all(|side| fits(self.says, &side))
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, {}, {:?}: {}", self.case, self.place, self.says, self.why)
    }
}

/// Whether a text fits a pattern, in which `*` stands for any letters.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stars_stand_for_any_letters() {
        assert!(fits("*", "") && fits("*", "abc") && fits("a*", "abc") && fits("*c", "abc") && fits("a*b*c", "a-b-c"));
        assert!(
            fits("abc", "abc")
                && fits("*b*", "abc")
                && !fits("*d*", "abc")
                && !fits("abc", "abcd")
                && !fits("a*d", "abc")
        );
        assert!(!fits("ab*bc", "abc"));
    }

    #[test]
    fn a_difference_is_covered_by_case_place_and_words() {
        let difference = Difference { place: "out".into(), real: Some(json!("openid")), embedded: None };
        let allowed = says("rights/*", "out", "*open*", "because");
        assert!(allowed.covers("rights/a", &difference) && !allowed.covers("lists/a", &difference));
        let other = Difference { embedded: Some(json!("other")), ..difference };
        assert!(!allowed.covers("rights/a", &other));
        assert!(ALLOWED.iter().all(|allowed| !allowed.why.is_empty()));
    }
}
