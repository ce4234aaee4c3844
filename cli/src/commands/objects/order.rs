//! In which order objects are made: each after what it needs.

/// Kinds that come first, in groups, and ours, which come last. All others stand between them.
const BEFORE: [&[&str]; 5] = [
    &["Namespace"],
    &["CustomResourceDefinition"],
    &["ServiceAccount", "ResourceQuota", "LimitRange"],
    &["Secret", "ConfigMap", "PersistentVolumeClaim"],
    &["Role", "ClusterRole"],
];
const AFTER: [&str; 6] = ["Connector", "Transformation", "Checkpoint", "Pipeline", "Schedule", "PipelineRun"];

/// Where a kind stands in the order.
pub(crate) fn rank(group: &str, kind: &str) -> usize {
    if group == aggregator_crds::GROUP {
        let place = AFTER.iter().position(|known| *known == kind);
        return BEFORE.len() + 1 + place.unwrap_or(0);
    }
    BEFORE.iter().position(|kinds| kinds.contains(&kind)).unwrap_or(BEFORE.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_comes_after_what_it_needs() {
        let ours = aggregator_crds::GROUP;
        let mut kinds = vec![
            (ours, "PipelineRun"),
            (ours, "Schedule"),
            ("batch", "Job"),
            ("", "Secret"),
            (ours, "Pipeline"),
            (ours, "Connector"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
            (ours, "Transformation"),
            ("", "Namespace"),
            ("example.com", "Pipeline"),
        ];
        kinds.sort_by_key(|(group, kind)| rank(group, kind));
        let names: Vec<&str> = kinds.into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(
            names,
            [
                "Namespace",
                "CustomResourceDefinition",
                "Secret",
                "Job",
                "Pipeline",
                "Connector",
                "Transformation",
                "Pipeline",
                "Schedule",
                "PipelineRun"
            ]
        );
    }
}
