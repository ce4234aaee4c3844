//! Following logs: those of all attempts of a run until it ends, or of a Job, or of a Pod.

use std::collections::HashSet;
use std::pin::pin;

use aggregator_crds::PipelineRun;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, LogParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watch_object, watcher};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::super::connection::Connection;
use super::super::patience::Patience;
use super::super::trouble::Trouble;
use super::print::Printer;
use super::{params, pods, read, runs, stands};
use crate::args::LogsArgs;
use crate::failure::Failure;
use crate::output;

/// How many lines wait to be shown.
const WAITING: usize = 256;

/// Whose Pods are followed.
pub(super) struct Followed {
    /// The labels of the Pods.
    pub(super) labels: String,
    /// The first attempt whose Pods are followed.
    pub(super) attempt: u32,
    pub(super) until: Until,
}

/// With what it ends.
pub(super) enum Until {
    Run(String),
    Job(String),
}

/// A line of a Pod's log.
struct Line {
    pod: String,
    text: String,
}

/// Shows the logs of Pods as they come, until that ends which they are of.
pub(super) async fn follow(
    connection: &Connection,
    api: &Api<Pod>,
    followed: &Followed,
    args: &LogsArgs,
) -> Result<(), Failure> {
    let mut events = pin!(watcher(api.clone(), Config::default().labels(&followed.labels)).default_backoff());
    let mut ending = pin!(end(connection, &followed.until));
    let (sender, mut lines) = channel(WAITING);
    let mut tails = Tails { connection, api, args, sender, tasks: JoinSet::new(), known: HashSet::new() };
    let (mut printer, mut patience) = (Printer::new(false), Patience::default());
    let (mut ended, mut listed) = (None, false);
    while ended.is_none() || !tails.tasks.is_empty() {
        tokio::select! {
            Some(line) = lines.recv() => show(&printer, &line),
            Some(event) = events.next(), if ended.is_none() => match event {
                Ok(Event::InitApply(pod) | Event::Apply(pod)) => {
                    patience.answered();
                    tails.begin(&pod, followed.attempt, !listed);
                }
                Ok(Event::InitDone) => listed = true,
                Ok(Event::Init | Event::Delete(_)) => {}
                Err(error) => patience.bear(connection.lost(error))?,
            },
            end = &mut ending, if ended.is_none() => {
                ended = Some(end?);
                // The last ones may have come before they were told of.
                let which = ListParams::default().labels(&followed.labels);
                for pod in connection.within(api.list(&which)).await?.items {
                    tails.begin(&pod, followed.attempt, !listed);
                }
            }
            Some(done) = tails.tasks.join_next(), if !tails.tasks.is_empty() => {
                done.map_err(std::io::Error::other)??;
            }
        }
        printer.prefixed = tails.known.len() > 1;
    }
    rest(&mut lines, &printer);
    if let Some(words) = ended {
        output::error_line(&words);
    }
    Ok(())
}

fn show(printer: &Printer, line: &Line) {
    printer.show(&line.pod, &line.text);
}

/// Shows what waits.
fn rest(lines: &mut Receiver<Line>, printer: &Printer) {
    while let Ok(line) = lines.try_recv() {
        show(printer, &line);
    }
}

/// Shows the log of one Pod as it comes, until it ends.
pub(super) async fn pod(connection: &Connection, api: &Api<Pod>, name: &str, args: &LogsArgs) -> Result<(), Failure> {
    let there = connection.within(api.get(name)).await;
    there.map_err(|trouble| super::missing(trouble.into(), &super::known("pod")))?;
    let mut objects = pin!(watch_object(api.clone(), name).default_backoff());
    let mut patience = Patience::default();
    while let Some(told) = objects.next().await {
        match told {
            Ok(Some(pod)) if !pods::has_begun(&pod, args.container.as_deref()) => patience.answered(),
            Ok(_) => break,
            Err(error) => patience.bear(connection.lost(error))?,
        }
    }
    let (sender, mut lines) = channel(WAITING);
    let tail = Tail::new(connection, api, name, args, sender, true);
    let mut task = tokio::spawn(tail.follow());
    let printer = Printer::new(false);
    loop {
        tokio::select! {
            Some(line) = lines.recv() => show(&printer, &line),
            done = &mut task => {
                rest(&mut lines, &printer);
                done.map_err(std::io::Error::other)??;
                return Ok(());
            }
        }
    }
}

/// Waits for the end, and says how it ended.
async fn end(connection: &Connection, until: &Until) -> Result<String, Trouble> {
    let mut patience = Patience::default();
    match until {
        Until::Run(name) => {
            let api: Api<PipelineRun> = runs(&connection.client, &connection.namespace);
            let mut objects = pin!(watch_object(api, name).default_backoff());
            while let Some(told) = objects.next().await {
                match told {
                    Ok(None) => break,
                    Ok(Some(run)) if aggregator_operator::run::is_over(&run) => {
                        return Ok(format!("the run {name} has ended{}", stands(&run.status.unwrap_or_default())));
                    }
                    Ok(Some(_)) => patience.answered(),
                    Err(error) => patience.bear(connection.lost(error))?,
                }
            }
            Ok(format!("the run {name} is gone"))
        }
        Until::Job(name) => {
            let api: Api<Job> = Api::namespaced(connection.client.clone(), &connection.namespace);
            let mut objects = pin!(watch_object(api, name).default_backoff());
            while let Some(told) = objects.next().await {
                match told {
                    Ok(None) => break,
                    Ok(Some(job)) => match ended(&job) {
                        Some(how) => return Ok(format!("the Job {name} has ended: {how}")),
                        None => patience.answered(),
                    },
                    Err(error) => patience.bear(connection.lost(error))?,
                }
            }
            Ok(format!("the Job {name} is gone"))
        }
    }
}

/// How a Job has ended, if it has.
fn ended(job: &Job) -> Option<String> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let end = conditions.iter().find(|it| matches!(it.type_.as_str(), "Complete" | "Failed") && it.status == "True")?;
    Some(end.message.clone().filter(|message| !message.is_empty()).unwrap_or_else(|| end.type_.clone()))
}

/// The logs that are followed.
struct Tails<'a> {
    connection: &'a Connection,
    api: &'a Api<Pod>,
    args: &'a LogsArgs,
    sender: Sender<Line>,
    tasks: JoinSet<Result<(), Trouble>>,
    /// The UIDs of the Pods.
    known: HashSet<String>,
}

impl Tails<'_> {
    /// Follows a Pod of this attempt or a later one, once it has a log. Only of those that were there from the start, the end
    /// alone may be wanted.
    fn begin(&mut self, pod: &Pod, attempt: u32, first: bool) {
        let begun = pods::has_begun(pod, self.args.container.as_deref());
        if begun && pods::attempt(pod) >= attempt && self.known.insert(pod.uid().unwrap_or_default()) {
            let tail = Tail::new(self.connection, self.api, &pod.name_any(), self.args, self.sender.clone(), first);
            self.tasks.spawn(tail.follow());
        }
    }
}

/// The log of a Pod.
struct Tail {
    connection: Connection,
    api: Api<Pod>,
    name: String,
    /// With the time of each line, by which the log is taken up where a connection was lost.
    params: LogParams,
    /// Whether the times are wanted.
    timestamps: bool,
    sender: Sender<Line>,
}

impl Tail {
    fn new(
        connection: &Connection,
        api: &Api<Pod>,
        name: &str,
        args: &LogsArgs,
        sender: Sender<Line>,
        first: bool,
    ) -> Self {
        let params = LogParams { follow: true, timestamps: true, ..params(args) };
        let params = if first { params } else { LogParams { tail_lines: None, since_seconds: None, ..params } };
        Self {
            connection: connection.clone(),
            api: api.clone(),
            name: name.to_owned(),
            params,
            timestamps: args.timestamps,
            sender,
        }
    }

    /// Sends the lines until no more come.
    async fn follow(self) -> Result<(), Trouble> {
        let (mut last, mut patience) = (None, Patience::default());
        loop {
            match self.read(&mut last).await {
                Ok(()) => patience.answered(),
                Err(trouble) if trouble.is_missing() => return Ok(()),
                Err(trouble) => patience.bear(trouble)?,
            }
            // The log has ended, or only the connection.
            match self.connection.within(self.api.get_opt(&self.name)).await {
                Ok(Some(pod)) if !pods::is_over(&pod, self.params.container.as_deref()) => {}
                Ok(_) => return Ok(()),
                Err(trouble) => patience.bear(trouble)?,
            }
            Patience::pause().await;
        }
    }

    /// Sends what comes behind a time, until the connection ends.
    async fn read(&self, last: &mut Option<Timestamp>) -> Result<(), Trouble> {
        let params = match *last {
            None => self.params.clone(),
            Some(last) => {
                LogParams { tail_lines: None, since_seconds: None, since_time: since(last), ..self.params.clone() }
            }
        };
        let before = *last;
        let stream = self.connection.within(self.api.log_stream(&self.name, &params)).await?;
        let mut stream = pin!(stream);
        while let Some(line) = read::line(&mut stream).await.map_err(|error| self.connection.cut(&error))? {
            let (time, text) = read::timed(&line);
            if time.is_some() && time <= before {
                continue;
            }
            *last = time.or(*last);
            let text = if self.timestamps { line.clone() } else { text.to_owned() };
            if self.sender.send(Line { pod: self.name.clone(), text }).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// From when on a log is read again: a little earlier, because the server counts whole seconds.
fn since(last: Timestamp) -> Option<Timestamp> {
    last.checked_sub(SignedDuration::from_secs(1)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_has_ended_when_a_condition_says_so() {
        let job = |conditions: serde_json::Value| -> Job {
            serde_json::from_value(json!({"status": {"conditions": conditions}})).expect("a Job")
        };
        let failed = json!([
            {"type": "FailureTarget", "status": "True"},
            {"type": "Failed", "status": "True", "message": "the deadline is over"},
        ]);
        assert_eq!(ended(&job(failed)).as_deref(), Some("the deadline is over"));
        assert_eq!(ended(&job(json!([{"type": "Complete", "status": "True"}]))).as_deref(), Some("Complete"));
        assert_eq!(ended(&job(json!([{"type": "Complete", "status": "False"}]))), None);
        assert_eq!(ended(&Job::default()), None);
    }
}
