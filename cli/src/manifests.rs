//! The files given with `-f`, read and parsed; and the Pipeline that is meant.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use aggregator_compiler::diagnostic::{Diagnostic, DiagnosticSeverity};
use aggregator_compiler::manifest::{Located, ManifestText, Manifests, PipelineTests};
use aggregator_worker::run::SecretSource;
use walkdir::WalkDir;

use crate::args::{Files, Selection};
use crate::failure::Failure;

/// The largest manifest that is read.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The texts of the manifests, in a stable order.
pub(crate) fn read(files: &Files) -> Result<Vec<ManifestText>, Failure> {
    let mut texts = Vec::new();
    for path in &files.files {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .take(MAX_BYTES)
                .read_to_string(&mut text)
                .map_err(|error| unreadable(Path::new("-"), &error))?;
            texts.push(ManifestText { file: "-".into(), text });
        } else if path.is_dir() {
            // A folder may hold data and values files too; whoever names a file means it.
            let found: Vec<ManifestText> =
                walk(path, is_manifest)?.iter().map(|path| read_file(path)).collect::<Result<_, _>>()?;
            let count = texts.len();
            texts.extend(found.into_iter().filter(|text| text.text.contains("apiVersion")));
            if texts.len() == count {
                return Err(Failure::usage(
                    format!("the folder {} holds no manifests", path.display()),
                    "name a folder with .yaml, .yml or .json files that have an `apiVersion`",
                ));
            }
        } else {
            texts.push(read_file(path)?);
        }
    }
    Ok(texts)
}

/// The tests of the `*.test.yaml` files among or beside the given paths; mistakes of form end the command.
pub(crate) fn load_tests(files: &Files) -> Result<Vec<Located<PipelineTests>>, Failure> {
    let (mut tests, mut errors) = (Vec::new(), Vec::new());
    for text in read_tests(files)? {
        match PipelineTests::parse(&text) {
            Ok(parsed) => tests.push(parsed),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(tests) } else { Err(Failure::invalid_tests(errors)) }
}

/// The `*.test.yaml` files among or beside the given paths.
fn read_tests(files: &Files) -> Result<Vec<ManifestText>, Failure> {
    let mut paths = Vec::new();
    for path in &files.files {
        if path.is_dir() {
            paths.extend(walk(path, is_test)?);
        } else if let Some(folder) = path.parent().filter(|_| path.is_file()) {
            let named = !folder.as_os_str().is_empty();
            let folder = if named { folder } else { Path::new(".") };
            let beside = WalkDir::new(folder).max_depth(1).sort_by_file_name();
            paths.extend(
                beside
                    .into_iter()
                    .filter_map(Result::ok)
                    .map(walkdir::DirEntry::into_path)
                    .map(|path| if named { path } else { path.strip_prefix(".").map_or(path.clone(), Path::to_owned) })
                    .filter(|path| is_test(path)),
            );
        }
    }
    paths.sort();
    paths.dedup();
    paths.iter().map(|path| read_file(path)).collect()
}

/// The wanted files below a folder. Names that begin with a dot or `_aggregator` are our own or somebody's secrets.
pub(crate) fn walk(folder: &Path, wanted: fn(&Path) -> bool) -> Result<Vec<PathBuf>, Failure> {
    let hidden = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() > 0 && (name.starts_with('.') || name.starts_with("_aggregator"))
    };
    let mut paths = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(|entry| !hidden(entry)) {
        let entry = entry.map_err(|error| unreadable(folder, &error.into()))?;
        if entry.file_type().is_file() && wanted(entry.path()) {
            paths.push(entry.into_path());
        }
    }
    Ok(paths)
}

fn is_test(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(".test.yaml"))
}

pub(crate) fn is_manifest(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("yaml" | "yml" | "json")) && !is_test(path)
}

pub(crate) fn read_file(path: &Path) -> Result<ManifestText, Failure> {
    let size = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
    if size > MAX_BYTES {
        return Err(Failure::usage(
            format!("{} has {size} bytes", path.display()),
            format!("a manifest has at most {MAX_BYTES}"),
        ));
    }
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Ok(ManifestText { file: path.display().to_string(), text })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let remedy = match error.kind() {
        std::io::ErrorKind::InvalidData => "a manifest is text in UTF-8: save it as such, or keep it elsewhere",
        _ => "check the path given with -f",
    };
    Failure::usage(format!("cannot read {}: {error}", path.display()), remedy)
}

/// Where the values of Secrets are.
pub(crate) fn secrets(folder: Option<PathBuf>) -> Result<SecretSource, Failure> {
    if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_dir()) {
        let message = format!("there is no folder {}", folder.display());
        return Err(Failure::usage(message, "check the path given with --secrets"));
    }
    Ok(SecretSource { folder })
}

/// The parsed manifests; mistakes of form end the command.
pub(crate) fn load(files: &Files) -> Result<Manifests, Failure> {
    let (manifests, diagnostics) = Manifests::parse(&read(files)?);
    let errors: Vec<Diagnostic> =
        diagnostics.into_iter().filter(|diagnostic| diagnostic.severity == DiagnosticSeverity::Error).collect();
    if errors.is_empty() { Ok(manifests) } else { Err(Failure::invalid(errors)) }
}

/// The values of parameters, each of which is given once.
pub(crate) fn params(given: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Failure> {
    let mut params = BTreeMap::new();
    for (name, value) in given {
        if params.insert(name.clone(), value).is_some() {
            return Err(Failure::usage(
                format!("the parameter `{name}` is given twice"),
                "give it one value with --param",
            ));
        }
    }
    Ok(params)
}

/// The namespace and name of the Pipeline that is meant.
pub(crate) fn select(manifests: &Manifests, selection: &Selection) -> Result<(String, String), Failure> {
    let all: Vec<(String, String)> =
        manifests.pipelines().map(|located| (located.namespace.clone(), located.name.clone())).collect();
    let list = |found: &[(String, String)]| {
        let names: Vec<String> = found.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
        names.join(", ")
    };
    // As the list of choices writes it, with the namespace in front.
    let (within, wanted) = match selection.pipeline.as_deref().map(|text| text.split_once('/').unwrap_or(("", text))) {
        Some(("", name)) => (selection.namespace.as_deref(), Some(name)),
        Some((namespace, name)) => (Some(namespace), Some(name)),
        None => (selection.namespace.as_deref(), None),
    };
    let matching: Vec<(String, String)> = all
        .iter()
        .filter(|(namespace, name)| {
            wanted.is_none_or(|wanted| wanted == name) && within.is_none_or(|wanted| wanted == namespace)
        })
        .cloned()
        .collect();
    match matching.as_slice() {
        [one] => Ok(one.clone()),
        [] if all.is_empty() => {
            Err(Failure::usage("the manifests hold no Pipeline", "give the file that holds it with -f"))
        }
        [] => {
            let named = selection.pipeline.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
            let within = selection.namespace.as_ref().map(|name| format!(" in the namespace `{name}`"));
            let message = format!("there is no Pipeline{named}{} among the manifests", within.unwrap_or_default());
            Err(Failure::usage(message, format!("choose one of {}", list(&all))))
        }
        several => Err(Failure::usage(
            format!("the manifests hold {} Pipelines", several.len()),
            format!("choose one with --pipeline (and --namespace): {}", list(several)),
        )),
    }
}
