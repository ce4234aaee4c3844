//! What a schema says about maps.

use serde_json::Value;

use crate::api::patch::shape::Shape;

use super::metadata::{METADATA, TEXT};
use super::typed::{Form, Hint, Type, hint_of};

/// What a type says about maps.
#[derive(Clone, Copy, Debug)]
pub(super) struct MapType<'a> {
    of: Type<'a>,
    /// Whether it is owned as a whole.
    pub(super) atomic: bool,
}

impl<'a> MapType<'a> {
    pub(super) fn of(of: Type<'a>) -> Self {
        let said = of.schema().and_then(|schema| schema.get("x-kubernetes-map-type")).and_then(Value::as_str);
        let atomic = match (of.form, said) {
            (Form::Untyped, _) => true,
            (_, Some(relation)) => relation == "atomic",
            (_, None) => matches!(of.hint, Hint::Value(Shape::Whole)),
        };
        Self { of, atomic }
    }

    /// Whether the schema names that member.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.declared(name).is_some()
    }

    /// The type of a member; nothing when there may be none of that name.
    pub(super) fn member(&self, name: &str) -> Option<Type<'a>> {
        self.declared(name).or_else(|| self.other())
    }

    fn declared(&self, name: &str) -> Option<Type<'a>> {
        match (self.of.form, name) {
            (Form::Object(_), "metadata") => return Some(Type::known(&METADATA, false, Hint::Nothing)),
            (Form::Object(_), "apiVersion" | "kind") => return Some(Type::known(&TEXT, false, Hint::Nothing)),
            _ => {}
        }
        let member = self.of.schema()?.get("properties")?.get(name)?;
        let hint = match self.of.hint {
            Hint::Value(shape) => hint_of(shape.field(name)),
            Hint::Nothing | Hint::List(_) => Hint::Nothing,
        };
        Some(Type::known(member, self.of.open, hint))
    }

    /// The type of members that the schema does not name.
    fn other(&self) -> Option<Type<'a>> {
        let schema = match self.of.form {
            Form::Untyped => return Some(Type::UNTYPED),
            Form::Deduced => return Some(Type::DEDUCED),
            Form::Known(schema) | Form::Object(schema) => schema,
        };
        match schema.get("additionalProperties") {
            Some(Value::Bool(allowed)) => allowed.then_some(Type::DEDUCED),
            Some(schema) => Some(Type::known(schema, self.of.open, Hint::Nothing)),
            None => (self.of.open || self.names_none(schema)).then_some(Type::DEDUCED),
        }
    }

    /// A schema that names no member allows any.
    fn names_none(&self, schema: &Value) -> bool {
        let named = schema.get("properties").and_then(Value::as_object);
        !matches!(self.of.form, Form::Object(_)) && named.is_none_or(serde_json::Map::is_empty)
    }

    /// Whether nothing is known about its members.
    pub(super) fn is_deduced(&self) -> bool {
        match self.of.form {
            Form::Deduced => true,
            Form::Known(schema) => {
                let other = self.other();
                self.names_none(schema) && matches!(other, Some(Type { form: Form::Deduced, .. }))
            }
            Form::Object(_) | Form::Untyped => false,
        }
    }
}
