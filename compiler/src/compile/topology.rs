//! The shape of the graph: names, inputs, cycles, nodes that nobody reads.

use std::collections::{HashMap, HashSet};

use super::Compiler;
use crate::suggest;

impl Compiler<'_> {
    /// Checks the graph's shape, and gives the transforms in an order in which each stands after those it reads. Those
    /// on a cycle, or behind one, are left out.
    pub(super) fn topology(&mut self) -> Vec<usize> {
        self.names();
        // A node whose name could not be read may be the one that is meant.
        if self.named().iter().all(|(name, _)| !name.is_empty()) {
            self.inputs();
        }
        let order = self.order();
        // What could not be read may read anything.
        if ["spec.transforms", "spec.sinks", "spec.quality"].iter().all(|list| !self.pipeline.is_damaged(list)) {
            self.unread();
        }
        order
    }

    /// Each node's name and its field.
    fn named(&self) -> Vec<(String, String)> {
        let spec = &self.pipeline.object.spec;
        let sources = spec.sources.iter().map(|node| &node.name).enumerate().map(|(i, name)| (name, "sources", i));
        let transforms =
            spec.transforms.iter().map(|node| &node.name).enumerate().map(|(i, name)| (name, "transforms", i));
        let sinks = spec.sinks.iter().map(|node| &node.name).enumerate().map(|(i, name)| (name, "sinks", i));
        let named = sources.chain(transforms).chain(sinks);
        named.map(|(name, list, index)| (name.clone(), format!("spec.{list}[{index}].name"))).collect()
    }

    /// That names differ is told by the Pipeline's own rules.
    fn names(&mut self) {
        for (name, path) in self.named() {
            if name == "input" || name.starts_with("_aggregator") {
                let help = "choose another name; `input` and names that begin with `_aggregator` are taken";
                self.fail("ReservedName", format!("a node cannot be called `{name}`"), help, &path);
            }
        }
    }

    fn inputs(&mut self) {
        let spec = &self.pipeline.object.spec;
        let readable: Vec<&str> = spec
            .sources
            .iter()
            .map(|node| node.name.as_str())
            .chain(spec.transforms.iter().map(|node| node.name.as_str()))
            .collect();
        let sinks: HashSet<&str> = spec.sinks.iter().map(|node| node.name.as_str()).collect();
        let mut wanted: Vec<(&str, &str, String)> = Vec::new();
        for (index, node) in spec.transforms.iter().enumerate() {
            for (input, name) in node.from.iter().enumerate() {
                let path = format!("spec.transforms[{index}].from[{input}]");
                if node.from[..input].contains(name) {
                    let help = "name it once; a self-join is a `sql` node with two aliases";
                    self.fail("DuplicateName", format!("`from` names `{name}` twice"), help, &path);
                }
                wanted.push((name, &node.name, path));
            }
        }
        for (index, node) in spec.sinks.iter().enumerate() {
            wanted.push((&node.from, &node.name, format!("spec.sinks[{index}].from")));
        }
        for (name, reader, path) in wanted {
            if sinks.contains(name) && !readable.contains(&name) {
                let help = format!("nothing can be read from a sink; name the node that `{name}` reads");
                self.fail("UnknownInput", format!("`{name}` is a sink"), help, &path);
            } else if !readable.contains(&name) {
                let others = readable.iter().copied().filter(|known| *known != reader);
                let help = suggest::advice(name, "nodes", others);
                self.fail("UnknownInput", format!("there is no node `{name}`"), help, &path);
            }
        }
    }

    fn order(&mut self) -> Vec<usize> {
        let transforms = &self.pipeline.object.spec.transforms;
        let index: HashMap<&str, usize> =
            transforms.iter().enumerate().map(|(index, node)| (node.name.as_str(), index)).collect();
        let reads: Vec<Vec<usize>> = transforms
            .iter()
            .map(|node| node.from.iter().filter_map(|name| index.get(name.as_str()).copied()).collect())
            .collect();
        let mut order: Vec<usize> = Vec::new();
        let mut waiting: Vec<usize> = (0..transforms.len()).collect();
        loop {
            let (ready, blocked): (Vec<usize>, Vec<usize>) =
                waiting.iter().partition(|node| reads[**node].iter().all(|input| order.contains(input)));
            if ready.is_empty() {
                break;
            }
            order.extend(ready);
            waiting = blocked;
        }
        let mut told: HashSet<usize> = HashSet::new();
        for &start in &waiting {
            let Some(cycle) = cycle_from(start, &reads, &waiting) else { continue };
            if cycle.iter().any(|node| told.contains(node)) {
                continue;
            }
            told.extend(cycle.iter().copied());
            // Data flows from the node that is read to the one that reads it.
            let mut names: Vec<&str> = cycle.iter().rev().map(|node| transforms[*node].name.as_str()).collect();
            names.push(names[0]);
            let first = cycle.iter().copied().min().unwrap_or(start);
            let message = format!("these nodes feed one another: {}", names.join(" → "));
            self.fail("Cycle", message, "take one of the inputs out", &format!("spec.transforms[{first}].from"));
        }
        order
    }

    fn unread(&mut self) {
        let spec = &self.pipeline.object.spec;
        let mut used: HashSet<&str> =
            spec.transforms.iter().flat_map(|node| node.from.iter().map(String::as_str)).collect();
        used.extend(spec.sinks.iter().map(|node| node.from.as_str()));
        used.extend(spec.quality.iter().map(|rule| rule.node.as_str()));
        let sources =
            spec.sources.iter().enumerate().map(|(index, node)| (&node.name, format!("spec.sources[{index}].name")));
        let transforms = spec
            .transforms
            .iter()
            .enumerate()
            .map(|(index, node)| (&node.name, format!("spec.transforms[{index}].name")));
        for (name, path) in sources.chain(transforms) {
            if !used.contains(name.as_str()) {
                self.warn("UnusedNode", format!("nothing reads `{name}`"), "name it in a `from`, or remove it", &path);
            }
        }
    }
}

/// A cycle through a node: it, what it reads, what that reads, until it is met again.
fn cycle_from(start: usize, reads: &[Vec<usize>], among: &[usize]) -> Option<Vec<usize>> {
    fn walk(node: usize, start: usize, reads: &[Vec<usize>], among: &[usize], path: &mut Vec<usize>) -> bool {
        for &next in reads[node].iter().filter(|next| among.contains(next)) {
            if next == start {
                return true;
            }
            if path.contains(&next) {
                continue;
            }
            path.push(next);
            if walk(next, start, reads, among, path) {
                return true;
            }
            path.pop();
        }
        false
    }
    let mut path = vec![start];
    walk(start, start, reads, among, &mut path).then_some(path)
}
