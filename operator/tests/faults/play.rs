//! A workload is played: a scene is set, operators work in it, people ask for things, and one thing goes wrong.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use aggregator_operator::health::Health;
use aggregator_operator::metrics::Metrics;
use aggregator_operator::{Operation, OperatorError, Settings, calls, operate};
use futures::FutureExt;
use futures::future::{BoxFuture, try_join_all};
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::fault::{Fault, WatchFault};
use crate::node::Kubelet;
use crate::reference::Reference;
use crate::road::{Hit, Mark, Road, Trouble, Write};
use crate::scene::Scene;
use crate::stage::Stage;
use crate::state::State;
use crate::worker::Sink;
use crate::workload::Workload;

/// How long a play may take whose operator hears what happens.
const LONGEST: Duration = Duration::from_secs(120);
/// By when a watch that has died in silence has to be noticed: it is given up 5 s after its end (230 s), which has to be before
/// 240 s, because some networks forget a silent connection by then.
const NOTICED: Duration = Duration::from_secs(240);
/// How long a play may take whose operator hears nothing.
const SILENT: Duration = NOTICED.saturating_add(Duration::from_secs(60));
/// How long after a fault everything must be as it should be.
const RECOVERS: Duration = Duration::from_secs(30);
/// How long nothing changes when it has come to an end: the Job controller collects changes for a second.
const STILL: Duration = Duration::from_millis(1200);
/// The same for a play that nobody has seen yet.
const STILLER: Duration = Duration::from_millis(3000);
/// How often it is looked whether the end has come.
const LOOK: Duration = Duration::from_millis(200);
/// How long the operator may take to stop.
const STOPS: Duration = Duration::from_secs(10);

/// How a play went.
pub(crate) struct Played {
    pub(crate) state: State,
    pub(crate) writes: Vec<Write>,
    pub(crate) hit: Option<Hit>,
    /// Since when everything was as it should be.
    pub(crate) ended: Instant,
}

/// Why a play did not go as it should.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// What was to go wrong did not come about.
    Missed,
    /// It came to another end, or to none.
    Otherwise(String),
}

impl Played {
    /// How long it was from a write to the end.
    pub(crate) fn since(&self, mark: &Mark) -> Option<Duration> {
        let write = self.writes.iter().find(|write| write.mark == *mark)?;
        Some(self.ended.saturating_duration_since(write.begun))
    }
}

/// Whether errands may be done again: the operator was shown the past, or for minutes the past of some kinds and the present of
/// others; or there is another one, and what that has written is not seen yet.
fn repeats_errands(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Past { .. } | Trouble::Beside { .. } => true,
        Trouble::Watch(fault, _) => matches!(fault, WatchFault::Replay | WatchFault::HalfOpen),
        Trouble::Nothing | Trouble::Write(..) | Trouble::Lists => false,
    }
}

/// Whether nothing is answered until the operator's patience ends, or nothing is heard for minutes.
fn is_silent(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Write(_, fault) => Fault::HANGS.contains(fault),
        Trouble::Watch(fault, _) => *fault == WatchFault::HalfOpen,
        _ => false,
    }
}

/// How long a play may take.
fn longest(trouble: &Trouble) -> Duration {
    if is_silent(trouble) { SILENT } else { LONGEST }
}

/// Plays a workload. When something goes wrong, its end must be that of plays in which nothing does.
pub(crate) fn play(
    stage: Arc<Stage>,
    workload: &'static Workload,
    trouble: Trouble,
) -> BoxFuture<'static, Result<Played, Wrong>> {
    played(stage, workload, trouble).boxed()
}

async fn played(stage: Arc<Stage>, workload: &'static Workload, trouble: Trouble) -> Result<Played, Wrong> {
    let turn = turn_of(&stage, workload, &trouble).await;
    let scene = Arc::new(Scene::set(&stage).await.map_err(Wrong::Otherwise)?);
    (workload.before)(&scene).await.map_err(Wrong::Otherwise)?;
    tokio::time::sleep(workload.ripens).await;
    scene.begins(longest(&trouble));
    let road = Arc::new(Road::new(Arc::clone(&scene), trouble.clone()));
    let sink = Arc::new(Sink::default());
    let kubelet = Arc::new(Kubelet {
        scene: Arc::clone(&scene),
        road: Arc::clone(&road),
        sink: Arc::clone(&sink),
        fares: workload.fares,
        troubles: std::sync::Mutex::default(),
    });
    let pods = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&kubelet).runs()));
    let stop = CancellationToken::new();
    let at_a_time = if matches!(trouble, Trouble::Beside { .. }) { 2 } else { 1 };
    let operators = (0..at_a_time).map(|_| operators(Arc::clone(&road), scene.namespace.clone(), stop.clone()));
    let operators = AbortOnDropHandle::new(tokio::spawn(try_join_all(operators)));
    let driven = (workload.drive)(&scene).await;
    // It is known long before: who hears nothing for minutes need not wait for it at first.
    let reference = match &trouble {
        Trouble::Nothing => None,
        _ => Some(Reference::of(&stage, workload).await.map_err(Wrong::Otherwise)?),
    };
    let playing = Playing { scene: &scene, road: &road, sink: &sink, reference, trouble };
    let ended = match driven {
        Ok(()) => playing.settles().await,
        Err(why) => Err(why),
    };
    stop.cancel();
    let stopped = tokio::time::timeout(STOPS, operators).await;
    drop((turn, pods));
    stage.seen.leave(&scene.namespace);
    let operator = match stopped {
        Ok(Ok(Ok(_))) => None,
        Ok(Ok(Err(why))) => Some(why),
        Ok(Err(error)) => Some(format!("the operator panicked: {error}")),
        Err(_) => Some("the operator did not stop".to_owned()),
    };
    let (state, ended) = match (ended, operator) {
        (Ok(ended), None) => ended,
        (Ok(_), Some(why)) | (Err(why), None) => return Err(playing.otherwise(&kubelet, &why)),
        (Err(why), Some(operator)) => return Err(playing.otherwise(&kubelet, &format!("{why}; {operator}"))),
    };
    let hit = road.hit();
    if hit.is_none() && !matches!(playing.trouble, Trouble::Nothing) {
        return Err(Wrong::Missed);
    }
    Ok(Played { state, writes: road.writes(), hit, ended })
}

/// Waits for a turn. Who waits for minutes anyway is in nobody's way.
async fn turn_of<'a>(stage: &'a Stage, workload: &Workload, trouble: &Trouble) -> Option<SemaphorePermit<'a>> {
    if is_silent(trouble) || !workload.ripens.is_zero() { None } else { stage.turns.acquire().await.ok() }
}

/// Operators, one after the other: when one is killed, the next one begins.
async fn operators(road: Arc<Road>, namespace: String, stop: CancellationToken) -> Result<(), String> {
    loop {
        let lane = road.lane();
        let metrics = Metrics::new().map_err(|error| error.to_string())?;
        let own = lane.clone();
        let answers = tower::service_fn(move |request| own.clone().answer(request));
        let client = calls::client_of(answers, &metrics);
        let operation = Operation {
            settings: settings(&namespace),
            health: Health::new(metrics.clone()),
            metrics: metrics.clone(),
            elector: None,
            traces: None,
            webhooks: None,
        };
        let operating = AbortOnDropHandle::new(tokio::spawn(operate(client, operation, stop.clone())));
        let ended = tokio::select! {
            // It is dropped where it is, with all that it knows.
            () = lane.killed() => None,
            ended = operating => Some(ended),
        };
        let counted = metrics.text().map_err(|error| error.to_string())?;
        if counted.contains("outcome=\"panic\"") {
            return Err("a plan has panicked".to_owned());
        }
        match ended {
            None => {}
            Some(Ok(Ok(()))) => return Ok(()),
            Some(Ok(Err(error))) => return Err(operator_ended(&error)),
            Some(Err(error)) => return Err(format!("the operator panicked: {error}")),
        }
    }
}

fn operator_ended(error: &OperatorError) -> String {
    format!("the operator has ended: {error}")
}

fn settings(namespace: &str) -> Settings {
    Settings {
        image: "aggregator".to_owned(),
        command: vec!["aggregator".to_owned()],
        service_account: "aggregator-worker".to_owned(),
        namespaces: vec![namespace.to_owned()],
        host_paths: vec!["/data".into()],
        host_path_base: None,
        run_ttl: Duration::from_secs(3600),
        variables: Vec::new(),
        webhooks: true,
    }
}

/// A play that goes on.
struct Playing<'a> {
    scene: &'a Scene,
    road: &'a Road,
    sink: &'a Sink,
    reference: Option<Arc<Reference>>,
    trouble: Trouble,
}

impl Playing<'_> {
    /// Waits until nothing changes any more; of a play with a reference, until everything is as it should be, in time.
    async fn settles(&self) -> Result<(State, Instant), String> {
        let again = repeats_errands(&self.trouble);
        let still = if self.reference.is_some() { STILL } else { STILLER };
        let begun = Instant::now();
        let mut changes = self.scene.place.changes();
        let (mut known, mut since) = (None::<State>, None::<Instant>);
        loop {
            let state = known.get_or_insert_with(|| State::of(self.scene, self.sink.commits()));
            let differs = self.reference.as_ref().map(|it| it.differences(state, again)).unwrap_or_default();
            let changed = self.changed().unwrap_or(begun).max(begun);
            if let Some(why) = self.scene.stage.seen.broken() {
                return Err(format!("nothing more is seen: {why}"));
            }
            if differs.is_empty() {
                // A play that nobody has seen yet has come to its end when the last thing changed.
                let ended = if self.reference.is_some() { *since.get_or_insert(changed) } else { changed };
                if changed.elapsed() >= still && self.is_over() {
                    self.in_time(ended)?;
                    return Ok((state.clone(), ended));
                }
            } else {
                since = None;
                if self.is_over() && begun.max(self.calm().unwrap_or(begun)).elapsed() > RECOVERS {
                    return Err(format!("it is not as it must be:\n  {}", differs.join("\n  ")));
                }
            }
            if begun.elapsed() > longest(&self.trouble) {
                return Err("it changes all the time".to_owned());
            }
            if tokio::time::timeout(LOOK, changes.changed()).await.is_ok() {
                known = None;
            }
        }
    }

    /// When something changed last, or the operator wrote.
    fn changed(&self) -> Option<Instant> {
        let seen = self.scene.place.inside().changed;
        seen.max(self.road.wrote())
    }

    /// Since when nothing goes wrong any more.
    fn calm(&self) -> Option<Instant> {
        let hit = self.road.hit()?;
        match &self.trouble {
            Trouble::Write(..) | Trouble::Past { .. } | Trouble::Beside { killed: Some(_) } => hit.over,
            Trouble::Watch(WatchFault::HalfOpen, _) => Some(hit.begun + NOTICED),
            // It goes on, or is over in a moment.
            _ => Some(hit.begun),
        }
    }

    /// Whether what goes wrong is over; what never begins is missed later.
    fn is_over(&self) -> bool {
        self.road.hit().is_none() || self.calm().is_some()
    }

    /// Whether it was as it should be in time, where there was a time at which everything was well again.
    fn in_time(&self, since: Instant) -> Result<(), String> {
        let goes_on = matches!(self.trouble, Trouble::Watch(..) | Trouble::Lists | Trouble::Beside { killed: None });
        let Some(calm) = self.calm().filter(|_| !goes_on) else { return Ok(()) };
        let took = since.saturating_duration_since(calm);
        if took <= RECOVERS { Ok(()) } else { Err(format!("it took {} s after the fault", took.as_secs())) }
    }

    /// What is told of a play that came to another end.
    fn otherwise(&self, kubelet: &Kubelet, why: &str) -> Wrong {
        let begun = self.road.writes().first().map(|write| write.begun);
        let writes = self.road.writes().into_iter().map(|write| {
            let at = begun.map(|begun| write.begun.saturating_duration_since(begun)).unwrap_or_default();
            let code = write.answered.map_or("no answer".to_owned(), |(_, code)| code.to_string());
            format!("  {:6.3} s, operator {}: {} → {code}\n", at.as_secs_f64(), write.by, write.mark)
        });
        let writes: String = writes.collect();
        let troubles = kubelet.troubles.lock().unwrap_or_else(PoisonError::into_inner).join("; ");
        let now = State::of(self.scene, self.sink.commits());
        let told = now.fields.iter().filter(|(path, _)| path.contains("/status/") || path.starts_with("Pods"));
        let told: String = told.map(|(path, value)| format!("  {path} = {value}\n")).collect();
        Wrong::Otherwise(format!(
            "{why}\nwhat was hit: {:?}\nof the Pods: {troubles}\nwrites in {}:\n{writes}what is there:\n{told}",
            self.road.hit(),
            self.scene.namespace
        ))
    }
}
