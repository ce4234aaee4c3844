//! What to run for a container: from its Pod, and what that names, to a supervisor's order.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::home::private;
use super::super::spec::environment::environment;
use super::super::spec::expand::expand;
use super::super::spec::mounts::{SERVICE_ACCOUNT, mounts, rewrite};
use super::super::spec::program::{Refusal, line};
use super::super::spec::references::references;
use super::super::spec::{Problem, quantity};
use super::super::sweep::OWNER;
use super::super::{fetch, volumes};
use super::Runner;
use crate::supervisor::{Mount, Order};

/// The variable that says where the token of the Pod's ServiceAccount is, when it is not where clients look.
const SERVICE_ACCOUNT_FOLDER: &str = "EMBEDDED_KUBE_SERVICE_ACCOUNT";

/// Why a container is not started.
pub(super) enum Fault {
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
    /// What to run for a container.
    pub(super) async fn order(&mut self, place: usize) -> Result<Order, Fault> {
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
