//! Source nodes.

use super::path::Path;
use super::report::Report;
use crate::pipeline::{SchemaPolicy, Source, Sync, SyncMode, SyncOverride};

const NO_CHANGE: &str = "the override changes nothing";

impl Report {
    pub(super) fn source(&mut self, path: &Path, source: &Source) {
        self.object_name(&path.field("connector"), &source.connector);
        match (&source.stream, &source.streams) {
            (Some(_), Some(_)) => {
                let help = "keep `stream` for one, or `streams` for many";
                self.add(path, "the source has both `stream` and `streams`", help);
            }
            (None, None) => {
                let help = "set `stream`, or `streams: {include: [\"*\"]}` for all";
                self.add(path, "the source has neither `stream` nor `streams`", help);
            }
            (Some(stream), None) => self.filled(&path.field("stream"), "the stream", stream),
            (None, Some(selection)) => {
                let path = path.field("streams");
                if selection.include.is_empty() {
                    self.add(&path.field("include"), "the list is empty", "use `[\"*\"]` for all streams");
                }
                for (field, globs) in [("include", &selection.include), ("exclude", &selection.exclude)] {
                    for (index, glob) in globs.iter().enumerate() {
                        self.glob(&path.field(field).index(index), glob);
                    }
                }
            }
        }
        if let Some(sync) = &source.sync {
            self.sync(&path.field("sync"), sync, source.streams.is_some());
        }
        let path = path.field("overrides");
        if source.streams.is_none() && !source.overrides.is_empty() {
            let help = "write the fields into `sync`, and into `schemaPolicy` of the sinks";
            self.add(&path, "there is one stream, so nothing can differ from it", help);
        }
        for (index, change) in source.overrides.iter().enumerate() {
            let path = path.index(index);
            self.glob(&path.field("stream"), &change.stream);
            if let Some(sync) = &change.sync {
                self.sync_override(&path.field("sync"), sync, source.sync.as_ref());
            }
            if change.schema_policy == Some(SchemaPolicy::default()) {
                let help = "set `tables`, `columns` or `dataType`, or take the entry out";
                self.add(&path.field("schemaPolicy"), NO_CHANGE, help);
            }
            if change.sync.is_none() && change.schema_policy.is_none() {
                self.add(&path, NO_CHANGE, "set `sync` or `schemaPolicy`, or take the entry out");
            }
        }
    }

    fn sync(&mut self, path: &Path, sync: &Sync, many: bool) {
        let incremental = sync.mode == SyncMode::Incremental;
        for (field, set) in
            [("cursor", sync.cursor.is_some()), ("key", sync.key.is_some()), ("fallback", sync.fallback.is_some())]
        {
            if set && !incremental {
                let message = format!("`{field}` is not used by the mode FullRefresh");
                self.add(&path.field(field), message, format!("set `mode: Incremental`, or leave `{field}` out"));
            }
        }
        if let Some(cursor) = &sync.cursor {
            self.filled(&path.field("cursor"), "the cursor", cursor);
        }
        if let Some(lag) = &sync.lag {
            self.lag(&path.field("lag"), lag, sync.cursor.is_some());
        }
        if let Some(key) = &sync.key {
            self.names(&path.field("key"), "column", key);
        }
        if sync.fallback.is_some() && sync.cursor.is_none() {
            let help = "set `cursor`, or leave `fallback` out";
            self.add(&path.field("fallback"), "there is no cursor that a stream could lack", help);
        }
        if sync.fallback.is_some() && !many {
            let help = "leave `fallback` out, and set `mode: FullRefresh` if the stream has no cursor";
            self.add(&path.field("fallback"), "`fallback` is for a source with `streams`", help);
        }
    }

    fn lag(&mut self, path: &Path, lag: &str, cursor: bool) {
        self.duration(path, lag);
        if !cursor {
            self.add(path, "there is no cursor that could lag", "set `cursor`, or leave `lag` out");
        }
    }

    fn sync_override(&mut self, path: &Path, change: &SyncOverride, base: Option<&Sync>) {
        if change.mode.is_none() && change.cursor.is_none() && change.lag.is_none() {
            self.add(path, NO_CHANGE, "set `mode`, `cursor` or `lag`, or take the entry out");
        }
        let mode = change.mode.or(base.map(|base| base.mode)).unwrap_or_default();
        let cursor = change.cursor.is_some() || base.is_some_and(|base| base.cursor.is_some());
        if let Some(cursor) = &change.cursor {
            self.filled(&path.field("cursor"), "the cursor", cursor);
            if mode != SyncMode::Incremental {
                let help = "set `mode: Incremental`, or leave `cursor` out";
                self.add(&path.field("cursor"), "`cursor` is not used by the mode FullRefresh", help);
            }
        }
        if let Some(lag) = &change.lag {
            self.lag(&path.field("lag"), lag, cursor);
        }
    }
}
