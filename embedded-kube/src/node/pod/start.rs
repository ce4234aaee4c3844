//! Starting a container, or saying why not; and what it leaves behind.

use std::fs;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;

use super::super::life::container::Delays;
use super::super::life::{Ended, State, status};
use super::super::log::{Log, tail};
use super::super::process::{Exit, Failure, launch};
use super::super::spec::Problem;
use super::order::Fault;
use super::{Process, Runner};
use crate::supervisor::Order;

/// How long to wait for what is missing: hardly at first, as what a Pod names often comes right after it.
const RETRIES: Delays =
    Delays { first: jiff::SignedDuration::from_millis(20), most: jiff::SignedDuration::from_secs(10) };
/// The most bytes of a container's last words, and of the end of its log in their place.
const WORDS: usize = 4096;
const WORDS_OF_LOG: usize = 2048;
/// The most lines of the end of its log.
const LINES_OF_LOG: usize = 80;

impl Runner {
    /// Tells where the logs of the Pod's containers are.
    pub(super) fn index(&self) {
        for container in &self.life.containers {
            let folder = self.context.home.logs(self.uid(), &container.name);
            self.context.logs.set(self.place(), self.uid(), &container.name, folder, container.starts, None);
        }
    }

    pub(super) fn container(&self, place: usize) -> Option<&Container> {
        let spec = self.spec()?;
        spec.init_containers.iter().flatten().chain(&spec.containers).nth(place)
    }

    /// The name of the container's present run.
    pub(super) fn id(&self, place: usize) -> String {
        let container = &self.life.containers[place];
        status::id(self.uid(), &container.name, container.starts)
    }

    /// Starts a container, or says why not.
    pub(super) async fn start(&mut self, place: usize) {
        let fault = match self.order(place).await {
            Ok(order) => self.launch(place, &order).await.err(),
            Err(fault) => Some(fault),
        };
        let now = Timestamp::now();
        match fault {
            None => self.missing = 0,
            Some(Fault::Failed(message)) => {
                let container = &mut self.life.containers[place];
                let text = format!("Error: {message}");
                self.context.tell(&self.pod, true, "Failed", &text);
                container.start(now);
                let ended = Ended {
                    code: 128,
                    signal: None,
                    reason: "StartError".to_owned(),
                    message: Some(message),
                    started: None,
                    finished: now,
                    id: None,
                };
                container.end(ended, self.context.delays(), !self.life.halted);
            }
            Some(Fault::Waits(reason, problem)) => {
                let until = match problem {
                    Problem::Missing(_) => {
                        self.missing += 1;
                        now.checked_add(RETRIES.after(self.missing + 1)).ok()
                    }
                    Problem::Never(_) => None,
                };
                let message = problem.to_string();
                let container = &mut self.life.containers[place];
                let told = matches!(&container.state, State::Waiting { message: Some(old), .. } if *old == message);
                if !told {
                    let event = if reason == "ContainerCreating" { "FailedMount" } else { "Failed" };
                    self.context.tell(&self.pod, true, event, &message);
                }
                container.wait(reason, message, until);
            }
        }
    }

    async fn launch(&mut self, place: usize, order: &Order) -> Result<(), Fault> {
        let context = Arc::clone(&self.context);
        let container = &self.life.containers[place];
        let (name, run) = (container.name.clone(), container.starts + 1);
        let logs = context.home.logs(self.uid(), &name);
        if let Some(old) = run.checked_sub(2) {
            // Only the last run and the one before have logs.
            fs::remove_dir_all(logs.join(old.to_string())).or_else(not_there)?;
        }
        let log = Arc::new(Log::create(&logs.join(run.to_string()), context.options.log_bytes)?);
        let live = log.progress();
        let launched = launch(&context.supervisor, &context.home.owner, order, log).await;
        self.context.logs.set(self.place(), self.uid(), &name, logs, run, Some(live));
        let (running, end) = launched.map_err(|failure| match failure {
            Failure::Refused(message) => Fault::Failed(message),
            Failure::Supervisor(error) => {
                Fault::Waits("CreateContainerError", Problem::Missing(format!("the supervisor failed: {error}")))
            }
        })?;
        let started = Timestamp::now();
        self.life.containers[place].start(started);
        self.processes.insert(place, Process { running, started, kill: None });
        let endings = self.endings.0.clone();
        tokio::spawn(async move {
            // Without an answer, its processes are killed and nobody knows more.
            let exit = end.await.unwrap_or(Exit::UNKNOWN);
            // Nobody hears it when the Pod is not run any more.
            endings.send((place, exit)).unwrap_or_default();
        });
        self.context.tell(&self.pod, false, "Started", &format!("Started container {name}"));
        Ok(())
    }

    /// What a container has left as its message, or the end of its log where its Pod wants that.
    pub(super) async fn last_words(&self, place: usize, code: i32) -> Option<String> {
        let container = self.container(place)?;
        let folder = self.context.home.container(self.uid(), &container.name);
        let words = fs::read(folder.join("message")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words[..words.len().min(WORDS)]).into_owned();
        if !words.is_empty() {
            return Some(words);
        }
        let fall_back = container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
        if code == 0 || !fall_back {
            return None;
        }
        let log = folder.join("logs").join(self.life.containers[place].starts.to_string());
        tail(&log, LINES_OF_LOG, WORDS_OF_LOG).await.ok().filter(|text| !text.is_empty())
    }
}

fn not_there(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
