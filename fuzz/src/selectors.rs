//! Selectors of labels and fields. The first line has letters: `f` for fields instead of labels, and of which kind: `p` Pods, `w`
//! Widgets, which may be selected by `spec.color`, else ConfigMaps. The second line is the selector; what follows is an object.

use aggregator_embedded_kube::api::Kind;
use aggregator_embedded_kube::api::selector::{FieldSelector, LabelSelector};
use serde_json::Value;

use crate::kinds::{check_refusal, kind};
use crate::options;

/// Any text is refused with a word about why, or is a selector that means the same when it is written down and read again, and is
/// then written the same for ever.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let (options, rest) = options::split(input);
    let (selector, object) = options::split(rest);
    let object: Value = serde_json::from_slice(object).unwrap_or_default();
    let of = if options.contains('p') {
        kind("v1", "Pod")
    } else if options.contains('w') {
        kind("example.com/v1", "Widget")
    } else {
        kind("v1", "ConfigMap")
    };
    let of = of.expect("a kind that is served");
    if options.contains('f') { fields(of, &selector, &object) } else { labels(&selector, &object) }
}

fn labels(text: &str, object: &Value) -> &'static str {
    let read = match LabelSelector::parse(text) {
        Ok(read) => read,
        Err(refusal) => {
            check_refusal(&refusal, &[400]);
            return "refused";
        }
    };
    let written = read.to_string();
    let again = LabelSelector::parse(&written).unwrap_or_else(|refusal| panic!("{written}: {refusal}"));
    assert_eq!(again, read, "written as {written}");
    assert_eq!(again.to_string(), written);
    assert_eq!(read.is_empty(), written.is_empty(), "{written}");
    assert_eq!(again.matches(object), read.matches(object), "{written}");
    fate(read.is_empty(), read.matches(object))
}

fn fields(kind: &Kind, text: &str, object: &Value) -> &'static str {
    let selectable = ["spec.color".to_owned()];
    let read = |text: &str| FieldSelector::parse(text, kind, &selectable);
    let first = match read(text) {
        Ok(first) => first,
        Err(refusal) => {
            check_refusal(&refusal, &[400]);
            return "refused";
        }
    };
    let written = first.to_string();
    let second = read(&written).unwrap_or_else(|refusal| panic!("{written}: {refusal}"));
    // Terms are in the order of their texts, and a field may have been written by another of its names.
    assert_eq!(terms(&second.to_string()), terms(&written), "written as {written}");
    let third = read(&second.to_string()).unwrap_or_else(|refusal| panic!("{second}: {refusal}"));
    assert_eq!(third, second, "written as {second}");
    assert_eq!(second.matches(kind, object), first.matches(kind, object), "{written}");
    fate(first.is_empty(), first.matches(kind, object))
}

/// What stands between commas, sorted.
fn terms(text: &str) -> Vec<&str> {
    let mut terms: Vec<&str> = text.split(',').collect();
    terms.sort_unstable();
    terms
}

fn fate(is_empty: bool, takes: bool) -> &'static str {
    match (is_empty, takes) {
        (true, _) => "everything",
        (false, true) => "selected",
        (false, false) => "left out",
    }
}
