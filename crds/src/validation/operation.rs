//! Transform nodes: how many inputs an operation has, and its fields.

use super::path::Path;
use super::report::Report;
use crate::pipeline::{
    Aggregate, Deduplicate, Join, MappedColumn, Mapping, Mask, MaskMethod, OnCastError, Operation, Transform, Unnest,
    Validate,
};

impl Report {
    pub(super) fn transform(&mut self, path: &Path, transform: &Transform) {
        self.inputs(&path.field("from"), transform);
        let path = path.field(transform.operation.key());
        match &transform.operation {
            Operation::Sql(sql) => self.filled(&path.field("query"), "the query", &sql.query),
            Operation::Mapping(mapping) => self.mapping(&path, mapping),
            Operation::Filter(filter) => self.filled(&path.field("where"), "the expression", &filter.predicate),
            Operation::Deduplicate(deduplicate) => self.deduplicate(&path, deduplicate),
            Operation::Union(_) => {}
            Operation::Join(join) => self.join(&path, join),
            Operation::Aggregate(aggregate) => self.aggregate(&path, aggregate),
            Operation::Unnest(unnest) => self.unnest(&path, unnest),
            Operation::Mask(mask) => self.mask(&path, mask),
            Operation::Validate(validate) => self.rules(&path, validate),
            Operation::Transformation(reference) => {
                self.object_name(&path.field("ref"), &reference.name);
                self.param_names(&path.field("params"), &reference.params);
            }
        }
    }

    fn inputs(&mut self, path: &Path, transform: &Transform) {
        let count = transform.from.len();
        for (index, input) in transform.from.iter().enumerate() {
            self.filled(&path.index(index), "the node", input);
        }
        let has = match count {
            0 => "no input".to_owned(),
            1 => "one input".to_owned(),
            _ => format!("{count} inputs"),
        };
        let wanted = match &transform.operation {
            Operation::Sql(_) if count >= 1 => {
                // A query that reads a node twice names it twice, in its text.
                let inputs = transform.from.iter().map(String::as_str);
                self.unique("input", inputs.enumerate().map(|(index, name)| (path.index(index), name)));
                return;
            }
            Operation::Sql(_) => "at least one",
            Operation::Union(union) if count >= 2 || (union.distinct && count == 1) => return,
            Operation::Union(_) => "at least two",
            Operation::Join(_) if count == 2 => return,
            Operation::Join(_) => "two, the left one first",
            _ if count == 1 => return,
            _ => "exactly one",
        };
        let operation = transform.operation.key();
        self.add(path, format!("`{operation}` has {has}"), format!("give {wanted}"));
    }

    pub(super) fn mapping(&mut self, path: &Path, mapping: &Mapping) {
        let path = path.field("columns");
        if mapping.columns.is_empty() {
            self.add(&path, "the list is empty", "give at least one column");
        }
        for (index, column) in mapping.columns.iter().enumerate() {
            self.mapped_column(&path.index(index), column);
        }
        let names = mapping.columns.iter().map(|column| column.name.as_str());
        self.unique("column", names.enumerate().map(|(index, name)| (path.index(index).field("name"), name)));
    }

    fn mapped_column(&mut self, path: &Path, column: &MappedColumn) {
        self.filled(&path.field("name"), "the name", &column.name);
        if column.from.is_some() && column.expression.is_some() {
            let help = "keep `from` for a copy, or `expression` for a computation";
            self.add(path, "the column has both `from` and `expression`", help);
        }
        if let Some(from) = &column.from {
            self.filled(&path.field("from"), "the column", from);
        }
        if let Some(expression) = &column.expression {
            self.filled(&path.field("expression"), "the expression", expression);
        }
        if let Some(cast) = &column.cast {
            self.filled(&path.field("cast"), "the type", cast);
        }
        let path = path.field("onError");
        if column.on_error.is_some() && column.cast.is_none() {
            self.add(&path, "there is no cast that could fail", "set `cast`, or leave `onError` out");
        }
        if column.on_error == Some(OnCastError::Default) && column.default.is_none() {
            self.add(&path, "the column has no default", "set `default`, or use `onError: SetNull`");
        }
    }

    fn deduplicate(&mut self, path: &Path, deduplicate: &Deduplicate) {
        self.names(&path.field("key"), "column", &deduplicate.key);
        let path = path.field("orderBy");
        if deduplicate.order_by.is_empty() {
            self.add(&path, "the list is empty", "give the columns that say which row comes first");
        }
        for (index, order) in deduplicate.order_by.iter().enumerate() {
            self.filled(&path.index(index).field("column"), "the column", &order.column);
        }
        let columns = deduplicate.order_by.iter().map(|order| order.column.as_str());
        self.unique("column", columns.enumerate().map(|(index, name)| (path.index(index).field("column"), name)));
    }

    fn join(&mut self, path: &Path, join: &Join) {
        let keys = path.field("keys");
        if join.keys.is_empty() {
            self.add(&keys, "the list is empty", "give at least one pair of columns, as `{left: id, right: id}`");
        }
        for (index, key) in join.keys.iter().enumerate() {
            self.filled(&keys.index(index).field("left"), "the column", &key.left);
            self.filled(&keys.index(index).field("right"), "the column", &key.right);
        }
        self.optional_names(&path.field("select"), "item", &join.select);
    }

    fn aggregate(&mut self, path: &Path, aggregate: &Aggregate) {
        self.optional_names(&path.field("groupBy"), "expression", &aggregate.group_by);
        let path = path.field("measures");
        if aggregate.measures.is_empty() {
            self.add(&path, "the list is empty", "give at least one measure, as `{name: rows, expression: count(*)}`");
        }
        for (index, measure) in aggregate.measures.iter().enumerate() {
            self.filled(&path.index(index).field("name"), "the name", &measure.name);
            self.filled(&path.index(index).field("expression"), "the expression", &measure.expression);
        }
        let names = aggregate.measures.iter().map(|measure| measure.name.as_str());
        self.unique("column", names.enumerate().map(|(index, name)| (path.index(index).field("name"), name)));
    }

    fn unnest(&mut self, path: &Path, unnest: &Unnest) {
        self.filled(&path.field("column"), "the column", &unnest.column);
        if let Some(alias) = &unnest.alias {
            self.filled(&path.field("as"), "the name", alias);
        }
    }

    fn mask(&mut self, path: &Path, mask: &Mask) {
        let path = path.field("columns");
        if mask.columns.is_empty() {
            self.add(&path, "the list is empty", "give at least one column");
        }
        for (index, column) in mask.columns.iter().enumerate() {
            let path = path.index(index);
            self.filled(&path.field("name"), "the column", &column.name);
            for (field, set, method) in [
                ("keep", column.keep.is_some(), MaskMethod::Partial),
                ("salt", column.salt.is_some(), MaskMethod::Hash),
            ] {
                if set && column.method != method {
                    let message = format!("`{field}` is not used by the method {:?}", column.method);
                    self.add(&path.field(field), message, format!("use the method {method:?}, or leave `{field}` out"));
                }
            }
        }
        let names = mask.columns.iter().map(|column| column.name.as_str());
        self.unique("column", names.enumerate().map(|(index, name)| (path.index(index).field("name"), name)));
    }

    fn rules(&mut self, path: &Path, validate: &Validate) {
        let path = path.field("rules");
        if validate.rules.is_empty() {
            self.add(&path, "the list is empty", "give at least one rule");
        }
        for (index, rule) in validate.rules.iter().enumerate() {
            self.filled(&path.index(index).field("name"), "the name", &rule.name);
            self.filled(&path.index(index).field("expression"), "the expression", &rule.expression);
        }
        let names = validate.rules.iter().map(|rule| rule.name.as_str());
        self.unique("rule", names.enumerate().map(|(index, name)| (path.index(index).field("name"), name)));
    }
}
