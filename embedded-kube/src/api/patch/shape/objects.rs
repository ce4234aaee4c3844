//! The kinds.

use super::pod::{LABEL_SELECTOR, POD, RESOURCE_CLAIMS, TEMPLATE};
use super::{Applied, BY_TYPE, Field, List, PLAIN, Patched, Shape, WHOLE, keyed, list};

/// Kinds without a shape of their own still have metadata.
pub(super) fn shape(group: &str, kind: &str) -> &'static Shape {
    match (group, kind) {
        ("", "Pod") => &POD,
        ("", "Namespace") => &NAMESPACE,
        ("", "Node") => &NODE,
        ("", "ServiceAccount") => &SERVICE_ACCOUNT,
        ("", "Event") => &EVENT,
        ("events.k8s.io", "Event") => &NEW_EVENT,
        ("", "ResourceQuota") => &RESOURCE_QUOTA,
        ("batch", "Job") => &JOB,
        ("apps", "ControllerRevision") => &CONTROLLER_REVISION,
        ("networking.k8s.io", "NetworkPolicy") => &NETWORK_POLICY,
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => &BINDING,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => &DEFINITION,
        _ => &ANY,
    }
}

pub(super) const METADATA: Shape = Shape::Fields(&[
    ("finalizers", list(Applied::Set, Patched::Merge)),
    ("ownerReferences", keyed(&[("uid", None)], &WHOLE)),
]);

static ANY: Shape = Shape::Fields(&[("metadata", Field::Value(&METADATA))]);

const CONDITIONS: Shape = Shape::Fields(&[("conditions", keyed(BY_TYPE, &PLAIN))]);

static NAMESPACE: Shape =
    Shape::Fields(&[("metadata", Field::Value(&METADATA)), ("status", Field::Value(&CONDITIONS))]);

static NODE: Shape = Shape::Fields(&[
    ("metadata", Field::Value(&METADATA)),
    ("spec", Field::Value(&NODE_SPEC)),
    ("status", Field::Value(&NODE_STATUS)),
]);
const NODE_SPEC: Shape = Shape::Fields(&[
    ("podCIDRs", list(Applied::Set, Patched::Merge)),
    ("podPreemptionPolicy", Field::Value(&NODE_PREEMPTION)),
]);
const NODE_PREEMPTION: Shape = Shape::Fields(&[("disableResizePreemption", list(Applied::Set, Patched::Replace))]);
const NODE_STATUS: Shape =
    Shape::Fields(&[("addresses", keyed(BY_TYPE, &PLAIN)), ("conditions", keyed(BY_TYPE, &PLAIN))]);

static SERVICE_ACCOUNT: Shape =
    Shape::Fields(&[("metadata", Field::Value(&METADATA)), ("secrets", keyed(super::BY_NAME, &WHOLE))]);

static EVENT: Shape = Shape::Fields(&[
    ("metadata", Field::Value(&METADATA)),
    ("involvedObject", Field::Value(&WHOLE)),
    ("related", Field::Value(&WHOLE)),
]);
static NEW_EVENT: Shape = Shape::Fields(&[
    ("metadata", Field::Value(&METADATA)),
    ("regarding", Field::Value(&WHOLE)),
    ("related", Field::Value(&WHOLE)),
]);

static RESOURCE_QUOTA: Shape =
    Shape::Fields(&[("metadata", Field::Value(&METADATA)), ("spec", Field::Value(&QUOTA_SPEC))]);
const QUOTA_SPEC: Shape = Shape::Fields(&[("scopeSelector", Field::Value(&WHOLE))]);

static JOB: Shape = Shape::Fields(&[
    ("metadata", Field::Value(&METADATA)),
    ("spec", Field::Value(&JOB_SPEC)),
    ("status", Field::Value(&JOB_STATUS)),
]);
const JOB_SPEC: Shape = Shape::Fields(&[
    ("scheduling", Field::Value(&JOB_SCHEDULING)),
    ("selector", Field::Value(&LABEL_SELECTOR)),
    ("template", Field::Value(&TEMPLATE)),
]);
const JOB_SCHEDULING: Shape = Shape::Fields(&[("resourceClaims", RESOURCE_CLAIMS)]);
const JOB_STATUS: Shape = Shape::Fields(&[
    ("conditions", list(Applied::Atomic, Patched::By("type"))),
    ("uncountedTerminatedPods", Field::Value(&UNCOUNTED)),
]);
const UNCOUNTED: Shape = Shape::Fields(&[
    ("failed", list(Applied::Set, Patched::Replace)),
    ("succeeded", list(Applied::Set, Patched::Replace)),
]);

static CONTROLLER_REVISION: Shape =
    Shape::Fields(&[("metadata", Field::Value(&METADATA)), ("data", Field::Value(&WHOLE))]);

static NETWORK_POLICY: Shape =
    Shape::Fields(&[("metadata", Field::Value(&METADATA)), ("spec", Field::Value(&NETWORK_POLICY_SPEC))]);
const NETWORK_POLICY_SPEC: Shape = Shape::Fields(&[("podSelector", Field::Value(&LABEL_SELECTOR))]);

static BINDING: Shape = Shape::Fields(&[("metadata", Field::Value(&METADATA)), ("roleRef", Field::Value(&WHOLE))]);

static DEFINITION: Shape =
    Shape::Fields(&[("metadata", Field::Value(&METADATA)), ("status", Field::Value(&DEFINITION_STATUS))]);
const DEFINITION_STATUS: Shape = Shape::Fields(&[(
    "conditions",
    Field::List(List { applied: Applied::Map(BY_TYPE), patched: Patched::Replace, items: &PLAIN }),
)]);
