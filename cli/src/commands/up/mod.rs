//! `aggregator up`: a cluster in this process, with the operator and one node, until it is asked to end.

mod apply;
mod banner;
mod diff;
mod folder;
mod limit;
mod objects;
mod places;
mod seed;
mod users;
mod watch;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aggregator_embedded_kube::cluster::{Cluster, ClusterError, NodeOptions, Options};
use aggregator_embedded_kube::node::Programs;
use aggregator_operator::health::Health;
use aggregator_operator::metrics::Metrics;
use aggregator_operator::{Operation, OperatorError, Settings, calls, operate};
use kube::Client;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::operator::variables;
use crate::args::{Global, Output, Seed, UpArgs, WORKER_IMAGE};
use crate::failure::Failure;
use crate::output;
use crate::telemetry::Telemetry;

use apply::ApplyError;
use banner::{Known, Told};
use places::Places;
use watch::Watch;

/// The exit code of a command that was interrupted.
const INTERRUPTED: u8 = 130;
/// The node's name.
const NODE: &str = "laptop";
/// The ServiceAccount of the workers, in each namespace.
const WORKER: &str = "aggregator-worker";
/// How long a run that no Schedule keeps stays after its end.
const RUN_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long the operator may take to end what it is doing. The cluster takes up to four and a half seconds more, and the last
/// traces, which are sent meanwhile, less: all of it is over in five.
const OPERATOR_GRACE: Duration = Duration::from_millis(300);

type Operating = JoinHandle<Result<(), OperatorError>>;

pub(crate) async fn up(args: &UpArgs, global: &Global, telemetry: &Telemetry) -> Result<u8, Failure> {
    let mut interrupts = Interrupts::listen()?;
    limit::raise();
    let places = Places::of(args)?;
    let (programs, word) = workers()?;
    let options = options(args, &places, programs)?;
    let started = tokio::select! {
        started = Box::pin(Cluster::start(options)) => started,
        () = interrupts.next() => return Ok(INTERRUPTED),
    };
    let mut cluster = started.map_err(|error| refused(&error))?;
    let stop = CancellationToken::new();
    let mut operating = operator(&cluster, settings(&places, word, global), telemetry, &stop)?;
    let served = Box::pin(serve(&mut cluster, &mut operating, &mut interrupts, (args, &places), global)).await;
    if served.is_ok() && global.output == Output::Table {
        output::line("ending …");
    }
    tokio::select! {
        ended = Box::pin(end(cluster, operating, stop, telemetry)) => {
            let code = served?;
            ended.map_err(|error| failed(&error))?;
            Ok(code)
        }
        // Who is interrupted here ends what it has started all the same: nothing outlives this process.
        () = interrupts.next() => {
            telemetry.give_up();
            Ok(INTERRUPTED)
        }
    }
}

/// Makes what is asked for, says what there is, and waits until it is asked to end, or a part of it has ended. Gives the exit
/// code.
async fn serve(
    cluster: &mut Cluster,
    operating: &mut Operating,
    interrupts: &mut Interrupts,
    (args, places): (&UpArgs, &Places),
    global: &Global,
) -> Result<u8, Failure> {
    let owner = Client::new(cluster.service(users::owner()), apply::NAMESPACE);
    let demo = places.demo.as_deref().filter(|_| args.seed == Seed::Demo);
    let watch = tokio::select! {
        prepared = Box::pin(prepare(owner, demo, places.watch.as_deref(), global.output)) => prepared?,
        // Nobody was told of it yet.
        asked = until_asked(cluster, operating, interrupts) => return asked.map(|()| INTERRUPTED),
    };
    show(&told(cluster, places, demo.is_some()), global)?;
    let watching = async {
        match watch {
            Some(watch) => watch.run().await,
            None => std::future::pending::<Infallible>().await,
        }
    };
    tokio::select! {
        asked = until_asked(cluster, operating, interrupts) => asked.map(|()| 0),
        never = watching => match never {},
    }
}

/// Puts the demo there and opens the folder that is watched, where these are asked for.
async fn prepare(
    owner: Client,
    demo: Option<&Path>,
    watch: Option<&Path>,
    output: Output,
) -> Result<Option<Watch>, Failure> {
    if let Some(folder) = demo {
        seed::sow(owner.clone(), folder).await.map_err(|error| unmade("the demo cannot be put there", &error))?;
    }
    let Some(folder) = watch else { return Ok(None) };
    let opened = Watch::open(owner, folder, output).await;
    opened.map(Some).map_err(|error| unmade("the folder cannot be watched", &error))
}

/// Waits until it is asked to end, or a part of it has ended by itself, which none should.
async fn until_asked(
    cluster: &mut Cluster,
    operating: &mut Operating,
    interrupts: &mut Interrupts,
) -> Result<(), Failure> {
    tokio::select! {
        () = interrupts.next() => Ok(()),
        error = cluster.failed() => Err(failed(&error)),
        ended = operating => Err(operator_ended(ended)),
    }
}

/// Ends the operator, which would take the end of Pods for failures, and then everything else. The last traces are sent
/// meanwhile, as only the operator tells any.
async fn end(
    cluster: Cluster,
    mut operating: Operating,
    stop: CancellationToken,
    telemetry: &Telemetry,
) -> Result<(), ClusterError> {
    stop.cancel();
    // One that has ended was looked at already.
    if !operating.is_finished() && tokio::time::timeout(OPERATOR_GRACE, &mut operating).await.is_err() {
        tracing::warn!("the operator did not end in time, and is given up");
        operating.abort();
    }
    let (ended, ()) = tokio::join!(cluster.stop(), telemetry.finish());
    ended
}

/// The program that the image of the workers is, which is this one, and the word by which Pods call it.
fn workers() -> Result<(Programs, String), Failure> {
    let program = std::env::current_exe()?;
    let word = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // Of whatever version an earlier one has asked for.
    let image = WORKER_IMAGE.split_once(':').map_or(WORKER_IMAGE, |(name, _)| name);
    Ok((Programs { images: [(image.to_owned(), program)].into(), allow_any_command: false }, word))
}

fn options(args: &UpArgs, places: &Places, programs: Programs) -> Result<Options, Failure> {
    Ok(Options {
        data: places.data.clone(),
        port: args.port,
        users: users::all(),
        namespace: apply::NAMESPACE.to_owned(),
        objects: objects::objects().map_err(std::io::Error::from)?,
        node: Some(NodeOptions {
            name: NODE.to_owned(),
            programs,
            host_paths: places.host_paths.clone(),
            environment: BTreeMap::new(),
        }),
        ..Options::default()
    })
}

fn settings(places: &Places, word: String, global: &Global) -> Settings {
    Settings {
        image: WORKER_IMAGE.to_owned(),
        command: vec![word],
        service_account: WORKER.to_owned(),
        namespaces: Vec::new(),
        host_paths: places.host_paths.clone(),
        host_path_base: Some(places.host_path_base.clone()),
        run_ttl: RUN_TTL,
        variables: variables(global.log_format, None),
        webhooks: false,
    }
}

/// Starts the operator, as its ServiceAccount. It is alone: nobody else has the cluster's folder.
fn operator(
    cluster: &Cluster,
    settings: Settings,
    telemetry: &Telemetry,
    stop: &CancellationToken,
) -> Result<Operating, Failure> {
    let metrics = Metrics::new().map_err(std::io::Error::other)?;
    let client = calls::client_of(cluster.service(users::operator()), &metrics);
    let health = Health::new(metrics.clone());
    let traces = telemetry.traces();
    let operation = Operation { settings, metrics, health, elector: None, traces, webhooks: None };
    Ok(tokio::spawn(operate(client, operation, stop.clone())))
}

fn told(cluster: &Cluster, places: &Places, demo: bool) -> Told {
    let kubeconfig = |user: &str| cluster.kubeconfig(user).unwrap_or_default().display().to_string();
    let known = |user: &str| Known { user: user.to_owned(), kubeconfig: kubeconfig(user) };
    let shown = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    Told {
        kubeconfig: kubeconfig(users::OWNER),
        url: cluster.url().to_owned(),
        data_dir: shown(&places.data),
        users: aggregator_crds::Role::ALL.map(|role| known(role.name())).into(),
        demo: shown(&places.demo).filter(|_| demo),
        watch: shown(&places.watch),
    }
}

fn show(told: &Told, global: &Global) -> Result<(), Failure> {
    match global.output {
        Output::Json => output::json(told),
        Output::Table => {
            told.text().lines().for_each(output::line);
            Ok(())
        }
    }
}

/// Why the cluster cannot be started, with what helps.
fn refused(error: &ClusterError) -> Failure {
    match error {
        ClusterError::Taken(_) => Failure::usage(
            error.to_string(),
            "use that one, or end it; or give this one a folder of its own with --data-dir, or none with --ephemeral",
        ),
        ClusterError::Listen(_) => {
            Failure::usage(error.to_string(), "give another port with --port, or end what has it; 0 is any free one")
        }
        ClusterError::Home(_) => Failure::usage(
            error.to_string(),
            "give a folder that you may write in with --data-dir, or none with --ephemeral",
        ),
        error => failed(error),
    }
}

fn failed(error: &ClusterError) -> Failure {
    Failure::from(std::io::Error::other(error.to_string()))
}

fn unmade(what: &str, error: &ApplyError) -> Failure {
    Failure::from(std::io::Error::other(format!("{what}: {error}")))
}

fn operator_ended(ended: Result<Result<(), OperatorError>, JoinError>) -> Failure {
    let why = match ended {
        Ok(Ok(())) => "nobody asked it to".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Failure::from(std::io::Error::other(format!("the operator has ended: {why}")))
}

/// Being asked to end.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use aggregator_embedded_kube::api::home::Taken;

    use super::*;

    #[test]
    fn who_finds_the_folder_in_use_is_told_by_whom() {
        let taken = Taken { path: PathBuf::from("/srv/cluster"), address: "https://127.0.0.1:7443".to_owned() };
        let failure = refused(&ClusterError::Taken(taken));
        assert_eq!((failure.exit_code, failure.reason), (2, "Usage"));
        assert!(failure.message.contains("/srv/cluster") && failure.message.contains("https://127.0.0.1:7443"));
        assert!(failure.remedy.is_some_and(|remedy| remedy.contains("--data-dir")));
    }

    #[test]
    fn workers_are_this_program_whatever_its_version() {
        let (programs, word) = workers().expect("this program");
        let own = std::env::current_exe().expect("this program");
        let images = [("aggregator.dev/aggregator".to_owned(), own.clone())].into();
        assert_eq!(programs, Programs { images, allow_any_command: false });
        assert_eq!(own.file_name(), Some(word.as_ref()));
    }
}
