//! Pods and their templates.

use super::objects::METADATA;
use super::{Applied, BY_NAME, BY_TYPE, Field, List, PLAIN, Patched, Shape, WHOLE, keyed, list};

pub(super) static POD: Shape = Shape::Fields(&[
    ("metadata", Field::Value(&METADATA)),
    ("spec", Field::Value(&SPEC)),
    ("status", Field::Value(&STATUS)),
]);

pub(super) const TEMPLATE: Shape =
    Shape::Fields(&[("metadata", Field::Value(&METADATA)), ("spec", Field::Value(&SPEC))]);

pub(super) const LABEL_SELECTOR: Shape = WHOLE;
pub(super) const RESOURCE_CLAIMS: Field = keyed(BY_NAME, &PLAIN);

static SPEC: Shape = Shape::Fields(&[
    ("affinity", Field::Value(&AFFINITY)),
    ("containers", keyed(BY_NAME, &CONTAINER)),
    ("ephemeralContainers", keyed(BY_NAME, &CONTAINER)),
    ("evictionResponders", keyed(BY_NAME, &WHOLE)),
    ("hostAliases", keyed(&[("ip", None)], &PLAIN)),
    ("imagePullSecrets", keyed(BY_NAME, &WHOLE)),
    ("initContainers", keyed(BY_NAME, &CONTAINER)),
    ("nodeSelector", Field::Value(&WHOLE)),
    ("resourceClaims", RESOURCE_CLAIMS),
    ("resources", Field::Value(&RESOURCES)),
    ("schedulingGates", keyed(BY_NAME, &PLAIN)),
    ("topologySpreadConstraints", keyed(&[("topologyKey", None), ("whenUnsatisfiable", None)], &SPREAD)),
    ("volumes", keyed(BY_NAME, &VOLUME)),
]);

const AFFINITY: Shape = Shape::Fields(&[("nodeAffinity", Field::Value(&NODE_AFFINITY))]);
const NODE_AFFINITY: Shape = Shape::Fields(&[("requiredDuringSchedulingIgnoredDuringExecution", Field::Value(&WHOLE))]);

const SPREAD: Shape = Shape::Fields(&[("labelSelector", Field::Value(&LABEL_SELECTOR))]);

static CONTAINER: Shape = Shape::Fields(&[
    ("env", keyed(BY_NAME, &VARIABLE)),
    ("ports", keyed(&[("containerPort", None), ("protocol", Some("TCP"))], &PLAIN)),
    ("resources", Field::Value(&RESOURCES)),
    ("volumeDevices", keyed(&[("devicePath", None)], &PLAIN)),
    ("volumeMounts", keyed(&[("mountPath", None)], &MOUNT)),
]);

const VARIABLE: Shape = Shape::Fields(&[("valueFrom", Field::Value(&VARIABLE_SOURCE))]);
const VARIABLE_SOURCE: Shape = Shape::Fields(&[
    ("configMapKeyRef", Field::Value(&WHOLE)),
    ("fieldRef", Field::Value(&WHOLE)),
    ("fileKeyRef", Field::Value(&WHOLE)),
    ("resourceFieldRef", Field::Value(&WHOLE)),
    ("secretKeyRef", Field::Value(&WHOLE)),
]);

const RESOURCES: Shape = Shape::Fields(&[(
    "claims",
    Field::List(List { applied: Applied::Map(BY_NAME), patched: Patched::Replace, items: &PLAIN }),
)]);

const MOUNT: Shape = Shape::Fields(&[("bindMountOptions", list(Applied::Set, Patched::Replace))]);

const VOLUME: Shape = Shape::Fields(&[
    ("cephfs", Field::Value(&WITH_SECRET)),
    ("cinder", Field::Value(&WITH_SECRET)),
    ("csi", Field::Value(&CSI)),
    ("ephemeral", Field::Value(&EPHEMERAL)),
    ("flexVolume", Field::Value(&WITH_SECRET)),
    ("iscsi", Field::Value(&WITH_SECRET)),
    ("rbd", Field::Value(&WITH_SECRET)),
    ("scaleIO", Field::Value(&WITH_SECRET)),
    ("storageos", Field::Value(&WITH_SECRET)),
]);
const WITH_SECRET: Shape = Shape::Fields(&[("secretRef", Field::Value(&WHOLE))]);
const CSI: Shape = Shape::Fields(&[("nodePublishSecretRef", Field::Value(&WHOLE))]);
const EPHEMERAL: Shape = Shape::Fields(&[("volumeClaimTemplate", Field::Value(&CLAIM))]);
const CLAIM: Shape = Shape::Fields(&[("metadata", Field::Value(&METADATA)), ("spec", Field::Value(&CLAIM_SPEC))]);
const CLAIM_SPEC: Shape =
    Shape::Fields(&[("dataSource", Field::Value(&WHOLE)), ("selector", Field::Value(&LABEL_SELECTOR))]);

const STATUS: Shape = Shape::Fields(&[
    ("conditions", keyed(BY_TYPE, &PLAIN)),
    ("hostIPs", list(Applied::Atomic, Patched::By("ip"))),
    ("nodeAllocatableResourceClaimStatuses", keyed(&[("resourceClaimName", None)], &CLAIM_STATUS)),
    ("podIPs", keyed(&[("ip", None)], &PLAIN)),
    ("resourceClaimStatuses", keyed(BY_NAME, &PLAIN)),
    ("resources", Field::Value(&RESOURCES)),
    (
        "volumeHealth",
        Field::List(List { applied: Applied::Map(BY_NAME), patched: Patched::Replace, items: &VOLUME_HEALTH }),
    ),
]);
const CLAIM_STATUS: Shape = Shape::Fields(&[
    ("containers", list(Applied::Set, Patched::Replace)),
    ("mapping", keyed(BY_NAME, &PLAIN)),
    ("overhead", keyed(BY_NAME, &PLAIN)),
]);
const VOLUME_HEALTH: Shape =
    Shape::Fields(&[("healthConditions", keyed(&[("status", None), ("reason", None)], &PLAIN))]);
