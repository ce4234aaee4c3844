//! Starting a container: from its Pod, and what that names, to processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;

use super::super::home::private;
use super::super::life::container::Delays;
use super::super::life::{Ended, State, status};
use super::super::log::{Log, tail};
use super::super::process::{Failure, launch};
use super::super::spec::environment::environment;
use super::super::spec::expand::expand;
use super::super::spec::mounts::{SERVICE_ACCOUNT, mounts, rewrite};
use super::super::spec::program::{Refusal, line};
use super::super::spec::references::references;
use super::super::spec::{Problem, quantity};
use super::super::sweep::OWNER;
use super::super::{fetch, volumes};
use super::{Process, Runner};
use crate::supervisor::{Mount, Order};

/// How long to wait for what is missing.
const RETRIES: Delays =
    Delays { first: jiff::SignedDuration::from_millis(250), most: jiff::SignedDuration::from_secs(10) };
/// The most bytes of a container's last words, and of the end of its log in their place.
const WORDS: usize = 4096;
const WORDS_OF_LOG: usize = 2048;
/// The most lines of the end of its log.
const LINES_OF_LOG: usize = 80;
/// The variable that says where the token of the Pod's ServiceAccount is, when it is not where clients look.
const SERVICE_ACCOUNT_FOLDER: &str = "EMBEDDED_KUBE_SERVICE_ACCOUNT";

/// Why a container is not started.
enum Fault {
    /// It has to wait, for what is missing or for an edit.
    Waits(&'static str, Problem),
    /// It was tried, and the program could not be started.
    Failed(String),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let reason = match refusal {
            Refusal::Image { .. } => "ImagePullBackOff",
            Refusal::Command { .. } => "CreateContainerError",
        };
        Self::Waits(reason, Problem::Never(refusal.to_string()))
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Waits("CreateContainerError", Problem::Missing(format!("its folder cannot be made: {error}")))
    }
}

fn config(problem: Problem) -> Fault {
    Fault::Waits("CreateContainerConfigError", problem)
}

impl Runner {
    /// Tells where the logs of the Pod's containers are.
    pub(super) fn index(&self) {
        for container in &self.life.containers {
            let folder = self.context.home.logs(self.uid(), &container.name);
            self.context.logs.set(self.place(), self.uid(), &container.name, folder, container.starts, None);
        }
    }

    fn container(&self, place: usize) -> Option<&Container> {
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
                container.end(ended, self.context.delays());
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

    /// What to run for a container.
    async fn order(&mut self, place: usize) -> Result<Order, Fault> {
        let (context, pod) = (Arc::clone(&self.context), Arc::clone(&self.pod));
        let Some(container) = self.container(place).cloned() else {
            return Err(config(Problem::Never("the Pod has no such container".to_owned())));
        };
        // Refused at once, whatever else may be missing.
        line(&context.options.programs, &container, &std::collections::BTreeMap::new())?;
        let objects = fetch::objects(&context.client, self.place().0, &references(&pod)).await.map_err(config)?;
        if self.volumes.is_none() {
            let made = volumes::make(&context, &pod, &objects).await;
            self.volumes = Some(made.map_err(|problem| match problem {
                Problem::Missing(_) => Fault::Waits("ContainerCreating", problem),
                Problem::Never(_) => config(problem),
            })?);
        }
        let paths = self.volumes.as_ref().map(|volumes| volumes.paths.clone()).unwrap_or_default();

        let folder = context.home.container(self.uid(), &container.name);
        let (work, view, words) = (folder.join("work"), folder.join("view"), folder.join("message"));
        for folder in [&work, &view] {
            private(folder)?;
        }
        fs::write(&words, "")?;

        let base = context.environment(&pod, &work);
        let variables = environment(&base, &container, &objects, context.facts(&pod)).map_err(config)?;
        let line = line(&context.options.programs, &container, &variables)?;
        let mut mounts = mounts(&container, &paths, &variables).map_err(config)?;
        for (mount, asked) in mounts.iter().zip(container.volume_mounts.iter().flatten()) {
            if asked.sub_path.is_some() || asked.sub_path_expr.is_some() {
                let volume = paths.get(&asked.name).map_or(mount.source.as_path(), PathBuf::as_path);
                volumes::sub_path(volume, &mount.source).map_err(config)?;
            }
        }
        let target = container.termination_message_path.as_deref().filter(|path| !path.is_empty());
        let target = PathBuf::from(target.unwrap_or("/dev/termination-log"));
        mounts.push(Mount { source: words, target, read_only: false });

        let dir = container.working_dir.as_ref().filter(|dir| !dir.is_empty());
        let dir = dir.map_or(work, |dir| PathBuf::from(expand(dir, &variables)));
        let limit = container.resources.as_ref().and_then(|resources| resources.limits.as_ref()?.get("memory"));
        let memory = limit.and_then(|limit| quantity::parse(&limit.0)).and_then(|bytes| bytes.try_into().ok());
        let mut order = Order {
            program: line.program,
            arguments: line.arguments,
            environment: variables,
            folder: dir,
            root: Some(view),
            mounts,
            memory,
        };
        if !context.mounts {
            rewritten(&mut order);
        }
        // Last, so that nobody takes it away: by it, what is left of a runner is found.
        order.environment.insert(OWNER.to_owned(), context.home.owner.clone());
        Ok(order)
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
            if let Ok(exit) = end.await {
                // Nobody hears it when the Pod is not run any more.
                endings.send((place, exit)).unwrap_or_default();
            }
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

/// Makes an order for a machine that lets us mount nothing.
fn rewritten(order: &mut Order) {
    let mounts = std::mem::take(&mut order.mounts);
    order.root = None;
    let text = |text: &str| rewrite(text, &mounts);
    order.arguments = order.arguments.iter().map(|argument| text(argument)).collect();
    for value in order.environment.values_mut() {
        *value = text(value);
    }
    order.folder = PathBuf::from(text(&order.folder.to_string_lossy()));
    if let Some(mount) = mounts.iter().find(|mount| mount.target == Path::new(SERVICE_ACCOUNT)) {
        order.environment.insert(SERVICE_ACCOUNT_FOLDER.to_owned(), mount.source.display().to_string());
    }
}
