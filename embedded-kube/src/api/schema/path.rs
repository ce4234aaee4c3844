//! Where something is in an object, as messages have it: `spec.containers[0].name`.

use std::fmt;

/// A place in an object; the empty one is the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(String);

impl Path {
    /// The place of that name, or of those names with dots between.
    pub(crate) fn of(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// A field of it.
    pub(crate) fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Self::of(name) } else { Self(format!("{}.{name}", self.0)) }
    }

    /// An item of it.
    pub(crate) fn index(&self, place: usize) -> Self {
        Self(format!("{}[{place}]", self.0))
    }

    /// A value of it, which is a map.
    pub(crate) fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_empty() { "<nil>" } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written() {
        let place = Path::default().child("spec").child("list").index(3).key("a.b").child("name");
        assert_eq!(place.to_string(), "spec.list[3][a.b].name");
        assert_eq!(Path::default().to_string(), "<nil>");
    }
}
