//! Transformations, with their tests.

use super::path::Path;
use super::report::Report;
use super::{Validate, Violation};
use crate::Transformation;
use crate::pipeline::Param;
use crate::transformation::{Step, TestCase};

impl Validate for Transformation {
    fn validate(&self) -> Vec<Violation> {
        let mut report = Report::default();
        report.metadata(&self.metadata, 253);
        let spec = Path::root("spec");
        report.declared_params(&spec.field("params"), &self.spec.params);
        match &self.spec.step {
            Step::Sql(sql) => report.filled(&spec.field("sql").field("query"), "the query", &sql.query),
            Step::Mapping(mapping) => report.mapping(&spec.field("mapping"), mapping),
        }
        let path = spec.field("tests");
        for (index, case) in self.spec.tests.iter().enumerate() {
            report.test_case(&path.index(index), case, &self.spec.params);
        }
        let names = self.spec.tests.iter().map(|case| case.name.as_str());
        report.unique("test", names.enumerate().map(|(index, name)| (path.index(index).field("name"), name)));
        report.plain(&spec, &self.spec);
        report.into_violations()
    }
}

impl Report {
    fn test_case(&mut self, path: &Path, case: &TestCase, declared: &[Param]) {
        self.filled(&path.field("name"), "the name", &case.name);
        let params = path.field("params");
        for name in case.params.keys().filter(|name| declared.iter().all(|param| param.name != **name)) {
            let message = format!("the Transformation has no parameter `{name}`");
            self.add(&params.key(name), message, "declare it in `spec.params`, or take it out");
        }
        for param in declared.iter().filter(|param| param.default.is_none() && !case.params.contains_key(&param.name)) {
            let message = format!("the parameter `{}` has no value", param.name);
            self.add(&params, message, format!("set `{}` here, or give it a default in `spec.params`", param.name));
        }
        if case.expect.rows.is_none() && case.expect.rejects.is_none() {
            let help = "say what comes out, as `rows: […]`, `rejects: […]` or both";
            self.add(&path.field("expect"), "the test expects nothing", help);
        }
        for (index, reject) in case.expect.rejects.iter().flatten().enumerate() {
            self.filled(
                &path.field("expect").field("rejects").index(index).field("reason"),
                "the reason",
                &reject.reason,
            );
        }
    }
}
