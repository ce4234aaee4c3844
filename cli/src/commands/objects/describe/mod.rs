//! `aggregator describe`: an object, for whoever has to find out what is wrong with it.

mod conditions;
mod events;
mod head;

use aggregator_crds::run::PipelineRunStatus;
use jiff::Timestamp;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::connection::Connection;
use super::get::missing;
use super::kind::Kinds;
use super::ledger;
use super::list::{self, Form};
use super::mask::masked;
use super::words::{Wanted, wanted};
use super::yaml::{sorted, yaml};
use crate::args::{DescribeArgs, Global, Output};
use crate::failure::Failure;
use crate::output;

/// An object, and what was said of it.
struct Described {
    object: Value,
    /// The events, the oldest first, or why they could not be read.
    events: Result<Vec<Value>, String>,
}

pub(crate) async fn describe(args: DescribeArgs, global: &Global) -> Result<u8, Failure> {
    let all = wanted(&args.objects)?;
    let connection = Connection::open(&args.at.server, args.at.namespace.as_deref()).await?;
    let namespace = Some(connection.namespace.as_str());
    let mut kinds = Kinds::known();
    let (mut described, mut worst, mut single) = (Vec::new(), 0_u8, all.len() == 1);
    for Wanted { kind, names } in all {
        let kind = kinds.meant(&connection, &kind).await?;
        single &= names.len() == 1;
        let mut objects = Vec::new();
        if names.is_empty() {
            objects = list::objects(&connection, &kind, namespace, &ListParams::default()).await?;
            if objects.is_empty() {
                output::error_line(&format!("there are no {}", kind.resource.plural));
            }
        }
        for name in &names {
            match list::one(&connection, &kind, namespace, name, Form::Objects).await {
                Ok(object) => objects.push(object),
                // One that is not there does not hide the others.
                Err(trouble) if trouble.is_missing() => {
                    let failure = missing(trouble.into(), &kind);
                    worst = worst.max(failure.exit_code);
                    failure.show(global);
                }
                Err(trouble) => return Err(trouble.into()),
            }
        }
        for object in objects {
            let events = events::of(&connection, &object).await.map_err(|trouble| Failure::from(trouble).message);
            described.push(Described { object: masked(object), events });
        }
    }
    match global.output {
        Output::Json => {
            let mut all = described.iter().map(Described::json);
            match all.next() {
                Some(one) if single => output::json(&one)?,
                None if worst > 0 => {}
                first => output::json(&first.into_iter().chain(all).collect::<Vec<_>>())?,
            }
        }
        Output::Table => {
            for (index, one) in described.iter().enumerate() {
                if index > 0 {
                    output::line("");
                }
                one.show(Timestamp::now())?;
            }
        }
    }
    Ok(worst)
}

impl Described {
    fn json(&self) -> Value {
        let mut json = json!({ "object": self.object });
        if let Ok(events) = &self.events {
            json["events"] = events.as_slice().into();
        }
        json
    }

    fn show(&self, now: Timestamp) -> Result<(), Failure> {
        let object = &self.object;
        let mut head = output::list();
        for (name, value) in head::rows(object, now) {
            head.add_row([name.to_owned(), value]);
        }
        output::show(&head);
        conditions::show(object, now);
        let is_run = object["apiVersion"] == aggregator_crds::API_VERSION && object["kind"] == "PipelineRun";
        let status = if is_run { run_status(object) } else { None };
        if let Some(status) = &status
            && !ledger::nodes(status).is_empty()
        {
            output::line(if status.nodes.is_empty() { "\nthe ledger so far" } else { "\nthe ledger" });
            ledger::show(status);
        }
        let rest = rest(object, status.is_some());
        if rest.as_object().is_some_and(|rest| !rest.is_empty()) {
            output::line("");
            for line in yaml(&sorted(rest))?.lines() {
                output::line(line);
            }
        }
        match &self.events {
            Ok(events) => events::show(events, now),
            Err(why) => output::error_line(&format!("its events cannot be read: {why}")),
        }
        Ok(())
    }
}

/// The status of a run, if this version can read it.
fn run_status(object: &Value) -> Option<PipelineRunStatus> {
    serde_json::from_value(object.get("status")?.clone()).ok()
}

/// What is shown of every status elsewhere.
const SHOWN: [&str; 2] = ["conditions", "observedGeneration"];
/// The same of a run.
const SHOWN_OF_A_RUN: [&str; 12] = [
    "phase",
    "attempt",
    "revision",
    "job",
    "startTime",
    "completionTime",
    "totals",
    "ledger",
    "nodes",
    "nodesOmitted",
    "progress",
    "shards",
];

/// What is not shown elsewhere: the spec, and what is left of the status.
fn rest(object: &Value, of_a_run: bool) -> Value {
    let mut rest = object.clone();
    if let Some(fields) = rest.as_object_mut() {
        for shown in ["apiVersion", "kind", "metadata"] {
            fields.remove(shown);
        }
        if let Some(status) = fields.get_mut("status").and_then(Value::as_object_mut) {
            status.retain(|name, _| {
                let name = name.as_str();
                !(SHOWN.contains(&name) || of_a_run && SHOWN_OF_A_RUN.contains(&name))
            });
        }
        fields.retain(|_, field| !field.as_object().is_some_and(serde_json::Map::is_empty));
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_elsewhere_is_left_out() {
        let object = json!({
            "apiVersion": "a/v1", "kind": "A", "metadata": {"name": "a"}, "spec": {"b": 1},
            "status": {"conditions": [], "observedGeneration": 3, "phase": "Failed", "cost": {"duration": "1s"}},
        });
        let cost = json!({"duration": "1s"});
        assert_eq!(rest(&object, true), json!({"spec": {"b": 1}, "status": {"cost": cost}}));
        assert_eq!(rest(&object, false), json!({"spec": {"b": 1}, "status": {"phase": "Failed", "cost": cost}}));
        assert_eq!(
            rest(&json!({"kind": "A", "data": {"c": "d"}, "status": {"conditions": []}}), false),
            json!({"data": {"c": "d"}})
        );
    }
}
