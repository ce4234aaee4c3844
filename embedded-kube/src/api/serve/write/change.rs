//! Changes of objects: by one that takes the place of another, by a patch, by a configuration that is applied.

use serde_json::Value;

use super::super::admission::{AdmissionRequest, Operation};
use super::super::{Api, body, event};
use super::creation::is_generated;
use super::{AGAIN, Asking, Done, check_size, is_pod, unwritten};
use crate::api::lifecycle::{self, Part, Updated};
use crate::api::patch::{self, PatchBody};
use crate::api::request::Verb;
use crate::api::schema::{Strictness, strict_error};
use crate::api::store::{Change, Expected, NotWritten};
use crate::api::{Kind, Refusal, apply, builtin};

/// Kinds that are built in and never replaced blindly, by a request that does not say which version it replaces.
const VERSIONED: [&str; 2] = ["customresourcedefinitions", "leases"];

/// Kinds that are built in and whose objects are made by who replaces one that is not there.
const MADE: [(&str, &str); 8] = [
    ("", "events"),
    ("", "limitranges"),
    ("coordination.k8s.io", "leases"),
    ("events.k8s.io", "events"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
];

/// How a changed object has come about.
enum Way<'a> {
    /// The request has it.
    Whole,
    /// A configuration was applied, which also settles its managed fields.
    Applied,
    /// By a patch of what is written.
    Patched,
    /// By that patch, which was merged by kind.
    Merged(&'a Value),
}

impl Way<'_> {
    /// What has come about cannot be read.
    fn unread(&self, object: &Value, why: &str) -> Refusal {
        match self {
            Self::Whole | Self::Applied => Refusal::bad_request(why),
            Self::Patched => Refusal::wrong_patch(&object.to_string(), why),
            Self::Merged(patch) => Refusal::wrong_patch(&patch::printed(patch), &patch::unrestored(why)),
        }
    }

    /// It has fields that nobody knows, and was to have none.
    fn unknown(&self, object: &Value, why: &str) -> Refusal {
        match self {
            Self::Whole | Self::Applied => Refusal::bad_request(format!("failed to create typed patch object: {why}")),
            Self::Patched => Refusal::wrong_patch(&object.to_string(), why),
            Self::Merged(patch) => Refusal::wrong_patch(&patch::printed(patch), why),
        }
    }
}

impl Api {
    pub(super) async fn update(&self, asking: &Asking<'_>) -> Result<Done, Refusal> {
        let Asking { asked, kind, .. } = asking;
        let bytes = body::json(kind, &asked.headers, &asked.body)?;
        let decoded = self.0.schemas.decoded(kind, &bytes, asking.strictness())?;
        if is_generated(&decoded.object) {
            let name = asking.name();
            let why = format!("the name of the object ({name} based on URL) was undeterminable: name must be provided");
            return Err(Refusal::bad_request(why));
        }
        let given = decoded.object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty());
        let makes = !kind.custom && MADE.contains(&(kind.group.as_str(), kind.plural.as_str()));
        if makes && self.0.store.get(&asking.key(asking.name())).is_none() {
            lifecycle::named(&decoded.object, asking.name())?;
            self.check_also(asking.user, Verb::Create, asking.path)?;
            return self.make(asking, decoded.object, decoded.warnings).await;
        }
        let tries = if given { 1 } else { AGAIN };
        let key = asking.key(asking.name());
        self.change(asking, tries, &decoded.warnings, &Way::Whole, |live| {
            lifecycle::meant(kind, &key, live, &decoded.object)?;
            Ok(decoded.object.clone())
        })
        .await
    }

    pub(super) async fn patch(&self, asking: &Asking<'_>) -> Result<Done, Refusal> {
        let Asking { asked, kind, now, .. } = asking;
        let patch = PatchBody::read(kind, body::content_type(&asked.headers), &asked.body)?;
        patch::checked_options(&patch, &asking.options.field_manager, asking.options.force)?;
        let manager = asking.manager();
        let force = asking.options.force.unwrap_or(false);
        if let PatchBody::Apply(configuration) = &patch
            && asking.part().is_empty()
            && self.0.store.get(&asking.key(asking.name())).is_none()
        {
            let mut configuration = configuration.clone();
            if matches!(configuration["metadata"], Value::Null | Value::Object(_))
                && configuration["metadata"]["name"].is_null()
            {
                configuration["metadata"]["name"] = asking.name().into();
            }
            let object = apply::applied(kind, None, &configuration, &manager, force, *now)?;
            let (mut object, warnings) = self.strict(asking, &object, &Way::Applied)?;
            lifecycle::named(&object, asking.name())?;
            self.check_also(asking.user, Verb::Create, asking.path)?;
            // Whatever version is meant, there is none yet.
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.shift_remove("resourceVersion");
            }
            return self.make(asking, object, warnings).await;
        }
        let way = match &patch {
            PatchBody::Apply(_) => Way::Applied,
            PatchBody::Strategic(patch) => Way::Merged(patch),
            PatchBody::Merge(_) | PatchBody::Operations(_) => Way::Patched,
        };
        self.change(asking, AGAIN, &[], &way, |live| match &patch {
            PatchBody::Apply(configuration) => apply::applied(kind, Some(live), configuration, &manager, force, *now),
            patch => patch::patched(kind, live, patch),
        })
        .await
    }

    /// An object that was put together here, as one of its kind.
    fn strict(&self, asking: &Asking<'_>, object: &Value, way: &Way<'_>) -> Result<(Value, Vec<String>), Refusal> {
        if let Some(why) = self.other_kind(asking.kind, object).filter(|_| matches!(way, Way::Patched)) {
            return Err(way.unread(object, &why));
        }
        let converted = self.0.schemas.converted(asking.kind, object).map_err(|why| way.unread(object, &why))?;
        match asking.strictness() {
            Strictness::Strict if !converted.strict.is_empty() => {
                Err(way.unknown(object, &strict_error(&converted.strict)))
            }
            Strictness::Warn => Ok((converted.object, converted.strict)),
            _ => Ok((converted.object, Vec::new())),
        }
    }

    /// Why an object that a patch has made another kind's of cannot be that: the real one reads it as what it says it is.
    fn other_kind(&self, kind: &Kind, object: &Value) -> Option<String> {
        let said = |name: &str| object[name].as_str().unwrap_or_default();
        let (version, name) = (said("apiVersion"), said("kind"));
        if kind.custom || version.is_empty() || name.is_empty() || (version == kind.api_version() && name == kind.kind)
        {
            return None;
        }
        match self.registry().named(version, name).filter(|other| !other.custom) {
            Some(other) => self.0.schemas.converted(other, object).err(),
            None => Some(Refusal::unregistered(version, name).message),
        }
    }

    /// Changes an object to what `wanted` makes of it as it is. One that changes in between is looked at again.
    async fn change(
        &self,
        asking: &Asking<'_>,
        tries: usize,
        warnings: &[String],
        way: &Way<'_>,
        wanted: impl Fn(&Value) -> Result<Value, Refusal>,
    ) -> Result<Done, Refusal> {
        let Asking { kind, now, .. } = asking;
        let name = asking.name();
        for left in (0..tries).rev() {
            let there = self.0.store.get(&asking.key(name)).ok_or_else(|| Refusal::not_found(kind, name))?;
            let live = event::shown(kind, there.object.clone());
            let new = wanted(&live)?;
            let (new, strict) = self.strict(asking, &new, way)?;
            let mut warnings: Vec<String> = warnings.iter().cloned().chain(strict).collect();
            asking.asked.warn(&warnings);
            let part = if asking.part() == "status" { Part::Status } else { Part::Main };
            let managed = new["metadata"].get("managedFields").cloned();
            let blind = new["metadata"]["resourceVersion"].as_str().is_none_or(str::is_empty);
            let mut new = lifecycle::update(kind, &live, new, part)?;
            if blind && (kind.custom || VERSIONED.contains(&kind.plural.as_str())) {
                return Err(Refusal::unversioned(kind, name));
            }
            if is_pod(kind) && asking.part().is_empty() {
                builtin::bear_lost_nodes(&mut new);
            }
            if matches!(way, Way::Applied) {
                if let Some(managed) = managed {
                    new["metadata"]["managedFields"] = managed;
                }
            } else {
                new = apply::tracked(kind, Some(&live), new, &asking.manager(), *now);
            }
            self.check_written(asking, &new, Some(&live))?;
            let admitted = self.0.schemas.updated(kind, new, &live, asking.part())?;
            warnings.extend(admitted.warnings);
            let object = self.counted(kind, apply::settled(&live, admitted.object));
            self.admit(&AdmissionRequest {
                object: Some(&object),
                old_object: Some(&live),
                ..AdmissionRequest::new(self, asking, Operation::Update)
            })?;
            check_size(asking.asked, &object)?;
            let (change, object) = match Updated::of(&live, object) {
                Updated::Same => return Ok(Done { object: live, warnings, created: false }),
                Updated::Changed(object) => (Change::Put(event::kept(kind, object.clone())), object),
                Updated::Gone(object) => (Change::Remove(event::kept(kind, object.clone())), object),
            };
            if asking.options.dry_run {
                return Ok(Done { object, warnings, created: false });
            }
            match self.0.store.write(there.key.clone(), Expected::Version(there.version), change).await {
                Ok(stored) => {
                    self.after(&stored).await;
                    return Ok(Done { object: stored.object.clone(), warnings, created: false });
                }
                Err(NotWritten::Unexpected(_)) if left > 0 => {}
                Err(error) => return Err(unwritten(kind, name, error, false)),
            }
        }
        Err(Refusal::modified(kind, name))
    }
}
