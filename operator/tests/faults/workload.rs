//! What is played: what people ask for, and how the workers fare that come of it.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::scene::Scene;
use crate::worker::{Fares, Task};
use crate::{others, runs, schedules};

/// Something that is done in a scene.
pub(crate) type Step<'a> = BoxFuture<'a, Result<(), String>>;

/// What people ask for, up to an end that can be told from the objects.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// What is there before the operator is.
    pub(crate) before: fn(&Scene) -> Step<'_>,
    /// How old that has to be.
    pub(crate) ripens: Duration,
    /// What people ask for, and what they wait for.
    pub(crate) drive: fn(&Scene) -> Step<'_>,
    /// How a worker fares.
    pub(crate) fares: fn(&Task) -> Fares,
    /// Whether workers do something once for an object and commit nothing: an operator that is shown the past may have it done
    /// again.
    pub(crate) errands: bool,
}

/// All of them.
pub(crate) static WORKLOADS: [Workload; 12] = [
    Workload {
        name: "a run",
        before: runs::connectors,
        ripens: Duration::ZERO,
        drive: runs::plain,
        fares: runs::well,
        errands: false,
    },
    Workload {
        name: "a run that is tried again",
        before: runs::connectors,
        ripens: Duration::ZERO,
        drive: runs::retried,
        fares: runs::first_badly,
        errands: false,
    },
    Workload {
        name: "a run that fails",
        before: runs::connectors,
        ripens: Duration::ZERO,
        drive: runs::plain,
        fares: runs::badly,
        errands: false,
    },
    Workload {
        name: "a run that is cancelled",
        before: runs::connectors,
        ripens: Duration::ZERO,
        drive: runs::cancelled,
        fares: runs::lasts,
        errands: false,
    },
    Workload {
        name: "a run of two shards",
        before: runs::connectors,
        ripens: Duration::ZERO,
        drive: runs::shared,
        fares: runs::well,
        errands: false,
    },
    Workload {
        name: "a Schedule that fires",
        before: runs::connectors,
        ripens: Duration::ZERO,
        drive: schedules::fires,
        fares: runs::well,
        errands: false,
    },
    Workload {
        name: "a Schedule's past",
        before: runs::connectors,
        ripens: Duration::ZERO,
        drive: schedules::backfills,
        fares: runs::well,
        errands: false,
    },
    Workload {
        name: "a Schedule's history",
        before: schedules::history,
        ripens: Duration::from_secs(62),
        drive: schedules::forgets,
        fares: runs::well,
        errands: false,
    },
    Workload {
        name: "a Connector that is checked",
        before: others::nothing,
        ripens: Duration::ZERO,
        drive: others::checked,
        fares: runs::well,
        errands: true,
    },
    Workload {
        name: "a Connector that expires",
        before: others::temporary,
        ripens: Duration::ZERO,
        drive: others::expires,
        fares: runs::well,
        errands: false,
    },
    Workload {
        name: "a Pipeline that is edited",
        before: runs::connectors,
        ripens: Duration::ZERO,
        drive: others::edited,
        fares: runs::well,
        errands: false,
    },
    Workload {
        name: "a Transformation with tests",
        before: others::nothing,
        ripens: Duration::ZERO,
        drive: others::tested,
        fares: runs::well,
        errands: true,
    },
];
