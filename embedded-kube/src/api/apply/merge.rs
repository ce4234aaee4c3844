//! An object merged with a configuration: what the configuration has wins, and nothing is removed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::element::Element;
use super::list_type::ListType;
use super::map_type::MapType;
use super::mistake::{Mistake, Mistakes};
use super::typed::{Sort, Type};

/// Merges the configuration into the object.
pub(super) fn merged(of: Type<'_>, live: &Value, configuration: &Value) -> Result<Value, Mistakes> {
    let merged = values(of, Some(live), Some(configuration)).map_err(Mistakes)?;
    Ok(merged.unwrap_or(Value::Null))
}

type Merged = Result<Option<Value>, Vec<Mistake>>;

fn values(of: Type<'_>, live: Option<&Value>, configuration: Option<&Value>) -> Merged {
    let sort = configuration.or(live).and_then(|value| of.sort(Some(value))).unwrap_or_else(|| of.first());
    match sort {
        Sort::Map => of.map().map_or_else(|| leaf(live, configuration), |map| maps(map, live, configuration)),
        Sort::List => of.list().map_or_else(|| leaf(live, configuration), |list| lists(&list, live, configuration)),
        Sort::Scalar => leaf(live, configuration),
    }
}

fn leaf(live: Option<&Value>, configuration: Option<&Value>) -> Merged {
    Ok(configuration.or(live).cloned())
}

fn maps(map: MapType<'_>, live: Option<&Value>, configuration: Option<&Value>) -> Merged {
    let (old, new) = (live.and_then(Value::as_object), configuration.and_then(Value::as_object));
    if map.atomic || (old.is_none_or(Map::is_empty) && new.is_none_or(Map::is_empty)) {
        return leaf(live, configuration);
    }
    let names: BTreeSet<&String> = old.into_iter().chain(new).flat_map(Map::keys).collect();
    let (mut merged, mut mistakes) = (Map::new(), Vec::new());
    for name in names {
        let step = Element::Field(name.clone()).to_string();
        let Some(of) = map.member(name) else {
            mistakes.push(Mistake::new("schema error: invalid atom: inlined").below(&step));
            continue;
        };
        match values(of, old.and_then(|old| old.get(name)), new.and_then(|new| new.get(name))) {
            Ok(Some(value)) => {
                merged.insert(name.clone(), value);
            }
            Ok(None) => {}
            Err(found) => mistakes.extend(found.into_iter().map(|mistake| mistake.below(&step))),
        }
    }
    if mistakes.is_empty() { Ok((!merged.is_empty()).then_some(Value::Object(merged))) } else { Err(mistakes) }
}

fn lists(list: &ListType<'_>, live: Option<&Value>, configuration: Option<&Value>) -> Merged {
    let (old, new) = (live.and_then(Value::as_array), configuration.and_then(Value::as_array));
    if list.is_atomic() || (old.is_none_or(Vec::is_empty) && new.is_none_or(Vec::is_empty)) {
        return leaf(live, configuration);
    }
    let none = Vec::new();
    let merged = Lists::index(list, old.unwrap_or(&none), new.unwrap_or(&none))?.merged();
    Ok((!merged.is_empty()).then_some(Value::Array(merged)))
}

/// Two lists whose items are known by their steps.
struct Lists<'a> {
    list: &'a ListType<'a>,
    old: Vec<(Element, &'a Value)>,
    new: Vec<(Element, &'a Value)>,
    /// What each item was; null for one that was there more than once, which is not merged with anything.
    was: BTreeMap<Element, Value>,
    /// What the configuration says of each.
    says: BTreeMap<Element, &'a Value>,
}

impl<'a> Lists<'a> {
    fn index(list: &'a ListType<'a>, old: &'a [Value], new: &'a [Value]) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut steps = |items: &'a [Value]| {
            let mut steps = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                match list.step(item) {
                    Ok(step) => steps.push((step, item)),
                    Err(message) => mistakes.push(Mistake::new(format!("element {index}: {message}"))),
                }
            }
            steps
        };
        let (new, old) = (steps(new), steps(old));
        let (mut was, mut says) = (BTreeMap::new(), BTreeMap::new());
        for (step, item) in &old {
            let value = if was.contains_key(step) { Value::Null } else { (*item).clone() };
            was.insert(step.clone(), value);
        }
        for (step, item) in &new {
            if says.insert(step.clone(), *item).is_some() {
                mistakes.push(Mistake::new(format!("duplicate entries for key {step}")));
            }
        }
        if mistakes.is_empty() { Ok(Self { list, old, new, was, says }) } else { Err(mistakes) }
    }

    /// The configuration's items in its order; what only the object has stays in front of the shared item that it stood in front
    /// of.
    fn merged(self) -> Vec<Value> {
        let mut merged = Vec::with_capacity(self.old.len().max(self.new.len()));
        let mut done = BTreeSet::new();
        let mut shared = self.new.iter().map(|(step, _)| step).filter(|step| self.was.contains_key(step)).peekable();
        let (mut left, mut right) = (0, 0);
        while left < self.old.len() || right < self.new.len() {
            let (old, new) = (self.old.get(left), self.new.get(right));
            if let (Some((old, _)), Some((new, _))) = (old, new) {
                if old == new {
                    done.insert(old);
                    merged.extend(self.item(old));
                    (left, right) = (left + 1, right + 1);
                    shared.next();
                    continue;
                }
                // A shared item whose turn comes later.
                if self.says.contains_key(old) && shared.peek().is_some_and(|next| *next != old) {
                    left += 1;
                    continue;
                }
            }
            if let Some((step, item)) = old {
                if !self.says.contains_key(step) {
                    merged.extend(values(self.list.items, Some(item), None).ok().flatten());
                    left += 1;
                    continue;
                }
                if done.contains(step) {
                    left += 1;
                }
            }
            if let Some((step, _)) = new {
                done.insert(step);
                merged.extend(self.item(step));
                right += 1;
                if shared.peek().is_some_and(|next| *next == step) {
                    shared.next();
                }
            }
        }
        merged
    }

    fn item(&self, step: &Element) -> Option<Value> {
        values(self.list.items, self.was.get(step), self.says.get(step).copied()).ok().flatten()
    }
}
