//! Roles and bindings, found by whom they are for.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;

use super::binding::Binding;
use super::{Grant, Missing, RoleRef, Rule, Rules, SubjectKind};
use crate::api::access::User;

/// Roles and bindings: what somebody is granted is found by their name and groups, however many bindings there are for others.
#[derive(Clone, Debug, Default)]
pub struct Index {
    cluster_roles: HashMap<String, Vec<Rule>>,
    /// By namespace and name.
    roles: HashMap<String, HashMap<String, Vec<Rule>>>,
    /// By namespace, which is empty for ClusterRoleBindings.
    bindings: HashMap<String, Bindings>,
}

/// The bindings of a namespace.
#[derive(Clone, Debug, Default)]
struct Bindings {
    all: HashMap<String, Arc<Binding>>,
    users: Finder,
    groups: Finder,
}

/// Bindings by whom they are for, and by their names.
type Finder = HashMap<String, BTreeMap<String, Arc<Binding>>>;

impl Index {
    /// Takes a role or a binding in, as it is now. Objects of other kinds are of no use here.
    pub fn put(&mut self, object: &Value) {
        self.remove(object);
        let (kind, namespace, name) = key(object);
        match kind {
            "ClusterRole" => {
                self.cluster_roles.insert(name.to_owned(), Rule::all(object));
            }
            "Role" => {
                self.roles.entry(namespace.to_owned()).or_default().insert(name.to_owned(), Rule::all(object));
            }
            "ClusterRoleBinding" | "RoleBinding" => {
                self.bindings.entry(namespace.to_owned()).or_default().put(Arc::new(Binding::of(object)));
            }
            _ => {}
        }
    }

    /// Takes a role or a binding out, of which kind, namespace and name are looked at.
    pub fn remove(&mut self, object: &Value) {
        let (kind, namespace, name) = key(object);
        match kind {
            "ClusterRole" => {
                self.cluster_roles.remove(name);
            }
            "Role" => {
                if let Some(roles) = self.roles.get_mut(namespace) {
                    roles.remove(name);
                    if roles.is_empty() {
                        self.roles.remove(namespace);
                    }
                }
            }
            "ClusterRoleBinding" | "RoleBinding" => {
                if let Some(bindings) = self.bindings.get_mut(namespace) {
                    bindings.remove(name);
                    if bindings.all.is_empty() {
                        self.bindings.remove(namespace);
                    }
                }
            }
            _ => {}
        }
    }
}

impl Rules for Index {
    fn grants<'a>(&'a self, user: &User, namespace: &str, visit: &mut dyn FnMut(Grant<'a>) -> ControlFlow<()>) {
        let places = if namespace.is_empty() { vec![""] } else { vec!["", namespace] };
        for place in places {
            let Some(bindings) = self.bindings.get(place) else { continue };
            for (binding, subject) in bindings.of(user) {
                let grant = Grant { binding, subject, rules: self.role(&binding.role, place) };
                if visit(grant).is_break() {
                    return;
                }
            }
        }
    }

    fn role<'a>(&'a self, role: &'a RoleRef, namespace: &str) -> Result<&'a [Rule], Missing<'a>> {
        let rules = match role.kind.as_str() {
            "ClusterRole" => self.cluster_roles.get(&role.name),
            _ => self.roles.get(namespace).and_then(|roles| roles.get(&role.name)),
        };
        rules.map(Vec::as_slice).ok_or(Missing(role))
    }
}

impl Bindings {
    fn put(&mut self, binding: Arc<Binding>) {
        for subject in &binding.subjects {
            let (finder, key) = match subject.user_name() {
                Some(name) => (&mut self.users, name.into_owned()),
                None if subject.kind == SubjectKind::Group => (&mut self.groups, subject.name.clone()),
                None => continue,
            };
            finder.entry(key).or_default().insert(binding.name.clone(), Arc::clone(&binding));
        }
        self.all.insert(binding.name.clone(), binding);
    }

    fn remove(&mut self, name: &str) {
        let Some(binding) = self.all.remove(name) else { return };
        for subject in &binding.subjects {
            let (finder, key) = match subject.user_name() {
                Some(name) => (&mut self.users, name.into_owned()),
                None => (&mut self.groups, subject.name.clone()),
            };
            if let Some(found) = finder.get_mut(&key) {
                found.remove(name);
                if found.is_empty() {
                    finder.remove(&key);
                }
            }
        }
    }

    /// The bindings for somebody, each once, with the first of its subjects that they are.
    fn of(&self, user: &User) -> impl Iterator<Item = (&Binding, &super::Subject)> {
        let by_name = self.users.get(&user.name).into_iter().flat_map(BTreeMap::values);
        // A binding that is for several groups of theirs is found by the first of its subjects only.
        let by_name = by_name.filter_map(move |binding| {
            let subject = binding.subject(user)?;
            (subject.kind != SubjectKind::Group).then_some((&**binding, subject))
        });
        let groups = user.groups.iter().enumerate().filter(|(at, group)| !user.groups[..*at].contains(group));
        let by_group = groups.flat_map(move |(_, group)| {
            let bindings = self.groups.get(group).into_iter().flat_map(BTreeMap::values);
            bindings.filter_map(move |binding| {
                let subject = binding.subject(user)?;
                (subject.kind == SubjectKind::Group && subject.name == *group).then_some((&**binding, subject))
            })
        });
        by_name.chain(by_group)
    }
}

/// The kind, namespace and name of an object.
fn key(object: &Value) -> (&str, &str, &str) {
    let metadata = &object["metadata"];
    (
        object["kind"].as_str().unwrap_or_default(),
        metadata["namespace"].as_str().unwrap_or_default(),
        metadata["name"].as_str().unwrap_or_default(),
    )
}
