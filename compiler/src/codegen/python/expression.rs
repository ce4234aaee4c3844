//! SQL expressions as Python.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::{BinaryExpr, Expr, Like, Operator};

use super::code::{self, Code, string};
use super::dialect::Dialect;
use super::module;
use crate::codegen::not_translatable;
use crate::diagnostic::Diagnostic;
use crate::sql::{Scope, Text};

/// Writes the expressions of one text.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) text: Text<'a>,
    pub(super) dialect: Dialect,
}

impl Writer<'_> {
    /// The Python of an expression, null where SQL's is.
    pub(super) fn write(&self, expression: &Expr) -> Result<Code, Diagnostic> {
        let dialect = self.dialect;
        Ok(match expression {
            Expr::Alias(alias) => self.write(&alias.expr)?,
            Expr::Column(column) => dialect.column(&column.name),
            Expr::Literal(scalar, _) => code::literal(scalar).ok_or_else(|| {
                self.refuse_words(&format!("a value of type {}", crate::types::name(&scalar.data_type())))
            })?,
            Expr::Placeholder(placeholder) => match &placeholder.field {
                Some(field) => Code::value(module::argument(field.name())),
                None => return Err(self.refuse(expression)),
            },
            Expr::BinaryExpr(binary) => self.binary(expression, binary)?,
            Expr::Not(inner) => self.column(inner)?.prefix("~"),
            Expr::Negative(inner) => self.write(inner)?.prefix("-"),
            Expr::IsNull(inner) | Expr::IsUnknown(inner) => dialect.is_null(&self.write(inner)?),
            Expr::IsNotNull(inner) | Expr::IsNotUnknown(inner) => dialect.is_not_null(&self.write(inner)?),
            Expr::IsTrue(inner) => dialect.known(&self.write(inner)?, "False"),
            Expr::IsNotTrue(inner) => dialect.known(&self.write(inner)?, "False").prefix("~"),
            Expr::IsFalse(inner) => dialect.known(&self.write(inner)?, "True").prefix("~"),
            Expr::IsNotFalse(inner) => dialect.known(&self.write(inner)?, "True"),
            Expr::Between(between) => {
                let low = self.compare(expression, &between.expr, ">=", &between.low)?;
                let inside = low.infix("&", &self.compare(expression, &between.expr, "<=", &between.high)?);
                if between.negated { inside.prefix("~") } else { inside }
            }
            Expr::InList(list) => self.in_list(expression, &list.expr, &list.list, list.negated)?,
            Expr::Like(like) => self.like(expression, like)?,
            Expr::Case(case) => {
                let mut branches = Vec::new();
                for (when, then) in &case.when_then_expr {
                    let condition = match &case.expr {
                        Some(value) => self.compare(expression, value, "==", when)?,
                        None => self.column(when)?,
                    };
                    branches.push((condition, self.write(then)?));
                }
                let otherwise = case.else_expr.as_ref().map(|value| self.write(value)).transpose()?;
                dialect.case(&branches, &otherwise.unwrap_or_else(|| Code::value("None")))
            }
            Expr::Cast(cast) => self.cast(expression, &cast.expr, cast.field.data_type(), true)?,
            Expr::TryCast(cast) => self.cast(expression, &cast.expr, cast.field.data_type(), false)?,
            Expr::ScalarFunction(function) => self.function(expression, function.name(), &function.args)?,
            _ => return Err(self.refuse(expression)),
        })
    }

    /// As [`Self::write`], always a column.
    pub(super) fn column(&self, expression: &Expr) -> Result<Code, Diagnostic> {
        Ok(self.dialect.lifted(&self.write(expression)?))
    }

    fn cast(&self, whole: &Expr, value: &Expr, target: &DataType, strict: bool) -> Result<Code, Diagnostic> {
        let target = self.dialect.type_name(target).ok_or_else(|| self.refuse(whole))?;
        Ok(self.dialect.cast(&self.write(value)?, &target, strict))
    }

    fn binary(&self, whole: &Expr, binary: &BinaryExpr) -> Result<Code, Diagnostic> {
        let BinaryExpr { left, op, right } = binary;
        let dialect = self.dialect;
        let operator = match op {
            Operator::Plus => "+",
            Operator::Minus => "-",
            Operator::Multiply => "*",
            Operator::Eq => "==",
            Operator::NotEq => "!=",
            Operator::Lt => "<",
            Operator::LtEq => "<=",
            Operator::Gt => ">",
            Operator::GtEq => ">=",
            Operator::And => "&",
            Operator::Or => "|",
            Operator::Divide => return Ok(dialect.call("_divide", &[self.write(left)?, self.write(right)?], &[])),
            Operator::Modulo => return Ok(dialect.call("_modulo", &[self.write(left)?, self.write(right)?], &[])),
            Operator::StringConcat => {
                let mut parts = Vec::new();
                self.parts(left, &mut parts)?;
                self.parts(right, &mut parts)?;
                return Ok(dialect.call("_concat", &parts, &["skip_nulls=False".to_owned()]));
            }
            Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => {
                let (left, right) = (self.column(left)?, self.column(right)?);
                let nulls = dialect.is_null(&left).infix("^", &dialect.is_null(&right));
                let differ = left.infix("!=", &right).infix("|", &nulls);
                let differ = dialect.known(&differ, "False");
                return Ok(if *op == Operator::IsDistinctFrom { differ } else { differ.prefix("~") });
            }
            _ => return Err(self.refuse(whole)),
        };
        self.compare(whole, left, operator, right)
    }

    /// The operands of `a || b || c`.
    fn parts(&self, expression: &Expr, parts: &mut Vec<Code>) -> Result<(), Diagnostic> {
        match expression {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
                self.parts(left, parts)?;
                self.parts(right, parts)
            }
            _ => {
                parts.push(self.write(expression)?);
                Ok(())
            }
        }
    }

    /// `left operator right`, of which at least one is a column.
    fn compare(&self, whole: &Expr, left: &Expr, operator: &str, right: &Expr) -> Result<Code, Diagnostic> {
        let (mut left, right) = (self.write(left)?, self.write(right)?);
        if left.is_none() || right.is_none() {
            return Err(self.refuse(whole).help("what is computed with NULL is NULL; write IS NULL to ask for it"));
        }
        if left.value && right.value {
            left = self.dialect.lifted(&left);
        }
        Ok(left.infix(operator, &right))
    }

    fn in_list(&self, whole: &Expr, value: &Expr, list: &[Expr], negated: bool) -> Result<Code, Diagnostic> {
        let choices = list.iter().map(|choice| self.write(choice)).collect::<Result<Vec<_>, _>>()?;
        if choices.iter().any(|choice| !choice.value || choice.is_none()) {
            return Err(self.refuse(whole).help("list values that are not null, or compare with each by `=` and OR"));
        }
        let texts: Vec<String> = choices.into_iter().map(|choice| choice.text).collect();
        let value = self.column(value)?;
        let found = match self.dialect {
            Dialect::Pandas => self.dialect.call("_is_in", &[value], &[format!("[{}]", texts.join(", "))]),
            Dialect::Polars => value.method(&format!("is_in([{}])", texts.join(", "))),
        };
        Ok(if negated { found.prefix("~") } else { found })
    }

    fn like(&self, whole: &Expr, like: &Like) -> Result<Code, Diagnostic> {
        let Expr::Literal(ScalarValue::Utf8(Some(pattern)), _) = like.pattern.as_ref() else {
            return Err(self.refuse(whole).help("write the pattern as a literal"));
        };
        let flags = if like.case_insensitive { "(?is)" } else { "(?s)" };
        let regex = string(&format!("{flags}^{}$", regex_of(pattern, like.escape_char.unwrap_or('\\'))));
        let matches = self.column(&like.expr)?.method(&format!("str.contains({regex})"));
        Ok(if like.negated { matches.prefix("~") } else { matches })
    }

    /// What is said of an expression that has no translation.
    pub(super) fn refuse(&self, expression: &Expr) -> Diagnostic {
        self.refuse_words(&format!("`{expression}`"))
    }

    fn refuse_words(&self, what: &str) -> Diagnostic {
        let help = "`--to sql` writes it as it stands; docs/codegen.md lists what Python code can say";
        not_translatable(what, self.dialect.name(), help).at(self.scope.locator.place(self.text.path))
    }
}

/// The regular expression of a LIKE pattern.
fn regex_of(pattern: &str, escape: char) -> String {
    let (mut regex, mut characters) = (String::new(), pattern.chars());
    while let Some(character) = characters.next() {
        match character {
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            _ => {
                let literal = if character == escape { characters.next().unwrap_or(escape) } else { character };
                regex.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4])));
            }
        }
    }
    regex
}
