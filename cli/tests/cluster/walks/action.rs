//! What is done to a cluster.

use nix::sys::signal::Signal;
use serde_json::json;

use super::model::{Operator, Run, Schedule};
use super::{PIPES, Walk, name_of};

/// How many of the last runs something is done to.
const RECENT: usize = 6;

/// One thing that somebody does.
#[derive(Clone, Copy, Debug)]
enum Action {
    WriteRows,
    Run,
    DryRun,
    Cancel,
    DeleteRun,
    DeleteJob,
    DeletePod,
    DeletePlan,
    TakeLabels,
    EditPipeline,
    EditConnector,
    Check,
    Trouble,
    Mend,
    Schedule,
    DeleteSchedule,
    Kill,
    Sleep,
    GoOn,
}

/// What is done, and how often of about a hundred.
const ACTIONS: [(Action, usize); 19] = [
    (Action::WriteRows, 20),
    (Action::Run, 13),
    (Action::DryRun, 2),
    (Action::Cancel, 3),
    (Action::DeleteRun, 3),
    (Action::DeleteJob, 5),
    (Action::DeletePod, 4),
    (Action::DeletePlan, 2),
    (Action::TakeLabels, 3),
    (Action::EditPipeline, 5),
    (Action::EditConnector, 2),
    (Action::Check, 2),
    (Action::Trouble, 3),
    (Action::Mend, 12),
    (Action::Schedule, 4),
    (Action::DeleteSchedule, 2),
    (Action::Kill, 4),
    (Action::Sleep, 4),
    (Action::GoOn, 10),
];

impl Walk {
    /// Does something; says what.
    pub(super) fn act(&mut self) -> String {
        let all: usize = ACTIONS.iter().map(|(_, often)| often).sum();
        let mut drawn = self.random.below(all);
        let mut chosen = Action::WriteRows;
        for (action, often) in ACTIONS {
            if drawn < often {
                chosen = action;
                break;
            }
            drawn -= often;
        }
        let pipe = self.random.below(PIPES);
        let (name, said) = match chosen {
            Action::WriteRows => ("rows written", self.write_rows(pipe)),
            Action::Run => ("runs", self.run(pipe, "Incremental")),
            Action::DryRun => ("dry runs", self.run(pipe, "DryRun")),
            Action::Cancel => ("runs cancelled", self.cancel()),
            Action::DeleteRun => ("runs deleted", self.delete_run()),
            Action::DeleteJob => ("Jobs deleted", self.delete_job()),
            Action::DeletePod => ("Pods deleted", self.delete_pod()),
            Action::DeletePlan => ("plans deleted", self.delete_plan()),
            Action::TakeLabels => ("labels taken", self.take_labels()),
            Action::EditPipeline => ("Pipelines edited", self.edit_pipeline(pipe)),
            Action::EditConnector => ("Connectors edited", self.edit_connector(pipe)),
            Action::Check => ("checks asked for", self.check(pipe)),
            Action::Trouble => ("troubles made", self.make_trouble(pipe)),
            Action::Mend => ("troubles mended", self.mend(pipe)),
            Action::Schedule => ("Schedules made or edited", self.schedule(pipe)),
            Action::DeleteSchedule => ("Schedules deleted", self.delete_schedule(pipe)),
            Action::Kill => ("operators killed", self.kill()),
            Action::Sleep => ("operators stopped", self.sleep()),
            Action::GoOn => ("operators started or continued", self.go_on()),
        };
        *self.actions.entry(name).or_default() += 1;
        said
    }

    /// Another file, which is there all at once.
    pub(super) fn write_rows(&mut self, pipe: usize) -> String {
        let (number, count) = (self.number(), 1 + self.random.below(4));
        let ids: Vec<usize> = (0..count).map(|_| self.number()).collect();
        let text: String = ids.iter().map(|id| format!("{id},row\n")).collect();
        let pipe = &mut self.pipes[pipe];
        let (staged, file) = (format!("staged/{number}.csv"), format!("in/{}/{number}.csv", pipe.name));
        self.project.write(&staged, &format!("id,name\n{text}"));
        let folder = self.project.path(&format!("in/{}", pipe.name));
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::rename(self.project.path(&staged), self.project.path(&file)).expect("a file");
        pipe.rows.extend(&ids);
        format!("{file} has {ids:?}")
    }

    pub(super) fn run(&mut self, pipe: usize, mode: &str) -> String {
        let name = format!("run-{}", self.number());
        let spec = json!({"pipelineRef": {"name": self.pipes[pipe].name}, "mode": mode});
        self.client.apply("PipelineRun", &name, &spec);
        self.runs.insert(name.clone(), Run::of(pipe));
        self.recent.push(name.clone());
        format!("{name} runs {} ({mode})", self.pipes[pipe].name)
    }

    /// One of the last runs.
    fn a_run(&mut self) -> String {
        let from = self.recent.len().saturating_sub(RECENT);
        match &self.recent[from..] {
            [] => "run-0".to_owned(),
            recent => self.random.pick(recent).clone(),
        }
    }

    fn cancel(&mut self) -> String {
        let name = self.a_run();
        if let Some(run) = self.runs.get_mut(&name) {
            run.cancelled = true;
        }
        let there = self.client.merge("PipelineRun", &name, &json!({"spec": {"cancel": "Immediate"}}));
        format!("cancel {name}: {}", there.is_some())
    }

    fn delete_run(&mut self) -> String {
        let name = self.a_run();
        self.runs.remove(&name);
        self.deleted.insert(name.clone());
        format!("delete {name}: {}", self.client.delete("PipelineRun", &name))
    }

    fn delete_job(&mut self) -> String {
        let name = self.a_run();
        format!("delete the Job of {name}: {}", self.client.delete("Job", &name))
    }

    fn delete_pod(&mut self) -> String {
        let name = self.a_run();
        let pods = self.client.list("Pod", &format!("aggregator.dev/run={name}"));
        let deleted = pods.first().is_some_and(|pod| self.client.delete("Pod", name_of(pod)));
        format!("delete the Pod of {name}: {deleted}")
    }

    fn delete_plan(&mut self) -> String {
        let name = self.a_run();
        if let Some(run) = self.runs.get_mut(&name) {
            run.without_plan = true;
        }
        format!("delete the plan of {name}: {}", self.client.delete("ConfigMap", &format!("{name}-plan")))
    }

    fn take_labels(&mut self) -> String {
        let name = self.a_run();
        let none = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null, "aggregator.dev/run": null}}});
        format!("take the labels of the Job of {name}: {}", self.client.merge("Job", &name, &none).is_some())
    }

    fn edit_pipeline(&mut self, pipe: usize) -> String {
        self.pipes[pipe].edits += 1;
        let pipe = &self.pipes[pipe];
        if pipe.there {
            self.client.apply("Pipeline", &pipe.name, &pipe.spec());
        }
        format!("edit {}: {}", pipe.name, pipe.there)
    }

    fn edit_connector(&mut self, pipe: usize) -> String {
        self.pipes[pipe].edits += 1;
        let pipe = &self.pipes[pipe];
        if pipe.connector {
            self.client.apply("Connector", &pipe.name, &pipe.connector_spec());
        }
        format!("edit the Connector of {}: {}", pipe.name, pipe.connector)
    }

    fn check(&mut self, pipe: usize) -> String {
        let asked = self.number().to_string();
        let name = &self.pipes[pipe].name;
        let annotation = json!({"metadata": {"annotations": {"aggregator.dev/check-requested-at": asked}}});
        format!("check the Connector of {name}: {}", self.client.merge("Connector", name, &annotation).is_some())
    }

    /// From now on its runs fail, and say why.
    fn make_trouble(&mut self, pipe: usize) -> String {
        let which = self.random.below(4);
        let pipe = &mut self.pipes[pipe];
        let what = match which {
            0 => {
                pipe.draft = true;
                "is a draft"
            }
            1 => {
                pipe.broken = true;
                "is broken"
            }
            2 => {
                pipe.there = false;
                "is deleted"
            }
            _ => {
                pipe.connector = false;
                "has no Connector"
            }
        };
        pipe.excuses.extend(pipe.wrong());
        match which {
            0 | 1 if pipe.there => {
                self.client.apply("Pipeline", &pipe.name, &pipe.spec());
            }
            2 => {
                self.client.delete("Pipeline", &pipe.name);
            }
            3 => {
                self.client.delete("Connector", &pipe.name);
            }
            _ => {}
        }
        format!("{} {what}", pipe.name)
    }

    /// A Pipeline can be run again, whatever was done to it.
    pub(super) fn mend(&mut self, pipe: usize) -> String {
        let pipe = &mut self.pipes[pipe];
        (pipe.there, pipe.draft, pipe.broken, pipe.connector) = (true, false, false, true);
        self.client.apply("Connector", &pipe.name, &pipe.connector_spec());
        self.client.apply("Pipeline", &pipe.name, &pipe.spec());
        format!("mend {}", pipe.name)
    }

    /// The Schedule of a Pipeline, of which only some have one.
    fn schedule(&mut self, pipe: usize) -> String {
        let pipe = pipe % 2;
        let name = format!("schedule-{pipe}");
        let every = format!("{}s", 12 + self.random.below(12));
        let policy = *self.random.pick(&["Allow", "Forbid", "Queue", "Replace"]);
        let missed = self.random.pick(&[json!({"policy": "Latest"}), json!({"policy": "All", "max": 3})]).clone();
        let suspend = self.random.percent(20);
        let spec = json!({
            "pipelineRef": {"name": self.pipes[pipe].name}, "interval": {"every": every}, "missedRuns": missed,
            "concurrencyPolicy": policy, "suspend": suspend,
            "successfulRunsHistoryLimit": 1000, "failedRunsHistoryLimit": 1000,
        });
        let applied = self.client.apply("Schedule", &name, &spec);
        let uid = applied["metadata"]["uid"].as_str().expect("a UID").to_owned();
        let edits = self.schedules.get(&name).map_or(0, |schedule| schedule.edits + 1);
        self.schedules.insert(name.clone(), Schedule { uid, edits });
        format!("{name} is {spec}")
    }

    fn delete_schedule(&mut self, pipe: usize) -> String {
        let name = format!("schedule-{}", pipe % 2);
        self.schedules.remove(&name);
        format!("delete {name}: {}", self.client.delete("Schedule", &name))
    }

    fn kill(&mut self) -> String {
        if self.operator == Operator::IsDead {
            return self.go_on();
        }
        self.project.kill();
        self.operator = Operator::IsDead;
        "kill the operator".to_owned()
    }

    fn sleep(&mut self) -> String {
        if self.operator != Operator::Acts {
            return self.go_on();
        }
        self.project.signal(Signal::SIGSTOP);
        self.operator = Operator::Sleeps;
        "stop the operator".to_owned()
    }

    fn go_on(&mut self) -> String {
        let before = self.operator;
        self.let_it_act();
        format!("the operator goes on: it was {before:?}")
    }
}
