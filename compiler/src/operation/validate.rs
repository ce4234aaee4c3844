//! `validate`: rows that keep the rules; the others are rejected.

use aggregator_crds::pipeline::Validate;
use datafusion_expr::Expr;

use super::{Outcome, Step, sieve};
use crate::graph::Grain;
use crate::reject::RejectReason;
use crate::sieve::{Outcome as Taken, SieveRule};
use crate::sql::Text;

/// A row for which a rule is false or null is rejected.
pub(super) fn validate(validate: &Validate, step: &Step<'_>) -> Outcome {
    let table = step.single()?;
    let input = match table.schema {
        Some(_) => Some(table.scan().map_err(|error| step.explain(&error))?),
        None => None,
    };
    let (mut rules, mut problems) = (Vec::new(), Vec::new());
    for (index, rule) in validate.rules.iter().enumerate() {
        let path = step.field(&format!("rules[{index}].expression"));
        let text = Text { sql: &rule.expression, path: &path };
        let Some(input) = &input else {
            problems.extend(step.scope.expression(text, false).err().unwrap_or_default());
            continue;
        };
        match step.scope.row_condition(text, input) {
            Ok(holds) => {
                let mut columns = holds.column_refs().into_iter().map(|column| column.name.clone());
                let column = match (columns.next(), columns.next()) {
                    (Some(only), None) => Some(only),
                    _ => None,
                };
                let message = format!("the rule `{}` does not hold: {}", rule.name, rule.expression.trim());
                let outcome = Taken::Rejected { column, reason: RejectReason::RuleBroken, message };
                rules.push(SieveRule { catches: Expr::IsNotTrue(Box::new(holds)), outcome });
            }
            Err(found) => problems.extend(found),
        }
    }
    match (problems.is_empty(), input) {
        (false, _) => Err(problems),
        (true, None) => Ok(None),
        (true, Some(input)) => step.finish(Ok(sieve(input, rules)), Grain::Row),
    }
}
