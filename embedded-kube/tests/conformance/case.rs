//! A case: what is done, one step after the other.

use std::fmt::Display;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::kubectl::Command;
use crate::request::Request;
use crate::stage::Stage;

/// Something that is done in a namespace of its own, which has the name of the case. In all its texts, `{ns}` stands for
/// that name; [`Stage::filled`] has the other short forms.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) steps: Vec<Step>,
}

/// A step. Its answer is compared.
pub(crate) struct Step {
    /// What it is called.
    pub(crate) label: String,
    pub(crate) act: Act,
    /// What of the answer is compared, if not everything.
    pub(crate) view: Option<View>,
}

/// What of an answer is compared.
pub(crate) type View = fn(Value) -> Value;
/// Something that is done in code.
pub(crate) type Code = fn(Stage) -> BoxFuture<'static, Value>;

/// Who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Who {
    /// Somebody who may do everything.
    #[default]
    Administrator,
    /// A ServiceAccount of the namespace, by a token.
    Account(&'static str),
    /// Somebody who says nothing of themselves.
    Nobody,
}

/// What a step does.
pub(crate) enum Act {
    /// Creates objects.
    Create(Vec<Value>),
    /// Writes a file into the folder in which kubectl runs.
    File { name: &'static str, text: String },
    /// Runs kubectl.
    Kubectl(Command),
    /// Starts a kubectl that goes on for long.
    Start(Command),
    /// Waits until it has put out so many lines.
    Lines(usize),
    /// Ends it, or waits for its end; the answer is what it has put out.
    End { kill: bool },
    /// Sends a request.
    Ask(Request),
    /// Gets an object, changes it, and puts it back.
    Replace { path: String, change: fn(&mut Value) },
    /// Waits until that holds of what is at a path.
    Until { path: String, holds: Holds },
    /// Waits until somebody may do something.
    Allowed(Value),
    /// Waits until a kind of a CustomResourceDefinition is served, and described.
    Defined { group: String, plural: &'static str },
    /// Keeps the version of a list, for `{version}` in later steps.
    Remember { path: String },
    /// Does something in code.
    Code(Code),
}

/// What is to hold.
pub(crate) enum Holds {
    /// There is such a value at a pointer.
    Equal(&'static str, Value),
    /// There is nothing.
    Gone,
    /// It says so.
    That(fn(&Value) -> bool),
}

/// A case without steps.
pub(crate) fn case(name: &'static str) -> Case {
    Case { name, steps: Vec::new() }
}

impl Case {
    fn step(mut self, label: impl Into<String>, act: Act) -> Self {
        let label = format!("step {}: {}", self.steps.len() + 1, label.into());
        self.steps.push(Step { label, act, view: None });
        self
    }

    /// Creates objects.
    pub(crate) fn create(self, objects: impl IntoIterator<Item = Value>) -> Self {
        self.step("create", Act::Create(objects.into_iter().collect()))
    }

    /// Writes a file into the folder in which kubectl runs.
    pub(crate) fn file(self, name: &'static str, text: impl Display) -> Self {
        self.step(format!("write {name}"), Act::File { name, text: text.to_string() })
    }

    /// Runs kubectl.
    pub(crate) fn kubectl(self, line: &str) -> Self {
        self.step(format!("kubectl {line}"), Act::Kubectl(Command::new(line)))
    }

    /// Runs kubectl with an input.
    pub(crate) fn kubectl_with(self, line: &str, input: impl Display) -> Self {
        let command = Command { input: input.to_string(), ..Command::new(line) };
        self.step(format!("kubectl {line}"), Act::Kubectl(command))
    }

    /// Runs kubectl with an editor that is a script of sed.
    pub(crate) fn edit(self, line: &str, script: &'static str) -> Self {
        let command = Command { editor: format!("sed -i {script}"), ..Command::new(line) };
        self.step(format!("kubectl {line}"), Act::Kubectl(command))
    }

    /// Starts a kubectl that goes on for long.
    pub(crate) fn start(self, line: &str) -> Self {
        self.step(format!("start kubectl {line}"), Act::Start(Command::new(line)))
    }

    /// Waits until the kubectl that was started has put out so many lines.
    pub(crate) fn lines(self, count: usize) -> Self {
        self.step(format!("{count} lines"), Act::Lines(count))
    }

    /// Ends the kubectl that was started.
    pub(crate) fn end(self) -> Self {
        self.step("end it", Act::End { kill: true })
    }

    /// Waits for the end of the kubectl that was started.
    pub(crate) fn finish(self) -> Self {
        self.step("its end", Act::End { kill: false })
    }

    /// Sends a request.
    pub(crate) fn ask(self, request: Request) -> Self {
        self.step(format!("{} {}", request.method, request.path), Act::Ask(request))
    }

    /// Gets what is at a path.
    pub(crate) fn get(self, path: &str) -> Self {
        self.ask(Request::new("GET", path))
    }

    /// Gets what is at a path in some form.
    pub(crate) fn accepting(self, path: &str, accept: &'static str) -> Self {
        self.ask(Request::new("GET", path).header("accept", accept))
    }

    /// Creates an object.
    pub(crate) fn post(self, path: &str, body: Value) -> Self {
        self.ask(Request::new("POST", path).json(&body))
    }

    /// Puts an object in the place of another.
    pub(crate) fn put(self, path: &str, body: Value) -> Self {
        self.ask(Request::new("PUT", path).json(&body))
    }

    /// Changes an object by a merge patch.
    pub(crate) fn merge(self, path: &str, body: Value) -> Self {
        self.patch(path, "application/merge-patch+json", body)
    }

    /// Changes an object by a JSON patch.
    pub(crate) fn json_patch(self, path: &str, body: Value) -> Self {
        self.patch(path, "application/json-patch+json", body)
    }

    /// Changes an object by a strategic merge patch.
    pub(crate) fn strategic(self, path: &str, body: Value) -> Self {
        self.patch(path, "application/strategic-merge-patch+json", body)
    }

    /// Applies a configuration.
    pub(crate) fn apply(self, path: &str, body: Value) -> Self {
        self.patch(path, "application/apply-patch+yaml", body)
    }

    fn patch(self, path: &str, form: &'static str, body: Value) -> Self {
        self.ask(Request::new("PATCH", path).body(form, body.to_string()))
    }

    /// Removes what is at a path.
    pub(crate) fn delete(self, path: &str, options: Value) -> Self {
        let request = Request::new("DELETE", path);
        self.ask(if options.is_null() { request } else { request.json(&options) })
    }

    /// Gets an object, changes it, and puts it back.
    pub(crate) fn replace(self, path: &str, change: fn(&mut Value)) -> Self {
        self.step(format!("replace {path}"), Act::Replace { path: path.to_owned(), change })
    }

    fn holds(self, what: &str, path: &str, holds: Holds) -> Self {
        self.step(format!("until {path} {what}"), Act::Until { path: path.to_owned(), holds })
    }

    /// Waits until there is such a value at a pointer.
    pub(crate) fn until(self, path: &str, pointer: &'static str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.holds(&format!("has {pointer} {value}"), path, Holds::Equal(pointer, value))
    }

    /// Waits until there is nothing at a path.
    pub(crate) fn until_gone(self, path: &str) -> Self {
        self.holds("is gone", path, Holds::Gone)
    }

    /// Waits until what is at a path is so.
    pub(crate) fn until_that(self, path: &str, what: &str, holds: fn(&Value) -> bool) -> Self {
        self.holds(what, path, Holds::That(holds))
    }

    /// Waits until a Job of the namespace has a condition.
    pub(crate) fn until_job(self, name: &str, condition: &'static str) -> Self {
        let path = format!("{{batch}}/jobs/{name}");
        match condition {
            "Complete" => self.until_that(&path, "is Complete", |job| has_condition(job, "Complete")),
            "Failed" => self.until_that(&path, "is Failed", |job| has_condition(job, "Failed")),
            _ => self.until_that(&path, "is Suspended", |job| has_condition(job, "Suspended")),
        }
    }

    /// Waits until events tell that a Pod was placed and started: the scheduler and the node tell it at the same time.
    pub(crate) fn until_started(self) -> Self {
        self.until_that("{core}/events", "tell that it was placed and started", |events| {
            let text = events.to_string();
            text.contains(r#""reason":"Scheduled""#) && text.contains(r#""reason":"Started""#)
        })
    }

    /// Waits until a user may do something to a resource of the namespace.
    pub(crate) fn allowed(self, user: &str, verb: &str, resource: &str) -> Self {
        let (group, resource) = resource.split_once('/').unwrap_or(("", resource));
        let attributes = json!({"namespace": "{ns}", "verb": verb, "group": group, "resource": resource});
        let spec = json!({"user": user, "resourceAttributes": attributes});
        self.step(format!("until {user} may {verb} {resource}"), Act::Allowed(spec))
    }

    /// Waits until a kind of a CustomResourceDefinition is served in its version `v1`, and described.
    pub(crate) fn defined(self, group: &str, plural: &'static str) -> Self {
        self.step(format!("until {plural} are served"), Act::Defined { group: group.to_owned(), plural })
    }

    /// Keeps the version of a list, for `{version}` in later steps.
    pub(crate) fn remember(self, path: &str) -> Self {
        self.step(format!("remember {path}"), Act::Remember { path: path.to_owned() })
    }

    /// Does something in code.
    pub(crate) fn code(self, what: &str, code: Code) -> Self {
        self.step(what, Act::Code(code))
    }

    /// Has the last step done by a ServiceAccount of the namespace.
    pub(crate) fn by(self, account: &'static str) -> Self {
        self.who(Who::Account(account))
    }

    /// Has the last step done by somebody who says nothing of themselves.
    pub(crate) fn by_nobody(self) -> Self {
        self.who(Who::Nobody)
    }

    fn who(mut self, who: Who) -> Self {
        match self.steps.last_mut().map(|step| &mut step.act) {
            Some(Act::Kubectl(command) | Act::Start(command)) => command.who = who,
            Some(Act::Ask(request)) => request.who = who,
            _ => unreachable!("only a request is somebody's"),
        }
        self
    }

    /// Compares only something of the last step's answer.
    pub(crate) fn seen(mut self, view: View) -> Self {
        self.steps.last_mut().expect("a step").view = Some(view);
        self
    }
}

/// Whether an object has a condition that is true.
pub(crate) fn has_condition(object: &Value, condition: &str) -> bool {
    let all = object["status"]["conditions"].as_array();
    all.is_some_and(|all| all.iter().any(|one| one["type"] == condition && one["status"] == "True"))
}

/// What kubectl has put out, its lines sorted: what happens in the same second, or in several containers, has no order.
pub(crate) fn in_any_order(mut answer: Value) -> Value {
    let text = answer["out"]["text"].as_str().unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    // How long ago it was comes first.
    lines.sort_by_key(|line| line.split_once(' ').map(|(_, rest)| rest.trim_start().to_owned()));
    answer["out"] = json!({"text": lines.join("\n")});
    answer
}

/// What kubectl has put out, its lines in the order of their letters: those that come by two ways have none.
pub(crate) fn lines_in_any_order(mut answer: Value) -> Value {
    let text = answer["out"]["text"].as_str().unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    answer["out"] = json!({"text": lines.join("\n")});
    answer
}

/// An answer without who has written which field.
pub(crate) fn without_managers(mut answer: Value) -> Value {
    if let Some(metadata) = answer.pointer_mut("/body/metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    answer
}
