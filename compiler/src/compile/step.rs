//! Transform nodes, and Transformations by reference.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aggregator_crds::Transformation;
use aggregator_crds::pipeline::{Operation, TransformationRef};
use aggregator_crds::transformation::Step as TransformationStep;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion_expr::LogicalPlan;

use super::validity::violations;
use super::{Compiler, Known, Purpose};
use crate::diagnostic::Diagnostic;
use crate::graph::{Grain, Lineage, Node, NodeKind, TransformNode};
use crate::lineage::{Origin, origins};
use crate::manifest::Located;
use crate::operation::{self, Built, Outcome, Step};
use crate::sql::{Given, Missing, Params, Scope, Table};
use crate::suggest;

/// A Transformation by itself.
#[derive(Clone, Debug)]
pub struct CompiledStep {
    /// The plan; its table scan is called `input`.
    pub plan: LogicalPlan,
    /// Whether rows go through one by one.
    pub grain: Grain,
    /// The schema of the rows it gives.
    pub schema: SchemaRef,
}

/// Compiles a Transformation over rows of a schema.
///
/// # Errors
/// Everything that is wrong with it.
pub fn compile_transformation(
    located: &Located<Transformation>,
    input: &Schema,
    params: &BTreeMap<String, String>,
) -> Result<CompiledStep, Vec<Diagnostic>> {
    let invalid = violations(located);
    if !invalid.is_empty() {
        return Err(invalid);
    }
    let given = params.iter().map(|(name, text)| (name.clone(), Given::Text(text.clone()))).collect();
    let params = Params::bind(&located.object.spec.params, &given, Missing::Refused, &located.locator)?;
    let table = Table { name: "input".into(), node: "input".into(), schema: Some(Arc::new(input.clone())) };
    match inner(located, &[table], &params)? {
        Some(Built { plan, grain, schema }) => Ok(CompiledStep { plan, grain, schema }),
        None => Err(vec![Diagnostic::error("SchemaUnknown", "the columns of the input are not known")]),
    }
}

/// A Transformation's step over the table `input`.
pub(super) fn inner(located: &Located<Transformation>, tables: &[Table], params: &Params) -> Outcome {
    let scope = Scope { tables, params, locator: &located.locator };
    match &located.object.spec.step {
        TransformationStep::Sql(sql) => operation::query(sql, &Step { scope, path: "spec.sql", from: "spec.sql" }),
        TransformationStep::Mapping(mapping) => {
            operation::mapping(mapping, &Step { scope, path: "spec.mapping", from: "spec.mapping" })
        }
    }
}

impl Compiler<'_> {
    pub(super) fn transform(&mut self, index: usize) {
        let transform = &self.pipeline.object.spec.transforms[index];
        let key = transform.operation.key();
        let path = format!("spec.transforms[{index}].{key}");
        let from = format!("spec.transforms[{index}].from");
        let tables: Vec<Table> = transform
            .from
            .iter()
            .map(|name| Table {
                name: name.clone(),
                node: name.clone(),
                schema: self.known(name).map(|known| Arc::clone(&known.node.schema)),
            })
            .collect();
        if let Operation::Transformation(reference) = &transform.operation {
            self.used(&reference.name);
        }
        let outcome = match &transform.operation {
            Operation::Transformation(reference) => self.reference(reference, &tables, &path, &from),
            operation => {
                let scope = Scope { tables: &tables, params: &self.params, locator: &self.pipeline.locator };
                operation::build(operation, &Step { scope, path: &path, from: &from })
            }
        };
        let built = match outcome {
            Ok(Some(built)) => built,
            Ok(None) => return,
            Err(problems) => return self.diagnostics.extend(problems),
        };
        if self.known(&transform.name).is_some() {
            return;
        }
        let origins: Vec<Origin> = origins(&built.plan).iter().map(|origin| self.back_to_sources(origin)).collect();
        let rows_of = match transform.from.as_slice() {
            [only] if built.grain == Grain::Row => self.known(only).and_then(|known| known.rows_of.clone()),
            _ => None,
        };
        let node = Node {
            name: transform.name.clone(),
            inputs: transform.from.clone(),
            lineage: lineage(&built.schema, &origins),
            schema: built.schema,
            kind: NodeKind::Transform(TransformNode { operation: key, grain: built.grain, plan: built.plan }),
        };
        self.nodes.push(Known { node, origins, rows_of });
    }

    /// Looks at a Transformation's own rules when it is first used by a run.
    fn used(&mut self, name: &str) {
        let Some(located) = self.manifests.transformation(&self.pipeline.namespace, name) else { return };
        if self.purpose == Purpose::Run && self.checked.insert(("Transformation", name.to_owned())) {
            self.diagnostics.extend(violations(located));
        }
    }

    /// A use of a Transformation.
    fn reference(&self, reference: &TransformationRef, tables: &[Table], path: &str, from: &str) -> Outcome {
        let scope = Scope { tables, params: &self.params, locator: &self.pipeline.locator };
        let step = Step { scope, path, from };
        let table = step.single()?;
        let place = |field: &str| self.place(&format!("{path}.{field}"));
        let namespace = self.pipeline.namespace.as_str();
        if self.manifests.is_broken("Transformation", namespace, &reference.name) {
            return Ok(None);
        }
        let Some(located) = self.manifests.transformation(namespace, &reference.name) else {
            let of_namespace = self.manifests.transformations().filter(|known| known.namespace == namespace);
            let names: Vec<&str> = of_namespace.map(|known| known.name.as_str()).collect();
            let message = format!("there is no Transformation `{}` in the namespace `{namespace}`", reference.name);
            let help = suggest::advice(&reference.name, "Transformations", names.iter().copied());
            let certain = self.purpose == Purpose::Run || suggest::closest(&reference.name, names).is_some();
            let problem = match certain {
                true => Diagnostic::error("MissingTransformation", message),
                false => Diagnostic::warning("MissingTransformation", message),
            };
            return Err(vec![problem.help(help).at(place("ref"))]);
        };
        if !located.damaged.is_empty() {
            return Ok(None);
        }
        let declared = &located.object.spec.params;
        let (mut given, mut problems) = (BTreeMap::new(), Vec::new());
        for (name, text) in &reference.params {
            let field = format!("params.{name}");
            if !declared.iter().any(|param| param.name == *name) {
                let message = format!("the Transformation `{}` has no parameter `{name}`", reference.name);
                let help = suggest::advice(name, "parameters", declared.iter().map(|param| param.name.as_str()));
                problems.push(Diagnostic::error("UnknownParameter", message).help(help).at(place(&field)));
                continue;
            }
            let value = match text.strip_prefix('$') {
                None => Given::Text(text.clone()),
                Some(outer) => match self.params.get(outer) {
                    Some(value) => Given::Value(value.clone()),
                    None => {
                        let message = format!("this pipeline has no parameter `{text}`");
                        let help = suggest::advice(outer, "parameters", self.params.names());
                        problems.push(Diagnostic::error("UnknownParameter", message).help(help).at(place(&field)));
                        continue;
                    }
                },
            };
            given.insert(name.clone(), value);
        }
        for param in
            declared.iter().filter(|param| param.default.is_none() && !reference.params.contains_key(&param.name))
        {
            let message = format!("the Transformation `{}` needs the parameter `{}`", reference.name, param.name);
            let help = format!("add `params: {{{}: …}}`", param.name);
            problems.push(Diagnostic::error("MissingParameter", message).help(help).at(place("ref")));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let bound = Params::bind(declared, &given, Missing::Refused, &located.locator)?;
        let inside = Table { name: "input".into(), node: table.node.clone(), schema: table.schema.clone() };
        inner(located, &[inside], &bound)
    }

    /// An origin in the columns of direct inputs, followed back to the sources.
    fn back_to_sources(&self, origin: &Origin) -> Origin {
        let of = |node: &str, column: &str| {
            let known = self.known(node)?;
            let index = known.node.schema.index_of(column).ok()?;
            known.origins.get(index)
        };
        let columns: BTreeSet<_> = origin
            .columns
            .iter()
            .filter_map(|column| of(&column.node, &column.column))
            .flat_map(|origin| origin.columns.iter().cloned())
            .collect();
        let copy =
            origin.copy.as_ref().and_then(|copy| of(&copy.node, &copy.column)).and_then(|origin| origin.copy.clone());
        Origin { columns, copy }
    }
}

/// Origins by column name.
pub(super) fn lineage(schema: &SchemaRef, origins: &[Origin]) -> Lineage {
    std::iter::zip(schema.fields(), origins)
        .map(|(field, origin)| (field.name().clone(), origin.columns.iter().cloned().collect()))
        .collect()
}
