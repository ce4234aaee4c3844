//! What an expression costs at most, by what its schema allows
//! (<https://github.com/google/cel-go/blob/master/checker/cost.go>).

use std::borrow::Cow;

use kube_cel::cel::IdedExpr as Expression;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, LiteralValue, SelectExpr, operators,
};

use super::bounds::{Bounds, Sort};
use super::{NEW_LIST, NEW_MAP, NEW_MESSAGE, amount, call, scaled};

const ITEMS: &str = "@items";
const KEYS: &str = "@keys";
const VALUES: &str = "@values";

/// What an expression costs at most; `bounds` are those of `self`.
pub(crate) fn estimate(expression: &Expression, bounds: &Bounds) -> u64 {
    Estimator { root: bounds, bound: Vec::new() }.cost(expression).0
}

/// Between what the size of a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) least: u64,
    pub(super) most: u64,
}

impl Size {
    /// Of what may have any size.
    pub(super) const ANY: Self = Self { least: 0, most: u64::MAX };

    pub(super) fn exactly(size: u64) -> Self {
        Self { least: size, most: size }
    }

    pub(super) fn at_most(most: u64) -> Self {
        Self { least: 0, most }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { least: self.least.saturating_add(other.least), most: self.most.saturating_add(other.most) }
    }

    pub(super) fn times(self, other: Self) -> Self {
        Self { least: self.least.saturating_mul(other.least), most: self.most.saturating_mul(other.most) }
    }

    /// Of what is either this or that.
    pub(super) fn or(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    /// So many units for each part, at most.
    pub(super) fn scaled(self, by: f64) -> u64 {
        scaled(self.most, by)
    }
}

/// What kind of value an expression has.
#[derive(Clone, Debug)]
pub(super) enum Shape<'b> {
    /// Rules are not checked for their types: where nothing is known, the least is expected.
    Unknown,
    Of(&'b Bounds),
    Scalar,
    Text,
    Bytes,
    List(Box<Shape<'b>>),
    Map(Box<Shape<'b>>),
}

impl<'b> Shape<'b> {
    pub(super) fn sort(&self) -> Sort {
        match self {
            Self::Unknown => Sort::Any,
            Self::Of(bounds) => bounds.sort,
            Self::Scalar => Sort::Scalar,
            Self::Text => Sort::Text,
            Self::Bytes => Sort::Bytes,
            Self::List(_) => Sort::List,
            Self::Map(_) => Sort::Map,
        }
    }

    /// That of an item, or of a value of a map.
    pub(super) fn element(&self) -> Self {
        match self {
            Self::Of(Bounds { element: Some(element), .. }) => Self::Of(element),
            Self::List(element) | Self::Map(element) => element.as_ref().clone(),
            _ => Self::Unknown,
        }
    }

    fn field(&self, name: &str) -> Self {
        match self {
            Self::Of(bounds) if bounds.sort == Sort::Object => bounds.fields.get(name).map_or(Self::Unknown, Self::Of),
            shape if shape.sort() == Sort::Map => shape.element(),
            _ => Self::Unknown,
        }
    }

    fn or(self, other: Self) -> Self {
        if matches!(self, Self::Unknown) { other } else { self }
    }
}

/// The sizes of what is in a list or a map.
#[derive(Clone, Copy, Debug)]
struct Entries {
    in_list: bool,
    keys: Size,
    values: Size,
}

impl Entries {
    /// Of which nothing is known yet.
    fn none(in_list: bool, is_empty: bool) -> Self {
        let size = Size { least: if is_empty { 0 } else { u64::MAX }, most: 0 };
        Self { in_list, keys: if in_list { Size::exactly(1) } else { size }, values: size }
    }

    fn or(self, other: Self) -> Self {
        Self { in_list: self.in_list, keys: self.keys.or(other.keys), values: self.values.or(other.values) }
    }
}

/// What is known of the value of an expression.
#[derive(Clone, Debug)]
pub(super) struct Node<'b> {
    /// Where it is in the object: the variable, and names of fields, [`ITEMS`], [`KEYS`] and [`VALUES`]. Empty for what is not
    /// from there.
    path: Vec<String>,
    pub(super) shape: Shape<'b>,
    size: Option<Size>,
    entries: Option<Entries>,
    /// The size of an item of a list.
    item: Option<Size>,
    /// The number that is written there.
    pub(super) number: Option<i64>,
}

impl Node<'_> {
    pub(super) fn size(&self) -> Size {
        let unsaid = if matches!(self.shape, Shape::Unknown) { Size::at_most(1) } else { Size::ANY };
        self.size.unwrap_or(unsaid)
    }

    pub(super) fn item(&self) -> Size {
        self.item.or(self.entries.map(|entries| entries.values)).unwrap_or(Size::ANY)
    }
}

/// What a variable stands for.
#[derive(Clone, Debug)]
struct Variable<'b> {
    name: String,
    path: Vec<String>,
    shape: Shape<'b>,
    size: Option<Size>,
    entries: Option<Entries>,
}

struct Estimator<'b> {
    root: &'b Bounds,
    /// The variables of loops, the innermost last.
    bound: Vec<Variable<'b>>,
}

impl<'b> Estimator<'b> {
    /// What an expression costs at most, and what it may be.
    fn cost(&mut self, of: &Expression) -> (u64, Node<'b>) {
        match &of.expr {
            Expr::Unspecified => (0, self.node(Vec::new(), Shape::Unknown, None, None)),
            Expr::Literal(literal) => (0, self.literal(literal)),
            Expr::Ident(name) => (1, self.variable(name)),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                let mut entries = Entries::none(true, list.elements.is_empty());
                let (mut cost, mut shape) = (NEW_LIST, Shape::Unknown);
                for element in &list.elements {
                    let (own, node) = self.cost(element);
                    cost = cost.saturating_add(own);
                    entries.values = entries.values.or(node.size());
                    shape = shape.or(node.shape);
                }
                let size = Size::exactly(amount(list.elements.len()));
                (cost, self.node(Vec::new(), Shape::List(Box::new(shape)), Some(size), Some(entries)))
            }
            Expr::Map(map) => {
                let mut entries = Entries::none(false, map.entries.is_empty());
                let (mut cost, mut shape) = (NEW_MAP, Shape::Unknown);
                for IdedEntryExpr { expr, .. } in &map.entries {
                    let EntryExpr::MapEntry(entry) = expr else { continue };
                    let ((own_key, key), (own, value)) = (self.cost(&entry.key), self.cost(&entry.value));
                    cost = cost.saturating_add(own_key).saturating_add(own);
                    let one = Entries { in_list: false, keys: key.size(), values: value.size() };
                    entries = entries.or(one);
                    shape = shape.or(value.shape);
                }
                let size = Size::exactly(amount(map.entries.len()));
                (cost, self.node(Vec::new(), Shape::Map(Box::new(shape)), Some(size), Some(entries)))
            }
            // There are none in rules.
            Expr::Struct(_) => (NEW_MESSAGE, self.node(Vec::new(), Shape::Unknown, None, None)),
            Expr::Comprehension(of) => self.comprehension(of),
        }
    }

    fn node(&self, path: Vec<String>, shape: Shape<'b>, known: Option<Size>, entries: Option<Entries>) -> Node<'b> {
        let scalar = (shape.sort() == Sort::Scalar).then_some(Size::exactly(1));
        let size = known.or_else(|| self.at(&path)).or(scalar);
        let item = (shape.sort() == Sort::List && !path.is_empty()).then(|| self.at(&below(&path, ITEMS))).flatten();
        Node { path, shape, size, entries, item, number: None }
    }

    /// The size of what is at that place of the object.
    fn at(&self, path: &[String]) -> Option<Size> {
        let (_, below) = path.split_first()?;
        let mut bounds = self.root;
        for name in below {
            bounds = match name.as_str() {
                ITEMS | VALUES => bounds.element.as_deref()?,
                // How long keys are is not counted.
                KEYS => return (bounds.sort == Sort::Map).then_some(Size::at_most(0)),
                name => bounds.fields.get(name)?,
            };
        }
        Some(Size::at_most(bounds.most))
    }

    fn literal(&self, literal: &LiteralValue) -> Node<'b> {
        let (shape, size) = match literal {
            LiteralValue::String(text) => (Shape::Text, amount(text.inner().chars().count())),
            LiteralValue::Bytes(bytes) => (Shape::Bytes, amount(bytes.inner().len())),
            _ => (Shape::Scalar, 1),
        };
        let node = self.node(Vec::new(), shape, Some(Size::exactly(size)), None);
        let number = if let LiteralValue::Int(number) = literal { Some(*number.inner()) } else { None };
        Node { number, ..node }
    }

    fn variable(&self, name: &str) -> Node<'b> {
        if let Some(variable) = self.bound.iter().rev().find(|variable| variable.name == name).cloned() {
            let node = self.node(variable.path, variable.shape, None, variable.entries);
            return Node { size: node.size.or(variable.size), ..node };
        }
        let shape = if is_object(name) { Shape::Of(self.root) } else { Shape::Unknown };
        self.node(vec![name.to_owned()], shape, None, None)
    }

    fn select(&mut self, select: &SelectExpr) -> (u64, Node<'b>) {
        let (cost, of) = self.cost(&select.operand);
        if select.test {
            return (cost, self.node(Vec::new(), Shape::Scalar, None, None));
        }
        let own = u64::from(matches!(of.shape.sort(), Sort::Map | Sort::Object));
        let node = self.node(below(&of.path, &select.field), of.shape.field(&select.field), None, None);
        (cost.saturating_add(own), node)
    }

    fn call(&mut self, call: &CallExpr) -> (u64, Node<'b>) {
        let (costs, args): (Vec<u64>, Vec<Node<'b>>) = call.args.iter().map(|arg| self.cost(arg)).unzip();
        let mut cost = costs.iter().copied().fold(0, u64::saturating_add);
        match (call.func_name.as_str(), args.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, _) => {
                return (cost, self.node(Vec::new(), Shape::Scalar, None, None));
            }
            (operators::CONDITIONAL, [_, yes, no]) => {
                let cost = costs[0].saturating_add(costs[1].max(costs[2]));
                let entries = yes.entries.zip(no.entries).map(|(yes, no)| yes.or(no));
                let shape = yes.shape.clone().or(no.shape.clone());
                return (cost, self.node(Vec::new(), shape, Some(yes.size().or(no.size())), entries));
            }
            (operators::INDEX, [of, _]) => {
                let path = match of.shape.sort() {
                    Sort::List => below(&of.path, ITEMS),
                    Sort::Map => below(&of.path, VALUES),
                    _ => Vec::new(),
                };
                let size = of.entries.map(|entries| entries.values);
                return (cost.saturating_add(1), self.node(path, of.shape.element(), size, None));
            }
            (operators::ADD, [left, right]) if left.shape.sort() == Sort::List || right.shape.sort() == Sort::List => {
                let entries = left.entries.zip(right.entries).map(|(left, right)| left.or(right));
                let shape = Shape::List(Box::new(left.shape.element().or(right.shape.element())));
                let size = left.size().plus(right.size());
                return (cost.saturating_add(1), self.node(Vec::new(), shape, Some(size), entries));
            }
            _ => {}
        }
        let (name, target) = self.named(call);
        let target = target.map(|target| {
            let (own, node) = self.cost(target);
            cost = cost.saturating_add(own);
            node
        });
        let called = call::estimate(&name, target.as_ref(), &args);
        let node = self.node(Vec::new(), called.shape, called.size, None);
        (cost.saturating_add(called.cost), node)
    }

    /// The name of a function, with that of its library, and what it is called of.
    fn named<'e>(&self, call: &'e CallExpr) -> (Cow<'e, str>, Option<&'e Expression>) {
        match call.target.as_deref() {
            Some(Expression { expr: Expr::Ident(name), .. })
                if !is_object(name) && !self.bound.iter().any(|variable| variable.name == *name) =>
            {
                (format!("{name}.{}", call.func_name).into(), None)
            }
            target => (call.func_name.as_str().into(), target),
        }
    }

    fn comprehension(&mut self, of: &ComprehensionExpr) -> (u64, Node<'b>) {
        let (range_cost, range) = self.cost(&of.iter_range);
        let (start_cost, start) = self.cost(&of.accu_init);
        self.bound.push(Variable {
            name: of.accu_var.clone(),
            path: start.path,
            shape: start.shape,
            size: start.size,
            entries: start.entries,
        });
        self.bound.push(one_of(&range, &of.iter_var));
        let (condition_cost, _) = self.cost(&of.loop_cond);
        let (step_cost, step) = self.cost(&of.loop_step);
        self.bound.pop();
        let (result_cost, _) = self.cost(&of.result);
        self.bound.pop();
        let turns = range.size();
        let loop_cost = turns.most.saturating_mul(step_cost.saturating_add(condition_cost));
        let cost = [range_cost, start_cost, loop_cost, result_cost].into_iter().fold(0, u64::saturating_add);
        let node = match &of.accu_init.expr {
            Expr::List(_) | Expr::Map(_) => self.node(Vec::new(), step.shape, Some(turns), step.entries),
            _ => self.node(Vec::new(), Shape::Scalar, start.size, None),
        };
        (cost, node)
    }
}

/// What a loop goes over, one by one.
fn one_of<'b>(range: &Node<'b>, name: &str) -> Variable<'b> {
    let in_list = range.entries.map_or(range.shape.sort() == Sort::List, |entries| entries.in_list);
    let (part, shape) = match (in_list, range.shape.sort()) {
        (true, _) => (ITEMS, range.shape.element()),
        (false, Sort::Map) => (KEYS, Shape::Text),
        (false, _) => (KEYS, Shape::Unknown),
    };
    let size = range.entries.map(|entries| if in_list { entries.values } else { entries.keys });
    Variable { name: name.to_owned(), path: below(&range.path, part), shape, size, entries: None }
}

fn below(path: &[String], name: &str) -> Vec<String> {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

/// Whether it is the variable of an object, as it is or as it was.
fn is_object(name: &str) -> bool {
    matches!(name, "self" | "oldSelf")
}

#[cfg(test)]
mod tests {
    use kube_cel::cel::Program;
    use serde_json::{Value, json};

    use super::*;

    fn costs(schema: &Value, rules: &[(&str, u64)]) {
        let bounds = Bounds::read(schema, false).expect("bounds");
        for (rule, wanted) in rules {
            let program = Program::compile(rule).expect(rule);
            assert_eq!(estimate(program.expression(), &bounds), *wanted, "{rule}");
        }
    }

    fn list(items: &Value) -> Value {
        json!({"type": "array", "items": items})
    }

    /// What the API server's own tests expect (`celcoststability_test.go`, `compilation_test.go`).
    #[test]
    fn estimates_are_those_of_the_api_server() {
        let (text, number) = (json!({"type": "string"}), json!({"type": "number"}));
        costs(
            &list(&number),
            &[
                ("self.all(x, true)", 4_718_591),
                ("self[1] == 0.0", 2),
                ("self.all(x, x == 0.0)", 6_291_454),
                ("self.all(x, self.all(y, true))", 2 + 1_572_863 * (3 + 4_718_591)),
            ],
        );
        costs(
            &json!({"type": "array", "items": number, "maxItems": 10}),
            &[("self.all(x, self.all(y, true))", 352), ("self.all(x, self.all(y, self.all(z, true)))", 3552)],
        );
        costs(&list(&text), &[("self[1] == self[1]", 314_577), ("self.isSorted() == true", 329_854_432_052)]);
        costs(
            &text,
            &[
                ("self.contains('test')", 314_574),
                ("self.startsWith('test')", 2),
                ("size(self + 'hello') > size('hello')", 314_578),
                ("self.matches('x')", 314_574),
                ("''.matches('(((((((((())))))))))[0-9]')", 7),
                ("self.find('[0-9]+') == ''", 629_147),
                ("self.lowerAscii() == 'lower!'", 314_575),
            ],
        );
        costs(
            &json!({"type": "object", "additionalProperties": text}),
            &[("self.all(x, true)", 1_179_647), ("self.all(x, x.contains(self[x]))", 2_752_507)],
        );
        costs(&json!({"x-kubernetes-int-or-string": true}), &[("isQuantity(self)", 314_574)]);
        costs(&json!({"type": "string", "enum": ["A", "LongValue"]}), &[("self.contains('A')", 2)]);
    }

    #[test]
    fn estimates_of_fields_are_those_of_the_api_server() {
        let bounded = |mut of: Value, name: &str| {
            of[name] = 10.into();
            of
        };
        let text = json!({"type": "string"});
        let map = json!({"type": "object", "additionalProperties": text});
        let object = json!({"type": "object", "properties": {"k": text, "v": text}});
        let maps = json!({"type": "object", "additionalProperties": bounded(map.clone(), "maxProperties")});
        let schema = json!({
            "type": "object",
            "properties": {
                "word": text, "before": {"type": "string", "maxLength": 2}, "after": {"type": "string", "maxLength": 4},
                "numbers": list(&json!({"type": "integer"})),
                "words": list(&text), "map": map,
                "number": {"type": "integer"}, "bytes": {"type": "string", "format": "byte"},
                "time": {"type": "string", "format": "date-time"},
                "span": {"type": "string", "format": "duration"},
                "mixed": {"x-kubernetes-int-or-string": true},
                "few": bounded(list(&object), "maxItems"),
                "maps": bounded(maps, "maxProperties"),
                "mapList": bounded(list(&bounded(map.clone(), "maxProperties")), "maxItems"),
            },
        });
        costs(
            &schema,
            &[
                ("self.number == self.number", 4),
                ("self.number + 1 == 2147483647 + 1", 5),
                ("double(self.number) < 10.0", 4),
                ("self.word == 'Rook' && 'Rook' == self.word && self.word == self.word", 314_583),
                ("self.word.matches('^[^0-9]*$')", 943_721),
                ("self.word.replace(' ', 'x') == 'Rookxtakesx👑'", 629_150),
                ("self.word.replace(self.before, self.after) == 'does not matter'", 629_154),
                ("self.word.split(' ', 2) == ['Rook', 'takes 👑']", 629_159),
                ("self.word.substring(4, 10).trim() == 'takes'", 629_149),
                ("string(self.number) == self.word", 314_578),
                ("string(self.bytes) == self.word", 629_150),
                ("bytes(self.word) == self.bytes", 629_150),
                ("self.time == self.time", 8),
                ("self.span == duration('1h2m') + duration('3s4ms')", 6),
                ("self.mixed == 1 || self.mixed == '25%'", 6),
                ("has(self.words) && has(self.map)", 2),
                ("self.words == ['c', 'b', 'a']", 13),
                ("'a' in self.words", 1_048_577),
                ("'k1' in self.map", 3),
                ("self.words + ['c', 'd'] == ['a', 'b', 'c', 'd']", 24),
                ("self.numbers.exists_one(k, self.numbers == [2])", 23_592_949),
                ("size(self.numbers.filter(k, size(self.numbers) > 1)) == 1", 26_738_686),
                ("self.map.exists_one(k, size(self.map) > 0)", 2_359_294),
                ("self.few.exists(e, e.k == '2' && e.v == 'f')", 103),
                ("self.maps['x']['y'] == 'b'", 5),
                ("self.maps.map(k, k).map(k, k).size() == 1", 286),
                ("self.maps.map(k, self.maps[k].map(m, m)).size() == 1", 1585),
                ("self.mapList.map(e, e.map(m, m)).size() == 1", 1555),
                ("quantity(self.word).isLessThan(quantity(self.word))", 629_151),
                ("quantity('200M') == quantity('0.2G')", 3),
            ],
        );
    }

    #[test]
    fn what_is_not_known_is_expected_to_cost_the_least() {
        let schema = json!({"type": "object", "properties": {"any": {"x-kubernetes-preserve-unknown-fields": true}}});
        costs(&schema, &[("self.any.all(x, x.y == self.none)", 10), ("dyn(self.any).foo(self.bar) == 1", 7)]);
    }
}
