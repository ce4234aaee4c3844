//! Expressions that tell a [`super::Meter`] what they cost while they are evaluated: their turns, what is copied of the object,
//! and functions that may do more than look at their arguments.

use kube_cel::cel::IdedExpr as Expression;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, ListExpr, LiteralValue, MapEntryExpr, MapExpr,
    SelectExpr, operators,
};

use super::meter::{HAS, PRICED, READ, SPEND, placeholder};
use super::{NEW_LIST, NEW_MAP, NEW_MESSAGE, price};

/// The expression, which means the same, but ends when it costs too much.
pub(crate) fn metered(expression: &Expression) -> Expression {
    let mut writer = Writer { bound: vec!["self".to_owned(), "oldSelf".to_owned()] };
    let whole = writer.whole(expression);
    call(SPEND, vec![whole, number(steps(expression))])
}

struct Writer {
    /// The variables that there are; other names are those of libraries.
    bound: Vec<String>,
}

impl Writer {
    /// An expression of whose value everything is looked at.
    fn whole(&mut self, of: &Expression) -> Expression {
        match &of.expr {
            Expr::Ident(name) if self.bound.contains(name) => call(READ, vec![of.clone()]),
            Expr::Call(of) if of.func_name == operators::CONDITIONAL => self.choice(of, Self::whole),
            Expr::Call(of) if of.func_name == operators::INDEX => call(READ, vec![self.call(of)]),
            _ => self.part(of),
        }
    }

    /// An expression of whose value a part is looked at, or nothing but whether it holds.
    fn part(&mut self, of: &Expression) -> Expression {
        match &of.expr {
            Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => of.clone(),
            Expr::Select(select) => self.select(select),
            Expr::Call(of) if of.func_name == operators::CONDITIONAL => self.choice(of, Self::part),
            Expr::Call(of) => self.call(of),
            Expr::List(list) => {
                let elements = list.elements.iter().map(|element| self.whole(element)).collect();
                expression(Expr::List(ListExpr { elements, optional_indices: list.optional_indices.clone() }))
            }
            Expr::Map(map) => {
                let entries = map.entries.iter().map(|entry| self.entry(entry)).collect();
                expression(Expr::Map(MapExpr { entries }))
            }
            // The interpreter would panic. Nobody has declared a message.
            Expr::Struct(message) => call(&message.type_name, Vec::new()),
            Expr::Comprehension(of) => expression(Expr::Comprehension(Box::new(self.comprehension(of)))),
        }
    }

    fn choice(&mut self, of: &CallExpr, branch: fn(&mut Self, &Expression) -> Expression) -> Expression {
        let mut args = Vec::with_capacity(of.args.len());
        for (place, arg) in of.args.iter().enumerate() {
            args.push(if place == 0 { self.part(arg) } else { branch(self, arg) });
        }
        call(&of.func_name, args)
    }

    /// Fields of fields are looked up at once, so that nothing is copied on the way.
    fn select(&mut self, of: &SelectExpr) -> Expression {
        let (mut start, mut names) = (of.operand.as_ref(), vec![text(&of.field)]);
        while let Expr::Select(SelectExpr { operand, field, test: false }) = &start.expr {
            names.push(text(field));
            start = operand.as_ref();
        }
        let args = [self.part(start)].into_iter().chain(names.into_iter().rev()).collect();
        call(if of.test { HAS } else { READ }, args)
    }

    fn entry(&mut self, of: &IdedEntryExpr) -> IdedEntryExpr {
        let expr = match &of.expr {
            EntryExpr::MapEntry(entry) => EntryExpr::MapEntry(MapEntryExpr {
                key: self.whole(&entry.key),
                value: self.whole(&entry.value),
                optional: entry.optional,
            }),
            field @ EntryExpr::StructField(_) => field.clone(),
        };
        IdedEntryExpr { id: of.id, expr }
    }

    fn call(&mut self, of: &CallExpr) -> Expression {
        match of.func_name.as_str() {
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE => {
                let args = of.args.iter().map(|arg| self.part(arg)).collect();
                call(&of.func_name, args)
            }
            operators::INDEX => {
                let mut args = Vec::with_capacity(of.args.len());
                for (place, arg) in of.args.iter().enumerate() {
                    args.push(if place == 0 { self.part(arg) } else { self.whole(arg) });
                }
                call(&of.func_name, args)
            }
            _ => self.function(of),
        }
    }

    fn function(&mut self, of: &CallExpr) -> Expression {
        let target = of.target.as_deref();
        let library = target.filter(|target| matches!(&target.expr, Expr::Ident(name) if !self.bound.contains(name)));
        let given = if library.is_some() { None } else { target };
        let given: Vec<Expression> = given.into_iter().chain(&of.args).map(|given| self.whole(given)).collect();
        let priced = price::NAMES.contains(&of.func_name.as_str());
        let (operands, values): (Vec<Expression>, Vec<Expression>) = if priced {
            ((0..given.len()).map(|place| name(&placeholder(place))).collect(), given)
        } else {
            (given, Vec::new())
        };
        let mut operands = operands.into_iter();
        let target = match (target, library) {
            (_, Some(library)) => Some(Box::new(library.clone())),
            (Some(_), None) => operands.next().map(Box::new),
            (None, None) => None,
        };
        let call_of = CallExpr { func_name: of.func_name.clone(), target, args: operands.collect() };
        let inner = expression(Expr::Call(call_of));
        if priced { call(PRICED, [inner].into_iter().chain(values).collect()) } else { inner }
    }

    fn comprehension(&mut self, of: &ComprehensionExpr) -> ComprehensionExpr {
        let iter_range = self.whole(&of.iter_range);
        let accu_init = self.part(&of.accu_init);
        self.bound.push(of.iter_var.clone());
        let mut turn = vec![self.part(&of.loop_cond), number(steps(&of.loop_cond) + steps(&of.loop_step))];
        if matches!(of.accu_init.expr, Expr::List(_) | Expr::Map(_)) {
            // The interpreter copies what has been made so far.
            turn.push(name(&of.accu_var));
        }
        let loop_step = self.part(&of.loop_step);
        self.bound.pop();
        ComprehensionExpr {
            iter_range,
            iter_var: of.iter_var.clone(),
            iter_var2: of.iter_var2.clone(),
            accu_var: of.accu_var.clone(),
            accu_init,
            loop_cond: call(SPEND, turn),
            loop_step,
            result: self.part(&of.result),
        }
    }
}

/// What an expression costs without its loops, as the API server counts.
fn steps(of: &Expression) -> u64 {
    match &of.expr {
        Expr::Unspecified | Expr::Literal(_) => 0,
        Expr::Ident(_) => 1,
        Expr::Select(select) => u64::from(!select.test) + steps(&select.operand),
        Expr::Call(call) => {
            let given = call.target.as_deref().into_iter().chain(&call.args).map(steps);
            match (call.func_name.as_str(), call.args.as_slice()) {
                (operators::LOGICAL_AND | operators::LOGICAL_OR, _) => given.sum::<u64>(),
                (operators::CONDITIONAL, [condition, yes, no]) => steps(condition) + steps(yes).max(steps(no)),
                _ => 1 + given.sum::<u64>(),
            }
        }
        Expr::List(list) => NEW_LIST + list.elements.iter().map(steps).sum::<u64>(),
        Expr::Map(map) => {
            let entry = |entry: &IdedEntryExpr| match &entry.expr {
                EntryExpr::MapEntry(entry) => steps(&entry.key) + steps(&entry.value),
                EntryExpr::StructField(field) => steps(&field.value),
            };
            NEW_MAP + map.entries.iter().map(entry).sum::<u64>()
        }
        Expr::Struct(_) => NEW_MESSAGE,
        Expr::Comprehension(of) => steps(&of.iter_range) + steps(&of.accu_init) + steps(&of.result),
    }
}

fn expression(expr: Expr) -> Expression {
    Expression { id: 0, expr }
}

fn call(name: &str, args: Vec<Expression>) -> Expression {
    expression(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
}

fn name(of: &str) -> Expression {
    expression(Expr::Ident(of.to_owned()))
}

fn text(of: &str) -> Expression {
    expression(Expr::Literal(LiteralValue::String(of.into())))
}

fn number(of: u64) -> Expression {
    expression(Expr::Literal(LiteralValue::Int(i64::try_from(of).unwrap_or(i64::MAX).into())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use kube_cel::KubeCelExt;
    use kube_cel::cel::{Context, ExecutionError, Program, ResolveResult, Value as Cel};
    use serde_json::{Value, json};

    use super::super::{Meter, PER_EVALUATION};
    use super::*;
    use crate::api::schema::{Schema, cel};

    fn context(object: &Value) -> Context<'static> {
        let mut context = Context::default().with_all();
        context.add_variable_from_value("self", cel::value(object, &Schema::default(), false));
        context
    }

    /// What a rule says of an object, and what that has cost.
    fn evaluated(rule: &str, object: &Value) -> (ResolveResult, u64) {
        let meter = Arc::new(Meter::default());
        let mut context = context(object);
        meter.attach(&mut context);
        let program = Program::compile(rule).expect(rule);
        let outcome = Cel::resolve(&metered(program.expression()), &context);
        (outcome, meter.spent())
    }

    #[test]
    fn expressions_mean_what_they_meant() {
        let object = json!({
            "size": 3, "word": "aé", "deep": {"er": {"x": [1, 2]}}, "names": ["a", "b"], "map": {"k": {"a": 1}},
            "list": [{"name": "a", "value": 1}, {"name": "b"}], "no": null,
        });
        let context = context(&object);
        for rule in [
            "true",
            "self",
            "self.size",
            "self.deep.er.x[1] == 2 && self['deep']['er'].x == [1, 2]",
            "self.size > 2 ? self.word : self.names[0]",
            "(self.size > 5 ? self.names : self.list)[0].name",
            "has(self.size) && has(self.deep.er.x) && !has(self.deep.er.y) && !has(self.size.a)",
            "self.size.a.b",
            "self.none.more",
            "has(self.none.more)",
            "self.names.all(name, name.size() < 2)",
            "self.names.exists(name, self.list.exists_one(one, one.name == name))",
            "self.names.map(name, {name: [name + self.word]})",
            "self.list.filter(one, has(one.value)).map(one, one.name)",
            "self.map.all(key, key in self.map && self.map[key].a == 1)",
            "self.names[7]",
            "self.names.all(name, name == 1 / 0)",
            "false && self.none || self.size == 3",
            "self.word.replace('a', 'b').split('').join('-')",
            "self.word.contains('é') && self.names.indexOf('b') == 1 && 'a' in self.names",
            "sets.contains(self.names, ['a']) && math.greatest(self.size, 4) == 4",
            "lists.range(3).map(n, n * self.size).distinct().sort()",
            "'%s is %d'.format([self.word, self.size])",
            "quantity('1Gi').isGreaterThan(quantity('1Mi'))",
            "optional.of(self.size).orValue(1)",
            "timestamp('2026-01-01T00:00:00Z') < timestamp('2026-01-02T00:00:00Z')",
            "-self.size - 1 < 0 && !(self.size in [1, 2])",
            "self.word.reverseAll()",
            "unknown.f(self)",
            "unknown",
        ] {
            let program = Program::compile(rule).expect(rule);
            let (told, spent) = evaluated(rule, &object);
            assert_eq!(told, program.execute(&context), "{rule}");
            assert!(spent < 1000, "{rule}: {spent}");
        }
    }

    #[test]
    fn expressions_of_texts_mean_what_they_mean_in_go() {
        let object = json!({"word": "ab12"});
        for (rule, wanted) in [
            (r"self.word.matches('^\\w+$') && !'é'.matches('^\\w$') && matches(self.word, 'b1')", Cel::Bool(true)),
            ("self.word.find('[0-9]+')", Cel::String(Arc::new("12".to_owned()))),
            ("self.word.findAll('[0-9]', 1).size()", Cel::Int(1)),
            ("self.word.findAll('[0-9]', -1).size()", Cel::Int(2)),
        ] {
            assert_eq!(evaluated(rule, &object).0, Ok(wanted), "{rule}");
        }
        let ExecutionError::FunctionError { message, .. } = evaluated("self.word.matches('(')", &object).0.unwrap_err()
        else {
            panic!("another error");
        };
        assert_eq!(message, "error parsing regexp: missing closing ): `(`");
    }

    #[test]
    fn costs_are_nearly_those_of_the_api_server() {
        let object = json!({"val": {"b": 1, "d": 2}, "list": [{"k": "a1"}, {"k": "a2"}, {"k": "a3"}], "word": "x"});
        for (rule, wanted) in [
            ("has(self.val.b)", 2),
            ("'b' in self.val", 3),
            ("self.val.all(k, self.val[k] > 0)", 17),
            ("self.list.all(m, m.k.startsWith('a'))", 21),
            ("self.val.exists_one(k, self.val[k] == 2)", 14),
        ] {
            let (_, spent) = evaluated(rule, &object);
            assert!(spent.abs_diff(wanted) < 16, "{rule}: {spent}, and {wanted} there");
        }
    }

    #[test]
    fn what_costs_too_much_ends_soon() {
        let object = json!({
            "names": (0..300).map(|number| format!("name-{number}")).collect::<Vec<_>>(),
            "word": "x".repeat(100_000), "words": ["x"],
        });
        let begun = Instant::now();
        for rule in [
            "self.names.all(a, self.names.all(b, self.names.all(c, a != '' || b != c)))",
            "self.names.exists(a, self.names.exists(b, self.names.exists(c, a == '' && b == c))) || true",
            "self.names.all(a, self.names.all(b, self.names.all(c, false) || true) || true)",
            "self.names.map(a, self.names.map(b, self.names.map(c, a + b + c))).size() > 0",
            "self.names.all(a, self == self && self.names.all(b, self == self))",
            "lists.range(1000000000).size() > 0",
            "self.word.replace('', self.word).size() > 0",
            "self.word.split('').map(a, self.word).size() > 0",
            "self.names.map(a, self.word).join(self.word).size() > 0",
            "[self.word].all(a, [a + a].all(b, [b + b].all(c, [c + c].all(d, [d + d].all(e, [e + e].all(f, [f + f + f + f]\
             .all(g, [g + g + g + g].all(h, [h + h + h + h].all(i, i + i != i + i)))))))))",
            "self.words.all(a, a.matches('(a{1000}){1000}'))",
            "'%.100000f'.format([1.0]) != ''",
        ] {
            let (_, spent) = evaluated(rule, &object);
            assert_eq!(spent, PER_EVALUATION + 1, "{rule}");
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it took {:?}", begun.elapsed());
    }

    #[test]
    fn a_message_is_no_reason_to_panic() {
        let (told, _) = evaluated("Message{a: 1}.a == 1", &json!({}));
        assert_eq!(told, Err(ExecutionError::undeclared_reference("Message")));
    }
}
