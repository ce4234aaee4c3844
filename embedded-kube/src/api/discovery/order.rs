//! The order of groups and versions: the first version of a group is the one that clients take.

use std::cmp::Reverse;

use kube::core::Version;

use super::super::Kind;

/// A version of a group that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupVersion<'a> {
    /// The group; empty for the core.
    pub group: &'a str,
    /// The version.
    pub version: &'a str,
}

impl GroupVersion<'_> {
    /// As in paths, behind a slash: `api/v1`, `apis/batch/v1`.
    #[must_use]
    pub fn path(&self) -> String {
        if self.group.is_empty() {
            format!("api/{}", self.version)
        } else {
            format!("apis/{}/{}", self.group, self.version)
        }
    }

    /// As objects have it: `v1`, `batch/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether the kind is one of this version.
    #[must_use]
    pub fn has(&self, kind: &Kind) -> bool {
        kind.group == self.group && kind.version == self.version
    }
}

/// Every version of every group, in the API server's order.
#[must_use]
pub fn group_versions(kinds: &[Kind]) -> Vec<GroupVersion<'_>> {
    let mut versions: Vec<GroupVersion<'_>> = Vec::new();
    for kind in kinds {
        let version = GroupVersion { group: &kind.group, version: &kind.version };
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    versions.sort_by_cached_key(|version| {
        let newest = Reverse(Version::parse(version.version).priority());
        (Reverse(priority(version.group)), version.group, newest)
    });
    versions
}

/// How early a group comes
/// (<https://github.com/kubernetes/kubernetes/blob/master/pkg/controlplane/apiserver/aggregator.go>).
pub(super) fn priority(group: &str) -> u32 {
    match group {
        "" => 18000,
        "apps" => 17800,
        "events.k8s.io" => 17750,
        "authentication.k8s.io" => 17700,
        "authorization.k8s.io" => 17600,
        "batch" => 17400,
        "networking.k8s.io" => 17200,
        "rbac.authorization.k8s.io" => 17000,
        "apiextensions.k8s.io" => 16700,
        "coordination.k8s.io" => 16500,
        _ => 1000,
    }
}

/// The kinds of a version, by their names in paths.
pub(super) fn of<'a>(kinds: &'a [Kind], version: &GroupVersion<'_>) -> Vec<&'a Kind> {
    let mut own: Vec<&Kind> = kinds.iter().filter(|kind| version.has(kind)).collect();
    own.sort_by(|one, other| one.plural.cmp(&other.plural));
    own
}

#[cfg(test)]
mod tests {
    use super::super::sample::kind;
    use super::*;

    #[test]
    fn groups_come_by_priority_and_versions_by_maturity() {
        let kinds = [
            ("zoo.example.com", "v1"),
            ("example.com", "v1beta1"),
            ("example.com", "v1"),
            ("example.com", "v2alpha1"),
            ("example.com", "v10"),
            ("batch", "v1"),
            ("apps", "v1"),
            ("", "v1"),
            ("batch", "v1"),
        ]
        .map(|(group, version)| kind(group, version, "Thing", "things"));
        let paths: Vec<String> = group_versions(&kinds).iter().map(GroupVersion::path).collect();
        let expected = [
            "api/v1",
            "apis/apps/v1",
            "apis/batch/v1",
            "apis/example.com/v10",
            "apis/example.com/v1",
            "apis/example.com/v1beta1",
            "apis/example.com/v2alpha1",
            "apis/zoo.example.com/v1",
        ];
        assert_eq!(paths, expected);
    }
}
