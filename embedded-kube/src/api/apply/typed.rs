//! What a schema says about how values merge.

use serde_json::Value;

use crate::api::Kind;
use crate::api::patch::shape::{Field, List, Shape};

use super::list_type::ListType;
use super::map_type::MapType;

/// The type of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type<'a> {
    pub(super) form: Form<'a>,
    /// Whether members that no schema knows are kept.
    pub(super) open: bool,
    /// For the built-in kinds, what their schema may leave out.
    pub(super) hint: Hint,
}

/// Where a type is said.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    /// In a schema.
    Known(&'a Value),
    /// In a schema of an object with the fields that every object has, which the schema leaves out.
    Object(&'a Value),
    /// Nowhere: maps are merged, lists are not.
    Deduced,
    /// Nowhere, and it is one value whatever it is.
    Untyped,
}

/// What a schema of a built-in kind may leave out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hint {
    Nothing,
    Value(&'static Shape),
    List(&'static List),
}

/// Which of the sorts that a type allows a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Map,
    Scalar,
    List,
}

/// What a type says about scalars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScalarType {
    Number,
    Text,
    Truth,
    Any,
}

impl<'a> Type<'a> {
    pub(super) const DEDUCED: Self = Self { form: Form::Deduced, open: true, hint: Hint::Nothing };
    pub(super) const UNTYPED: Self = Self { form: Form::Untyped, open: true, hint: Hint::Nothing };

    /// The type of a kind's objects.
    pub(super) fn of(kind: &'a Kind) -> Self {
        let hint = Shape::of(kind).map_or(Hint::Nothing, Hint::Value);
        Self { form: Form::Object(&kind.schema), open: opens(&kind.schema), hint }
    }

    /// Unknown members are kept from where a schema says so, all the way down.
    pub(super) fn known(schema: &'a Value, open: bool, hint: Hint) -> Self {
        let form =
            if is(schema, "x-kubernetes-embedded-resource") { Form::Object(schema) } else { Form::Known(schema) };
        Self { form, open: open || opens(schema), hint }
    }

    /// The schema, if there is one.
    pub(super) fn schema(&self) -> Option<&'a Value> {
        match self.form {
            Form::Known(schema) | Form::Object(schema) => Some(schema),
            Form::Deduced | Form::Untyped => None,
        }
    }

    fn name(&self) -> Option<&'a str> {
        match self.form {
            Form::Object(_) => Some("object"),
            _ => self.schema()?.get("type")?.as_str(),
        }
    }

    fn allows(&self, sort: Sort) -> bool {
        match (sort, self.name()) {
            (_, None) => true,
            (Sort::Map, Some(name)) => name == "object",
            (Sort::List, Some(name)) => name == "array",
            (Sort::Scalar, Some(name)) => !matches!(name, "object" | "array"),
        }
    }

    /// What it says about maps, if it allows one.
    pub(super) fn map(&self) -> Option<MapType<'a>> {
        self.allows(Sort::Map).then(|| MapType::of(*self))
    }

    /// What it says about lists, if it allows one.
    pub(super) fn list(&self) -> Option<ListType<'a>> {
        self.allows(Sort::List).then(|| ListType::of(*self))
    }

    /// What it says about scalars, if it allows one.
    pub(super) fn scalar(&self) -> Option<ScalarType> {
        match self.name() {
            Some("integer" | "number") => Some(ScalarType::Number),
            Some("boolean") => Some(ScalarType::Truth),
            Some("string") => Some(self.text()),
            Some("object" | "array") => None,
            _ => Some(ScalarType::Any),
        }
    }

    /// Times, quantities and the like need not be text.
    fn text(&self) -> ScalarType {
        let format = self.schema().and_then(|schema| schema.get("format")).and_then(Value::as_str);
        if matches!(format, None | Some("" | "byte")) { ScalarType::Text } else { ScalarType::Any }
    }

    /// Which sort the value is; nothing where the type allows several and the value does not tell.
    pub(super) fn sort(&self, value: Option<&Value>) -> Option<Sort> {
        if self.name().is_some() {
            return Some(self.first());
        }
        match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(_)) => Some(Sort::Map),
            Some(Value::Array(_)) => Some(Sort::List),
            Some(_) => Some(Sort::Scalar),
        }
    }

    /// As which sort a value is treated that does not tell.
    pub(super) fn first(&self) -> Sort {
        let sorts = [Sort::Map, Sort::Scalar, Sort::List];
        sorts.into_iter().find(|sort| self.allows(*sort)).unwrap_or(Sort::Scalar)
    }

    /// As which sorts two values are compared or merged: by what they are now, and also by what they were, if that was another.
    pub(super) fn sorts(&self, before: Option<&Value>, after: Option<&Value>) -> Vec<Sort> {
        let (was, is) = (self.sort(before), self.sort(after));
        let sorts = match (before, after) {
            (_, None) => vec![was],
            (None, _) => vec![is],
            _ if was == is => vec![is],
            _ => vec![was, is],
        };
        sorts.into_iter().map(|sort| sort.unwrap_or_else(|| self.first())).collect()
    }
}

/// What a field of a built-in object is beside what its schema says.
pub(super) fn hint_of(field: Option<&'static Field>) -> Hint {
    match field {
        None => Hint::Nothing,
        Some(Field::Value(shape)) => Hint::Value(shape),
        Some(Field::List(list)) => Hint::List(list),
    }
}

fn opens(schema: &Value) -> bool {
    is(schema, "x-kubernetes-preserve-unknown-fields")
}

fn is(schema: &Value, extension: &str) -> bool {
    schema.get(extension) == Some(&Value::Bool(true))
}
