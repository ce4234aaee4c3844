//! What an evaluation costs, counted while it goes on. Expressions that are [`super::metered`] tell of it by functions that no
//! rule can name.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kube_cel::cel::common::ast::{Expr, LiteralValue};
use kube_cel::cel::common::types::{CelMap, CelMapKey};
use kube_cel::cel::common::value::Val;
use kube_cel::cel::objects::{Key, OptionalValue};
use kube_cel::cel::{Context, ExecutionError, FunctionContext, IdedExpr as Expression, ResolveResult, Value as Cel};
use regex::Regex;

use super::{PER_EVALUATION, amount, matching, price};
use crate::api::schema::expression;

/// Goes on with an expression: `@spend(expression, units, list?)`. A list is what a loop has made so far.
pub(super) const SPEND: &str = "@spend";
/// A value of the object: `@read(start, names…)`.
pub(super) const READ: &str = "@read";
/// Whether there is a field: `@has(start, names…)`.
pub(super) const HAS: &str = "@has";
/// A function whose cost grows faster than its arguments: `@priced(call, arguments…)`.
pub(super) const PRICED: &str = "@priced";
/// So many parts of a value are copied for one unit.
const COPIED: u64 = 4;
/// So many bytes of a text are copied as fast as one part of a value.
const BYTES: u64 = 16;
/// What it costs to make a state of a regular expression.
const STATE: u64 = 20;

/// What is counted of an evaluation, and what is kept for the others of an object.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    spent: AtomicU64,
    /// Regular expressions; nothing for one that cannot be read.
    expressions: Mutex<HashMap<String, Option<Regex>>>,
}

/// A function as the interpreter keeps it.
type Function = Box<dyn Fn(&mut FunctionContext<'_, '_>) -> ResolveResult + Send + Sync>;
/// A function that spends.
type Spending = fn(&FunctionContext<'_, '_>, &Meter) -> ResolveResult;

impl Meter {
    /// Is told by what is evaluated with that context.
    pub(crate) fn attach(self: &Arc<Self>, base: &mut Context<'_>) {
        let functions: [(&str, Spending); 7] = [
            (SPEND, spend),
            (READ, read),
            (HAS, has),
            (PRICED, priced),
            ("matches", matching::matches),
            ("find", matching::find),
            ("findAll", matching::find_all),
        ];
        for (name, spending) in functions {
            let meter = Arc::clone(self);
            let function: Function = Box::new(move |call: &mut FunctionContext<'_, '_>| spending(call, &meter));
            base.add_function::<Function, Function>(name, function);
        }
    }

    /// Another evaluation begins.
    pub(crate) fn begin(&self) {
        self.spent.store(0, Ordering::Relaxed);
    }

    /// What the evaluation has cost.
    pub(crate) fn spent(&self) -> u64 {
        self.spent.load(Ordering::Relaxed)
    }

    /// Whether it has cost more than it may, and was ended.
    pub(crate) fn is_over(&self) -> bool {
        self.spent() > PER_EVALUATION
    }

    /// Spends so many units, if there are as many.
    pub(super) fn spend(&self, units: u64) -> Result<(), ExecutionError> {
        // What is beyond the limit was not done, and so was not spent.
        let spent = self.spent().saturating_add(units).min(PER_EVALUATION + 1);
        self.spent.store(spent, Ordering::Relaxed);
        if self.is_over() { Err(ExecutionError::function_error(SPEND, "it costs too much")) } else { Ok(()) }
    }

    /// A regular expression, which is made once.
    pub(super) fn expression(&self, function: &str, pattern: &str) -> Result<Regex, ExecutionError> {
        let mut expressions = self.expressions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = if let Some(known) = expressions.get(pattern) {
            known.clone()
        } else {
            self.spend(matching::states(pattern).saturating_mul(STATE))?;
            let made = expression::read(pattern);
            expressions.insert(pattern.to_owned(), made.clone());
            made
        };
        known.ok_or_else(|| {
            let wrong = expression::wrong(pattern).unwrap_or_else(|| format!("error parsing regexp: `{pattern}`"));
            ExecutionError::function_error(function, wrong)
        })
    }
}

/// How many parts a value has; a long text has several.
pub(super) fn weight(value: &Cel) -> u64 {
    let bytes = |length: usize| 1 + amount(length) / BYTES;
    match value {
        Cel::List(items) => 1 + items.iter().map(weight).sum::<u64>(),
        Cel::Map(map) => {
            let name = |key: &Key| if let Key::String(name) = key { bytes(name.len()) } else { 1 };
            1 + map.map.iter().map(|(key, value)| name(key) + weight(value)).sum::<u64>()
        }
        Cel::String(text) => bytes(text.len()),
        Cel::Bytes(all) => bytes(all.len()),
        Cel::Opaque(opaque) => opaque.downcast_ref::<OptionalValue>().and_then(OptionalValue::value).map_or(1, weight),
        _ => 1,
    }
}

/// What copying a value costs.
pub(super) fn copying(value: &Cel) -> u64 {
    weight(value) / COPIED
}

fn spend(call: &FunctionContext<'_, '_>, meter: &Meter) -> ResolveResult {
    let [expression, units, made @ ..] = call.args else { return Err(ExecutionError::missing_argument_or_target()) };
    let units = match &units.expr {
        Expr::Literal(LiteralValue::Int(units)) => u64::try_from(*units.inner()).unwrap_or_default(),
        _ => 0,
    };
    meter.spend(units)?;
    for made in made {
        meter.spend(copying(&Cel::resolve(made, call.ptx)?))?;
    }
    Cel::resolve(expression, call.ptx)
}

fn read(call: &FunctionContext<'_, '_>, meter: &Meter) -> ResolveResult {
    let [start, names @ ..] = call.args else { return Err(ExecutionError::missing_argument_or_target()) };
    let start = Cel::resolve_val(start, call.ptx)?;
    let value = match follow(start.as_ref(), names)? {
        Some(value) => Cel::try_from(value)?,
        None => Cel::Bool(false),
    };
    meter.spend(copying(&value))?;
    Ok(value)
}

fn has(call: &FunctionContext<'_, '_>, _: &Meter) -> ResolveResult {
    let [start, names @ .., last] = call.args else { return Err(ExecutionError::missing_argument_or_target()) };
    let start = Cel::resolve_val(start, call.ptx)?;
    let map = follow(start.as_ref(), names)?.and_then(|value| value.downcast_ref::<CelMap>());
    Ok(Cel::Bool(map.is_some_and(|map| map.inner().contains_key(&CelMapKey::from(name(last))))))
}

/// What is below a value. The interpreter takes a field of what has none for `false`, and so there is nothing.
fn follow<'v>(value: &'v dyn Val, names: &[Expression]) -> Result<Option<&'v dyn Val>, ExecutionError> {
    let mut value = value;
    for field in names {
        let Some(map) = value.downcast_ref::<CelMap>() else { return Ok(None) };
        let below = map.inner().get(&CelMapKey::from(name(field)));
        value = below.ok_or_else(|| ExecutionError::no_such_key(name(field)))?.as_ref();
    }
    Ok(Some(value))
}

fn name(field: &Expression) -> &str {
    if let Expr::Literal(LiteralValue::String(name)) = &field.expr { name.inner() } else { "" }
}

fn priced(call: &FunctionContext<'_, '_>, meter: &Meter) -> ResolveResult {
    let [inner, given @ ..] = call.args else { return Err(ExecutionError::missing_argument_or_target()) };
    let values = given.iter().map(|given| Cel::resolve(given, call.ptx)).collect::<Result<Vec<_>, _>>()?;
    if let Expr::Call(inner) = &inner.expr {
        meter.spend(price::price(&inner.func_name, &values))?;
    }
    let mut scope = call.ptx.new_inner_scope();
    for (place, value) in values.into_iter().enumerate() {
        scope.add_variable_from_value(placeholder(place), value);
    }
    Cel::resolve(inner, &scope)
}

/// What stands in a priced call for an argument, which is evaluated once.
pub(super) fn placeholder(place: usize) -> String {
    format!("@{place}")
}
