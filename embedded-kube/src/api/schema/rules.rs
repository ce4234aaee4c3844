//! Rules of a schema: `x-kubernetes-validations`, in CEL.

use std::sync::Arc;

use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::OptionalValue;
use kube_cel::cel::{Context, ExecutionError, IdedExpr as Expression, ResolveResult, Value as Cel};
use kube_cel::{CompilationResult, KubeCelExt, compile_schema};
use serde_json::{Value, json};

use super::cost::{self, Meter, metered};
use super::pair::{Pair, before};
use super::path::Path;
use super::shape::Schema;
use super::{cel, go, mistake};
use crate::api::Cause;

/// The most that a message that is computed may have.
const LONGEST_MESSAGE: usize = 5 * 1024;
/// What follows when something has cost too much.
const NO_MORE: &str = "no further validation rules will be run";

/// The rules of one place.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Result<Rule, String>>);

#[derive(Debug)]
struct Rule {
    compiled: CompilationResult,
    /// What is evaluated, and ends when it costs too much: the rule, and the message that it computes.
    test: Expression,
    message: Option<Expression>,
}

impl Rule {
    fn of(compiled: CompilationResult) -> Self {
        let test = metered(compiled.program.expression());
        let message = compiled.message_program.as_ref().map(|program| metered(program.expression()));
        Self { compiled, test, message }
    }

    /// What messages call it.
    fn name(&self) -> &str {
        self.own_message().unwrap_or_else(|| self.compiled.rule.rule.trim())
    }

    fn own_message(&self) -> Option<&str> {
        self.compiled.rule.message.as_deref().map(str::trim).filter(|message| !message.is_empty())
    }
}

impl Rules {
    /// Reads the rules and compiles them.
    pub(crate) fn read(rules: &Value) -> Self {
        if rules.as_array().is_none_or(Vec::is_empty) {
            return Self::default();
        }
        let compiled = compile_schema(&json!({ "x-kubernetes-validations": rules }));
        let rules = compiled.validations.into_iter();
        Self(rules.map(|rule| rule.map(Rule::of).map_err(|error| error.to_string())).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that cannot be compiled, by their places, and why.
    pub(crate) fn broken(&self) -> impl Iterator<Item = (usize, &str)> {
        self.0.iter().enumerate().filter_map(|(place, rule)| Some((place, rule.as_ref().err()?.as_str())))
    }

    /// The others, by their places, as they were written, and the messages that they compute.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = (usize, &Expression, Option<&Expression>)> {
        self.0.iter().enumerate().filter_map(|(place, rule)| {
            let compiled = &rule.as_ref().ok()?.compiled;
            let message = compiled.message_program.as_ref().map(|program| program.expression());
            Some((place, compiled.program.expression(), message))
        })
    }

    /// Whether the rule of that place compares with what was before.
    pub(crate) fn compares(&self, place: usize) -> bool {
        self.0.get(place).is_some_and(|rule| rule.as_ref().is_ok_and(|rule| rule.compiled.is_transition_rule))
    }
}

/// What rules say about an object.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) causes: Vec<Cause>,
    /// What was wrong before, and has not changed.
    pub(crate) warnings: Vec<String>,
}

/// One look at all rules of a schema.
struct Look<'c> {
    base: Context<'c>,
    meter: Arc<Meter>,
    /// What they may still cost; nothing when no more of them are looked at.
    left: Option<u64>,
    verdict: Verdict,
}

/// What has cost too much.
#[derive(Clone, Copy)]
enum Dear {
    /// One evaluation.
    Evaluation,
    /// All those of the object.
    Object,
}

impl Dear {
    /// What is said of a rule.
    fn of_rule(self, rule: &Rule) -> String {
        let name = rule.name();
        match self {
            Self::Evaluation => format!(
                "'operation cancelled: actual cost limit exceeded': {NO_MORE} due to call cost exceeds limit for rule: {name}"
            ),
            Self::Object => format!("validation failed due to running out of cost budget, {NO_MORE}"),
        }
    }

    /// What is said of the message that a rule computes.
    fn of_message(self, rule: &Rule) -> String {
        let expression = go::quoted(rule.compiled.rule.message_expression.as_deref().unwrap_or_default());
        match self {
            Self::Evaluation => {
                format!("{NO_MORE} due to call cost exceeds limit for messageExpression: {expression}")
            }
            Self::Object => {
                format!("messageExpression evaluation failed due to running out of cost budget, {NO_MORE}")
            }
        }
    }
}

/// Looks at every rule of the schema.
pub(crate) fn check(schema: &Schema, object: &Value, old: Option<&Value>) -> Verdict {
    if !schema.has_rules {
        return Verdict::default();
    }
    let mut base = Context::default().with_all();
    base.add_function("size", size);
    let meter = Arc::new(Meter::default());
    meter.attach(&mut base);
    let mut look = Look { base, meter, left: Some(cost::PER_OBJECT), verdict: Verdict::default() };
    let current = old.map(|old| Pair { new: object, old, schema });
    let ratchet = Ratchet { current, parent: None };
    visit(&mut look, schema, true, (object, old), &Path::default(), ratchet);
    look.verdict
}

/// How long something is. A text is as long as it has letters; `cel` itself counts bytes.
fn size(This(of): This<Cel>) -> Result<i64, ExecutionError> {
    let size = match &of {
        Cel::List(items) => items.len(),
        Cel::Map(map) => map.map.len(),
        Cel::String(text) => text.chars().count(),
        Cel::Bytes(bytes) => bytes.len(),
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    i64::try_from(size).map_err(|_| ExecutionError::NoSuchOverload)
}

/// What is compared to find out whether nothing has changed.
#[derive(Clone, Copy)]
struct Ratchet<'a> {
    current: Option<Pair<'a>>,
    /// The nearest place above that can be compared.
    parent: Option<Pair<'a>>,
}

impl<'a> Ratchet<'a> {
    fn holds(self) -> bool {
        self.current.or(self.parent).is_some_and(Pair::is_equal)
    }

    fn key(self, name: &str) -> Self {
        let Some(current) = self.current else { return self };
        if self.parent.is_none() && matches!(name, "apiVersion" | "kind") {
            return Self { current: None, parent: None };
        }
        Self { current: current.key(name), parent: Some(current) }
    }

    fn index(self, place: usize) -> Self {
        let Some(current) = self.current else { return self };
        Self { current: current.index(place), parent: Some(current) }
    }
}

fn visit<'a>(
    look: &mut Look<'_>,
    schema: &'a Schema,
    whole: bool,
    (value, old): (&'a Value, Option<&'a Value>),
    path: &Path,
    ratchet: Ratchet<'a>,
) {
    if value.is_null() || !schema.has_rules || !is_typed(schema) || look.left.is_none() {
        return;
    }
    let old = old.filter(|old| !old.is_null());
    look.left = evaluate(look, schema, whole, (value, old), path, ratchet);
    match value {
        Value::Array(items) => {
            let Some(of) = schema.items.as_deref() else { return };
            for (place, item) in items.iter().enumerate() {
                let old = old.and_then(|old| before(schema, old, item));
                visit(look, of, of.embedded, (item, old), &path.index(place), ratchet.index(place));
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let old = old.and_then(|old| old.get(name));
                let ratchet = ratchet.key(name);
                if let Some(of) = schema.additional.schema() {
                    visit(look, of, of.embedded, (field, old), &path.key(name), ratchet);
                }
                if let Some(of) = schema.properties.get(name) {
                    visit(look, of, of.embedded, (field, old), &path.child(name), ratchet);
                }
            }
        }
        _ => {}
    }
}

/// Rules say nothing about what has no type.
fn is_typed(schema: &Schema) -> bool {
    !schema.types.is_empty() || schema.int_or_string
}

/// Looks at the rules of one place. What they leave for others; nothing when no more are looked at.
fn evaluate(
    look: &mut Look<'_>,
    schema: &Schema,
    whole: bool,
    (value, old): (&Value, Option<&Value>),
    path: &Path,
    ratchet: Ratchet<'_>,
) -> Option<u64> {
    let Look { base, meter, left, verdict } = look;
    let mut left = (*left)?;
    if schema.rules.is_empty() {
        return Some(left);
    }
    let mut scope = base.new_inner_scope();
    scope.add_variable_from_value("self", cel::value(value, schema, whole));
    let before = old.map(|old| cel::value(old, schema, whole));
    let mut optional = scope.new_inner_scope();
    let maybe = before.clone().map_or_else(OptionalValue::none, OptionalValue::of);
    optional.add_variable_from_value("oldSelf", Cel::Opaque(Arc::new(maybe)));
    let mut plain = scope.new_inner_scope();
    if let Some(before) = before {
        plain.add_variable_from_value("oldSelf", before);
    }

    let type_name: Value = schema.type_name().into();
    for rule in &schema.rules.0 {
        let rule = match rule {
            Ok(rule) => rule,
            Err(error) => {
                verdict.causes.push(mistake::invalid(path, &type_name, &format!("rule compile error: {error}")));
                continue;
            }
        };
        let may_be_new = rule.compiled.rule.optional_old_self == Some(true);
        if rule.compiled.is_transition_rule && old.is_none() && !may_be_new {
            continue;
        }
        match run(&rule.test, if may_be_new { &optional } else { &plain }, meter, &mut left) {
            Ok(Ok(Cel::Bool(true))) => {}
            Ok(Ok(_)) => {
                let path = match &rule.compiled.rule.field_path {
                    Some(below) => below_it(path, below, schema),
                    None => path.clone(),
                };
                let detail = computed(rule, &plain, meter, &mut left);
                let cause = match &detail {
                    Ok(detail) => failed(rule, detail.as_deref(), schema, value, &path),
                    Err(dear) => mistake::invalid(&path, &type_name, &dear.of_message(rule)),
                };
                if !rule.compiled.is_transition_rule && ratchet.holds() {
                    verdict.warnings.push(format!("{}: {}", cause.field, cause.message));
                } else {
                    verdict.causes.push(cause);
                }
                if detail.is_err() {
                    return None;
                }
            }
            Ok(Err(error)) => {
                let detail = not_evaluated(&error, rule, cel::holds_unreadable(value, schema));
                verdict.causes.push(mistake::invalid(path, &type_name, &detail));
            }
            Err(dear) => {
                verdict.causes.push(mistake::invalid(path, &type_name, &dear.of_rule(rule)));
                return None;
            }
        }
    }
    Some(left)
}

/// Evaluates, and takes what that has cost from what is left.
fn run(of: &Expression, scope: &Context<'_>, meter: &Meter, left: &mut u64) -> Result<ResolveResult, Dear> {
    meter.begin();
    let outcome = Cel::resolve(of, scope);
    *left = left.checked_sub(meter.spent()).ok_or(Dear::Object)?;
    // It may be that the outcome does not show it.
    if meter.is_over() { Err(Dear::Evaluation) } else { Ok(outcome) }
}

fn failed(rule: &Rule, computed: Option<&str>, schema: &Schema, value: &Value, path: &Path) -> Cause {
    let detail = match computed.or(rule.own_message()) {
        Some(message) => message.to_owned(),
        None => format!("failed rule: {}", rule.compiled.rule.rule.trim()),
    };
    let unseen = matches!(schema.type_name(), "object" | "array");
    match rule.compiled.rule.reason.as_deref() {
        Some("FieldValueForbidden") => mistake::forbidden(path, &detail),
        Some("FieldValueRequired") => mistake::required(path, &detail),
        Some("FieldValueDuplicate") if unseen => mistake::duplicate_unseen(path, ""),
        Some("FieldValueDuplicate") => mistake::duplicate(path, value),
        _ if unseen => mistake::invalid_unseen(path, &detail),
        _ => mistake::invalid(path, value, &detail),
    }
}

/// The message that the rule computes, if it is one line.
fn computed(rule: &Rule, scope: &Context<'_>, meter: &Meter, left: &mut u64) -> Result<Option<String>, Dear> {
    let Some(message) = &rule.message else { return Ok(None) };
    let Ok(Cel::String(text)) = run(message, scope, meter, left)? else { return Ok(None) };
    let text = text.trim();
    let one_line = !text.is_empty() && !text.contains('\n') && text.len() <= LONGEST_MESSAGE;
    Ok(one_line.then(|| text.to_owned()))
}

/// Why a rule has no answer. What is `unreadable` is no value at all to the real server, which says so instead of
/// trying to compare it.
fn not_evaluated(error: &ExecutionError, rule: &Rule, unreadable: bool) -> String {
    let rule_text = rule.name();
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key} evaluating rule: {rule_text}"),
        ExecutionError::IndexOutOfBounds(Cel::Int(place)) => {
            format!("index out of bounds: {place} evaluating rule: {rule_text}")
        }
        ExecutionError::DivisionByZero(_) => format!("division by zero evaluating rule: {rule_text}"),
        ExecutionError::RemainderByZero(_) => format!("modulus by zero evaluating rule: {rule_text}"),
        ExecutionError::Overflow(..) => format!("integer overflow evaluating rule: {rule_text}"),
        ExecutionError::NoSuchOverload
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnexpectedType { .. }
            if unreadable =>
        {
            format!("invalid data, expected string, got []interface {{}} evaluating rule: {rule_text}")
        }
        ExecutionError::NoSuchOverload
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnexpectedType { .. } => format!(
            "'no such overload': call arguments did not match a supported operator, function or macro signature for rule: {rule_text}"
        ),
        other => format!("{other} evaluating rule: {rule_text}"),
    }
}

/// The place that a rule points at: `.spec.map['key']`.
fn below_it(path: &Path, below: &str, schema: &Schema) -> Path {
    let (mut path, mut schema, mut rest) = (path.clone(), Some(schema), below.trim());
    while !rest.is_empty() {
        let (name, behind) = match (rest.strip_prefix("['"), rest.strip_prefix('.')) {
            (Some(inner), _) => inner.split_once("']").unwrap_or((inner, "")),
            (None, dotted) => {
                let inner = dotted.unwrap_or(rest);
                inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()))
            }
        };
        let is_map = schema.is_some_and(|schema| schema.properties.is_empty() && schema.additional.is_said());
        path = if is_map { path.key(name) } else { path.child(name) };
        schema = schema.and_then(|schema| schema.field(name));
        if behind.len() == rest.len() {
            break;
        }
        rest = behind;
    }
    path
}

#[cfg(test)]
mod tests {
    use kube_cel::cel::Program;

    use super::*;

    fn schema() -> Schema {
        Schema::read(&json!({
            "type": "object",
            "properties": {
                "size": {"type": "integer", "x-kubernetes-validations": [
                    {"rule": "self >= oldSelf", "message": "may only grow"},
                    {"rule": "self < 10", "messageExpression": "string(self) + ' is too large'", "reason": "FieldValueForbidden"},
                ]},
                "map": {"type": "object", "additionalProperties": {"type": "object",
                    "properties": {"a-b": {"type": "integer"}},
                    "x-kubernetes-validations": [{"rule": "self.a__dash__b > 0", "fieldPath": ".a-b"}]}},
                "list": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "properties": {"name": {"type": "string"}, "fixed": {"type": "string"}},
                        "x-kubernetes-validations": [{"rule": "self.fixed == oldSelf.fixed"}]}},
                "word": {"type": "string", "x-kubernetes-validations": [{"rule": "size(self) == 2 && self.size() == 2"}]},
                "first": {"type": "string", "x-kubernetes-validations": [
                    {"rule": "oldSelf.hasValue() || self == 'a'", "optionalOldSelf": true}]},
            },
        }))
    }

    fn told(object: &Value, old: Option<&Value>) -> Vec<String> {
        let verdict = check(&schema(), object, old);
        verdict.causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    #[test]
    fn rules_are_looked_at() {
        assert_eq!(told(&json!({"size": 1, "map": {"x.y": {"a-b": 1}}, "first": "a"}), None), Vec::<String>::new());
        assert_eq!(told(&json!({"word": "éé"}), None), Vec::<String>::new());
        assert_eq!(
            told(&json!({"size": 11, "map": {"x.y": {"a-b": 0}, "z": {}}, "first": "b"}), None),
            [
                "size: Forbidden: 11 is too large",
                "map[x.y].a-b: Invalid value: failed rule: self.a__dash__b > 0",
                "map[z]: Invalid value: \"object\": no such key: a__dash__b evaluating rule: self.a__dash__b > 0",
                "first: Invalid value: \"b\": failed rule: oldSelf.hasValue() || self == 'a'",
            ],
        );
    }

    /// A list passes for a text with a format, as the published validator has it, and is then no value to a rule.
    #[test]
    fn a_list_in_place_of_a_moment_cannot_be_compared() {
        let schema = Schema::read(&json!({
            "type": "object",
            "properties": {"time": {"type": "string", "format": "date-time"}},
            "x-kubernetes-validations": [
                {"rule": "self.time > timestamp('2020-01-01T00:00:00Z')", "message": "too early"},
            ],
        }));
        let verdict = check(&schema, &json!({"time": []}), None);
        let told: Vec<_> = verdict.causes.iter().map(|cause| cause.message.as_str()).collect();
        let told_is =
            "Invalid value: \"object\": invalid data, expected string, got []interface {} evaluating rule: too early";
        assert_eq!(told, [told_is]);
    }

    #[test]
    fn what_was_before_is_compared() {
        let old = json!({"size": 5, "first": "a", "list": [{"name": "a", "fixed": "x"}, {"name": "b", "fixed": "y"}]});
        let new = json!({"size": 4, "first": "b", "list": [{"name": "b", "fixed": "x"}, {"name": "c", "fixed": "z"}]});
        assert_eq!(
            told(&new, Some(&old)),
            [
                "size: Invalid value: 4: may only grow",
                "list[0]: Invalid value: failed rule: self.fixed == oldSelf.fixed",
            ],
        );
    }

    #[test]
    fn what_costs_too_much_ends_all_of_it() {
        let told = |rule: Value, count: usize| {
            let rules = [rule, json!({"rule": "false"})];
            let names = json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-validations": rules});
            let schema = Schema::read(&json!({"type": "object", "properties": {"names": names}}));
            let verdict = check(&schema, &json!({"names": vec!["a"; count]}), None);
            verdict.causes.into_iter().map(|cause| cause.message).collect::<Vec<_>>()
        };
        let loops = "self.all(a, self.all(b, self.all(c, a == b || b == c)))";
        assert_eq!(told(json!({"rule": loops}), 5), ["Invalid value: failed rule: false"]);
        assert_eq!(
            told(json!({"rule": loops}), 200),
            [format!(
                "Invalid value: \"array\": 'operation cancelled: actual cost limit exceeded': no further validation rules \
                 will be run due to call cost exceeds limit for rule: {loops}"
            )],
        );
        let message = format!("{loops} ? 'all' : 'none'");
        assert_eq!(
            told(json!({"rule": "self.size() < 5", "message": "too many", "messageExpression": message}), 200),
            [format!(
                "Invalid value: \"array\": no further validation rules will be run due to call cost exceeds limit for \
                 messageExpression: \"{message}\""
            )],
        );
    }

    #[test]
    fn what_is_spent_is_taken_from_what_is_left() {
        let program = Program::compile("1 + 1 + 1 == 3").unwrap();
        let meter = Arc::new(Meter::default());
        let mut base = Context::default();
        meter.attach(&mut base);
        let mut left = 5;
        let mut again = || run(&metered(program.expression()), &base, &meter, &mut left);
        assert!(matches!(again(), Ok(Ok(Cel::Bool(true)))));
        assert!(matches!(again(), Err(Dear::Object)));
        assert_eq!(left, 2);
    }

    #[test]
    fn what_was_wrong_before_may_stay() {
        let old = json!({"size": 20, "first": "a"});
        let verdict = check(&schema(), &old, Some(&old));
        assert_eq!(verdict.causes, []);
        assert_eq!(verdict.warnings, ["size: Forbidden: 20 is too large"]);
        assert_eq!(check(&schema(), &json!({"size": 21}), Some(&old)).causes.len(), 1);
    }
}
