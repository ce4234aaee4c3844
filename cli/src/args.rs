//! The command line: what can be asked, and the help that teaches it.

use std::path::PathBuf;

use aggregator_crds::run::Backfill;
use aggregator_worker::checkpoint::Shard;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::help;

/// Moves data between files, databases and APIs as Pipelines say, and accounts for every row.
#[derive(Clone, Debug, Parser)]
#[command(name = "aggregator", version, arg_required_else_help = true, after_help = help::ALL)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// How results are written to standard output: for people, or for programs (docs/cli.md)
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Table, value_name = "FORMAT")]
    #[arg(help_heading = EVERYWHERE)]
    pub(crate) output: Output,
    /// Log to standard error what is going on; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = EVERYWHERE)]
    pub(crate) verbose: u8,
    /// How standard error is written: for people, or as one JSON object a line (docs/operations/telemetry.md)
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    #[arg(env = LOG_FORMAT, hide_env_values = true, help_heading = EVERYWHERE)]
    pub(crate) log_format: LogFormat,
}

/// The variable that says how standard error is written.
pub(crate) const LOG_FORMAT: &str = "AGGREGATOR_LOG_FORMAT";

/// The heading of options that every command takes.
const EVERYWHERE: &str = "Options of every command";

/// How results are written. The variants have no help of their own: it would make every command's help twice as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

/// How standard error is written, and the log that a worker writes to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every mistake in the manifests at once, without reaching any system
    #[command(after_help = help::LINT)]
    Lint(LintArgs),
    /// Show what a run would read, create, change and write where, without writing
    #[command(after_help = help::PLAN)]
    Plan(PlanArgs),
    /// Show the first rows of a node, without writing
    #[command(after_help = help::PREVIEW)]
    Preview(PreviewArgs),
    /// Run a Pipeline: read its sources, write its sinks, account for every row
    #[command(after_help = help::RUN)]
    #[command(mut_arg("files", |files| files.required(false).required_unless_present("name")))]
    #[command(mut_arg("kubeconfig", |file| file.requires("name")), mut_arg("context", |name| name.requires("name")))]
    Run(RunArgs),
    /// Run the tests inside Transformations, and the *.test.yaml files beside Pipelines
    #[command(after_help = help::TEST)]
    Test(TestArgs),
    /// List the connector types, show their fields, check and discover Connectors
    #[command(after_help = help::CONNECTORS)]
    Connectors(ConnectorsArgs),
    /// List the functions of SQL and mappings, or explain one
    #[command(after_help = help::FUNCTIONS)]
    Functions(FunctionsArgs),
    /// Write a Transformation as SQL, pandas or Polars code
    #[command(after_help = help::CODEGEN)]
    #[command(override_usage = "aggregator codegen -f <PATH>... --transformation <NAME> --to <LANGUAGE>")]
    Codegen(CodegenArgs),
    /// Start a whole cluster in this process: API, operator and a node, to try things out
    #[command(after_help = help::UP)]
    Up(UpArgs),
    /// Show objects of a server, once or as they change
    #[command(after_help = help::GET)]
    Get(GetArgs),
    /// Show all that is known of objects of a server, and what helps
    #[command(after_help = help::DESCRIBE)]
    Describe(DescribeArgs),
    /// Make objects of a server what manifests say
    #[command(after_help = help::APPLY)]
    Apply(ApplyArgs),
    /// Delete objects of a server
    #[command(after_help = help::DELETE)]
    Delete(DeleteArgs),
    /// Show what the Pods of a run say
    #[command(after_help = help::LOGS)]
    Logs(LogsArgs),
    /// Write what a server holds as manifests that another one takes
    #[command(after_help = help::EXPORT)]
    Export(ExportArgs),
    /// Watch a Kubernetes cluster and run what its objects ask for
    #[command(after_help = help::OPERATOR)]
    Operator(OperatorArgs),
    /// What the operator's Jobs run
    #[command(hide = true)]
    Worker(WorkerArgs),
    /// Write a completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions(CompletionsArgs),
}

/// Where manifests are.
#[derive(Clone, Debug, Args)]
pub(crate) struct Files {
    /// Manifests: files, folders (read with their subfolders), or - for standard input; may be repeated
    #[arg(short = 'f', long = "file", required = true, value_name = "PATH", num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
}

/// Which Pipeline, and with what.
#[derive(Clone, Debug, Args)]
pub(crate) struct Selection {
    #[command(flatten)]
    pub(crate) files: Files,
    /// The Pipeline's name; needed only when the manifests hold several
    #[arg(short, long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
    /// The Pipeline's namespace; needed only when several hold a Pipeline of that name
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// The value of a parameter of the Pipeline; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_param)]
    pub(crate) params: Vec<(String, String)>,
    /// A folder with the values of Secrets: DIR/SECRET/KEY, as mounted volumes look
    #[arg(long, value_name = "DIR")]
    pub(crate) secrets: Option<PathBuf>,
}

fn parse_catalogue(text: &str) -> Result<(String, String), String> {
    parse_param(text).map_err(|_| "write it as CONNECTOR=FILE".to_owned())
}

fn parse_param(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

/// Where checkpoints are.
#[derive(Clone, Debug, Args)]
pub(crate) struct State {
    /// The folder that remembers how far each source was read
    #[arg(long, value_name = "DIR", default_value = ".aggregator", env = "AGGREGATOR_STATE", hide_env_values = true)]
    pub(crate) state: PathBuf,
}

/// Which server.
#[derive(Clone, Debug, Args)]
pub(crate) struct Server {
    /// The file that says where the server is; without it: KUBECONFIG, ~/.kube/config, or the Pod's ServiceAccount
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of that file; without it: the current one
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

/// Which server, and which namespace of it.
#[derive(Clone, Debug, Args)]
pub(crate) struct At {
    #[command(flatten)]
    pub(crate) server: Server,
    /// The namespace; without it: the context's, or default
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// A Pipeline of a server, instead of manifests
    // Hidden: whoever has forgotten -f should not be shown two ways at once.
    #[arg(value_name = "NAME", hide = true)]
    #[arg(conflicts_with_all = ["files", "pipeline", "secrets", "memory", "shard", "report"])]
    pub(crate) name: Option<String>,
    /// Wait for the end of a run on a server, and show it
    #[arg(long, requires = "name")]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// What is read and written, see below
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Mode::Incremental, value_name = "MODE")]
    pub(crate) mode: Mode,
    /// Read this interval of the cursors again instead of what is new, as 2026-01-01/2026-02-01 (docs/sync-modes.md)
    #[arg(long, value_name = "FROM/TO", value_parser = clap::value_parser!(Backfill))]
    pub(crate) backfill: Option<Backfill>,
    #[command(flatten)]
    pub(crate) state: State,
    /// The memory for rows that wait, as 512Mi; without it: half of the container's or machine's, at most 2Gi
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) memory: Option<u64>,
    /// Share the run with others: this process is the I-th, from 0, of N (docs/sharding.md)
    #[arg(long, value_name = "I/N", value_parser = clap::value_parser!(Shard))]
    pub(crate) shard: Option<Shard>,
    /// Write the report to this file, as JSON, also when the run fails (docs/report.md)
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum Mode {
    Full,
    Incremental,
    DryRun,
    Preview,
}

/// Reads a number of rows to show.
fn parse_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1 row is shown".to_owned()),
        Ok(limit) => Ok(limit),
        Err(_) => Err("write a whole number, as 20".to_owned()),
    }
}

/// Reads a quantity as Kubernetes writes it: bytes, or with k, M, G, Ki, Mi, Gi.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err(format!("`{unit}` is not a unit; write k, M, G, Ki, Mi or Gi, as 512Mi")),
    };
    let number: u64 = number.parse().map_err(|_| "write a number with a unit, as 512Mi".to_owned())?;
    let bytes = number.checked_mul(factor).ok_or("that is too large")?;
    if bytes < 16 << 20 { Err("at least 16Mi are needed".to_owned()) } else { Ok(bytes) }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LintArgs {
    #[command(flatten)]
    pub(crate) files: Files,
    /// What `connectors discover -o json` has found, so that columns are checked too; may be repeated
    #[arg(long = "catalogue", value_name = "CONNECTOR=FILE", value_parser = parse_catalogue)]
    pub(crate) catalogues: Vec<(String, String)>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) state: State,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PreviewArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// The node whose rows are shown; for a sink, the rows it would write
    #[arg(long, value_name = "NODE")]
    pub(crate) node: String,
    /// The most rows to show
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = parse_limit)]
    pub(crate) limit: usize,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) files: Files,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectorsArgs {
    #[command(subcommand)]
    pub(crate) command: ConnectorsCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ConnectorsCommand {
    /// List the connector types of this build
    #[command(after_help = help::LIST)]
    List,
    /// Show the fields of a connector type
    #[command(after_help = help::SCHEMA)]
    Schema {
        /// The type; `aggregator connectors list` has them all
        #[arg(value_name = "TYPE")]
        connector_type: String,
    },
    /// Reach Connectors with their credentials and say what answered
    #[command(after_help = help::CHECK)]
    Check(ReachArgs),
    /// Find the streams of Connectors, and their columns
    #[command(after_help = help::DISCOVER)]
    Discover(ReachArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ReachArgs {
    #[command(flatten)]
    pub(crate) files: Files,
    /// The Connector's name; without it: all of the manifests
    #[arg(short, long, value_name = "NAME")]
    pub(crate) connector: Option<String>,
    /// A folder with the values of Secrets: DIR/SECRET/KEY, as mounted volumes look
    #[arg(long, value_name = "DIR")]
    pub(crate) secrets: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct FunctionsArgs {
    /// The function to explain, with examples
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CodegenArgs {
    #[command(flatten)]
    pub(crate) files: Files,
    /// The Transformation's name
    #[arg(long, value_name = "NAME")]
    pub(crate) transformation: String,
    /// The language of the code
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    pub(crate) to: Language,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    Sql,
    Pandas,
    Polars,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct GetArgs {
    /// A kind and names, or KIND/NAME; without names: all objects of the kind
    #[arg(required = true, value_name = "KIND[/NAME]")]
    pub(crate) objects: Vec<String>,
    #[command(flatten)]
    pub(crate) at: At,
    /// Those of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
    /// Only those with these labels, as team=shop,tier!=test
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub(crate) selector: Option<String>,
    /// Go on, and show what changes
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Show all columns
    #[arg(long)]
    pub(crate) wide: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DescribeArgs {
    /// A kind and names, or KIND/NAME; without names: all objects of the kind
    #[arg(required = true, value_name = "KIND[/NAME]")]
    pub(crate) objects: Vec<String>,
    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) at: At,
    /// Ask the server what it would do, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Take over fields that others have set to something else
    #[arg(long)]
    pub(crate) force_conflicts: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DeleteArgs {
    /// A kind and names, or KIND/NAME
    #[arg(value_name = "KIND[/NAME]")]
    pub(crate) objects: Vec<String>,
    /// The objects of these manifests; may be repeated
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1..)]
    #[arg(required_unless_present = "objects", conflicts_with = "objects")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) at: At,
    /// Of a kind, those with these labels, as team=shop,tier!=test
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "files")]
    pub(crate) selector: Option<String>,
    /// Wait until they are gone
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true)]
    #[arg(default_value_t = true, default_missing_value = "true")]
    pub(crate) wait: bool,
    /// How long that may take, as 2m
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_time)]
    pub(crate) timeout: std::time::Duration,
    /// Pass over what is not there
    #[arg(long)]
    pub(crate) ignore_not_found: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LogsArgs {
    /// A run, or pod/NAME, job/NAME, or pipeline/NAME for its latest run
    #[arg(value_name = "[KIND/]NAME")]
    pub(crate) object: String,
    #[command(flatten)]
    pub(crate) at: At,
    /// Go on until the run ends, over all of its attempts
    #[arg(short, long, conflicts_with = "previous")]
    pub(crate) follow: bool,
    /// Only the last lines of each Pod
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) tail: Option<i64>,
    /// Only what is younger, as 10m
    #[arg(long, value_name = "DURATION", value_parser = parse_time)]
    pub(crate) since: Option<std::time::Duration>,
    /// The container, in a Pod of several
    #[arg(short, long, value_name = "NAME")]
    pub(crate) container: Option<String>,
    /// What the container said before it was started anew
    #[arg(long)]
    pub(crate) previous: bool,
    /// The time of each line
    #[arg(long)]
    pub(crate) timestamps: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ExportArgs {
    /// A kind and names, or KIND/NAME; without: Connectors, Transformations, Pipelines, Schedules, and their Namespaces
    #[arg(value_name = "KIND[/NAME]")]
    pub(crate) objects: Vec<String>,
    #[command(flatten)]
    pub(crate) at: At,
    /// Those of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct UpArgs {
    /// The folder of the cluster's objects, keys and logs: the next start finds everything there
    #[arg(long, value_name = "DIR", default_value = ".aggregator/cluster", conflicts_with = "ephemeral")]
    pub(crate) data_dir: PathBuf,
    /// Keep nothing: objects are in memory, and everything is gone at the end
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// The port on 127.0.0.1; 0 is any free one. Without it: the one of last time, if it is free
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// What a new cluster begins with: nothing, or a Pipeline that runs every 30 seconds
    #[arg(long, value_enum, value_name = "SEED", default_value_t = Seed::None)]
    pub(crate) seed: Seed,
    /// Apply the manifests of a folder, now and whenever they change
    #[arg(long, value_name = "DIR")]
    pub(crate) watch: Option<PathBuf>,
    /// A folder that Connectors may name; may be repeated. Without it: this one, and that of --watch
    #[arg(long, value_name = "DIR")]
    pub(crate) allow_host_paths: Vec<PathBuf>,
    /// Where relative paths of Connectors start. Without it: in the folder of --watch, or this one
    #[arg(long, value_name = "DIR")]
    pub(crate) host_path_base: Option<PathBuf>,
}

/// What a new cluster begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Seed {
    Demo,
    None,
}

/// The image of the workers' containers, unless something else is said.
pub(crate) const WORKER_IMAGE: &str = concat!("aggregator.dev/aggregator:", env!("CARGO_PKG_VERSION"));

#[derive(Clone, Debug, Args)]
pub(crate) struct OperatorArgs {
    /// The image of the workers' containers
    #[arg(long, value_name = "IMAGE", default_value = WORKER_IMAGE)]
    pub(crate) worker_image: String,
    /// The program that the image runs, with leading arguments
    #[arg(long, value_name = "WORD", num_args = 1.., default_value = "aggregator")]
    pub(crate) worker_command: Vec<String>,
    /// The ServiceAccount of the workers, in each namespace
    #[arg(long, value_name = "NAME", default_value = "aggregator-worker")]
    pub(crate) worker_service_account: String,
    /// Look at this namespace alone; may be repeated. Without it: at all
    #[arg(short, long = "namespace", value_name = "NAME")]
    pub(crate) namespaces: Vec<String>,
    /// A folder of the nodes that Connectors may name; may be repeated. Only for a cluster that nobody else uses
    #[arg(long, value_name = "DIR")]
    pub(crate) allow_host_paths: Vec<PathBuf>,
    /// Where relative paths of Connectors start
    #[arg(long, value_name = "DIR")]
    pub(crate) host_path_base: Option<PathBuf>,
    /// The Lease under which one of several operators acts; without it, this one is alone
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub(crate) lease: Option<String>,
    /// Where /livez, /readyz and /metrics are served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    pub(crate) health_address: std::net::SocketAddr,
    /// Where POST /webhooks/NAMESPACE/SCHEDULE makes Schedules fire, in plain HTTP; without it, nowhere
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) webhook_address: Option<std::net::SocketAddr>,
    /// The Secret of each namespace whose key `headers` is OTEL_EXPORTER_OTLP_HEADERS for workers
    #[arg(long, value_name = "SECRET")]
    pub(crate) otlp_headers_secret: Option<String>,
    /// How long a run that no Schedule keeps stays after its end, as 7d
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_time)]
    pub(crate) run_ttl: std::time::Duration,
}

fn parse_time(text: &str) -> Result<std::time::Duration, String> {
    aggregator_crds::parse_duration(text).map_err(|error| error.to_string())
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WorkerArgs {
    #[command(subcommand)]
    pub(crate) command: WorkerCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum WorkerCommand {
    /// Make one attempt at a PipelineRun
    Run(WorkerRunArgs),
    /// Keep the first rows of a node, or of every sink, in a ConfigMap of a PipelineRun
    Preview(WorkerPreviewArgs),
    /// Look for files that have arrived at a Connector
    Look(WorkerLookArgs),
    /// Check a Connector, and keep what was found at it
    Probe(WorkerProbeArgs),
    /// Run the tests of a Transformation
    Test(WorkerTestArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WorkerPreviewArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// The node whose rows are shown; without it: every sink
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// The most rows of a node
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = parse_limit)]
    pub(crate) limit: usize,
    /// The PipelineRun
    #[arg(long, value_name = "NAME")]
    pub(crate) run: String,
    /// Its UID
    #[arg(long, value_name = "UID")]
    pub(crate) run_uid: String,
    /// The name of the ConfigMap
    #[arg(long, value_name = "NAME")]
    pub(crate) keep_as: String,
    /// Where the outcome is written for the kubelet
    #[arg(long, value_name = "FILE", default_value = "/dev/termination-log")]
    pub(crate) termination_log: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WorkerTestArgs {
    #[command(flatten)]
    pub(crate) files: Files,
    /// Where the outcome is written for the kubelet
    #[arg(long, value_name = "FILE", default_value = "/dev/termination-log")]
    pub(crate) termination_log: PathBuf,
}

/// What every short look at a Connector's system is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct WorkerConnectorArgs {
    #[command(flatten)]
    pub(crate) files: Files,
    /// Where values of Secrets are: a folder for each, with a file for each key
    #[arg(short, long, value_name = "DIR")]
    pub(crate) secrets: Option<PathBuf>,
    /// The Connector's namespace
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: String,
    /// The Connector
    #[arg(long, value_name = "NAME")]
    pub(crate) connector: String,
    /// Where the outcome is written for the kubelet
    #[arg(long, value_name = "FILE", default_value = "/dev/termination-log")]
    pub(crate) termination_log: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WorkerLookArgs {
    #[command(flatten)]
    pub(crate) of: WorkerConnectorArgs,
    /// The files, as a source's `stream`
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: String,
    /// How long a file must have stayed as it is
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    pub(crate) settle: String,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WorkerProbeArgs {
    #[command(flatten)]
    pub(crate) of: WorkerConnectorArgs,
    /// Its UID: the catalogue goes with it
    #[arg(long, value_name = "UID")]
    pub(crate) connector_uid: String,
    /// The ConfigMap that keeps the catalogue
    #[arg(long, value_name = "NAME")]
    pub(crate) catalogue: String,
    /// The generation of its spec, which the catalogue is of
    #[arg(long, value_name = "N")]
    pub(crate) generation: i64,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WorkerRunArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// What is read and written
    #[arg(short, long, value_enum, ignore_case = true, default_value_t = Mode::Incremental, value_name = "MODE")]
    pub(crate) mode: Mode,
    /// The interval that is read again instead of what is new
    #[arg(long, value_name = "FROM/TO", value_parser = clap::value_parser!(Backfill))]
    pub(crate) backfill: Option<Backfill>,
    /// The PipelineRun
    #[arg(long, value_name = "NAME")]
    pub(crate) run: String,
    /// Its UID
    #[arg(long, value_name = "UID")]
    pub(crate) run_uid: String,
    /// The Pipeline's UID: its Checkpoint goes with it
    #[arg(long, value_name = "UID")]
    pub(crate) pipeline_uid: Option<String>,
    /// The attempt, from 1
    #[arg(long, value_name = "N")]
    pub(crate) attempt: u32,
    /// Share the run with other Pods: this one is the I-th, from 0, of N
    #[arg(long, value_name = "I/N", value_parser = clap::value_parser!(Shard))]
    pub(crate) shard: Option<Shard>,
    /// Where the outcome is written for the kubelet
    #[arg(long, value_name = "FILE", default_value = "/dev/termination-log")]
    pub(crate) termination_log: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn sizes_read_as_kubernetes_writes_them() {
        for (text, bytes) in
            [("16777216", Ok(16 << 20)), ("512Mi", Ok(512 << 20)), ("2Gi", Ok(2 << 30)), ("1G", Ok(1_000_000_000))]
        {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
        for text in ["", "Mi", "12MB", "-1Mi", "1Mi", "99999999999999Gi"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
