//! `aggregator get`: objects as the server shows them, once or as they change.

use std::collections::HashMap;

use kube::api::{ListParams, WatchParams};
use serde_json::{Value, json};

use super::connection::Connection;
use super::kind::{Kind, Kinds};
use super::list::{self, Form};
use super::patience::Patience;
use super::table::{Choice, ServerTable, Shown};
use super::watch::{End, Watch};
use super::words::{Wanted, wanted};
use crate::args::{GetArgs, Global, Output};
use crate::failure::Failure;
use crate::output;

pub(crate) async fn get(args: GetArgs, global: &Global) -> Result<u8, Failure> {
    let all = wanted(&args.objects)?;
    if let Some(named) = all.iter().find(|wanted| !wanted.names.is_empty()) {
        alone(&args, &named.kind)?;
    }
    let connection = Connection::open(&args.at.server, args.at.namespace.as_deref()).await?;
    let namespace = (!args.all_namespaces).then_some(connection.namespace.as_str());
    let mut kinds = Kinds::known();
    let mut meant = Vec::new();
    for Wanted { kind, names } in all {
        meant.push((kinds.meant(&connection, &kind).await?, names));
    }
    let choice = Choice { wide: args.wide, namespaces: args.all_namespaces };
    let labels = args.selector.as_deref();
    if args.watch {
        let [(kind, names)] = meant.as_slice() else { return Err(one_kind()) };
        let name = match names.as_slice() {
            [] => None,
            [name] => Some(name.as_str()),
            _ => return Err(one_kind()),
        };
        let selected = Selected { connection: &connection, kind, namespace, name, labels };
        return selected.follow(choice, global).await;
    }
    let mut found = Found { objects: Vec::new(), single: false, worst: 0, shown: false };
    for (kind, names) in &meant {
        if names.is_empty() {
            let which = ListParams { label_selector: args.selector.clone(), ..ListParams::default() };
            found.list(&connection, kind, namespace, &which, choice, global).await?;
        } else {
            found.single = meant.len() == 1 && names.len() == 1;
            found.named(&connection, kind, namespace, names, choice, global).await?;
        }
    }
    if global.output == Output::Json {
        match found.objects.as_slice() {
            // What is not there was told already.
            [] if found.worst > 0 => {}
            [one] if found.single => output::json(one)?,
            all => output::json(&json!({"apiVersion": "v1", "kind": "List", "items": all}))?,
        }
    }
    Ok(found.worst)
}

/// What is said of a name cannot be said of many.
fn alone(args: &GetArgs, kind: &str) -> Result<(), Failure> {
    let (option, help) = match (args.all_namespaces, &args.selector) {
        (true, _) => ("--all-namespaces", "name the namespace with --namespace"),
        (_, Some(_)) => ("--selector", "leave the names out, or the labels"),
        (false, None) => return Ok(()),
    };
    Err(Failure::usage(format!("{option} selects among all objects of a kind, and `{kind}` has names"), help))
}

fn one_kind() -> Failure {
    Failure::usage("--watch follows one kind, or one object of it", "start another one for what else is to be followed")
}

/// What was found.
struct Found {
    /// For programs.
    objects: Vec<Value>,
    /// Whether one object was asked for.
    single: bool,
    /// The exit code.
    worst: u8,
    /// Whether something was shown.
    shown: bool,
}

impl Found {
    async fn list(
        &mut self,
        connection: &Connection,
        kind: &Kind,
        namespace: Option<&str>,
        which: &ListParams,
        choice: Choice,
        global: &Global,
    ) -> Result<(), Failure> {
        if global.output == Output::Json {
            let objects = list::objects(connection, kind, namespace, which).await?;
            self.objects.extend(objects.into_iter().map(bare));
            return Ok(());
        }
        let pages = list::pages(connection, kind, namespace, which, Form::Table).await?;
        if !self.show(&ServerTable::of_pages(pages), kind, choice) {
            let within = namespace.filter(|_| kind.namespaced);
            let within = within.map(|namespace| format!(" in the namespace {namespace}")).unwrap_or_default();
            output::error_line(&format!("there are no {}{within}", kind.resource.plural));
        }
        Ok(())
    }

    async fn named(
        &mut self,
        connection: &Connection,
        kind: &Kind,
        namespace: Option<&str>,
        names: &[String],
        choice: Choice,
        global: &Global,
    ) -> Result<(), Failure> {
        let form = if global.output == Output::Json { Form::Objects } else { Form::Table };
        let mut table = ServerTable::default();
        for name in names {
            match list::one(connection, kind, namespace, name, form).await {
                Ok(object) if form == Form::Objects => self.objects.push(bare(object)),
                Ok(answer) => table.add(ServerTable::read(answer)),
                // One that is not there does not hide the others.
                Err(trouble) if trouble.is_missing() => {
                    let failure = missing(trouble.into(), kind);
                    self.worst = self.worst.max(failure.exit_code);
                    failure.show(global);
                }
                Err(trouble) => return Err(trouble.into()),
            }
        }
        self.show(&table, kind, choice);
        Ok(())
    }

    fn show(&mut self, table: &ServerTable, kind: &Kind, choice: Choice) -> bool {
        // What is in no namespace has no column for it.
        let choice = Choice { namespaces: choice.namespaces && kind.namespaced, ..choice };
        if self.shown && !table.is_empty() {
            output::line("");
        }
        let shown = table.show(choice);
        self.shown |= shown;
        shown
    }
}

/// An object without the notes of who has written which field: they are for the server.
pub(super) fn bare(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, _| name != "managedFields");
    }
    object
}

/// What to do when an object is not there.
pub(super) fn missing(failure: Failure, kind: &Kind) -> Failure {
    let plural = &kind.resource.plural;
    let remedy = if kind.namespaced {
        format!("`aggregator get {plural}` lists those of the namespace, with -A those of all")
    } else {
        format!("`aggregator get {plural}` lists those that are there")
    };
    Failure { remedy: failure.remedy.or(Some(remedy)), ..failure }
}

/// Objects that are followed.
struct Selected<'a> {
    connection: &'a Connection,
    kind: &'a Kind,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    labels: Option<&'a str>,
}

impl Selected<'_> {
    fn fields(&self) -> Option<String> {
        self.name.map(|name| format!("metadata.name={name}"))
    }

    fn watch(&self, form: Form, version: String) -> Watch<'_> {
        let which = WatchParams {
            label_selector: self.labels.map(str::to_owned),
            field_selector: self.fields(),
            ..WatchParams::default()
        };
        let Self { connection, kind, namespace, .. } = self;
        Watch { connection, kind, namespace: *namespace, which, form, version }
    }

    /// Shows what is there, and then what changes, for ever.
    async fn follow(&self, choice: Choice, global: &Global) -> Result<u8, Failure> {
        let choice = Choice { namespaces: choice.namespaces && self.kind.namespaced, ..choice };
        let mut lines = Lines::default();
        if global.output == Output::Json {
            let watch = self.watch(Form::Objects, String::new());
            return taken_up(watch, |what, object| lines.event(what, object)).await;
        }
        let which = ListParams {
            label_selector: self.labels.map(str::to_owned),
            field_selector: self.fields(),
            ..ListParams::default()
        };
        let pages = list::pages(self.connection, self.kind, self.namespace, &which, Form::Table).await?;
        let mut table = ServerTable::of_pages(pages);
        lines.table(&table, &table, choice);
        let watch = self.watch(Form::Table, table.version().to_owned());
        taken_up(watch, |_, object| {
            let event = ServerTable::read(object.clone());
            // A list of a kind whose table is empty may have no columns.
            if event.has_head() {
                table = event.clone();
            }
            lines.table(&event, &table, choice);
        })
        .await
    }
}

/// Follows a watch for ever: one that ends is taken up where it was, or begun anew.
async fn taken_up(mut watch: Watch<'_>, mut told: impl FnMut(&str, &Value)) -> Result<u8, Failure> {
    let mut patience = Patience::default();
    loop {
        match watch.follow(&mut told).await {
            Ok(End::Over) => patience.answered(),
            Ok(End::Expired) => {
                patience.answered();
                watch.version.clear();
            }
            Err(trouble) => patience.bear(trouble)?,
        }
        Patience::pause().await;
    }
}

/// Lines that come one after the other, in columns that grow.
#[derive(Default)]
struct Lines {
    widths: Vec<usize>,
    /// The version of each object that was shown: a watch that begins anew tells of all of them again.
    versions: HashMap<(String, String), String>,
}

impl Lines {
    /// Whether an object has not been shown in this version.
    fn is_new(&mut self, namespace: &str, name: &str, version: &str) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        version.is_empty() || self.versions.insert(key, version.to_owned()).is_none_or(|before| before != version)
    }

    fn table(&mut self, rows: &ServerTable, columns: &ServerTable, choice: Choice) {
        let mut new: Vec<Vec<String>> = Vec::new();
        for Shown { namespace, name, version, cells } in rows.rows(columns, choice) {
            if self.is_new(&namespace, &name, &version) {
                new.push(cells);
            }
        }
        if !new.is_empty() && self.widths.is_empty() {
            new.insert(0, columns.head(choice).names);
        }
        for line in self.aligned(&new) {
            output::line(&output::harmless(&line));
        }
    }

    /// The lines, in columns as wide as any cell so far.
    fn aligned(&mut self, rows: &[Vec<String>]) -> Vec<String> {
        for cells in rows {
            self.widths.resize(self.widths.len().max(cells.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(cells) {
                *width = cell.chars().count().max(*width);
            }
        }
        let line = |cells: &Vec<String>| {
            let padded = cells.iter().zip(&self.widths).map(|(cell, &width)| format!("{cell:width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        rows.iter().map(line).collect()
    }

    /// An event for programs, in one line.
    fn event(&mut self, what: &str, object: &Value) {
        let meta = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        let new = self.is_new(meta("namespace"), meta("name"), meta("resourceVersion"));
        if new || what == "DELETED" {
            output::line(&json!({"type": what, "object": bare(object.clone())}).to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn columns_grow_and_do_not_shrink() {
        let mut lines = Lines::default();
        let first = [row(&["NAME", "PHASE"]), row(&["orders", "Pending"])];
        assert_eq!(lines.aligned(&first), ["NAME    PHASE", "orders  Pending"]);
        assert_eq!(lines.aligned(&[row(&["a", ""])]), ["a"]);
        assert_eq!(lines.aligned(&[row(&["monthly-report", "Failed", "x"])]), ["monthly-report  Failed   x"]);
        assert_eq!(lines.aligned(&[row(&["b", "Running", "y"])]), ["b               Running  y"]);
    }

    #[test]
    fn an_object_is_shown_once_in_each_version() {
        let mut lines = Lines::default();
        assert!(lines.is_new("demo", "a", "1"));
        assert!(!lines.is_new("demo", "a", "1"));
        assert!(lines.is_new("demo", "a", "2"));
        assert!(lines.is_new("other", "a", "2"));
        assert!(lines.is_new("demo", "a", ""));
    }

    #[test]
    fn who_has_written_what_is_left_out() {
        let object = json!({"metadata": {"name": "a", "managedFields": [{}]}, "spec": {}});
        assert_eq!(bare(object), json!({"metadata": {"name": "a"}, "spec": {}}));
        assert_eq!(bare(json!({})), json!({}));
    }
}
