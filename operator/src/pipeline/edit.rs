//! What an edit of a Pipeline's spec means for the data: which fields were changed, and what follows. Pure.

use std::collections::{BTreeMap, BTreeSet};

use aggregator_crds::PipelineSpec;
use aggregator_crds::pipeline::{EditClass, LastEdit, WriteMode};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::revision;
use crate::news::short;

/// What the edit that has made a revision means, as JSON: an annotation.
const EDIT: &str = "aggregator.dev/edit";
/// The most fields that are kept, and how many of them the message names.
const FIELDS: usize = 20;
const NAMED: usize = 5;
/// The most bytes of an element's name, of a field's path and of the message.
const NAME: usize = 63;
const PATH: usize = 200;
const MESSAGE: usize = 4096;

/// What an edit means for the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Edit {
    /// In a word.
    class: EditClass,
    /// The fields that were changed, the gravest first.
    fields: Vec<String>,
    /// For people.
    message: String,
}

/// What a change of a field comes to, from the least to the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    /// No run does anything else.
    Nothing,
    /// The next run does as the spec says now.
    Next,
    /// A source goes on from positions, and was read whole before.
    Begins,
    /// A source is read whole, and went on from positions before.
    Whole,
    /// Rows that stand at a position are told apart by something else.
    Boundary,
    /// Positions are of another cursor.
    Cursor,
    /// Positions are of what was read elsewhere.
    Elsewhere,
    /// A sink writes otherwise.
    Written,
    /// A sink writes to another place.
    Place,
}

/// Every field of the spec, with what a change of it comes to. A list or a map that stands here is one field, whatever in it
/// was changed; `[]` is an element of a list whose elements have names.
const EFFECTS: &[(Effect, &[&str])] = &[
    (Effect::Nothing, &["description", "params[].description", "revisionHistoryLimit"]),
    (
        Effect::Next,
        &[
            "desiredState",
            "draft",
            "execution.onStreamFailure",
            "execution.resources.limits",
            "execution.resources.requests",
            "execution.retry.backoff.factor",
            "execution.retry.backoff.initial",
            "execution.retry.backoff.max",
            "execution.retry.limit",
            "execution.shards",
            "execution.splitSize",
            "execution.timeout",
            "mode",
            "params[].default",
            "params[].type",
            "quality[].expression",
            "quality[].node",
            "quality[].severity",
            "rejects.budget.percent",
            "rejects.budget.rows",
            "rejects.connector",
            "rejects.stream",
            "sinks[].from",
            "sinks[].schemaPolicy.columns",
            "sinks[].schemaPolicy.dataType",
            "sinks[].schemaPolicy.tables",
            "sinks[].write.delete.markers",
            "sinks[].write.delete.where",
            "sinks[].write.scd2.effectiveFrom",
            "sources[].streams.exclude",
            "sources[].streams.include",
            "sources[].sync.fallback",
            "sources[].sync.lag",
            "transforms[].aggregate.groupBy",
            "transforms[].aggregate.measures",
            "transforms[].deduplicate.keep",
            "transforms[].deduplicate.key",
            "transforms[].deduplicate.orderBy",
            "transforms[].filter.where",
            "transforms[].from",
            "transforms[].join.keys",
            "transforms[].join.select",
            "transforms[].join.type",
            "transforms[].mapping.columns",
            "transforms[].mapping.others",
            "transforms[].mask.columns",
            "transforms[].mask.ifPresent",
            "transforms[].sql.query",
            "transforms[].transformation.params",
            "transforms[].transformation.ref",
            "transforms[].union.distinct",
            "transforms[].unnest.as",
            "transforms[].unnest.column",
            "transforms[].unnest.keepEmpty",
            "transforms[].validate.rules",
        ],
    ),
    (Effect::Boundary, &["sources[].sync.key"]),
    (Effect::Cursor, &[OVERRIDES, "sources[].sync.cursor", "sources[].sync.mode"]),
    (Effect::Elsewhere, &["sources[].connector", "sources[].stream"]),
    (
        Effect::Written,
        &[
            "sinks[].write.key",
            "sinks[].write.missing",
            "sinks[].write.mode",
            "sinks[].write.partitionBy",
            "sinks[].write.scd2.isCurrent",
            "sinks[].write.scd2.validFrom",
            "sinks[].write.scd2.validTo",
        ],
    ),
    (Effect::Place, &["sinks[].connector", "sinks[].stream"]),
];

/// What some of a source's streams have otherwise.
const OVERRIDES: &str = "sources[].overrides";

/// The lists whose elements are told apart by their names; in which order they stand changes nothing.
const LISTS: [&str; 5] = ["params", "quality", "sinks", "sources", "transforms"];

impl Effect {
    /// That of a field; None for one that has others in it.
    fn of(field: &str) -> Option<Self> {
        EFFECTS.iter().find(|(_, fields)| fields.contains(&field)).map(|(effect, _)| *effect)
    }

    fn class(self) -> EditClass {
        match self {
            Self::Nothing => EditClass::Cosmetic,
            Self::Next => EditClass::Forward,
            Self::Begins | Self::Whole | Self::Boundary | Self::Cursor | Self::Elsewhere => EditClass::Positions,
            Self::Written | Self::Place => EditClass::Target,
        }
    }

    /// What follows, for people; where some source goes on from positions, a new place lacks what was read before.
    fn follows(self, by_position: bool) -> &'static str {
        match self {
            Self::Nothing => "nothing that a run does changes",
            Self::Next => "the next run does as the spec says now, and what was delivered before stays as it is",
            Self::Begins => {
                "runs go on from the Checkpoint now, and read from the beginning what it has no position of"
            }
            Self::Whole => "each run reads everything now, also what was read before",
            Self::Boundary => "rows that stand just at a position may be read once more",
            Self::Cursor => {
                "a position that was kept by another cursor does not fit, and the next run ends with the reason \
                 `ConfigInvalid`: run once with `mode: Full`, which reads everything once more"
            }
            Self::Elsewhere => {
                "positions are of what was read before, and rows that stand before them may be left out: run once with \
                 `mode: Full`, which reads everything"
            }
            Self::Written => {
                "rows are written so from now on, and those that are there were written otherwise: where the two do not \
                 go together, empty the place or name another one, and run once with `mode: Full`"
            }
            Self::Place if by_position => {
                "a new place gets what is read from now on, and a former one keeps what it has: to fill the new one from \
                 the beginning, run once with `mode: Full`"
            }
            Self::Place => "the next run fills a new place from the beginning, and a former one keeps what it has",
        }
    }
}

/// The fields that were changed, by what that comes to.
#[derive(Default)]
struct Changes(BTreeMap<Effect, Vec<String>>);

impl Changes {
    fn note(&mut self, effect: Effect, path: String) {
        self.0.entry(effect).or_default().push(path);
    }

    /// Compares what stands at a field, or below it. `field` is that of the schema, `path` the one in this spec.
    fn compare(&mut self, before: &Value, now: &Value, field: &str, path: &str) {
        if before == now {
            return;
        }
        if let Some(effect) = Effect::of(field) {
            let written_only = field == OVERRIDES && reads(before) == reads(now);
            return self.note(if written_only { Effect::Next } else { effect }, path.to_owned());
        }
        if LISTS.contains(&field) {
            return self.compare_named(before, now, field, path);
        }
        let objects = [before, now].into_iter().filter_map(Value::as_object);
        let names: BTreeSet<&String> = objects.flat_map(|object| object.keys()).collect();
        if names.is_empty() {
            // An operation without fields of its own, as `union`, says something by being there; nothing else does.
            if field.starts_with("transforms[].") {
                self.note(Effect::Next, path.to_owned());
            }
            return;
        }
        for name in names {
            let field = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
            self.compare(&before[name.as_str()], &now[name.as_str()], &field, &format!("{path}.{name}"));
        }
    }

    /// Compares lists whose elements have names.
    fn compare_named(&mut self, before: &Value, now: &Value, list: &str, path: &str) {
        let (before, now) = (by_name(before), by_name(now));
        let names: BTreeSet<&str> = before.keys().chain(now.keys()).copied().collect();
        for name in names {
            let path = format!("{path}[{}]", short(name, NAME));
            match (before.get(name), now.get(name)) {
                (Some(before), Some(now)) => {
                    let mut own = Self::default();
                    own.compare(before, now, &format!("{list}[]"), &path);
                    let reads = (list == "sources").then(|| (goes_on(before), goes_on(now)));
                    for (effect, paths) in own.0 {
                        let effect = reads.map_or(effect, |reads| read_as(effect, reads));
                        paths.into_iter().for_each(|path| self.note(effect, path));
                    }
                }
                (None, Some(now)) => match list {
                    "sinks" => self.note(Effect::Place, path),
                    "sources" if goes_on(now) => self.note(Effect::Begins, path),
                    _ => self.note(Effect::Next, path),
                },
                _ => self.note(Effect::Next, path),
            }
        }
    }
}

/// The elements of a list by their names.
fn by_name(list: &Value) -> BTreeMap<&str, &Value> {
    let elements = list.as_array().into_iter().flatten();
    elements.map(|element| (element["name"].as_str().unwrap_or_default(), element)).collect()
}

/// What of overrides is about reading: the rest is for sinks.
fn reads(overrides: &Value) -> Vec<[&Value; 2]> {
    let each = overrides.as_array().into_iter().flatten();
    each.filter(|each| !each["sync"].is_null()).map(|each| [&each["stream"], &each["sync"]]).collect()
}

/// Whether a source, or one of its streams, goes on from where the last run ended.
fn goes_on(source: &Value) -> bool {
    let incremental = |sync: &Value| sync["mode"] == "Incremental";
    let mut overrides = source["overrides"].as_array().into_iter().flatten();
    incremental(&source["sync"]) || overrides.any(|other| incremental(&other["sync"]))
}

/// What a change of a source comes to, when it went on from positions before or not, and does now or not.
fn read_as(effect: Effect, (before, now): (bool, bool)) -> Effect {
    if effect.class() != EditClass::Positions {
        return effect;
    }
    match (before, now) {
        (true, true) => effect,
        (false, true) => Effect::Begins,
        (true, false) => Effect::Whole,
        // Each run reads everything, wherever it is.
        (false, false) => Effect::Next,
    }
}

/// A spec in which what is left out and has a meaning of its own stands written: who writes it out has changed nothing.
fn written_out(spec: &PipelineSpec) -> Value {
    let mut spec = spec.clone();
    for source in &mut spec.sources {
        source.sync.get_or_insert_default();
    }
    for sink in &mut spec.sinks {
        let write = sink.write.get_or_insert_default();
        write.missing.get_or_insert_default();
        if write.mode == WriteMode::Scd2 {
            write.scd2.get_or_insert_default();
        }
    }
    serde_json::to_value(&spec).unwrap_or_default()
}

/// What an edit of a spec means.
pub(super) fn between(before: &PipelineSpec, now: &PipelineSpec) -> Edit {
    let mut changes = Changes::default();
    let (before, now) = (written_out(before), written_out(now));
    changes.compare(&before, &now, "", "spec");
    let by_position = now["sources"].as_array().into_iter().flatten().any(goes_on);
    let gravest = changes.0.keys().next_back().copied();
    let fields = changes.0.values().rev().flatten().map(|path| short(path, PATH)).take(FIELDS);
    Edit {
        class: gravest.map_or(EditClass::Cosmetic, Effect::class),
        fields: fields.collect(),
        message: message(&changes, by_position),
    }
}

fn message(changes: &Changes, by_position: bool) -> String {
    if changes.0.is_empty() {
        return "the same was written otherwise: nothing that a run does changes".to_owned();
    }
    let mut room = NAMED;
    let told = changes.0.iter().rev().map(|(effect, paths)| {
        let named: Vec<String> = paths.iter().take(room).map(|path| format!("`{}`", short(path, PATH))).collect();
        room -= named.len();
        let more = paths.len() - named.len();
        let fields = match (named.is_empty(), more) {
            (_, 0) => named.join(", "),
            (true, more) => format!("{more} more"),
            (false, more) => format!("{} and {more} more", named.join(", ")),
        };
        format!("{fields}: {}", effect.follows(by_position))
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Writes down with a revision what the edit means that has made it.
pub(super) fn note(kept: &mut ControllerRevision, edit: &Edit) {
    let text = serde_json::to_string(edit).unwrap_or_default();
    kept.annotations_mut().insert(EDIT.to_owned(), text);
}

/// The same edit, of which was told, to be written down once more.
pub(super) fn once_more(told: &LastEdit) -> Edit {
    Edit { class: told.class, fields: told.fields.clone(), message: told.message.clone() }
}

/// What the edit means that has made a revision; None when none has, or it does not say so.
pub(super) fn of(kept: &ControllerRevision) -> Option<LastEdit> {
    let edit: Edit = serde_json::from_str(kept.annotations().get(EDIT)?).ok()?;
    Some(LastEdit {
        revision: revision::number(kept),
        time: kept.creation_timestamp().map(|time| time.0),
        class: edit.class,
        // Others may have written there.
        fields: edit.fields.iter().take(FIELDS).map(|path| short(path, PATH)).collect(),
        message: short(&edit.message, MESSAGE),
    })
}

#[cfg(test)]
mod tests {
    use aggregator_crds::Pipeline;
    use serde_json::json;

    use super::*;
    use crate::fixture::object;

    fn spec() -> Value {
        json!({
            "description": "Large orders",
            "params": [{"name": "limit", "type": "Int64", "default": "5"}],
            "sources": [
                {"name": "orders", "connector": "shop", "stream": "public.orders",
                 "sync": {"mode": "Incremental", "cursor": "placed", "key": ["id"]}},
                {"name": "rates", "connector": "files", "stream": "rates.csv"},
            ],
            "transforms": [
                {"name": "large", "from": ["orders"], "filter": {"where": "amount > $limit"}},
                {"name": "joined", "from": ["large", "rates"], "join": {"keys": [{"left": "c", "right": "c"}]}},
            ],
            "sinks": [
                {"name": "kept", "from": "joined", "connector": "lake", "stream": "orders",
                 "write": {"mode": "Upsert", "key": ["id"]}},
                {"name": "log", "from": "large", "connector": "files", "stream": "log/"},
            ],
            "execution": {"timeout": "1h"},
        })
    }

    /// A spec with a value somewhere: null takes away what is there, `-` is the end of a list.
    fn with(mut spec: Value, pointer: &str, value: Value) -> Value {
        let (parent, last) = pointer.rsplit_once('/').expect("a pointer");
        match spec.pointer_mut(parent).expect("it is there") {
            Value::Array(list) if last == "-" => list.push(value),
            Value::Array(list) => drop(list.remove(last.parse().expect("an index"))),
            Value::Object(fields) if value.is_null() => drop(fields.remove(last)),
            parent => parent[last] = value,
        }
        spec
    }

    /// The class of an edit, its fields without `spec.`, and what is told of it.
    fn found(before: Value, now: Value) -> (EditClass, Vec<String>, String) {
        let edit = between(&object(before), &object(now));
        let fields = edit.fields.iter().map(|field| field.trim_start_matches("spec.").to_owned()).collect();
        (edit.class, fields, edit.message)
    }

    /// An edit of one field: where, what, the field, and what it comes to.
    type Case = (&'static str, Value, &'static str, Effect);

    /// Edits by their classes.
    fn edits() -> Vec<(EditClass, Vec<Case>)> {
        let incremental = json!({"mode": "Incremental", "cursor": "at"});
        let more = json!({"name": "more", "connector": "shop", "stream": "public.more", "sync": incremental});
        let copy = json!({"name": "copy", "from": "large", "connector": "lake", "stream": "copy"});
        let some = json!([{"name": "some", "node": "large", "expression": "count(*) > 0"}]);
        let memory = json!({"limits": {"memory": "1Gi"}});
        let of_some = |field: &str, value: Value| json!([{"stream": "public.*", field: value}]);
        let frozen = of_some("schemaPolicy", json!({"columns": "Freeze"}));
        let by_id = of_some("sync", json!({"mode": "Incremental", "cursor": "id"}));
        let (by_file, overwrite) = (json!({"mode": "Incremental"}), json!({"mode": "Overwrite"}));
        let cosmetic = vec![
            ("/description", json!("All orders"), "description", Effect::Nothing),
            ("/params/0/description", json!("from there on"), "params[limit].description", Effect::Nothing),
            ("/revisionHistoryLimit", json!(3), "revisionHistoryLimit", Effect::Nothing),
        ];
        let forward = vec![
            ("/draft", json!(true), "draft", Effect::Next),
            ("/params/0/default", json!("6"), "params[limit].default", Effect::Next),
            ("/execution", Value::Null, "execution.timeout", Effect::Next),
            ("/execution/resources", memory, "execution.resources.limits", Effect::Next),
            ("/transforms/0/filter/where", json!("true"), "transforms[large].filter.where", Effect::Next),
            ("/transforms/1/join/type", json!("Left"), "transforms[joined].join.type", Effect::Next),
            ("/quality", some, "quality[some]", Effect::Next),
            ("/sources/0/sync/lag", json!("10m"), "sources[orders].sync.lag", Effect::Next),
            ("/sources/0/overrides", frozen, "sources[orders].overrides", Effect::Next),
            ("/sources/1/stream", json!("other.csv"), "sources[rates].stream", Effect::Next),
            ("/sources/1", Value::Null, "sources[rates]", Effect::Next),
            ("/sinks/0/from", json!("large"), "sinks[kept].from", Effect::Next),
            ("/sinks/1", Value::Null, "sinks[log]", Effect::Next),
        ];
        let positions = vec![
            ("/sources/1/sync", by_file, "sources[rates].sync.mode", Effect::Begins),
            ("/sources/-", more, "sources[more]", Effect::Begins),
            ("/sources/0/sync/mode", json!("FullRefresh"), "sources[orders].sync.mode", Effect::Whole),
            ("/sources/0/sync/key", json!(["id", "line"]), "sources[orders].sync.key", Effect::Boundary),
            ("/sources/0/sync/cursor", json!("paid"), "sources[orders].sync.cursor", Effect::Cursor),
            ("/sources/0/overrides", by_id, "sources[orders].overrides", Effect::Cursor),
            ("/sources/0/stream", json!("public.all"), "sources[orders].stream", Effect::Elsewhere),
            ("/sources/0/connector", json!("replica"), "sources[orders].connector", Effect::Elsewhere),
        ];
        let target = vec![
            ("/sinks/0/write/key", json!(["line"]), "sinks[kept].write.key", Effect::Written),
            ("/sinks/1/write", overwrite, "sinks[log].write.mode", Effect::Written),
            ("/sinks/0/stream", json!("all_orders"), "sinks[kept].stream", Effect::Place),
            ("/sinks/-", copy, "sinks[copy]", Effect::Place),
        ];
        vec![
            (EditClass::Cosmetic, cosmetic),
            (EditClass::Forward, forward),
            (EditClass::Positions, positions),
            (EditClass::Target, target),
        ]
    }

    #[test]
    fn an_edit_of_a_field_has_a_class_and_says_what_follows() {
        for (class, edits) in edits() {
            for (pointer, value, field, effect) in edits {
                let (is, fields, message) = found(spec(), with(spec(), pointer, value));
                assert_eq!((is, fields.as_slice()), (class, &[field.to_owned()][..]), "{pointer}");
                assert_eq!(message, format!("`spec.{field}`: {}", effect.follows(true)), "{pointer}");
            }
        }
    }

    #[test]
    fn what_is_only_written_otherwise_changes_nothing() {
        let mut same = with(spec(), "/sources/1/sync", json!({"mode": "FullRefresh"}));
        same = with(same, "/sinks/1/write", json!({"mode": "Append", "missing": "Keep"}));
        same = with(same, "/rejects", json!({"connector": "files", "stream": "bad/", "budget": {}}));
        same["sinks"].as_array_mut().expect("a list").reverse();
        let before = with(spec(), "/rejects", json!({"connector": "files", "stream": "bad/"}));
        let (class, fields, message) = found(before, same);
        assert_eq!((class, fields.len()), (EditClass::Cosmetic, 0));
        assert_eq!(message, "the same was written otherwise: nothing that a run does changes");
    }

    #[test]
    fn several_fields_are_told_by_what_follows_and_of_many_some() {
        let mut now = with(spec(), "/sources/0/sync/cursor", json!("paid"));
        now = with(now, "/sinks/0/connector", json!("house"));
        now = with(now, "/sinks/0/stream", json!("public.orders"));
        now = with(now, "/description", json!("x"));
        let (class, fields, message) = found(spec(), now);
        let place = ["sinks[kept].connector", "sinks[kept].stream"];
        assert_eq!(class, EditClass::Target);
        assert_eq!(fields, [place[0], place[1], "sources[orders].sync.cursor", "description"]);
        let told = format!(
            "`spec.{}`, `spec.{}`: {}; `spec.sources[orders].sync.cursor`: {}; `spec.description`: {}",
            place[0],
            place[1],
            Effect::Place.follows(true),
            Effect::Cursor.follows(true),
            Effect::Nothing.follows(true)
        );
        assert_eq!(message, told);

        let sinks = |connector: &str| -> Vec<Value> {
            let sink = |name: String| json!({"name": name, "from": "rates", "connector": connector, "stream": "s"});
            (10..40).map(|number| sink(format!("s{number}"))).collect()
        };
        let whole = |connector: &str, description: &str| {
            json!({"description": description, "sources": [{"name": "rates", "connector": "files", "stream": "r"}],
                   "sinks": sinks(connector)})
        };
        let (_, fields, message) = found(whole("a", "x"), whole("b", "y"));
        assert_eq!((fields.len(), fields[19].as_str()), (20, "sinks[s29].connector"));
        let five: Vec<String> = (10..15).map(|number| format!("`spec.sinks[s{number}].connector`")).collect();
        let place = "the next run fills a new place from the beginning, and a former one keeps what it has";
        let told = format!("{} and 25 more: {place}; 1 more: nothing that a run does changes", five.join(", "));
        assert_eq!(message, told);
    }

    #[test]
    fn it_is_kept_with_the_revision_and_bounded() {
        let pipeline: Pipeline = object(json!({
            "apiVersion": aggregator_crds::API_VERSION, "kind": "Pipeline",
            "metadata": {"name": "move", "namespace": "demo", "uid": "uid"}, "spec": spec(),
        }));
        let mut kept = revision::keep(&pipeline, 4);
        assert_eq!(of(&kept), None, "nothing was edited");
        let edit = between(&pipeline.spec, &object(with(spec(), "/sinks/0/stream", json!("x"))));
        note(&mut kept, &edit);
        let read = of(&kept).expect("it says so");
        assert_eq!((read.revision, read.class, read.time), (4, EditClass::Target, None));
        assert_eq!((&read.fields, &read.message), (&edit.fields, &edit.message));
        let long = Edit { fields: vec!["ö".repeat(1000); 50], message: "ö".repeat(10_000), ..edit };
        note(&mut kept, &long);
        let read = of(&kept).expect("it says so");
        assert_eq!((read.fields.len(), read.fields[0].len(), read.message.len()), (FIELDS, PATH, MESSAGE));
        kept.annotations_mut().insert(EDIT.to_owned(), "by hand".to_owned());
        assert_eq!(of(&kept), None);
    }

    /// Every field of a schema, as `sources[].sync.lag`.
    fn below(schema: &Value, path: &str, all: &mut BTreeSet<String>) {
        if !path.is_empty() {
            all.insert(path.to_owned());
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            below(property, &path, all);
        }
        for (keyword, shown) in [("items", "[]"), ("additionalProperties", "{}")] {
            if let Some(inner) = schema.get(keyword) {
                below(inner, &format!("{path}{shown}"), all);
            }
        }
    }

    #[test]
    fn every_field_of_the_spec_has_a_class() {
        let schema = aggregator_crds::json_schema("Pipeline").expect("a kind of ours");
        let mut all = BTreeSet::new();
        below(&schema["properties"]["spec"], "", &mut all);
        assert!(all.len() > 100, "only {} fields were found", all.len());
        let known: Vec<&str> = EFFECTS.iter().flat_map(|(_, fields)| fields.iter().copied()).collect();
        let within = |path: &str, of: &str| path.strip_prefix(of).is_some_and(|rest| rest.starts_with(['.', '[', '{']));
        // An element that comes or goes has a class by its list, and its name tells which it is.
        let names = LISTS.iter().flat_map(|list| [format!("{list}[].name"), format!("{list}[]"), (*list).to_owned()]);
        let names: BTreeSet<String> = names.collect();
        let unknown: Vec<&String> = all
            .iter()
            .filter(|path| !names.contains(*path))
            .filter(|path| {
                let others = |field: &&str| {
                    *field != path.as_str() && !within(path.as_str(), field) && !within(field, path.as_str())
                };
                known.iter().all(others)
            })
            .collect();
        assert!(unknown.is_empty(), "nobody has said what an edit of {unknown:?} means: EFFECTS in edit.rs");
        let gone: Vec<&&str> = known.iter().filter(|field| !all.contains(**field)).collect();
        assert!(gone.is_empty(), "there are no fields {gone:?}");
        let distinct: BTreeSet<&str> = known.iter().copied().collect();
        assert_eq!(distinct.len(), known.len(), "each field has one class");
    }
}
