//! A look at everything in a set of files, without any system to ask.

use std::collections::BTreeMap;

use super::validity::{connector_violations, violations};
use super::{Purpose, compile_located, once_each, step};
use crate::catalogue::{Catalogue, Catalogues};
use crate::diagnostic::Diagnostic;
use crate::manifest::Manifests;
use crate::sql::{Missing, Params, Table};

/// Everything worth saying about the objects of a set of files. Catalogues are those of Connectors, by namespace and
/// name; without one, columns and types are not checked, which is said once for each source.
#[must_use]
pub fn lint(manifests: &Manifests, catalogues: &BTreeMap<(String, String), Catalogue>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for pipeline in manifests.pipelines() {
        let of_namespace: Catalogues = catalogues
            .iter()
            .filter(|((namespace, _), _)| *namespace == pipeline.namespace)
            .map(|((_, connector), catalogue)| (connector.clone(), catalogue.clone()))
            .collect();
        let compilation = compile_located(pipeline, manifests, &of_namespace, &BTreeMap::new(), Purpose::Lint);
        diagnostics.extend(compilation.diagnostics);
    }
    diagnostics.extend(manifests.connectors().flat_map(connector_violations));
    diagnostics.extend(manifests.transformations().flat_map(violations));
    diagnostics.extend(manifests.schedules().flat_map(violations));
    diagnostics.extend(manifests.runs().flat_map(violations));
    for located in manifests.transformations().filter(|located| located.damaged.is_empty()) {
        let table = Table { name: "input".into(), node: "input".into(), schema: None };
        let checked = Params::bind(&located.object.spec.params, &BTreeMap::new(), Missing::Null, &located.locator)
            .and_then(|params| step::inner(located, &[table], &params));
        diagnostics.extend(checked.err().unwrap_or_default());
    }
    // A mistake in a Transformation is met again wherever it is used.
    let mut told: Vec<Diagnostic> = Vec::new();
    for diagnostic in once_each(diagnostics) {
        if !told.contains(&diagnostic) {
            told.push(diagnostic);
        }
    }
    told
}
