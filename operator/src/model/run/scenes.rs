//! What may go wrong together, with a run. A walk is by breadth, and every fault that may come at any moment multiplies the
//! states: so each scene has few. Where there are more states than are walked through, each that is come to is followed to an
//! end all the same, with nothing that goes wrong any more (`recovery`).

use super::{Edit, Runs, Spare, Wrong};
use crate::model::check::{Walked, holds};
use crate::model::subject::Bounds;

/// A run to which nothing happens.
pub(in crate::model) const CALM: Runs = Runs {
    name: "calm",
    bounds: Bounds { lag: 1, ..Bounds::CALM },
    spare: Spare::NONE,
    execution: RETRIES,
    edits: &[],
    reports: false,
    held: false,
    ttl: 3600,
    wrong: Wrong::None,
};

/// A failed attempt is followed by one other.
const RETRIES: &str = r#"{"retry": {"limit": 1, "backoff": {"initial": "10s"}}}"#;
/// A failed attempt is followed by none.
pub(in crate::model) const ONCE: &str = r#"{"retry": {"limit": 0}}"#;

/// One worker is killed.
const KILL: Spare = Spare { kills: 1, ..Spare::NONE };
/// One is killed, and one sleeps.
const KILL_AND_SLEEP: Spare = Spare { kills: 1, sleeps: 1, ..Spare::NONE };

/// A worker is killed, and nothing else: few enough states that all are walked through.
const KILLED: Runs =
    Runs { name: "a worker is killed", bounds: Bounds { ticks: 1, lag: 0, ..Bounds::CALM }, spare: KILL, ..CALM };

/// The operator is killed again and again, and its caches lag.
const CRASHES: Runs = Runs {
    name: "crashes",
    bounds: Bounds { crashes: 3, relists: 1, ticks: 1, lag: 3, ..Bounds::CALM },
    spare: KILL,
    ..CALM
};

/// The operator is killed, and the next one is shown the past; meanwhile the run's plan is taken away.
const PAST: Runs = Runs {
    name: "shown the past",
    bounds: Bounds { pasts: 2, ticks: 1, lag: 3, ..Bounds::CALM },
    spare: KILL,
    edits: &[Edit::DeletePlan],
    ..CALM
};

/// Its writes get lost, or their answers.
const LOSSES: Runs = Runs {
    name: "losses",
    bounds: Bounds { crashes: 1, losses: 2, ticks: 1, lag: 2, ..Bounds::CALM },
    spare: KILL,
    ..CALM
};

/// Its writes arrive late, or twice.
const DELAYS: Runs = Runs {
    name: "delays",
    bounds: Bounds { crashes: 1, delays: 2, ticks: 1, lag: 2, ..Bounds::CALM },
    spare: KILL,
    ..CALM
};

/// Its writes are refused.
const REFUSALS: Runs = Runs {
    name: "refusals",
    bounds: Bounds { losses: 1, refusals: 2, ticks: 1, lag: 2, ..Bounds::CALM },
    spare: KILL,
    ..CALM
};

/// A worker sleeps while others take its place and die, and goes on when it is too late.
const ZOMBIES: Runs = Runs {
    name: "zombies",
    bounds: Bounds { ticks: 2, lag: 0, ..Bounds::CALM },
    spare: Spare { kills: 3, sleeps: 1, ..Spare::NONE },
    execution: ONCE,
    ..CALM
};

/// The same, where workers tell how far they are, fail by themselves, and the operator is killed.
const REPORTS: Runs = Runs {
    name: "reports",
    bounds: Bounds { crashes: 1, ticks: 1, lag: 1, ..Bounds::CALM },
    spare: Spare { failures: 1, ..KILL_AND_SLEEP },
    execution: ONCE,
    reports: true,
    ..CALM
};

/// Two sleep at the same time, and what Pods have left is removed before anybody has seen it.
const ASLEEP: Runs = Runs {
    name: "asleep",
    bounds: Bounds { ticks: 1, lag: 0, ..Bounds::CALM },
    spare: Spare { kills: 1, sleeps: 2, mistakes: 1, removals: 1, ..Spare::NONE },
    ..CALM
};

/// Another operator takes over, or acts beside the first one.
const LEADERS: Runs = Runs {
    name: "leaders",
    bounds: Bounds { operators: 2, leaders: 2, ticks: 1, lag: 2, skew: 3, ..Bounds::CALM },
    spare: KILL,
    ..CALM
};

/// Another operator takes over while the Pipeline is edited, and a write of the first one is on its way.
const EDITED: Runs = Runs {
    name: "edited",
    bounds: Bounds { operators: 2, leaders: 1, delays: 1, lag: 4, ..Bounds::CALM },
    execution: r#"{"timeout": "1h", "retry": {"limit": 1, "backoff": {"initial": "10s"}}}"#,
    edits: &[Edit::ChangePipeline],
    ..CALM
};

/// Users cancel it, and take away what it needs.
const CANCELLED: Runs = Runs {
    name: "cancelled",
    bounds: Bounds { crashes: 1, lag: 1, ..Bounds::CALM },
    spare: KILL_AND_SLEEP,
    edits: &[Edit::Cancel, Edit::DeleteJob],
    ..CALM
};

/// It is to end well, and its plan is taken away.
const WOUND_DOWN: Runs = Runs {
    name: "wound down",
    bounds: Bounds { crashes: 1, ticks: 1, lag: 2, ..Bounds::CALM },
    spare: Spare { failures: 1, ..KILL },
    edits: &[Edit::WindDown, Edit::DeletePlan],
    ..CALM
};

/// It is deleted, and something holds it back.
const HELD: Runs = Runs {
    name: "held",
    bounds: Bounds { crashes: 1, losses: 1, lag: 2, ..Bounds::CALM },
    spare: KILL_AND_SLEEP,
    edits: &[Edit::Delete],
    held: true,
    ..CALM
};

/// It is deleted and made again, at any moment, and goes by itself some time after its end.
const AGAIN: Runs = Runs {
    name: "again",
    bounds: Bounds { crashes: 1, ticks: 1, lag: 2, ..Bounds::CALM },
    spare: Spare { sleeps: 1, ..Spare::NONE },
    edits: &[Edit::Delete, Edit::Recreate],
    ttl: 10,
    ..CALM
};

/// It takes longer than it may.
const LATE: Runs = Runs {
    name: "late",
    bounds: Bounds { crashes: 1, ticks: 3, lag: 1, ..Bounds::CALM },
    spare: KILL_AND_SLEEP,
    execution: r#"{"timeout": "20s", "retry": {"limit": 1, "backoff": {"initial": "10s"}}}"#,
    ..CALM
};

/// All of them.
const SCENES: [Runs; 17] = [
    CALM, KILLED, CRASHES, PAST, LOSSES, DELAYS, REFUSALS, ZOMBIES, REPORTS, ASLEEP, LEADERS, EDITED, CANCELLED,
    WOUND_DOWN, HELD, AGAIN, LATE,
];

/// How many states of a scene are walked through, where there are more.
const OF_A_SCENE: usize = 32_000;

#[test]
fn the_laws_of_runs_hold_whatever_happens() {
    let walked: Walked = SCENES.into_iter().map(|scene| holds(scene, OF_A_SCENE)).sum();
    walked.enough();
}
