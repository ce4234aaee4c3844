//! The differences that are known: each is in `README.md`, and each is shown by a case. One that no case shows is a
//! mistake, so that the list cannot grow old. Where nothing is compared, it is still known what the embedded side answers.

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
    /// What the embedded side answers: all of it, as JSON.
    ours: &'static str,
    /// Why it is so, in words of `README.md`.
    why: &'static str,
}

const fn anywhere(case: &'static str, place: &'static str, why: &'static str) -> Allowed {
    Allowed { case, place, says: "*", ours: "*", why }
}

const fn says(case: &'static str, place: &'static str, says: &'static str, why: &'static str) -> Allowed {
    Allowed { case, place, says, ours: "*", why }
}

/// Nothing is the same as on the other side: only what the embedded side answers is known.
const fn answers(case: &'static str, ours: &'static str, why: &'static str) -> Allowed {
    Allowed { case, place: "*", says: "*", ours, why }
}

const KINDS: &str = "Kinds that are not on the list, and so `rollout`, `scale`, `create deployment`";
const RIGHTS: &str = "The default roles say nothing of such kinds";
const COUNTS: &str = "used amounts are counted when the quota is written";
const JSON: &str = "Answers are JSON, and are not compressed";
const LINES: &str = "not shown line by line what differs";
const INNER: &str = "An object in a message is shown as it is written";
const KEYS: &str = "A key of a YAML body is a text as in YAML 1.2";

/// The words of kubectl when the server has no such kind.
const NO_KIND: &str = r#"{"code":1,*the server doesn't have a resource type*"#;

/// All of them.
pub(crate) const ALLOWED: &[Allowed] = &[
    answers("unsupported/unsupported-kinds", NO_KIND, KINDS),
    answers("unsupported/unsupported-kinds", r#"{"code":1,*the server could not find the requested resource*"#, KINDS),
    answers("unsupported/unsupported-kinds", r#"{"code":1,*no matches for kind*"#, KINDS),
    answers("unsupported/unsupported-rollouts", NO_KIND, KINDS),
    answers("unsupported/unsupported-ways-into-pods", r#"{"status":404,*"#, "`exec`, `attach` and `port-forward`"),
    answers("unsupported/unsupported-quotas", "201", "Of quotas, only numbers of objects are kept to"),
    answers("unsupported/unsupported-counts", r#"{"pods":"0"}"#, COUNTS),
    answers("unsupported/unsupported-priorities", "201", "Every Pod has the same priority"),
    answers("unsupported/unsupported-watch-paths", "404", "Paths below `/api/v1/watch`"),
    answers("unsupported/unsupported-security", "201", "the standards of Pod security are not enforced"),
    answers("pods/pod-in-a-namespace-with-limits", "[201,*]", "Limits are not filled in"),
    answers("lists/version-that-is-exact", r#"{"status":410,*"#, "lists of an exact, older version"),
    Allowed {
        case: "lists/pages-of-another-list",
        place: "others*",
        says: "*",
        ours: r#"*"others":[410,410,410,410],*"#,
        why: "A list goes on by its own token only",
    },
    answers(
        "watches/watch-from-the-future",
        r#"{"status":200,"told":true}"#,
        "A watch from a version that is not there yet tells what happens from now on",
    ),
    anywhere("discovery/document-*", "*.storageVersionHash", "Discovery lacks `storageVersionHash`"),
    anywhere("discovery/document-of-the-core-versions", "body.serverAddress*", "the port in `/api`"),
    answers(
        "discovery/versions-by-kubectl",
        r#"{"code":0,*Server Version:*+embedded*"#,
        "`kubectl version` says that it is the embedded one",
    ),
    answers("discovery/versions-by-kubectl", NO_KIND, "`cluster-info` has no Services"),
    anywhere(
        "discovery/explain-what-a-field-may-be",
        "out",
        "`kubectl explain` of built-in kinds lacks the values that a field may have",
    ),
    says(
        "describe/describe-a-node",
        "out",
        "Annotations:*",
        "Nodes have no annotation `node.alpha.kubernetes.io/ttl`: there is no controller of it",
    ),
    answers("custom/custom-in-protobuf", r#"{"status":406,*"#, "custom objects come as JSON only"),
    says(
        "custom/custom-objects-that-are-none",
        "*",
        "*no such key*",
        "Of `a || b` of which both sides fail, the failure of `b` is told",
    ),
    says(
        "custom/custom-objects-that-are-none",
        "headers.warning",
        "*unknown field*",
        "An object of another version than the path's is refused without a warning of its fields",
    ),
    anywhere(
        "discovery/document-of-the-schemas-of-boats",
        "*.x-kubernetes-selectable-fields",
        "by which fields objects of a defined kind are selected",
    ),
    answers(
        "custom/custom-number-without-a-fraction",
        r#"{"status":201,*"#,
        "`3.0` where an integer should be is 3 for rules, too",
    ),
    answers(
        "definitions/definition-with-rules-of-wrong-types",
        r#"{"status":201,*"#,
        "Rules of a definition are checked for their types when there is an object",
    ),
    says(
        "rights/can-an-account-do-something",
        "out",
        "*openid*",
        "`/openid/v1/jwks` and its like are not served, and nobody has a right to them",
    ),
    says("rights/can-an-account-do-something", "out", "*clustertrustbundles*", RIGHTS),
    anywhere("objects/form-of-a-quota", "body.status*", COUNTS),
    says("objects/pod-that-changes", "body.*message", "*pod updates may not change fields other than*", LINES),
    anywhere("refusals/body-in-yaml", "headers.warning*", KEYS),
    anywhere("refusals/body-in-yaml", "body.data.*", KEYS),
    anywhere("refusals/body-in-yaml", "body.metadata.managedFields*", KEYS),
    anywhere("creation/create-a-quota", "out.status*", COUNTS),
    says("applying/apply-a-pod", "err", "@@ *", LINES),
    says("applying/apply-a-pod", "err", "  *", LINES),
    says("applying/apply-a-pod", "err", "- *", LINES),
    says("applying/apply-a-pod", "err", "+ *", LINES),
    says("changes/set-an-image", "err", "*Invalid value: {*field is immutable*", INNER),
    says("changes/replace-by-force", "err", "*Invalid value: {*field is immutable*", INNER),
    says("patches/strategic-patch-of-a-job", "body.*message", "*Invalid value: {*field is immutable*", INNER),
    answers("refusals/answer-in-yaml", r#"{"status":406,*"#, JSON),
    answers("refusals/answer-in-protobuf", r#"{"status":406,*"#, JSON),
    anywhere("refusals/answer-that-is-large", "headers.content-encoding*", JSON),
    anywhere("refusals/body-that-is-no-json", "body.message", "What JSON is wrong with is told in other words"),
];

impl Allowed {
    /// Whether it is that difference, in an answer of which the embedded side is `ours`.
    pub(crate) fn covers(&self, case: &str, difference: &Difference, ours: &str) -> bool {
        fits(self.case, case)
            && fits(self.place, &difference.place)
            && difference.sides().all(|side| fits(self.says, &side))
            && fits(self.ours, ours)
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, place, says, ours, why } = self;
        write!(formatter, "{case}, {place}, {says:?}, {ours:?}: {why}")
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

    const README: &str = include_str!("../../README.md");

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
        assert!(allowed.covers("rights/a", &difference, "") && !allowed.covers("lists/a", &difference, ""));
        let other = Difference { embedded: Some(json!("other")), ..difference };
        assert!(!allowed.covers("rights/a", &other, ""));
    }

    #[test]
    fn a_difference_is_covered_by_what_the_embedded_side_answers() {
        let difference = Difference { place: "status".into(), real: Some(json!(200)), embedded: Some(json!(404)) };
        let allowed = answers("lists/a", r#"{"status":404,*"#, "because");
        assert!(allowed.covers("lists/a", &difference, &json!({"status": 404, "body": {}}).to_string()));
        assert!(!allowed.covers("lists/a", &difference, &json!({"status": 500, "body": {}}).to_string()));
    }

    #[test]
    fn each_reason_is_in_the_readme() {
        let told = |allowed: &&Allowed| !allowed.why.is_empty() && README.contains(allowed.why);
        let untold: Vec<String> = ALLOWED.iter().filter(|it| !told(it)).map(ToString::to_string).collect();
        assert!(untold.is_empty(), "README.md does not say so\n{}", untold.join("\n"));
    }

    #[test]
    fn where_nothing_is_compared_the_answer_is_known() {
        let blind = ALLOWED.iter().filter(|it| it.place == "*" && it.says == "*" && it.ours == "*");
        let blind: Vec<String> = blind.map(ToString::to_string).collect();
        assert!(blind.is_empty(), "any answer would do\n{}", blind.join("\n"));
    }
}
