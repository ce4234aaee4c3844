//! Sets of fields, seen by a schema.

use super::element::Element;
use super::set::FieldSet;
use super::typed::{Sort, Type};

/// The set, and with each field also the fields above it that the schema names: they are there because of it.
pub(super) fn with_named(of: Type<'_>, set: &FieldSet) -> FieldSet {
    let (map, list) = (of.map(), of.list());
    let mut all = FieldSet { members: set.members.clone(), ..FieldSet::default() };
    for (step, child) in &set.children {
        let below = match step {
            Element::Field(name) => {
                if map.is_some_and(|map| map.declares(name)) {
                    all.members.insert(step.clone());
                }
                map.and_then(|map| map.member(name))
            }
            Element::Key(_) => list.as_ref().map(|list| list.items),
            Element::Value(_) | Element::Index(_) => None,
        };
        let child = below.map_or_else(|| child.clone(), |of| with_named(of, child));
        all.children.insert(step.clone(), child);
    }
    all
}

/// The set as it is by the schema of today: what is owned as a whole by now is owned by whoever owned something of it.
pub(super) fn reconciled(of: Type<'_>, set: &FieldSet) -> FieldSet {
    let mut walk = Walk::default();
    walk.values(of, Some(set), false);
    if walk.whole == FieldSet::default() { set.clone() } else { set.outside(&walk.whole).union(&walk.whole) }
}

#[derive(Default)]
struct Walk {
    path: Vec<Element>,
    whole: FieldSet,
}

impl Walk {
    /// `leaf`: the field is in the set, and nothing below it is.
    fn values(&mut self, of: Type<'_>, set: Option<&FieldSet>, leaf: bool) {
        match of.first() {
            Sort::Scalar => {}
            Sort::Map => {
                let Some(map) = of.map().filter(|map| !map.is_deduced()) else { return };
                if map.atomic && !leaf {
                    if set.is_some_and(|set| !set.is_empty()) {
                        self.whole.insert(&self.path);
                    }
                    return;
                }
                self.below(set, |step| match step {
                    Element::Field(name) => map.member(name),
                    _ => None,
                });
            }
            Sort::List => {
                let Some(list) = of.list() else { return };
                if list.is_atomic() && !leaf {
                    self.whole.insert(&self.path);
                    return;
                }
                self.below(set, |_| Some(list.items));
            }
        }
    }

    fn below<'a>(&mut self, set: Option<&FieldSet>, of: impl Fn(&Element) -> Option<Type<'a>>) {
        let Some(set) = set else { return };
        let steps = set.members.union(&set.children.keys().cloned().collect()).cloned().collect::<Vec<_>>();
        for step in steps {
            let Some(of) = of(&step) else { continue };
            let child = set.children.get(&step);
            let leaf = set.members.contains(&step) && child.is_none();
            self.path.push(step);
            self.values(of, child, leaf);
            self.path.pop();
        }
    }
}
