//! Pipelines: every version is compiled at last, with what was found at the Connectors that it names; each version that
//! can run is kept under a number of its own, and no other is.
//!
//! What is assumed: the clock stands still while a cache is behind, so none is behind for as long as a write is waited for.

mod mutants;

use aggregator_crds::connector::CATALOGUE;
use serde_json::{Value, json};
use stateright::Property;

use super::check::{MANY, Walked, holds};
use super::object::{NAMESPACE, Object, Place, time, uid};
use super::server::{Meant, Server};
use super::stage::Stage;
use super::subject::{Bounds, Looked, Scene, Subject};
use super::system::System;
use crate::action::{Kind, Plan};
use crate::connector::catalogue_name;
use crate::errand::Why;
use crate::labels::MANAGED_BY;
use crate::pipeline::{self as shipped, View};
use crate::routes::Key;

/// The Pipeline of the model.
const NAME: &str = "move";
/// The Connector that it reads.
const SHOP: &str = "shop";
/// Its run.
const RUN: &str = "first";
/// The law of versions that are told.
const KEPT: &str = "a version that is told to be valid is the newest that is kept";
/// How many revisions are numbered.
const NUMBERS: usize = 8;

/// What a Pipeline's spec asks for. Its description says which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Version {
    /// Rows of the shop, by a column that its catalogue may lack.
    Filters,
    /// All rows.
    Copies,
    /// All rows, as a draft.
    Draft,
    /// A sink of a node that there is not.
    Broken,
    /// Rows of a Connector that there is not.
    Lost,
}

impl Version {
    const ALL: [Self; 5] = [Self::Filters, Self::Copies, Self::Draft, Self::Broken, Self::Lost];

    fn name(self) -> &'static str {
        match self {
            Self::Filters => "it filters",
            Self::Copies => "it copies",
            Self::Draft => "it is a draft",
            Self::Broken => "it is broken",
            Self::Lost => "it is lost",
        }
    }

    /// The version that has this description.
    fn of(description: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == description)
    }

    /// The spec, as a patch of any other.
    fn spec(self, history: u32) -> Value {
        let shop = if self == Self::Lost { "nowhere" } else { SHOP };
        let filter = json!([{"name": "paid", "from": ["orders"], "filter": {"where": "paid"}}]);
        let (transforms, from) = match self {
            Self::Filters => (filter, "paid"),
            Self::Broken => (Value::Null, "nothing"),
            Self::Copies | Self::Draft | Self::Lost => (Value::Null, "orders"),
        };
        json!({
            "description": self.name(),
            "draft": if self == Self::Draft { Value::Bool(true) } else { Value::Null },
            "sources": [{"name": "orders", "connector": shop, "stream": "public.orders"}],
            "transforms": transforms,
            "sinks": [{"name": "kept", "from": from, "connector": "out", "stream": "rows/"}],
            "revisionHistoryLimit": history,
        })
    }
}

/// A Pipeline, and who edits it.
struct Compiling {
    /// What it is about, in a few words.
    name: &'static str,
    bounds: Bounds,
    /// What users may edit, and how often.
    edits: &'static [Edit],
    times: u8,
    /// How many revisions are kept.
    history: u32,
}

/// What is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    /// The spec.
    Spec(Version),
    /// What was found at the Connector: with the column that is filtered by, or without it.
    Catalogue(bool),
    /// The Connector is deleted, or made again.
    Shop(bool),
    /// The Pipeline is.
    Pipeline(bool),
}

/// What is around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Around {
    edits: u8,
    /// Which version each number was given to.
    numbers: [Option<Version>; NUMBERS],
    lie: Option<Lie>,
}

/// What a move has shown that must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Lie {
    /// A number was given to two versions, or one is not above all others.
    Renumbered,
    /// The newest revision was let go.
    Newest,
}

/// What others do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The run ends.
    End,
    /// A user edits.
    Edit(Edit),
}

fn place() -> Place {
    Place::of(Kind::Pipeline, NAME)
}

fn shop() -> Place {
    Place::of(Kind::Connector, SHOP)
}

fn catalogue() -> Place {
    Place::of(Kind::ConfigMap, &catalogue_name(SHOP))
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": aggregator_crds::API_VERSION, "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
    })
}

fn connector() -> Value {
    object("Connector", SHOP, &json!({"postgres": {"host": "db", "database": "shop", "username": "reader"}}))
}

/// What was found at the shop.
fn found(with_paid: bool) -> String {
    let column = |name: &str, of: &str| json!({"name": name, "type": of, "nullable": true});
    let paid = with_paid.then(|| column("paid", "Boolean"));
    let columns: Vec<Value> = [column("id", "Int64")].into_iter().chain(paid).collect();
    json!({"streams": [{"name": "public.orders", "columns": columns}]}).to_string()
}

/// The revisions of the Pipeline that is there, with their numbers.
fn revisions(server: &Server) -> Vec<(usize, Object)> {
    let Some(pipeline) = server.at(place()) else { return Vec::new() };
    let number = |kept: Object| kept.at("/revision").as_u64().and_then(|number| usize::try_from(number).ok());
    let kept = server.owned(Kind::ControllerRevision, pipeline.uid());
    kept.map(|kept| (number(kept).unwrap_or(0), kept)).collect()
}

fn newest(server: &Server) -> Option<(usize, Object)> {
    revisions(server).into_iter().max_by_key(|(number, _)| *number)
}

/// Why the Pipeline is ready, or is not, when all is known.
fn expected(server: &Server, version: Version) -> &'static str {
    let connector = server.at(shop());
    if connector.is_none() || version == Version::Lost {
        return "ConnectorMissing";
    }
    // Whoever makes the Connector anew has it checked anew.
    let kept = server.at(catalogue()).filter(|kept| kept.controller() == connector.map(Object::uid));
    let lacks = kept.is_some_and(|kept| kept.at("/data")[CATALOGUE].as_str() != Some(found(true).as_str()));
    match version {
        Version::Broken => "Invalid",
        Version::Filters if lacks => "SchemaMismatch",
        Version::Draft => "PipelineIsDraft",
        _ => "Compiled",
    }
}

fn version_of(pipeline: Object) -> Version {
    Version::of(pipeline.text("/spec/description")).expect("every version has a description")
}

fn condition(pipeline: Object, of: &str) -> &'static Value {
    let mut conditions = pipeline.at("/status/conditions").as_array().into_iter().flatten();
    conditions.find(|condition| condition["type"] == of).unwrap_or(&Value::Null)
}

fn ready(pipeline: Object) -> &'static Value {
    condition(pipeline, "Ready")
}

fn is_told(pipeline: Object) -> bool {
    pipeline.at("/status/observedGeneration") == pipeline.at("/metadata/generation")
}

/// What is known when the caches hold it.
fn viewed(scene: &Scene<'_>) -> Option<View> {
    let pipeline = scene.world.pipelines.get(&scene.key.namespace, &scene.key.name)?;
    Some(shipped::observe(scene.world, &pipeline, scene.settings))
}

impl Compiling {
    fn of(name: &'static str, bounds: Bounds) -> Self {
        Self { name, bounds, edits: &[], times: 0, history: 2 }
    }

    fn pipeline(&self) -> Value {
        object("Pipeline", NAME, &Version::Filters.spec(self.history))
    }

    /// Whether an edit makes a difference.
    fn changes(edit: Edit, server: &Server) -> bool {
        let there = server.at(place());
        match edit {
            Edit::Spec(version) => there.is_some_and(|pipeline| version_of(pipeline) != version),
            Edit::Catalogue(paid) => {
                let kept = server.at(catalogue());
                kept.is_some_and(|kept| kept.at("/data")[CATALOGUE].as_str() != Some(found(paid).as_str()))
            }
            Edit::Shop(made) => server.at(shop()).is_some() != made,
            Edit::Pipeline(made) => there.is_some() != made,
        }
    }

    fn edit(&self, stage: &mut Stage<Around>, edit: Edit) -> bool {
        let server = &mut stage.server;
        match edit {
            Edit::Spec(version) => {
                let patch = json!({"spec": version.spec(self.history)});
                server.merge(place(), &patch, Meant::default(), None, false).is_ok()
            }
            Edit::Catalogue(paid) => {
                let patch = json!({"data": {CATALOGUE: found(paid)}});
                server.merge(catalogue(), &patch, Meant::default(), None, false).is_ok()
            }
            Edit::Shop(true) => server.create(&connector(), None).is_ok(),
            Edit::Shop(false) => server.delete(shop(), Meant::default(), false).is_ok(),
            Edit::Pipeline(true) => {
                stage.around.numbers = [None; NUMBERS];
                server.create(&self.pipeline(), None).is_ok()
            }
            Edit::Pipeline(false) => server.delete(place(), Meant::default(), false).is_ok(),
        }
    }
}

impl Subject for Compiling {
    type Around = Around;
    type Step = Step;

    const NAME: &'static str = "Pipeline";

    fn scene(&self) -> &'static str {
        self.name
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn objects(&self) -> Vec<Value> {
        let mut shop = connector();
        let checked = json!({"type": "Ready", "status": "True", "reason": "Reached"});
        let last = json!({"time": time(0).to_string(), "generation": 1});
        shop["status"] = json!({"observedGeneration": 1, "conditions": [checked], "lastCheck": last});
        let mut kept = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {CATALOGUE: found(true)}});
        kept["metadata"] = json!({
            "name": catalogue_name(SHOP), "namespace": NAMESPACE, "labels": {MANAGED_BY.0: MANAGED_BY.1},
            "annotations": {"aggregator.dev/generation": "1"},
            "ownerReferences": [{
                "apiVersion": aggregator_crds::API_VERSION, "kind": "Connector", "name": SHOP,
                "uid": uid(Kind::Connector, SHOP, 1), "controller": true,
            }],
        });
        let out = object("Connector", "out", &json!({"file": {"root": "/data/out", "format": {"ndjson": {}}}}));
        let run = object("PipelineRun", RUN, &json!({"pipelineRef": {"name": NAME}}));
        vec![shop, kept, out, run, self.pipeline()]
    }

    fn around(&self) -> Around {
        Around { edits: self.times, numbers: [None; NUMBERS], lie: None }
    }

    fn keys(&self) -> Vec<Key> {
        vec![Key { kind: Kind::Pipeline, namespace: NAMESPACE.into(), name: NAME.into() }]
    }

    fn look(&self, scene: &Scene<'_>) -> Option<Looked> {
        viewed(scene).map(|view| Looked::all(shipped::plan(&view, scene.now)))
    }

    fn blocked(&self, scene: &Scene<'_>, why: &Why) -> Plan {
        viewed(scene).map_or_else(Plan::nothing, |view| shipped::blocked(&view, why, scene.now))
    }

    fn steps(&self, stage: &Stage<Around>, steps: &mut Vec<Step>) {
        steps.extend(self.onward(stage));
        if stage.around.edits > 0 {
            let edits = self.edits.iter().filter(|edit| Self::changes(**edit, &stage.server));
            steps.extend(edits.map(|edit| Step::Edit(*edit)));
        }
    }

    fn take(&self, stage: &mut Stage<Around>, step: Step) -> bool {
        match step {
            Step::End => {
                let at = time(stage.clock()).to_string();
                stage.server.edit(Kind::PipelineRun, RUN, "end", 0, |run| {
                    let end = json!({"type": "Succeeded", "status": "True", "reason": "LedgerBalanced"});
                    run["status"] = json!({"completionTime": at, "conditions": [end]});
                })
            }
            Step::Edit(edit) => {
                stage.around.edits -= 1;
                self.edit(stage, edit)
            }
        }
    }

    fn onward(&self, stage: &Stage<Around>) -> Option<Step> {
        let run = stage.server.get(Kind::PipelineRun, RUN)?;
        run.at("/status").is_null().then_some(Step::End)
    }

    fn moments(&self, stage: &Stage<Around>) -> Vec<u32> {
        // A cache that is behind for longer than a write is waited for (`expectations::FORGOTTEN`) is another matter.
        let behind = stage.operators.iter().any(|operator| !operator.news.is_empty());
        if behind { Vec::new() } else { vec![stage.clock() + 30] }
    }

    fn saw(&self, before: &Stage<Around>, after: &mut Stage<Around>) {
        let Stage { server, around, .. } = after;
        if before.server.objects == server.objects {
            return;
        }
        let (was, is) = (revisions(&before.server), revisions(server));
        let is_in = |all: &[(usize, Object)], one: Object| all.iter().any(|(_, other)| other.uid() == one.uid());
        let highest = was.iter().map(|(number, _)| *number).max().unwrap_or(0);
        for (number, kept) in is.iter().copied() {
            let version = Version::of(kept.text("/data/description"));
            let known = around.numbers.get(number).copied().flatten();
            let grows = number > highest || is_in(&was, kept);
            if !grows || known.is_some_and(|known| Some(known) != version) {
                around.lie = around.lie.or(Some(Lie::Renumbered));
            }
            if let Some(place) = around.numbers.get_mut(number) {
                *place = version;
            }
        }
        // All of them go with their Pipeline, and nobody but the operator takes any.
        let is_there = server.at(place()).map(Object::uid) == before.server.at(place()).map(Object::uid);
        let newest = was.into_iter().find(|(number, _)| *number == highest);
        if is_there && newest.is_some_and(|(_, kept)| !is_in(&is, kept)) {
            around.lie = around.lie.or(Some(Lie::Newest));
        }
    }

    fn settled(&self, stage: &Stage<Around>) -> bool {
        let server = &stage.server;
        let Some(pipeline) = server.at(place()) else { return server.all(Kind::ControllerRevision).next().is_none() };
        let version = version_of(pipeline);
        let expected = expected(server, version);
        let ended = server.get(Kind::PipelineRun, RUN).is_some_and(|run| !run.at("/status").is_null());
        let is_last = pipeline.text("/status/lastRuns/0") == RUN;
        let kept = newest(server).map(|(_, kept)| kept.text("/data/description"));
        let is_kept = expected == "Invalid" || kept == Some(version.name());
        let few = revisions(server).len() <= usize::try_from(self.history).unwrap_or(usize::MAX);
        is_told(pipeline) && ready(pipeline)["reason"] == expected && is_last == ended && is_kept && few
    }

    fn laws(&self) -> Vec<Property<System<Self>>> {
        let mut laws = vec![
            Property::<System<Self>>::always("a number is of one version, and above all before it", |_, stage| {
                stage.around.lie != Some(Lie::Renumbered)
            }),
            Property::<System<Self>>::always("the newest version stays", |_, stage| {
                stage.around.lie != Some(Lie::Newest)
            }),
            Property::<System<Self>>::always("what cannot run is not kept", |_, stage| {
                let broken = Version::Broken.name();
                revisions(&stage.server).iter().all(|(_, kept)| kept.text("/data/description") != broken)
            }),
            Property::<System<Self>>::always("no draft is ready, and nothing that is broken", |_, stage| {
                stage.server.at(place()).filter(|it| is_told(*it)).is_none_or(|pipeline| {
                    let can_run = !matches!(version_of(pipeline), Version::Draft | Version::Broken | Version::Lost);
                    can_run || ready(pipeline)["status"] != "True"
                })
            }),
            Property::<System<Self>>::sometimes("a Pipeline is ready", |_, stage| {
                stage.server.at(place()).is_some_and(|pipeline| ready(pipeline)["status"] == "True")
            }),
            Property::<System<Self>>::sometimes("a run is told", |_, stage| {
                stage.server.at(place()).is_some_and(|pipeline| pipeline.text("/status/lastRuns/0") == RUN)
            }),
        ];
        // Who does not know what has become of a write may find a revision of another version in its place, or not see it yet,
        // and makes another one a moment later.
        let Bounds { losses, refusals, pasts, operators, .. } = self.bounds;
        if (losses, refusals, pasts, operators) == (0, 0, 0, 1) {
            laws.push(Property::<System<Self>>::always(KEPT, |_, stage| {
                stage.server.at(place()).filter(|it| is_told(*it)).is_none_or(|pipeline| {
                    let is_valid = condition(pipeline, "Valid")["status"] == "True";
                    let kept = newest(&stage.server).map(|(_, kept)| kept.text("/data/description"));
                    !is_valid || kept == Some(version_of(pipeline).name())
                })
            }));
        }
        laws
    }
}

/// The spec is edited, and what was found at the Connector.
const VERSIONS: &[Edit] = &[
    Edit::Spec(Version::Filters),
    Edit::Spec(Version::Copies),
    Edit::Spec(Version::Draft),
    Edit::Spec(Version::Broken),
    Edit::Catalogue(false),
    Edit::Catalogue(true),
];
/// Objects are deleted, and made again. A spec that is broken is none of these: nobody knows that it is, as long as a
/// Connector that it names is not there.
const OBJECTS: &[Edit] = &[
    Edit::Spec(Version::Copies),
    Edit::Spec(Version::Lost),
    Edit::Shop(false),
    Edit::Shop(true),
    Edit::Pipeline(false),
    Edit::Pipeline(true),
];

/// A scene in which specs are edited so often, and so many revisions are kept.
fn edited(name: &'static str, bounds: Bounds, times: u8, history: u32) -> Compiling {
    Compiling { edits: VERSIONS, times, history, ..Compiling::of(name, bounds) }
}

/// Scenes in which few things go wrong, so that they are walked through far.
fn scenes() -> Vec<Compiling> {
    let calm = Bounds { lag: 1, ..Bounds::CALM };
    vec![
        edited("killed", Bounds { crashes: 2, ..calm }, 2, 2),
        edited("shown the past", Bounds { pasts: 2, lag: 2, ..calm }, 2, 2),
        edited("lost writes", Bounds { losses: 2, relists: 1, lag: 2, ..calm }, 2, 10),
        edited("late writes", Bounds { delays: 1, refusals: 1, ticks: 1, ..calm }, 2, 10),
        edited("leaders", Bounds { operators: 2, leaders: 2, ..calm }, 2, 10),
        edited("one version", Bounds { crashes: 1, lag: 2, ..calm }, 3, 1),
        Compiling { edits: OBJECTS, times: 3, ..Compiling::of("objects", Bounds { crashes: 1, lag: 2, ..calm }) },
    ]
}

/// Everything goes wrong at once.
fn everything() -> Compiling {
    let bounds = Bounds { crashes: 1, losses: 1, refusals: 1, relists: 1, ticks: 1, lag: 3, ..Bounds::CALM };
    edited("everything", bounds, 3, 2)
}

/// How many states of a scene are walked through, where there are more.
const OF_A_SCENE: usize = 25_000;

#[test]
fn the_laws_of_pipelines_hold_whatever_happens() {
    let walked: Walked = scenes().into_iter().map(|scene| holds(scene, OF_A_SCENE)).sum();
    // Those that are come to, and not walked on from, are looked at as well, and count.
    let left = MANY.saturating_sub(walked.states) * 6 / 10;
    (walked + holds(everything(), left.max(OF_A_SCENE))).enough();
}
