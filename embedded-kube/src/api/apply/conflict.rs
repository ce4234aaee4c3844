//! Fields that a configuration would take from others.

use crate::api::{Cause, Details, Refusal, RefusalReason};

use super::managed::Managed;
use super::manager::Owner;
use super::set::{FieldSet, Path};

/// Fields that others own, by owner.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Conflicts(Vec<(Owner, Vec<Path>)>);

impl Conflicts {
    /// Those of the owners' fields that change, but for the applier's own.
    pub(super) fn of(managed: &Managed, changed: &FieldSet, applier: &str) -> Self {
        let others = managed.0.iter().filter(|(identifier, _)| *identifier != applier);
        let conflicts = others.map(|(_, owner)| (owner.clone(), owner.fields.intersection(changed).paths()));
        Self(conflicts.filter(|(_, paths)| !paths.is_empty()).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are not about these fields.
    pub(super) fn outside(mut self, fields: &FieldSet) -> Self {
        for (_, paths) in &mut self.0 {
            paths.retain(|path| !fields.has(&path.0));
        }
        self.0.retain(|(_, paths)| !paths.is_empty());
        self
    }

    fn message(&self) -> String {
        if let [(owner, paths)] = self.0.as_slice()
            && let [path] = paths.as_slice()
        {
            return format!("Apply failed with 1 conflict: conflict with {}: {path}", owner.described());
        }
        let mut lines = Vec::new();
        for (owner, paths) in &self.0 {
            lines.push(format!("conflicts with {}:", owner.described()));
            lines.extend(paths.iter().map(|path| format!("- {path}")));
        }
        let count: usize = self.0.iter().map(|(_, paths)| paths.len()).sum();
        format!("Apply failed with {count} conflicts: {}", lines.join("\n"))
    }
}

impl From<Conflicts> for Refusal {
    fn from(conflicts: Conflicts) -> Self {
        let causes = conflicts.0.iter().flat_map(|(owner, paths)| {
            paths.iter().map(|path| Cause {
                reason: "FieldManagerConflict".into(),
                message: format!("conflict with {}", owner.described()),
                field: path.to_string(),
            })
        });
        let details = Details { causes: causes.collect(), ..Details::default() };
        Self { reason: RefusalReason::Conflict, message: conflicts.message(), details: Some(Box::new(details)) }
    }
}
