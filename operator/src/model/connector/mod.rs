//! Connectors: each version is checked once for each asking, what was found is told of the version that it is of, and
//! what is done goes away.
//!
//! What is assumed: the clock moves at any moment, whoever is behind, but by a minute, and twice at most. Where writes come
//! late, or another operator acts, a check may be made once more; of all others it is asked that it is made once.

mod mutants;
mod worker;

use serde_json::{Value, json};
use stateright::Property;

use self::worker::{Check, Worker, catalogue, counts, errands, working};
use super::check::{MANY, Walked, holds};
use super::jobs::{self, JobStep};
use super::object::{NAMESPACE, Object, Place, Stored, time};
use super::server::{Meant, Server};
use super::stage::Stage;
use super::subject::{Bounds, Looked, Scene, Subject};
use super::system::System;
use crate::action::{Action, Kind, Plan};
use crate::connector::{self as shipped, REQUESTED, View};
use crate::errand::Why;
use crate::identity::{self, Who};
use crate::routes::Key;

/// The Connector of the model.
const NAME: &str = "shop";
/// When a Connector that somebody only tries goes away.
const EXPIRES: &str = "aggregator.dev/expires-at";
/// When that is, if somebody asks for it, in seconds.
const EXPIRED: u32 = 30;

/// What the Connector's spec asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Version {
    One,
    Two,
}

impl Version {
    const ALL: [Self; 2] = [Self::One, Self::Two];

    /// The database that it names, by which everything that was found out is told apart.
    fn database(self) -> &'static str {
        match self {
            Self::One => "database-one",
            Self::Two => "database-two",
        }
    }
}

/// A Connector, and who edits it.
struct Checking {
    /// What it is about, in a few words.
    name: &'static str,
    bounds: Bounds,
    /// What users may edit, and how often.
    edits: &'static [Edit],
    times: u8,
    /// How many objects they delete that the operator or a worker has made.
    takes: u8,
    /// How many checks may fail.
    fails: u8,
    /// Whether workers may outlive their Jobs.
    outlives: bool,
}

/// What is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    /// The spec.
    Spec(Version),
    /// A check is asked for.
    Ask(&'static str),
    /// It is to go away: at a time, or, as somebody has mistyped it, at none.
    Expires(bool),
    /// It is to stay.
    Stays,
    /// It is deleted.
    Gone,
    /// It is made anew.
    Made,
}

/// What is around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Around {
    edits: u8,
    takes: u8,
    fails: u8,
    /// How many checks may have been dropped: Jobs that users have deleted, and those that nobody wanted for a while.
    dropped: u8,
    /// The workers of the Pods that are there.
    workers: Vec<Worker>,
    /// Whether a Connector was deleted that was to stay.
    lost: bool,
}

/// What others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A controller of Kubernetes goes on.
    Kube(JobStep),
    /// A worker ends.
    End(Worker, Check),
    /// A Pod that was deleted is no more; its worker has kept what it found, or not.
    Remove(Place, Option<Worker>),
    /// A user deletes an object.
    Take(Place),
    /// A user edits.
    Edit(Edit),
    /// A minute passes in which nothing happens.
    Wait,
}

fn place() -> Place {
    Place::of(Kind::Connector, NAME)
}

fn whole() -> Value {
    let spec = json!({"host": "db", "database": Version::One.database(), "username": "reader"});
    json!({
        "apiVersion": aggregator_crds::API_VERSION, "kind": "Connector",
        "metadata": {"name": NAME, "namespace": NAMESPACE}, "spec": {"postgres": spec},
    })
}

/// The version that a Connector's spec asks for.
fn asked(connector: Object) -> &'static str {
    connector.text("/spec/postgres/database")
}

/// Whether the operator has told of the Connector as it stands.
fn is_told(connector: Object) -> bool {
    connector.at("/status/observedGeneration") == connector.at("/metadata/generation")
}

/// A condition of it.
fn condition(connector: Object, of: &str) -> &'static Value {
    let mut conditions = connector.at("/status/conditions").as_array().into_iter().flatten();
    conditions.find(|condition| condition["type"] == of).unwrap_or(&Value::Null)
}

/// What is known when the caches hold it.
fn viewed(scene: &Scene<'_>) -> Option<View> {
    let connector = scene.world.connectors.get(&scene.key.namespace, &scene.key.name)?;
    Some(shipped::observe(scene.world, &connector, scene.settings))
}

impl Checking {
    /// One that nobody edits.
    fn of(name: &'static str, bounds: Bounds) -> Self {
        Self { name, bounds, edits: &[], times: 0, takes: 0, fails: 1, outlives: false }
    }
}

impl Edit {
    /// Whether it makes a difference.
    fn changes(self, server: &Server) -> bool {
        let there = server.at(place());
        let annotation = |name: &str| there.map_or(&Value::Null, |there| &there.at("/metadata/annotations")[name]);
        match self {
            Self::Spec(version) => there.is_some_and(|there| asked(there) != version.database()),
            Self::Ask(value) => there.is_some() && annotation(REQUESTED) != value,
            Self::Expires(_) => there.is_some() && annotation(EXPIRES).is_null(),
            Self::Stays => !annotation(EXPIRES).is_null(),
            Self::Gone => there.is_some(),
            Self::Made => there.is_none(),
        }
    }

    fn take(self, server: &mut Server) -> bool {
        let patch = match self {
            Self::Spec(version) => json!({"spec": {"postgres": {"database": version.database()}}}),
            Self::Ask(value) => json!({"metadata": {"annotations": {REQUESTED: value}}}),
            Self::Expires(well) => {
                let at = if well { time(EXPIRED).to_string() } else { "tomorrow".to_owned() };
                json!({"metadata": {"annotations": {EXPIRES: at}}})
            }
            Self::Stays => json!({"metadata": {"annotations": {EXPIRES: null}}}),
            Self::Gone => return server.delete(place(), Meant::default(), false).is_ok(),
            Self::Made => return server.create(&whole(), None).is_ok(),
        };
        server.merge(place(), &patch, Meant::default(), None, false).is_ok()
    }
}

impl Subject for Checking {
    type Around = Around;
    type Step = Step;

    const NAME: &'static str = "Connector";

    fn scene(&self) -> &'static str {
        self.name
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn objects(&self) -> Vec<Value> {
        let identity = identity::all(NAMESPACE, Who::Probe, &self.settings());
        let made = identity.into_iter().filter_map(|action| match action {
            Action::Apply { object, .. } => Some(object),
            _ => None,
        });
        made.chain([whole()]).collect()
    }

    fn around(&self) -> Around {
        let Self { times: edits, takes, fails, .. } = *self;
        Around { edits, takes, fails, dropped: 0, workers: Vec::new(), lost: false }
    }

    fn keys(&self) -> Vec<Key> {
        vec![Key { kind: Kind::Connector, namespace: NAMESPACE.into(), name: NAME.into() }]
    }

    fn look(&self, scene: &Scene<'_>) -> Option<Looked> {
        viewed(scene).map(|view| Looked::all(shipped::plan(&view, scene.settings, scene.now)))
    }

    fn blocked(&self, scene: &Scene<'_>, why: &Why) -> Plan {
        viewed(scene).map_or_else(Plan::nothing, |view| shipped::blocked(&view, why, scene.now))
    }

    fn steps(&self, stage: &Stage<Around>, steps: &mut Vec<Step>) {
        let Stage { server, around, .. } = stage;
        let mut controllers = Vec::new();
        jobs::steps(server, &mut controllers);
        steps.extend(controllers.into_iter().map(Step::Kube));
        for pod in working(server) {
            let worker = around.workers.iter().find(|worker| worker.pod == pod.place()).copied();
            match worker {
                _ if pod.is_going() => {
                    steps.push(Step::Remove(pod.place(), None));
                    steps.extend(worker.filter(|_| self.outlives).map(|it| Step::Remove(pod.place(), Some(it))));
                }
                Some(worker) => {
                    steps.push(Step::End(worker, Check::Found));
                    if around.fails > 0 {
                        steps.extend([Check::Unreachable, Check::Died].map(|check| Step::End(worker, check)));
                    }
                }
                None => {}
            }
        }
        if around.takes > 0 {
            let jobs = server.all(Kind::Job).map(Object::place);
            let kept = server.at(catalogue()).map(Object::place);
            steps.extend(jobs.chain(kept).map(Step::Take));
        }
        if around.edits > 0 {
            let edits = self.edits.iter().filter(|edit| edit.changes(server));
            steps.extend(edits.map(|edit| Step::Edit(*edit)));
        }
    }

    fn take(&self, stage: &mut Stage<Around>, step: Step) -> bool {
        let Stage { server, around, .. } = stage;
        match step {
            Step::Kube(step) => {
                let done = jobs::take(server, step);
                let places = server.told.iter().map(|event| event.object.place());
                let pod = places.into_iter().find(|place| place.kind() == Stored::Pod);
                if let (JobStep::MakePod(job), Some(pod)) = (step, pod)
                    && let Some(job) = server.at(job)
                {
                    around.workers.extend(Worker::of(server, job, pod));
                    around.workers.sort_unstable();
                }
                done
            }
            Step::End(worker, check) => {
                if check != Check::Found {
                    around.fails -= 1;
                }
                worker.end(server, check)
            }
            Step::Remove(pod, worker) => {
                if let Some(worker) = worker {
                    worker.keep(server);
                }
                jobs::remove(server, pod.name())
            }
            Step::Take(taken) => {
                around.takes -= 1;
                around.dropped += u8::from(taken.kind() == Stored::Written(Kind::Job));
                server.delete(taken, Meant::default(), false).is_ok()
            }
            Step::Edit(edit) => {
                around.edits -= 1;
                around.dropped += u8::from(edit == Edit::Expires(false));
                edit.take(server)
            }
            Step::Wait => {
                server.clock += 60;
                true
            }
        }
    }

    fn onward(&self, stage: &Stage<Around>) -> Option<Step> {
        let Stage { server, around, .. } = stage;
        let mut controllers = Vec::new();
        jobs::steps(server, &mut controllers);
        if let Some(step) = controllers.first() {
            return Some(Step::Kube(*step));
        }
        let pods = working(server);
        if let Some(pod) = pods.iter().find(|pod| pod.is_going()) {
            return Some(Step::Remove(pod.place(), None));
        }
        let works = |worker: &&Worker| pods.iter().any(|pod| pod.place() == worker.pod);
        if let Some(worker) = around.workers.iter().find(works) {
            return Some(Step::End(*worker, Check::Found));
        }
        // A Pod whose ConfigMap is gone waits until its Job is too late.
        pods.first().map(|_| Step::Wait)
    }

    fn moments(&self, stage: &Stage<Around>) -> Vec<u32> {
        vec![stage.clock() + 15, stage.clock() + 70]
    }

    fn saw(&self, before: &Stage<Around>, after: &mut Stage<Around>) {
        let Stage { server, around, .. } = after;
        around.workers.retain(|worker| server.at(worker.pod).is_some_and(|pod| !jobs::has_ended(pod)));
        let is_there = |connector: Object| server.at(place()).is_some_and(|there| there.uid() == connector.uid());
        // Who deletes it besides the operator is a user, whose edit that is.
        if let Some(connector) = before.server.at(place())
            && !is_there(connector)
            && around.edits == before.around.edits
        {
            let expires = connector.at("/metadata/annotations")[EXPIRES].as_str();
            let expires = expires.and_then(|text| text.parse::<jiff::Timestamp>().ok());
            around.lost |= expires.is_none_or(|expires| expires > time(server.clock));
        }
    }

    fn settled(&self, stage: &Stage<Around>) -> bool {
        let server = &stage.server;
        if !errands(server).is_empty() || !working(server).is_empty() {
            return false;
        }
        let Some(connector) = server.at(place()) else { return server.at(catalogue()).is_none() };
        if condition(connector, "Ready")["reason"] == "Invalid" {
            return is_told(connector);
        }
        let [last, requested] = ["generation", "requestedAt"].map(|field| &connector.at("/status/lastCheck")[field]);
        let is_checked = last == connector.at("/metadata/generation")
            && requested == &connector.at("/metadata/annotations")[REQUESTED];
        let is_found = condition(connector, "Discovered")["status"] == "True";
        let is_kept = counts(server, connector) == Some(asked(connector));
        is_told(connector) && is_checked && (is_kept || !is_found)
    }

    fn laws(&self) -> Vec<Property<System<Self>>> {
        let mut laws = vec![
            Property::<System<Self>>::always(
                "what a check has found is told of the version that it is of",
                |_, stage| {
                    stage.server.at(place()).filter(|it| is_told(*it)).is_none_or(|connector| {
                        let ready = condition(connector, "Ready");
                        let is_found = ready["reason"] == "Reached" || ready["reason"] == "Unreachable";
                        !is_found || ready["message"] == asked(connector)
                    })
                },
            ),
            Property::<System<Self>>::always("streams are told of the version that has them", |_, stage| {
                stage.server.at(place()).filter(|it| is_told(*it)).is_none_or(|connector| {
                    let streams = connector.at("/status/streams/names/0");
                    streams.is_null() || *streams == asked(connector)
                })
            }),
            Property::<System<Self>>::always("a catalogue counts for the version that it is of", |_, stage| {
                let connector = stage.server.at(place());
                connector.is_none_or(|it| counts(&stage.server, it).is_none_or(|version| version == asked(it)))
            }),
            Property::<System<Self>>::always("no Connector is deleted that is to stay", |_, stage| !stage.around.lost),
            Property::<System<Self>>::sometimes("a Connector is checked", |_, stage| {
                stage.server.at(place()).is_some_and(|it| condition(it, "Ready")["status"] == "True")
            }),
        ];
        // A write that comes late, or from one who acts no more, may make again what was done: it goes away again.
        if self.bounds.delays == 0 && self.bounds.operators == 1 {
            laws.push(Property::<System<Self>>::always("a check is made once for each asking", |_, stage| {
                let mut jobs = stage.server.all(Kind::Job);
                jobs.all(|job| stage.server.lives(job.place()) <= 1 + stage.around.dropped)
            }));
        }
        laws
    }
}

/// What users edit, in one scene or another.
const EDITS: &[Edit] = &[
    Edit::Spec(Version::Two),
    Edit::Spec(Version::One),
    Edit::Ask("1"),
    Edit::Ask("2"),
    Edit::Expires(true),
    Edit::Expires(false),
    Edit::Stays,
    Edit::Gone,
    Edit::Made,
];

/// A scene in which the spec is edited once, or a check is asked for.
fn asked_once(name: &'static str, bounds: Bounds) -> Checking {
    let edits = &[Edit::Spec(Version::Two), Edit::Ask("1")];
    Checking { edits, times: 1, ..Checking::of(name, bounds) }
}

/// Scenes in which few things go wrong, so that they are walked through far.
fn scenes() -> Vec<Checking> {
    let calm = Bounds { lag: 1, ..Bounds::CALM };
    let edited = Checking { edits: EDITS, times: 2, fails: 0, ..Checking::of("edited", calm) };
    let taken = Checking { takes: 1, ..Checking::of("taken away", Bounds { crashes: 1, ticks: 1, ..calm }) };
    let again = &[Edit::Spec(Version::Two), Edit::Spec(Version::One), Edit::Gone, Edit::Made];
    let zombies = Checking { edits: again, times: 2, fails: 0, outlives: true, ..Checking::of("zombies", calm) };
    let tried = &[Edit::Expires(true), Edit::Expires(false), Edit::Stays];
    let tried = Checking { edits: tried, times: 2, ..Checking::of("tried", Bounds { ticks: 1, losses: 1, ..calm }) };
    vec![
        Checking::of("checked", calm),
        asked_once("killed", Bounds { crashes: 2, ..calm }),
        asked_once("shown the past", Bounds { pasts: 2, lag: 2, ..calm }),
        asked_once("lost writes", Bounds { losses: 1, relists: 1, lag: 2, ..calm }),
        asked_once("late writes", Bounds { delays: 1, refusals: 1, ..calm }),
        asked_once("leaders", Bounds { operators: 2, leaders: 2, ..calm }),
        edited,
        taken,
        zombies,
        tried,
    ]
}

/// Everything goes wrong at once.
fn everything() -> Checking {
    let bounds = Bounds { crashes: 1, losses: 1, delays: 1, refusals: 1, relists: 1, ticks: 2, lag: 2, ..Bounds::CALM };
    Checking { edits: EDITS, times: 2, takes: 1, outlives: true, ..Checking::of("everything", bounds) }
}

/// How many states of a scene are walked through, where there are more.
const OF_A_SCENE: usize = 25_000;

#[test]
fn the_laws_of_connectors_hold_whatever_happens() {
    let walked: Walked = scenes().into_iter().map(|scene| holds(scene, OF_A_SCENE)).sum();
    // Those that are come to, and not walked on from, are looked at as well, and count.
    let left = MANY.saturating_sub(walked.states) * 6 / 10;
    (walked + holds(everything(), left.max(OF_A_SCENE))).enough();
}
