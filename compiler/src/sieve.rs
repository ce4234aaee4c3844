//! The sieve: a plan node that takes rows out and says why, so that every row stays accounted for.
//!
//! `filter`, `validate`, `deduplicate` and a mapping's casts become sieves instead of DataFusion's own filters: a
//! filter forgets how many rows it dropped, a sieve is asked for exactly that by the ledger.

use std::fmt;

use datafusion_common::{DFSchemaRef, Result, plan_err};
use datafusion_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::reject::RejectReason;

/// Takes rows out of its input; the rows that stay pass unchanged and in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Hash)]
pub struct Sieve {
    /// The rows.
    pub input: LogicalPlan,
    /// What takes a row out: the first rule that catches it.
    pub rules: Vec<SieveRule>,
}

/// One reason to take a row out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Hash)]
pub struct SieveRule {
    /// A Boolean expression over the input's columns; a row for which it is true is caught (false and null are not).
    pub catches: Expr,
    /// What a caught row counts as.
    pub outcome: Outcome,
}

/// What a row that was taken out counts as in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Not wanted.
    Filtered,
    /// Another row of the same key was kept.
    Deduplicated,
    /// Wrong: it goes to the rejects with its content.
    Rejected {
        /// The column at fault.
        column: Option<String>,
        /// Why.
        reason: RejectReason,
        /// Why, in words.
        message: String,
    },
}

impl UserDefinedLogicalNodeCore for Sieve {
    fn name(&self) -> &'static str {
        "Sieve"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        self.rules.iter().map(|rule| rule.catches.clone()).collect()
    }

    fn fmt_for_explain(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<String> =
            self.rules.iter().map(|rule| format!("{} => {:?}", rule.catches, rule.outcome)).collect();
        write!(formatter, "Sieve: {}", rules.join(", "))
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        if exprs.len() != self.rules.len() {
            return plan_err!("a sieve of {} rules was given {} expressions", self.rules.len(), exprs.len());
        }
        let Ok([input]) = <[LogicalPlan; 1]>::try_from(inputs) else {
            return plan_err!("a sieve has exactly one input");
        };
        let rules = std::iter::zip(exprs, &self.rules)
            .map(|(catches, rule)| SieveRule { catches, outcome: rule.outcome.clone() })
            .collect();
        Ok(Self { input, rules })
    }
}
