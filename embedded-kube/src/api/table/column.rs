//! The columns of a table.

use serde_json::{Value, json};

use super::super::Column;
use super::super::openapi::description;

/// The head of a built-in kind's column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    name: &'static str,
    column_type: &'static str,
    format: &'static str,
    priority: i32,
    about: About,
}

/// What a column says it shows.
#[derive(Clone, Copy, Debug)]
enum About {
    Text(&'static str),
    /// What Kubernetes says of a property of one of its types.
    Property(&'static str, &'static str),
}

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

impl Head {
    /// The object's name.
    pub(super) const NAME: Self = Self { format: "name", ..Self::of("Name", META, "name") };
    /// How long ago it was created.
    pub(super) const AGE: Self = Self::of("Age", META, "creationTimestamp");
    /// When it was created.
    pub(super) const CREATED: Self = Self::of("Created At", META, "creationTimestamp").holding("date");

    /// A column of texts.
    pub(super) const fn new(name: &'static str, about: &'static str) -> Self {
        Self { about: About::Text(about), ..Self::of(name, META, "") }
    }

    /// A column of texts that shows a property of one of Kubernetes' types.
    pub(super) const fn of(name: &'static str, model: &'static str, property: &'static str) -> Self {
        let about = About::Property(model, property);
        Self { name, column_type: "string", format: "", priority: 0, about }
    }

    /// The column, shown only with `-o wide`.
    pub(super) const fn wide(self) -> Self {
        Self { priority: 1, ..self }
    }

    /// The column, with values of another type.
    pub(super) const fn holding(self, column_type: &'static str) -> Self {
        Self { column_type, ..self }
    }

    /// `TableColumnDefinition`.
    pub(super) fn defined(&self) -> Value {
        let about = match self.about {
            About::Text(text) => text,
            About::Property(model, property) => description(model, property),
        };
        json!({
            "name": self.name,
            "type": self.column_type,
            "format": self.format,
            "description": about,
            "priority": self.priority,
        })
    }
}

/// The same of a column of a CustomResourceDefinition.
pub(super) fn defined(column: &Column) -> Value {
    let about = if column.description.is_empty() {
        format!("Custom resource definition column (in JSONPath format): {}", column.json_path)
    } else {
        column.description.clone()
    };
    json!({
        "name": column.name,
        "type": column.column_type,
        "format": column.format,
        "description": about,
        "priority": column.priority,
    })
}
