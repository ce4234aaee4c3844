//! What stands at the top of generated code: whose it is, what it does, what its parameters are.

use aggregator_crds::Transformation;
use aggregator_crds::pipeline::Param;

use crate::manifest::Located;

/// The lines of the header, without comment signs.
pub(super) fn lines(located: &Located<Transformation>) -> Vec<String> {
    let spec = &located.object.spec;
    let mut lines = vec![format!("Transformation {}/{}", located.namespace, located.name)];
    lines.extend(spec.description.iter().flat_map(|text| text.lines()).map(str::to_owned));
    lines.push("Written by `aggregator codegen`; change the Transformation and write it again.".to_owned());
    lines
}

/// A parameter in words: its name after `sign`, its type, its default, what it is for.
pub(super) fn param(param: &Param, sign: &str) -> String {
    let default = param.default.as_ref().map(|text| format!(", default {text}")).unwrap_or_default();
    let purpose = param.description.as_ref().map(|text| format!(": {}", text.replace('\n', " "))).unwrap_or_default();
    format!("{sign}{} ({}{default}){purpose}", param.name, param.data_type)
}
