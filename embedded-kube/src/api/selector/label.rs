//! Label selectors: all of their requirements have to be met.

use std::fmt;

use serde_json::Value;

use super::super::Refusal;
use super::parse::parse;
use super::requirement::Requirement;

/// A label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector {
    /// What a set of labels has to meet, by key; nothing selects no object at all, which only a missing selector does.
    requirements: Option<Vec<Requirement>>,
}

impl LabelSelector {
    /// Reads `labelSelector` of a request, such as `app=web,tier in (a,b),!old`; an empty text selects everything.
    ///
    /// # Errors
    /// A bad request, in the API server's words.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let requirements = parse(text).map_err(Refusal::bad_request)?;
        Ok(Self::of(requirements))
    }

    pub(super) fn of(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|one, other| one.key.cmp(&other.key));
        Self { requirements: Some(requirements) }
    }

    /// One that selects nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self { requirements: None }
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.as_ref().is_some_and(Vec::is_empty)
    }

    /// What has to be met, by key.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        self.requirements.as_deref().unwrap_or_default()
    }

    /// Whether it selects the object, by its `metadata.labels`.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.matches_labels(object.pointer("/metadata/labels").unwrap_or(&Value::Null))
    }

    /// Whether it selects these labels, an object of texts; null is none.
    #[must_use]
    pub fn matches_labels(&self, labels: &Value) -> bool {
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        self.requirements.as_ref().is_some_and(|all| all.iter().all(|one| one.met(label(&one.key))))
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, requirement) in self.requirements().iter().enumerate() {
            write!(formatter, "{}{requirement}", if position == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_selected() {
        let labels = json!({"app": "web", "tier": "front", "size": "10", "none": ""});
        for (text, expected) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("!other", true),
            ("other", false),
            ("app=web", true),
            ("app==web", true),
            ("app=shop", false),
            ("app!=shop", true),
            ("app!=web", false),
            ("other!=web", true),
            ("other=", false),
            ("none=", true),
            ("none", true),
            ("app in (web, shop)", true),
            ("app in (shop)", false),
            ("other in (web)", false),
            ("app notin (web)", false),
            ("app notin (shop)", true),
            ("other notin (shop)", true),
            ("size>9", true),
            ("size>10", false),
            ("size<11", true),
            ("app>1", false),
            ("other<1", false),
            ("app=web,tier=front", true),
            ("app=web,tier=back", false),
        ] {
            let selector = LabelSelector::parse(text).unwrap();
            assert_eq!(selector.matches(&json!({"metadata": {"labels": labels}})), expected, "{text}");
        }
        assert!(LabelSelector::parse("!app").unwrap().matches(&json!({"metadata": {}})));
        assert!(!LabelSelector::nothing().matches(&json!({"metadata": {}})));
        assert!(!LabelSelector::nothing().is_empty());
        assert!(LabelSelector::parse("").unwrap().is_empty());
    }

    #[test]
    fn a_selector_is_written_by_key() {
        for (text, written) in [
            ("b=1,a", "a,b=1"),
            ("x in (c,a,b)", "x in (a,b,c)"),
            ("x notin ( )", "x notin ()"),
            ("x==1", "x==1"),
            ("! x, y != 2", "!x,y!=2"),
            ("x>1,y<2", "x>1,y<2"),
            ("", ""),
        ] {
            assert_eq!(LabelSelector::parse(text).unwrap().to_string(), written);
        }
    }
}
