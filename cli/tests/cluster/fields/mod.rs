//! Every field of every kind, with everything that somebody may write into it: it is refused, or what is said of it is true;
//! and when it is mended, all is as it was.

mod api;
mod object;
mod schema;
mod value;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aggregator_crds::json_schema;
use aggregator_tests::wait::eventually;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::api::Objects;
use self::object::{AROUND, Valid};
use self::schema::{Place, fields, places, with};
use self::value::{Hostile, hostile};
use self::verdict::{names, untrue, violations};
use crate::project::Project;

/// How many requests are under way at a time.
const AT_A_TIME: usize = 16;
/// The most values that one object gets, one after another, and how many objects get some at a time.
const IN_A_ROW: usize = 40;
const OBJECTS: usize = 12;
/// How many values of one field are tried on objects that are there: in which nothing is wrong, and in which something is.
const OF_A_FIELD: [usize; 2] = [1, 3];
/// Beyond, the API server cannot keep an object.
const LARGEST: usize = 1_000_000;

/// Text of people, data and formats, in which any character may stand.
const ANY_TEXT: [&str; 6] =
    [".csv.", ".tests[].rows", ".expect.rows", "].state", "positions[].state", "attempts[].state"];
/// Fields that name another object, or a key of a Secret.
const REFERENCES: [&str; 7] =
    ["connector", "claimName", "secretName", "secretKey", "ref", "pipelineRef.name", "pipelineSucceeded.name"];

/// One value in one field of one object.
#[derive(Clone)]
struct Case {
    valid: Arc<Valid>,
    place: Place,
    what: &'static str,
    spec: Value,
}

impl Case {
    fn title(&self) -> String {
        format!("{} {} ({})", self.valid.kind, self.place.field, self.what)
    }

    /// No name, address or query holds it.
    fn is_control(&self) -> bool {
        let own = ["NUL", "a control character", "a key with NUL"].contains(&self.what);
        own && !ANY_TEXT.iter().any(|part| self.place.field.contains(part))
    }

    /// What is wrong with its object by itself.
    fn violations(&self) -> Result<Vec<String>, String> {
        violations(self.valid.kind, &json!({"metadata": {"name": "tried"}, "spec": self.spec}))
    }

    fn is_reference(&self) -> bool {
        let field = &self.place.field;
        self.what == "elsewhere" && REFERENCES.iter().any(|name| field.ends_with(&format!(".{name}")))
    }
}

/// What was seen.
#[derive(Default)]
struct Seen {
    mistakes: Vec<String>,
    /// How many of what.
    counts: BTreeMap<&'static str, usize>,
    /// What was said last of all, and how long that took.
    slowest: (Duration, String),
}

impl Seen {
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
}

/// Every field of every kind once, in an object that has it.
fn cases() -> (Vec<Case>, usize) {
    let mut all = Vec::new();
    let mut unvisited: BTreeSet<(&str, String)> = BTreeSet::new();
    for kind in aggregator_crds::kinds() {
        unvisited.extend(fields(&kind.schema()).into_keys().map(|field| (kind.kind, field)));
    }
    let count = unvisited.len();
    for valid in object::all().into_iter().map(Arc::new) {
        let object = json!({ "spec": valid.spec });
        let schema = json_schema(valid.kind).expect("a kind of ours");
        for place in places(&schema, &object) {
            if !unvisited.remove(&(valid.kind, place.field.clone())) {
                continue;
            }
            let now = object.pointer(&place.pointer).expect("it was found there").clone();
            for Hostile { what, value } in hostile(&place.schema, &now) {
                let spec = with(&object, &place.pointer, value.as_ref())["spec"].clone();
                all.push(Case { valid: Arc::clone(&valid), place: place.clone(), what, spec });
            }
        }
    }
    assert!(unvisited.is_empty(), "no valid object in object.rs has the fields {unvisited:#?}");
    (all, count)
}

/// Tries which values the API server refuses. Gives back the others, as it would keep them.
async fn admitted(objects: &Objects, cases: Vec<Case>, seen: &Arc<Mutex<Seen>>) -> Vec<Case> {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut tries = JoinSet::new();
    for case in cases {
        let (objects, places) = (objects.clone(), Arc::clone(&places));
        tries.spawn(async move {
            let _place = places.acquire_owned().await.expect("nobody closes it");
            let answer = objects.create(case.valid.kind, "tried", &case.spec, false).await;
            (case, answer)
        });
    }
    let mut all = Vec::new();
    while let Some(tried) = tries.join_next().await {
        let (mut case, answer) = tried.expect("no panic");
        let mut seen = seen.lock().expect("no panic");
        seen.count("values");
        match answer {
            Err(message) => {
                seen.count("refused by the API server");
                if !names(&message, &case.place) && case.place.field != "spec" {
                    seen.mistakes.push(format!("{}: the refusal does not name the field: {message}", case.title()));
                }
            }
            Ok(object) => {
                if case.is_reference() {
                    seen.mistakes.push(format!("{}: it names an object of another namespace", case.title()));
                }
                if case.what == "huge" {
                    seen.mistakes.push(format!("{}: it is taken", case.title()));
                }
                case.spec = object["spec"].clone();
                match case.violations() {
                    Err(error) => {
                        seen.mistakes.push(format!("{}: it is taken, and cannot be read: {error}", case.title()));
                    }
                    Ok(wrong) if wrong.is_empty() && case.is_control() => {
                        seen.mistakes.push(format!("{}: nothing is said against it", case.title()));
                    }
                    Ok(_) => {}
                }
                all.push(case);
            }
        }
    }
    all
}

/// The values that are tried on objects that are there: a few of each field that change something. What a file format may be
/// is the same for every Connector that has one.
fn worthwhile(mut cases: Vec<Case>) -> Vec<Case> {
    cases.retain(|case| {
        let repeated = case.place.field.contains(".format.") && !case.place.field.starts_with("spec.file.");
        case.spec != case.valid.spec && case.spec.to_string().len() < LARGEST && !repeated
    });
    cases.sort_by_cached_key(|case| (case.valid.kind, case.valid.name.clone(), case.place.field.clone(), case.what));
    let mut tried: BTreeMap<(&str, String, bool), usize> = BTreeMap::new();
    cases.retain(|case| {
        let wrong = case.violations().is_ok_and(|wrong| !wrong.is_empty());
        let tried = tried.entry((case.valid.kind, case.place.field.clone(), wrong)).or_default();
        *tried += 1;
        *tried <= OF_A_FIELD[usize::from(wrong)]
    });
    cases
}

/// Gives one object all these values, one after another, and each field back what it had.
async fn edit(objects: Objects, name: String, cases: Vec<Case>, seen: Arc<Mutex<Seen>>) -> Result<(), String> {
    let valid = Arc::clone(&cases[0].valid);
    let kind = valid.kind;
    let made = objects.create(kind, &name, &valid.spec, true).await?;
    let (first, _) = objects.said(kind, &made).await.map_err(|error| format!("{kind} {name}: {error}"))?;
    if first.status == "False" {
        return Err(format!("{kind} {name} is not valid at first: {first:?}"));
    }
    for (number, case) in cases.iter().enumerate() {
        let object = match objects.replace(kind, &name, &case.spec).await {
            Ok(object) => object,
            Err(error) => {
                let mistake = format!("{}: it was taken, and then refused: {error}", case.title());
                seen.lock().expect("no panic").mistakes.push(mistake);
                continue;
            }
        };
        look(&objects, case, &object, &seen).await;
        let last = cases.get(number + 1).is_none_or(|next| next.place.field != case.place.field);
        if last {
            let back = objects.replace(kind, &name, &valid.spec).await?;
            let said = objects.said(kind, &back).await;
            let same = |now: &api::Said| (&now.status, &now.reason) == (&first.status, &first.reason);
            if !said.as_ref().is_ok_and(|(now, _)| same(now)) {
                let mistake =
                    format!("{}: when it was mended, {said:?} was said, and at first {first:?}", case.title());
                seen.lock().expect("no panic").mistakes.push(mistake);
            }
        }
    }
    objects.delete(kind, &name).await;
    Ok(())
}

/// Makes an object for each of these values: of kinds whose objects stay as they are made.
async fn make(objects: Objects, name: String, cases: Vec<Case>, seen: Arc<Mutex<Seen>>) -> Result<(), String> {
    for (number, case) in cases.iter().enumerate() {
        let (kind, name) = (case.valid.kind, format!("{name}-{number}"));
        match objects.create(kind, &name, &case.spec, true).await {
            Ok(object) => {
                look(&objects, case, &object, &seen).await;
                objects.delete(kind, &name).await;
            }
            Err(error) => {
                let mistake = format!("{}: it was taken, and then refused: {error}", case.title());
                seen.lock().expect("no panic").mistakes.push(mistake);
            }
        }
    }
    Ok(())
}

async fn look(objects: &Objects, case: &Case, object: &Value, seen: &Mutex<Seen>) {
    let kind = case.valid.kind;
    let wrong = violations(kind, object).unwrap_or_else(|error| vec![error]);
    // Nobody speaks of a Checkpoint, but who reads it.
    let said = if kind == "Checkpoint" { None } else { Some(objects.said(kind, object).await) };
    let mut seen = seen.lock().expect("no panic");
    seen.count("tried on objects that are there");
    let well = match said {
        None => wrong.is_empty(),
        Some(Err(error)) => return seen.mistakes.push(format!("{}: {error}", case.title())),
        Some(Ok((said, took))) => {
            if took > seen.slowest.0 {
                seen.slowest = (took, case.title());
            }
            if let Some(untrue) = untrue(&said, &case.place, &wrong) {
                seen.mistakes.push(format!("{}: {untrue}", case.title()));
            }
            said.status != "False"
        }
    };
    if !well {
        return seen.count("told of by a condition");
    }
    seen.count("well");
}

/// Edits a healthy object again and again, and gives back how long the slowest answer took.
async fn neighbour(objects: Objects, stop: Arc<Semaphore>) -> Result<(usize, Duration), String> {
    let (mut slowest, mut edits) = (Duration::ZERO, 0);
    let spec = |edits: usize| {
        json!({
            "description": format!("edit {edits}"),
            "sources": [{"name": "rows", "connector": "in", "stream": "*.csv"}],
            "sinks": [{"name": "kept", "from": "rows", "connector": "out", "stream": "healthy/"}],
        })
    };
    let mut object = objects.create("Pipeline", "healthy", &spec(0), true).await?;
    loop {
        let (said, took) = objects.said("Pipeline", &object).await?;
        if said.status != "True" {
            return Err(format!("the healthy neighbour: {said:?}"));
        }
        slowest = slowest.max(took);
        edits += 1;
        tokio::select! {
            _ = stop.acquire() => return Ok((edits, slowest)),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        object = objects.replace("Pipeline", "healthy", &spec(edits)).await?;
    }
}

/// No Pod is started in the namespace: what a worker finds out is not asked here.
const NO_PODS: &str = "
apiVersion: v1
kind: ResourceQuota
metadata: {name: no-pods}
spec: {hard: {pods: \"0\"}}
";

#[test]
fn every_field_takes_every_value_or_says_why_not() {
    let begun = Instant::now();
    let project = Project::new();
    project.write("in/a.csv", "id,name\n1,one\n");
    project.namespace.apply(NO_PODS);
    eventually("a quota", || {
        let quota = project.get("resourcequota", "no-pods");
        (quota["status"]["hard"]["pods"] == "0").then_some(())
    });
    project.namespace.apply(AROUND);
    project.namespace.kubectl(["wait", "pipeline/idle", "--for=condition=Ready", "--timeout=60s"]);
    let (all, fields) = cases();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (edits, slowest) = runtime.block_on(async {
        let objects = Objects::of(&project.admin(), project.namespace.name()).await;
        let stop = Arc::new(Semaphore::new(0));
        let healthy = tokio::spawn(neighbour(objects.clone(), Arc::clone(&stop)));
        let kept = admitted(&objects, all, &seen).await;
        println!("admission was tried after {:?}", begun.elapsed());
        let kept = worthwhile(kept);
        let free = Arc::new(Semaphore::new(OBJECTS));
        let mut lanes = JoinSet::new();
        let same = |one: &Case, other: &Case| Arc::ptr_eq(&one.valid, &other.valid);
        for (number, lane) in kept.chunk_by(same).flat_map(|own| own.chunks(IN_A_ROW)).enumerate() {
            let (objects, seen, cases, free) = (objects.clone(), Arc::clone(&seen), lane.to_vec(), Arc::clone(&free));
            let (name, kind) = (format!("{}-{number}", lane[0].valid.name), lane[0].valid.kind);
            lanes.spawn(async move {
                let _free = free.acquire_owned().await.expect("nobody closes it");
                if ["PipelineRun", "Checkpoint"].contains(&kind) {
                    make(objects, name, cases, seen).await
                } else {
                    edit(objects, name, cases, seen).await
                }
            });
        }
        while let Some(ended) = lanes.join_next().await {
            if let Err(mistake) = ended.expect("no panic") {
                seen.lock().expect("no panic").mistakes.push(mistake);
            }
        }
        stop.add_permits(1);
        healthy.await.expect("no panic").unwrap_or_else(|error| panic!("{error}"))
    });
    let seen = seen.lock().expect("no panic");
    println!("{fields} fields, {:?}; the slowest condition took {:?}", seen.counts, seen.slowest);
    println!("a healthy neighbour was edited {edits} times; the slowest condition took {slowest:?}");
    assert!(seen.mistakes.is_empty(), "{} mistakes:\n{}", seen.mistakes.len(), seen.mistakes.join("\n"));
    let log = project.log();
    assert!(!log.contains("panicked"), "{log}");

    // And the neighbour can be run.
    project.namespace.kubectl(["delete", "resourcequota", "no-pods"]);
    project.run("after", "healthy");
    assert_eq!(project.ended("after")["status"]["phase"], "Succeeded");
    assert_eq!(project.lines("out/healthy"), [r#"{"id":1,"name":"one"}"#]);
    println!("all in {:?}", begun.elapsed());
}

#[test]
fn an_object_that_cannot_be_read_says_so_and_stops_no_other() {
    let project = Project::new();
    project.copy_files("move", "{}");
    // A later release knows more than this one.
    let place = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/interval/properties/every";
    let later = json!([{"op": "replace", "path": place, "value": {"x-kubernetes-preserve-unknown-fields": true}}]);
    let kind = "crd/schedules.aggregator.dev";
    project.namespace.kubectl(["patch", kind, "--type=json", "--patch", &later.to_string()]);
    let schedule = |name: &str, every: Value| {
        json!({
            "apiVersion": "aggregator.dev/v1alpha1", "kind": "Schedule", "metadata": {"name": name},
            "spec": {"pipelineRef": {"name": "move"}, "interval": {"every": every}, "suspend": true},
        })
    };
    project.write("poison.json", &schedule("poison", json!({"hours": 1})).to_string());
    let file = format!("--filename={}", project.path("poison.json").display());
    eventually("a server that takes it", || project.namespace.ask(["apply", file.as_str()]).ok());
    project.namespace.apply(&schedule("sound", json!("1h")).to_string());
    let until = |name: &str, reason: &str| {
        eventually(&format!("{reason} of {name}"), || {
            let condition = project.get("schedule", name)["status"]["conditions"][0].clone();
            (condition["reason"] == reason).then_some(condition)
        })
    };
    until("sound", "Suspended");
    let told = until("poison", "Unreadable");
    let message = told["message"].as_str().expect("a message");
    assert!(message.starts_with("it cannot be read: ") && message.contains("Expected a string"), "{told}");
    assert_eq!((&told["status"], &told["observedGeneration"]), (&json!("False"), &json!(1)), "{told}");
    project.namespace.apply(&schedule("poison", json!("1h")).to_string());
    until("poison", "Suspended");
    project.reinstall();
}
