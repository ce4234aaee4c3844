//! A Schedule that waits for files: what has arrived starts one run, whoever is stopped between a look's last words and
//! the note of them.

use serde_json::{Value, json};
use stateright::Property;

use super::{
    active, blocked, count, end, is_behind, is_idle, is_told, keys, look, new_runs, of_ours, pipeline, place, schedule,
};
use crate::action::{Kind, Plan};
use crate::errand::Why;
use crate::model::check::{Walked, holds};
use crate::model::jobs::{self, End, JobStep};
use crate::model::object::{Object, Place, Stored, time};
use crate::model::server::Server;
use crate::model::stage::Stage;
use crate::model::subject::{Bounds, Looked, Scene, Subject};
use crate::model::system::System;
use crate::routes::Key;

/// A Schedule that looks for files every minute.
struct Arrivals {
    /// What it is about, in a few words.
    name: &'static str,
    bounds: Bounds,
}

/// What is around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Around {
    /// How many files are there.
    files: u8,
    /// How many may still come.
    left: u8,
    /// How many runs have started.
    made: u8,
    /// How many workers may still die.
    fails: u8,
}

/// What others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A controller of Kubernetes goes on.
    Kube(JobStep),
    /// The worker of a Pod says what it has found.
    Tell(Place),
    /// It dies.
    Die(Place),
    /// A Pod that was deleted is no more.
    Remove(Place),
    /// A file comes.
    File,
    /// A run ends.
    End(Place),
}

/// What there is to be found.
fn found(files: u8) -> Value {
    let newest = (files > 0).then(|| time(u32::from(files)).to_string());
    json!({"files": files, "newest": newest, "digest": format!("{files} files")})
}

/// Whether the last look has found what is there.
fn is_found(schedule: Object, files: u8) -> bool {
    schedule.text("/status/lastLook/found/digest") == format!("{files} files")
}

/// Workers that are at work.
fn workers(server: &Server) -> Vec<Object> {
    server.all(Stored::Pod).filter(|pod| !jobs::has_ended(*pod)).collect()
}

impl Subject for Arrivals {
    type Around = Around;
    type Step = Step;

    const NAME: &'static str = "Schedule";

    fn scene(&self) -> &'static str {
        self.name
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn objects(&self) -> Vec<Value> {
        let arrival = json!({"connector": "drops", "stream": "*.csv", "interval": "1m"});
        let connector = of_ours("Connector", "drops", &json!({"file": {"root": "/data/files"}}));
        vec![pipeline(), connector, schedule(&json!({"fileArrival": arrival, "concurrencyPolicy": "Allow"}))]
    }

    fn around(&self) -> Around {
        Around { files: 0, left: 2, made: 0, fails: 1 }
    }

    fn keys(&self) -> Vec<Key> {
        keys()
    }

    fn look(&self, scene: &Scene<'_>) -> Option<Looked> {
        look(scene)
    }

    fn blocked(&self, scene: &Scene<'_>, why: &Why) -> Plan {
        blocked(scene, why)
    }

    fn steps(&self, stage: &Stage<Around>, steps: &mut Vec<Step>) {
        let mut controllers = Vec::new();
        jobs::steps(&stage.server, &mut controllers);
        steps.extend(controllers.into_iter().map(Step::Kube));
        for pod in workers(&stage.server) {
            if pod.is_going() {
                steps.push(Step::Remove(pod.place()));
                continue;
            }
            steps.push(Step::Tell(pod.place()));
            if stage.around.fails > 0 {
                steps.push(Step::Die(pod.place()));
            }
        }
        if stage.around.left > 0 {
            steps.push(Step::File);
        }
        steps.extend(active(&stage.server).into_iter().map(|run| Step::End(run.place())));
    }

    fn take(&self, stage: &mut Stage<Around>, step: Step) -> bool {
        let Stage { server, around, .. } = stage;
        match step {
            Step::Kube(step) => jobs::take(server, step),
            Step::Tell(pod) => {
                let said = json!({"found": found(around.files)}).to_string();
                jobs::end(server, pod.name(), End::Well, Some(&said))
            }
            Step::Die(pod) => {
                around.fails -= 1;
                jobs::end(server, pod.name(), End::Killed, None)
            }
            Step::Remove(pod) => jobs::remove(server, pod.name()),
            Step::File => {
                (around.files, around.left) = (around.files + 1, around.left - 1);
                true
            }
            Step::End(run) => end(server, run, true),
        }
    }

    fn onward(&self, stage: &Stage<Around>) -> Option<Step> {
        let mut controllers = Vec::new();
        jobs::steps(&stage.server, &mut controllers);
        let work = |pod: &Object| if pod.is_going() { Step::Remove(pod.place()) } else { Step::Tell(pod.place()) };
        let worker = || workers(&stage.server).first().map(work);
        let run = || active(&stage.server).first().map(|run| Step::End(run.place()));
        controllers.first().map(|step| Step::Kube(*step)).or_else(worker).or_else(run)
    }

    fn moments(&self, stage: &Stage<Around>) -> Vec<u32> {
        let now = stage.clock();
        if is_behind(stage) { vec![now + 5] } else { vec![now + 5, now + 60] }
    }

    fn saw(&self, before: &Stage<Around>, after: &mut Stage<Around>) {
        let new = u8::try_from(new_runs(before, after).len()).unwrap_or(u8::MAX);
        after.around.made = after.around.made.saturating_add(new);
    }

    fn settled(&self, stage: &Stage<Around>) -> bool {
        let Around { files, made, .. } = stage.around;
        let errands = [Kind::Job, Kind::ConfigMap].into_iter().any(|kind| stage.server.all(kind).next().is_some());
        let schedule = stage.server.at(place()).filter(|schedule| is_told(*schedule) && is_idle(*schedule));
        schedule.is_some_and(|schedule| {
            is_found(schedule, files) && count(schedule, "started") == u64::from(made) && (made > 0) == (files > 0)
        }) && !errands
    }

    fn laws(&self) -> Vec<Property<System<Self>>> {
        vec![
            Property::<System<Self>>::always("no arrival starts two runs", |_, stage| {
                stage.around.made <= stage.around.files
            }),
            Property::<System<Self>>::always("a look is made once", |_, stage| {
                let mut jobs = stage.server.all(Kind::Job);
                jobs.all(|job| stage.server.lives(job.place()) == 1)
            }),
            Property::<System<Self>>::sometimes("a run starts", |_, stage| stage.around.made > 0),
        ]
    }
}

/// Walks through all of it, or so many states.
pub(super) fn walk(of_a_scene: usize) -> Walked {
    let calm = Bounds { lag: 0, ..Bounds::CALM };
    let faults = Bounds { crashes: 1, losses: 1, relists: 1, ticks: 2, lag: 2, ..Bounds::CALM };
    holds(Arrivals { name: "files, and nothing else", bounds: calm }, of_a_scene)
        + holds(Arrivals { name: "files", bounds: faults }, of_a_scene)
}
