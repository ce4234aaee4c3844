//! A folder in which the binary is run at its most talkative; all that it leaves behind is searched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use aggregator_tests::collector::Collector;
use aggregator_tests::http::HttpServer;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::canary::Canaries;
use super::server::{self, Given};
use super::watch::Watch;
use crate::aggregator::{Place, Said};

/// What the test gives: here the values stand by themselves.
const GIVEN: &str = "given";

/// The secrets given as a folder.
pub(super) const SECRETS: &str = "given/secrets";

/// Where the binary is run.
pub(super) struct Scene {
    pub(super) canaries: Canaries,
    pub(super) runtime: Runtime,
    pub(super) server: HttpServer,
    given: Given,
    place: Place,
    environment: Vec<(&'static str, String)>,
    /// The crates that have written what is only for the curious.
    pub(super) talkative: BTreeSet<String>,
    /// Where traces are sent, when the log is JSON.
    collector: Option<Collector>,
}

impl Scene {
    pub(super) fn new() -> Self {
        let mut canaries = Canaries::default();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let given = Given::plant(&mut canaries);
        let server = runtime.block_on(HttpServer::start(server::router(given.clone()))).expect("a server");
        let environment = [
            ("DATABASE_URL", "postgres://reader:{}@db/x"),
            ("AWS_SECRET_ACCESS_KEY", "{}"),
            // Nobody asks a proxy; nor does anybody listen there.
            ("HTTP_PROXY", "http://user:{}@127.0.0.1:1"),
            ("HTTPS_PROXY", "http://user:{}@127.0.0.1:1"),
            ("PGPASSWORD", "{}"),
        ];
        let environment = environment
            .map(|(name, value)| (name, value.replace("{}", &canaries.plant_read(&format!("the variable {name}")))));
        let place = Place::new();
        std::fs::create_dir_all(place.file(SECRETS)).expect("a folder");
        Self {
            canaries,
            runtime,
            server,
            given,
            place,
            environment: environment.to_vec(),
            talkative: BTreeSet::new(),
            collector: None,
        }
    }

    /// A scene in which the log is JSON, and traces are sent to a collector that wants to know who sends them.
    pub(super) fn for_programs() -> Self {
        let mut scene = Self::new();
        let collector = Collector::start().expect("a collector");
        let token = scene.canaries.plant("the headers of traces");
        scene.environment.extend([
            ("AGGREGATOR_LOG_FORMAT", "json".to_owned()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
            ("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Bearer%20{token}")),
        ]);
        scene.collector = Some(collector);
        scene
    }

    /// Searches the traces. Gives how many spans there are.
    pub(super) fn search_traces(&mut self) -> usize {
        let collector = self.collector.as_ref().expect("a collector");
        self.canaries.passed(&format!("{:?}", collector.headers()));
        let spans = collector.spans();
        self.canaries.search("the traces", &format!("{spans:#?}"));
        spans.len()
    }

    /// Writes a file that is given to the binary.
    pub(super) fn give(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.place.file(GIVEN).join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// The value of a variable of the environment.
    pub(super) fn variable(&self, name: &str) -> String {
        self.environment.iter().find(|(known, _)| *known == name).expect("a variable").1.clone()
    }

    /// Runs a command, which must end with that code, and searches what it wrote and left.
    pub(super) fn run(&mut self, arguments: &str, code: i32) -> Said {
        let watches: Vec<(PathBuf, Watch)> =
            self.folders().into_iter().map(|folder| (folder.clone(), Watch::begin(&folder))).collect();
        let words: Vec<&str> = arguments.split_whitespace().chain(["-vv"]).collect();
        let mut command = self.place.command(&words);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        // A process that has ended already has none any more; others have not.
        if let Ok(environment) = std::fs::read(format!("/proc/{}/environ", child.id())) {
            self.canaries.read(&String::from_utf8_lossy(&environment));
        }
        let said = Said::from(child.wait_with_output().expect("a child of ours"));
        assert_eq!(said.code(), Some(code), "{arguments}:\n{}\n{}", said.stdout, said.stderr);
        for (folder, watch) in watches {
            // A folder below is opened too.
            for path in watch.opened().into_iter().map(|name| folder.join(name)).filter(|path| path.is_file()) {
                let bytes = std::fs::read(path).expect("a file");
                self.canaries.read(&String::from_utf8_lossy(&bytes));
            }
        }
        for seen in self.server.seen() {
            self.canaries.passed(&format!("{} {} {:?} {}", seen.path, seen.query, seen.headers, seen.body));
        }
        self.canaries.passed(&self.given.sent());
        let curious = |line: &str| {
            if self.collector.is_none() {
                return line.split_once(" TRACE ").or(line.split_once(" DEBUG ")).map(|(_, said)| said.to_owned());
            }
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{arguments}: {error}: {line}"));
            let wanted = ["TRACE", "DEBUG"].contains(&line["level"].as_str().expect("a level"));
            wanted.then(|| line["target"].as_str().expect("a target").to_owned())
        };
        let crates = said.stderr.lines().filter_map(|line| Some(curious(line)?.split([':', ' ']).next()?.to_owned()));
        self.talkative.extend(crates.collect::<Vec<_>>());
        self.canaries.search(&format!("the output of `{arguments}`"), &said.stdout);
        self.canaries.search(&format!("the log and errors of `{arguments}`"), &said.stderr);
        let all = self.place.path().to_owned();
        self.search_files(&all, arguments);
        said
    }

    /// Runs a Pipeline of a manifest, with its report, in a state folder of its own.
    pub(super) fn run_pipeline(&mut self, manifest: &str, pipeline: &str, code: i32) -> Said {
        let arguments = format!(
            "run -f {GIVEN}/{manifest} --pipeline {pipeline} --secrets {SECRETS} --state left/state-{pipeline} --report left/report-{pipeline}.json"
        );
        // What an earlier run has left was searched.
        if self.place.file("left").exists() {
            self.place.remove("left");
        }
        std::fs::create_dir(self.place.file("left")).expect("a folder");
        let said = self.run(&arguments, code);
        assert!(self.place.file(&format!("left/report-{pipeline}.json")).is_file());
        said
    }

    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.place.file(GIVEN), self.place.file(GIVEN).join("broken")];
        let secrets = std::fs::read_dir(self.place.file(SECRETS)).into_iter().flatten();
        folders.extend(secrets.map(|entry| entry.expect("an entry").path()));
        folders.retain(|folder| folder.is_dir());
        folders
    }

    fn search_files(&mut self, folder: &Path, arguments: &str) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path == self.place.file(GIVEN) {
                continue;
            }
            self.canaries.search(&format!("a name, left by `{arguments}`"), &path.display().to_string());
            if path.is_dir() {
                self.search_files(&path, arguments);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                let what = format!("{}, left by `{arguments}`", path.display());
                self.canaries.search(&what, &String::from_utf8_lossy(&bytes));
            }
        }
    }
}
