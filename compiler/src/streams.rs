//! A Pipeline whose one source stands for many streams: which streams those are, and the Pipeline of each.

use std::collections::BTreeMap;

use aggregator_crds::Pipeline;
use aggregator_crds::connector::ConnectorType;
use aggregator_crds::pipeline::{
    FallbackMode, PipelineSpec, SchemaPolicy, Source, StreamOverride, StreamSelection, Sync, SyncMode,
};
use globset::{Glob, GlobMatcher};

use crate::catalogue::Stream;
use crate::compile::has_files;
use crate::manifest::{Located, Manifests};

/// What a sink's stream says for the name of one of many streams.
const NAME: &str = "${stream.name}";

/// The source of a Pipeline that stands for many streams, and what selects them.
#[must_use]
pub fn selecting(spec: &PipelineSpec) -> Option<(&Source, &StreamSelection)> {
    spec.sources.iter().find_map(|source| Some((source, source.streams.as_ref()?)))
}

/// The streams of a catalogue that a selection means, in the catalogue's order.
#[must_use]
pub fn select<'s>(selection: &StreamSelection, streams: &'s [Stream]) -> Vec<&'s Stream> {
    let (include, exclude) = (matchers(&selection.include), matchers(&selection.exclude));
    let any = |globs: &[GlobMatcher], name: &str| globs.iter().any(|glob| glob.is_match(name));
    streams.iter().filter(|stream| any(&include, &stream.name) && !any(&exclude, &stream.name)).collect()
}

/// Validation has seen that each is a glob.
fn matchers(globs: &[String]) -> Vec<GlobMatcher> {
    globs.iter().filter_map(|glob| Some(Glob::new(glob).ok()?.compile_matcher())).collect()
}

/// The objects in which a Pipeline reads just one of its many streams.
#[must_use]
pub fn of_stream(manifests: &Manifests, pipeline: &Located<Pipeline>, stream: &Stream) -> Manifests {
    let mut spec = pipeline.object.spec.clone();
    if let Some((source, _)) = selecting(&pipeline.object.spec) {
        let name = target_name(&stream.name, connector_type(manifests, pipeline, &source.connector));
        for sink in &mut spec.sinks {
            sink.stream = sink.stream.replace(NAME, &name);
            if connector_type(manifests, pipeline, &sink.connector).is_some_and(|kind| !has_files(kind)) {
                sink.schema_policy = policy_of_stream(sink.schema_policy.take(), source, stream);
            }
        }
    }
    for source in spec.sources.iter_mut().filter(|source| source.streams.is_some()) {
        source.sync = Some(sync_of_stream(source.sync.take().unwrap_or_default(), source, stream));
        source.streams = None;
        source.overrides.clear();
        source.stream = Some(stream.name.clone());
    }
    manifests.with_pipeline(&pipeline.namespace, &pipeline.name, spec)
}

/// The type of a Connector that a Pipeline names; None when nothing sound has that name.
pub(crate) fn connector_type<'m>(
    manifests: &'m Manifests,
    pipeline: &Located<Pipeline>,
    name: &str,
) -> Option<&'m ConnectorType> {
    let connector = manifests.connector(&pipeline.namespace, name)?;
    (!connector.is_in_damaged("spec")).then_some(&connector.object.spec.connector_type)
}

/// The overrides that match a stream, in order: of several that set a field, the last one counts.
fn overrides<'s>(source: &'s Source, stream: &Stream) -> impl Iterator<Item = &'s StreamOverride> {
    let matches = move |glob: Glob| glob.compile_matcher().is_match(&stream.name);
    source.overrides.iter().filter(move |change| Glob::new(&change.stream).is_ok_and(matches))
}

/// What a sink's `schemaPolicy` is for one stream.
fn policy_of_stream(own: Option<SchemaPolicy>, source: &Source, stream: &Stream) -> Option<SchemaPolicy> {
    let changes = overrides(source, stream).filter_map(|change| change.schema_policy.as_ref());
    changes.fold(own, |own, change| {
        let own = own.unwrap_or_default();
        Some(SchemaPolicy {
            tables: change.tables.or(own.tables),
            columns: change.columns.or(own.columns),
            data_type: change.data_type.or(own.data_type),
        })
    })
}

/// What `sync` is for one stream: the overrides that match it, and the fallback if it lacks the cursor.
fn sync_of_stream(mut sync: Sync, source: &Source, stream: &Stream) -> Sync {
    for change in overrides(source, stream).filter_map(|change| change.sync.as_ref()) {
        if let Some(mode) = change.mode {
            sync.mode = mode;
        }
        if let Some(cursor) = &change.cursor {
            sync.cursor = Some(cursor.clone());
        }
        if let Some(lag) = &change.lag {
            sync.lag = Some(lag.clone());
        }
    }
    let lacks = |cursor: &String| !stream.columns.iter().any(|column| column.name == *cursor);
    if sync.fallback.take() == Some(FallbackMode::FullRefresh) && sync.cursor.as_ref().is_some_and(lacks) {
        sync.mode = SyncMode::FullRefresh;
    }
    if sync.mode == SyncMode::FullRefresh {
        sync = Sync::default();
    }
    sync
}

/// A stream's name where it is written to: a table's without its schema, because the target has one of its own, and that
/// of the folder whose files are a stream.
fn target_name(name: &str, connector: Option<&ConnectorType>) -> String {
    match connector {
        Some(ConnectorType::Postgres(_) | ConnectorType::Sqlite(_)) => {
            // A dot inside quotes is part of a name.
            let mut quoted = false;
            let last = name.char_indices().filter(|(_, character)| {
                quoted ^= *character == '"';
                *character == '.' && !quoted
            });
            last.last().map_or(name, |(dot, _)| &name[dot + 1..]).to_owned()
        }
        Some(ConnectorType::File(_) | ConnectorType::S3(_)) => {
            // Of a glob, the folder that it means.
            let whole = name.split('/').take_while(|part| !part.contains(['*', '?', '[', '{']));
            let folder = whole.collect::<Vec<_>>().join("/");
            if folder.is_empty() { name.to_owned() } else { folder }
        }
        _ => name.to_owned(),
    }
}

/// Two streams that a sink would write to the same place: the sink's name, the place, and both streams.
#[must_use]
pub fn collision(
    manifests: &Manifests,
    pipeline: &Located<Pipeline>,
    streams: &[&Stream],
) -> Option<(String, String, String, String)> {
    let connector =
        selecting(&pipeline.object.spec).and_then(|(source, _)| connector_type(manifests, pipeline, &source.connector));
    let mut places: BTreeMap<(String, String), &str> = BTreeMap::new();
    for stream in streams {
        for sink in &pipeline.object.spec.sinks {
            let place = sink.stream.replace(NAME, &target_name(&stream.name, connector));
            if let Some(first) = places.insert((sink.name.clone(), place.clone()), &stream.name) {
                return Some((sink.name.clone(), place, first.to_owned(), stream.name.clone()));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use aggregator_crds::pipeline::{ChangePolicy, TablePolicy};

    use crate::catalogue::Column;
    use crate::manifest::ManifestText;

    use super::*;

    fn stream(name: &str, columns: &[&str]) -> Stream {
        let column =
            |name: &&str| Column { name: (*name).to_owned(), data_type: "Int64".into(), nullable: true, comment: None };
        Stream { name: name.into(), columns: columns.iter().map(column).collect(), ..Stream::default() }
    }

    fn shop() -> Manifests {
        let text = "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: shop-db, namespace: demo}
spec: {postgres: {host: h, database: d, username: u}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: replicate-shop, namespace: demo}
spec:
  sources:
    - name: shop
      connector: shop-db
      streams: {include: [\"public.*\", \"other.x\"], exclude: [\"public.audit_*\"]}
      sync: {mode: Incremental, cursor: updated_at, fallback: FullRefresh}
      overrides:
        - {stream: public.orders, sync: {cursor: changed_at}}
  sinks:
    - {name: warehouse, from: shop, connector: shop-db, stream: \"raw.${stream.name}\"}
";
        parsed(text)
    }

    fn parsed(text: &str) -> Manifests {
        let file = ManifestText { file: "shop.yaml".into(), text: text.into() };
        let (manifests, diagnostics) = Manifests::parse(&[file]);
        assert_eq!(diagnostics, []);
        manifests
    }

    #[test]
    fn globs_select_and_exclude() {
        let manifests = shop();
        let (_, selection) = selecting(&manifests.pipeline("demo", "replicate-shop").unwrap().object.spec).unwrap();
        let streams = ["public.orders", "public.audit_log", "other.x", "other.y"].map(|name| stream(name, &[]));
        let names: Vec<&str> = select(selection, &streams).iter().map(|stream| stream.name.as_str()).collect();
        assert_eq!(names, ["public.orders", "other.x"]);
    }

    #[test]
    fn each_stream_has_a_pipeline_of_its_own() {
        let manifests = shop();
        let pipeline = manifests.pipeline("demo", "replicate-shop").unwrap();
        let of = |name: &str, columns: &[&str]| {
            let one = of_stream(&manifests, pipeline, &stream(name, columns));
            let spec = &one.pipeline("demo", "replicate-shop").unwrap().object.spec;
            let sync = spec.sources[0].sync.clone().unwrap();
            assert_eq!((spec.sources[0].stream.as_deref(), &spec.sources[0].streams), (Some(name), &None));
            (sync.mode, sync.cursor, spec.sinks[0].stream.clone())
        };
        let incremental = |cursor: &str| (SyncMode::Incremental, Some(cursor.to_owned()));
        let (mode, cursor, target) = of("public.customers", &["updated_at"]);
        assert_eq!(((mode, cursor), target.as_str()), (incremental("updated_at"), "raw.customers"));
        let (mode, cursor, target) = of("public.orders", &["changed_at"]);
        assert_eq!(((mode, cursor), target.as_str()), (incremental("changed_at"), "raw.orders"));
        assert_eq!(of("public.\"a.b\"", &["id"]), (SyncMode::FullRefresh, None, "raw.\"a.b\"".to_owned()));
    }

    #[test]
    fn each_stream_has_the_policy_of_the_overrides_that_match_it() {
        let manifests = parsed(
            "apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: shop-db, namespace: demo}
spec: {postgres: {host: h, database: d, username: u}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Connector
metadata: {name: lake, namespace: demo}
spec: {file: {root: out}}
---
apiVersion: aggregator.dev/v1alpha1
kind: Pipeline
metadata: {name: replicate-shop, namespace: demo}
spec:
  sources:
    - name: shop
      connector: shop-db
      streams: {include: [\"*\"]}
      overrides:
        - {stream: \"public.*\", schemaPolicy: {dataType: DiscardValue}}
        - {stream: public.orders, sync: {mode: Incremental, cursor: id}, schemaPolicy: {tables: Freeze, dataType: Evolve}}
  sinks:
    - {name: a, from: shop, connector: shop-db, stream: \"a.${stream.name}\", schemaPolicy: {columns: Freeze, dataType: Freeze}}
    - {name: b, from: shop, connector: shop-db, stream: \"b.${stream.name}\"}
    - {name: files, from: shop, connector: lake, stream: \"${stream.name}/\"}
",
        );
        let pipeline = manifests.pipeline("demo", "replicate-shop").unwrap();
        let of = |name: &str| of_stream(&manifests, pipeline, &stream(name, &["id"]));
        let policies = |name: &str| -> Vec<Option<SchemaPolicy>> {
            let sinks = of(name).pipeline("demo", "replicate-shop").unwrap().object.spec.sinks.clone();
            sinks.into_iter().map(|sink| sink.schema_policy).collect()
        };
        let policy = |tables, columns, data_type| Some(SchemaPolicy { tables, columns, data_type });
        let (freeze, evolve) = (Some(ChangePolicy::Freeze), Some(ChangePolicy::Evolve));
        let left_out = Some(ChangePolicy::DiscardValue);
        assert_eq!(policies("other.x"), [policy(None, freeze, freeze), None, None], "no override matches");
        assert_eq!(policies("public.x"), [policy(None, freeze, left_out), policy(None, None, left_out), None]);
        let tables = Some(TablePolicy::Freeze);
        assert_eq!(
            policies("public.orders"),
            [policy(tables, freeze, evolve), policy(tables, None, evolve), None],
            "field by field, the last override counts, and files have no table"
        );
        // A source that says nothing of `sync` can be overridden, too.
        let sync =
            |name: &str| of(name).pipeline("demo", "replicate-shop").unwrap().object.spec.sources[0].sync.clone();
        let incremental = Sync { mode: SyncMode::Incremental, cursor: Some("id".into()), ..Sync::default() };
        assert_eq!((sync("public.orders"), sync("public.x")), (Some(incremental), Some(Sync::default())));
    }

    #[test]
    fn a_glob_is_written_to_the_place_of_its_folder() {
        let manifests = parsed(
            "apiVersion: aggregator.dev/v1alpha1\nkind: Connector\nmetadata: {name: drops, namespace: demo}\nspec: {file: {root: in}}\n",
        );
        let connector = &manifests.connector("demo", "drops").unwrap().object.spec.connector_type;
        for (name, place) in [
            ("orders/*.csv", "orders"),
            ("shop/2026/**/*.parquet", "shop/2026"),
            ("orders.csv", "orders.csv"),
            ("*.csv", "*.csv"),
        ] {
            assert_eq!(target_name(name, Some(connector)), place);
        }
    }

    #[test]
    fn two_streams_do_not_share_a_place() {
        let manifests = shop();
        let pipeline = manifests.pipeline("demo", "replicate-shop").unwrap();
        let (one, two, three) = (stream("public.x", &[]), stream("public.y", &[]), stream("other.x", &[]));
        assert_eq!(collision(&manifests, pipeline, &[&one, &two]), None);
        let found = collision(&manifests, pipeline, &[&one, &two, &three]).unwrap();
        assert_eq!(found, ("warehouse".into(), "raw.x".into(), "public.x".into(), "other.x".into()));
    }
}
