//! Whether a Pod fits on a node.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, Toleration,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use rust_decimal::Decimal;

use crate::api::controllers::taint;
use crate::node::spec::quantity;

/// Amounts, by the names of resources.
pub(super) type Amounts = BTreeMap<String, Decimal>;

/// Why a Pod does not fit on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// In the scheduler's words.
    pub(super) reasons: Vec<String>,
    /// Whether it would fit if other Pods went.
    pub(super) is_full: bool,
}

/// What of a node is left.
#[derive(Clone, Debug)]
pub(super) struct Room<'a> {
    pub(super) node: &'a Node,
    used: Amounts,
    pods: usize,
}

fn amounts(quantities: Option<&BTreeMap<String, Quantity>>) -> Amounts {
    let some = quantities.into_iter().flatten();
    some.filter_map(|(name, amount)| Some((name.clone(), quantity::parse(&amount.0)?))).collect()
}

fn add(into: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        *into.entry(name.clone()).or_default() += amount;
    }
}

fn at_least(into: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let there = into.entry(name.clone()).or_default();
        *there = (*there).max(*amount);
    }
}

/// What a Pod asks for: its containers and helpers together, or, if that is more, what one first container needs beside
/// the helpers that were started before it.
pub(super) fn requests(spec: &PodSpec) -> Amounts {
    let of = |container: &Container| {
        let resources = container.resources.as_ref();
        let mut amounts = amounts(resources.and_then(|resources| resources.limits.as_ref()));
        amounts.extend(self::amounts(resources.and_then(|resources| resources.requests.as_ref())));
        amounts
    };
    let (mut all, mut helpers, mut peak) = (Amounts::new(), Amounts::new(), Amounts::new());
    for container in spec.init_containers.iter().flatten() {
        let mut own = of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut helpers, &own);
            at_least(&mut peak, &helpers);
        } else {
            add(&mut own, &helpers);
            at_least(&mut peak, &own);
        }
    }
    for container in &spec.containers {
        add(&mut all, &of(container));
    }
    add(&mut all, &helpers);
    at_least(&mut all, &peak);
    if let Some(whole) = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref()) {
        all.extend(amounts(Some(whole)));
    }
    add(&mut all, &amounts(spec.overhead.as_ref()));
    all
}

impl<'a> Room<'a> {
    /// An empty node.
    pub(super) fn of(node: &'a Node) -> Self {
        Self { node, used: Amounts::new(), pods: 0 }
    }

    /// Puts a Pod on it.
    pub(super) fn take(&mut self, pod: &Pod) {
        self.pods += 1;
        if let Some(spec) = &pod.spec {
            add(&mut self.used, &requests(spec));
        }
    }

    /// How many Pods it has.
    pub(super) fn pods(&self) -> usize {
        self.pods
    }

    /// Whether a Pod fits: the first kind of reason against it is the only one.
    pub(super) fn fits(&self, spec: &PodSpec) -> Result<(), Misfit> {
        let tolerations = spec.tolerations.as_deref().unwrap_or_default();
        let never = |reason: &str| Err(Misfit { reasons: vec![reason.to_owned()], is_full: false });
        let node = self.node.spec.as_ref();
        if node.is_some_and(|node| node.unschedulable == Some(true)) && !tolerates_cordon(tolerations) {
            return never("node(s) were unschedulable");
        }
        let mut taints = node.iter().flat_map(|node| node.taints.iter().flatten());
        let binding = |effect: &str| matches!(effect, "NoSchedule" | "NoExecute");
        if taints.any(|it| binding(&it.effect) && !tolerations.iter().any(|own| taint::tolerates(own, it))) {
            return never("node(s) had untolerated taint(s)");
        }
        if !self.is_wanted(spec) {
            return never("node(s) didn't match Pod's node affinity/selector");
        }
        let status = self.node.status.as_ref();
        let room = amounts(status.and_then(|status| status.allocatable.as_ref()));
        let zero = Decimal::ZERO;
        let (mut reasons, mut is_full) = (Vec::new(), true);
        if room.get("pods").is_some_and(|most| Decimal::from(self.pods + 1) > *most) {
            reasons.push("Too many pods".to_owned());
        }
        for (name, wanted) in requests(spec).iter().filter(|(_, wanted)| !wanted.is_zero()) {
            let (used, whole) = (self.used.get(name).unwrap_or(&zero), room.get(name).unwrap_or(&zero));
            if used + wanted > *whole {
                reasons.push(format!("Insufficient {name}"));
                is_full &= wanted <= whole;
            }
        }
        if reasons.is_empty() { Ok(()) } else { Err(Misfit { reasons, is_full }) }
    }

    fn is_wanted(&self, spec: &PodSpec) -> bool {
        let empty = BTreeMap::new();
        let labels = self.node.metadata.labels.as_ref().unwrap_or(&empty);
        let selected = spec.node_selector.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
        let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
        let required = affinity.and_then(|it| it.required_during_scheduling_ignored_during_execution.as_ref());
        selected && required.is_none_or(|required| required.node_selector_terms.iter().any(|term| self.matches(term)))
    }

    fn matches(&self, term: &NodeSelectorTerm) -> bool {
        let labels = self.node.metadata.labels.as_ref();
        let name = self.node.metadata.name.as_deref();
        let (expressions, fields) = (term.match_expressions.as_deref(), term.match_fields.as_deref());
        let (expressions, fields) = (expressions.unwrap_or_default(), fields.unwrap_or_default());
        // A term that asks for nothing matches nothing.
        !(expressions.is_empty() && fields.is_empty())
            && expressions.iter().all(|one| holds(one, labels.and_then(|it| it.get(&one.key)).map(String::as_str)))
            && fields.iter().all(|one| holds(one, name.filter(|_| one.key == "metadata.name")))
    }
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let listed = || value.is_some_and(|value| values.iter().any(|other| other == value));
    let numbers = || Some((value?.parse::<i64>().ok()?, values.first()?.parse::<i64>().ok()?));
    match requirement.operator.as_str() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(there, wanted)| there > wanted),
        "Lt" => numbers().is_some_and(|(there, wanted)| there < wanted),
        _ => false,
    }
}

fn tolerates_cordon(tolerations: &[Toleration]) -> bool {
    let cordon = taint::new(taint::UNSCHEDULABLE, "NoSchedule");
    tolerations.iter().any(|own| taint::tolerates(own, &cordon))
}
