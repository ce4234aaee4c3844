//! Why something holds, does not, or is not known: the closed set of words of conditions, decisions and Events, each with
//! what it means and what to do. `docs/operations/reasons.md` is written from it.

/// What a group of reasons is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// All is well, or goes on.
    Well,
    /// It waits for something that comes by itself.
    Waiting,
    /// A fire of a Schedule started nothing.
    Fires,
    /// What was asked for cannot be.
    Asked,
    /// Something that is named is not there.
    Missing,
    /// The worker's Pod.
    Pod,
    /// The system at the other end.
    System,
    /// The rows.
    Rows,
    /// The run itself.
    Run,
}

impl Topic {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Well,
        Self::Waiting,
        Self::Fires,
        Self::Asked,
        Self::Missing,
        Self::Pod,
        Self::System,
        Self::Rows,
        Self::Run,
    ];
}

/// One line a reason: its topic, what it means, and what to do.
macro_rules! reasons {
    ($($topic:ident { $($reason:ident: $meaning:literal, $remedy:literal;)+ })+) => {
        /// Why, in a word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $meaning] $reason,)+)+
        }

        impl Reason {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$($(Self::$reason,)+)+];

            /// The word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($(Self::$reason => stringify!($reason),)+)+ }
            }

            /// What it means, as a sentence without its full stop.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $($(Self::$reason => $meaning,)+)+ }
            }

            /// What to do.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $($(Self::$reason => $remedy,)+)+ }
            }

            /// What it is about.
            #[must_use]
            pub fn topic(self) -> Topic {
                match self { $($(Self::$reason => Topic::$topic,)+)+ }
            }
        }
    };
}

reasons! {
    Well {
        LedgerBalanced: "everything was committed, and every row is accounted for", "nothing";
        Previewed: "the first rows are in the ConfigMap `NAME-preview`, which goes with the run; nothing was written", "nothing";
        Compiled: "no mistake was found in it", "nothing";
        AllThere: "all Connectors that it names are there, and none of them is known to fail", "nothing";
        Valid: "its fields can be understood", "nothing";
        Resolved: "the keys of the Secret that it names are there", "nothing";
        Reached: "the system answers and takes the credentials; the message is what it says of itself", "nothing";
        Discovered: "its streams were found", "nothing";
        Passed: "all of its tests have passed", "nothing";
        NoTests: "it has no tests", "write some: docs/testing.md";
        Scheduled: "the next fire is known; the message has its time", "nothing";
        Active: "fires start runs", "nothing";
        BackfillSucceeded: "the past that `spec.backfill` names has been read", "nothing; `spec.backfill` may be removed";
        Fresh: "the Checkpoint is as recent as the Pipeline's Schedules want", "nothing";
    }
    Waiting {
        WaitingForRun: "another run of the same Pipeline goes before it; the message names it",
            "nothing, or end that one: `spec.cancel: Immediate`";
        WaitingForRevision: "the Pipeline was just made or edited; its newest version is about to be kept",
            "nothing; if it stays, look whether the operator runs";
        PodStarting: "the worker's Pod was asked for and starts", "nothing";
        WaitingToRetry: "an attempt failed, the message says why; the next one follows by itself",
            "nothing, or mend what the message says; `execution.retry` of the Pipeline says how often and when";
        Running: "rows move; `status.progress` has the counters", "nothing; `kubectl logs -f job/NAME` follows the worker";
        JobSuspended: "somebody has suspended the Job of the run, or allows it no Pods", "set its `suspend` to false, or cancel the run";
        Cancelling: "the run was asked to end: with `Immediate` at once, with `Graceful` when the streams that have begun are committed",
            "nothing; a run of a single stream that is to end well goes on to its end";
        Checking: "the Connector is new or was edited; it is about to be checked", "nothing; it takes at most three minutes";
        Testing: "the tests are about to be run, or run", "nothing; they take at most five minutes";
        NotChecked: "it was not come to, because something before it does not hold",
            "mend what does not hold: another condition says it";
        Backfilling: "the past is read, interval by interval; the message says how far", "nothing; `spec.suspend` holds it";
        Waiting: "the Schedule waits for what starts it: another Pipeline's success, files, or a request", "nothing";
    }
    Fires {
        Suspended: "the Schedule is suspended: nothing is started",
            "set `spec.suspend: false` when it should go on; what was skipped is not made up for";
        RunActive: "the run before it still goes on, and `concurrencyPolicy` is Forbid",
            "look at the run that goes on; if it always takes so long, fire less often, or use Queue";
        QueueFull: "a hundred runs wait already", "fire less often, or make the runs shorter";
        TooLate: "it came due while nobody could start it, and `missedRuns` does not make up for it",
            "see why no operator ran; start a run by hand if its data is wanted";
        NeverFires: "no fire is due within ten years", "mend the expression: it names a day that does not come, as 30 February";
    }
    Asked {
        Invalid: "the object has a mistake; the message has the first one", "mend it; `aggregator lint` tells all of them at once";
        Unreadable: "the API server lets the object pass, and this release cannot read it; it is left alone", "mend what the message names";
        PipelineIsDraft: "a draft is never run", "publish it with `draft: false`, or use the mode DryRun";
        SchemaMismatch: "it does not fit what was found at its Connectors; it can be run all the same",
            "mend it, or have the Connector checked again if the catalogue is old";
        NotSupportedYet: "nobody watches a trigger of this kind yet", "use another trigger";
        NoListener: "the Schedule waits for requests, and no operator listens for them",
            "start the operator with `--webhook-address`; `aggregator up` listens for none";
        PlanTooLarge: "the Pipeline with all it names is larger than a ConfigMap", "split it";
        Cancelled: "`spec.cancel` was set; nothing more was committed", "nothing; the next run goes on where it stopped";
        ConfigInvalid: "the system has not what the manifest says, or takes it otherwise", "mend the field that the message names";
        Usage: "the worker was started in a way that cannot be", "see that `--worker-image` is of the operator's own version";
    }
    Missing {
        PipelineMissing: "there is no Pipeline of that name in the namespace", "apply it, then make a new run";
        RevisionMissing: "the Pipeline has no such revision (any more)", "name one that `kubectl get controllerrevisions` shows, or none";
        RevisionUnreadable: "the kept version was made by another release", "run the newest one";
        ConnectorMissing: "there is no Connector of that name in the namespace", "apply it, then make a new run";
        TransformationMissing: "there is no Transformation of that name in the namespace", "apply it, then make a new run";
        VolumeMissing: "a Connector names a path that is no volume, and is not allowed as a path of the node",
            "name a claim: `volume: {claimName: NAME}`";
        PlanMissing: "somebody has deleted the ConfigMap with the run's plan", "make a new run";
    }
    Pod {
        NoPod: "the Job has made no Pod in ten seconds",
            "`kubectl describe job/NAME` says why: a quota, an admission policy, a ServiceAccount that is not there; it goes on by itself";
        Unschedulable: "no node takes the Pod; the message has the scheduler's words",
            "lower `execution.resources`, add nodes, or make the claim that it waits for";
        ImagePullFailed: "the worker's image cannot be had", "check the operator's `--worker-image`, and the nodes' access to it";
        ContainerFailed: "the container cannot be made; the message has the kubelet's words", "look at `kubectl describe pod`";
        OutOfMemory: "it needed more memory than it may have", "raise `execution.resources.limits.memory`, or join fewer rows at once";
        Evicted: "the Pod was taken from its node", "look at the node's pressure; if no attempt is left, make a new run";
        Killed: "the worker was killed from outside", "look who did it: `kubectl describe pod`, the node's kernel log";
        WorkerFailed: "the worker ended without its last word", "read its log: `kubectl logs job/NAME`";
        OutcomeLost: "the Pod is gone, and with it how it ended; or none of those that share the run says that it is committed", "make a new run: it finds out what was committed, and goes on from there";
        Io: "the worker could not write to its own disk or output", "make room on the node";
    }
    System {
        Unreachable: "it could not be reached", "see that host and port are right, that it runs, and that network policies let the Pod through";
        CredentialsRefused: "it refused the credentials, or a key of the Secret is not there", "mend the Secret that the message names, then have the Connector checked again";
        NotFound: "the stream, table, file or column is not there", "mend the name; `status.streams` of the Connector has those that are";
        Refused: "it refused the work: no right, no space, a constraint", "do there what the message says";
        LookFailed: "a Schedule that waits for files could not see any; the message says why", "do what the message says; it looks again by itself";
        Transient: "it answered with an error that another attempt may not meet, and no attempt was left", "make a new run; if it stays, look at that system";
        Fenced: "a newer attempt or another run owns the sink", "nothing: the newer one delivers. See that no second cluster runs the same Pipeline";
        SinksDiverged: "the sinks were left at different positions, and no Checkpoint settles it", "run once with `mode: Full`";
        CatalogueNotKept: "the streams were found, and could not be kept", "see that the ServiceAccount `aggregator-worker-probe` may create and patch ConfigMaps";
        CheckpointUnavailable: "the Checkpoint could not be read or written", "see that the API server answers, and the ServiceAccount `aggregator-worker` may write Checkpoints";
    }
    Rows {
        DataInvalid: "the data is broken beyond a row, as a file that is cut off", "have the source deliver it again";
        LimitExceeded: "something is larger, wider or deeper than is read", "see docs/limits.md";
        QueryFailed: "an expression failed on the data", "mend the expression, or take such rows out before it";
        RejectBudgetExceeded: "more rows were rejected than `rejects.budget` allows; nothing was committed", "look at the rejected rows in the log, mend their source, or raise the budget";
        QualityRuleBroken: "a quality rule of severity Error does not hold; nothing was committed", "look at the rows of the rule's node; mend their source, or the rule";
        LedgerMismatch: "rows were lost or doubled: a mistake of the program; nothing was committed", "report it, with the worker's log";
        TestFailed: "a test of the Transformation did not pass; the message has the first difference", "mend the step or the test; `aggregator test` tells the same";
    }
    Run {
        TimedOut: "it took longer than it may: `execution.timeout` of a Pipeline, three minutes of a check, five of tests", "the next run goes on where this one stopped; raise `execution.timeout` if it always takes so long";
        BackfillFailed: "some intervals of `spec.backfill` could not be read; the message names the last run that failed",
            "mend what that run says, remove `spec.backfill`, and set it again: what was read is left out";
        CheckpointStale: "two fires of the Schedule that the message names have not brought the Checkpoint on",
            "look at `status.lastDecision` of that Schedule, and at the last runs of the Pipeline";
        Interrupted: "the worker was asked to stop, and no attempt was left", "make a new run: it goes on where this one stopped";
        SpillFailed: "rows that do not fit into memory could not be kept on the local disk", "give the node more disk, or the run more memory";
        AlreadyRunning: "another process holds the Pipeline's state", "wait until it ends, or stop it";
        NameConflict: "an object of somebody else has the name that one of the operator's would have; it is left alone",
            "delete or rename the object that the message names; the operator goes on by itself";
        WriteRefused: "the Kubernetes API refused a write of the operator's",
            "do what the message says: a quota, an admission policy, or a right that `config/rbac` gives and that is missing";
        InternalError: "a mistake of the program", "report it, with the message";
    }
}

impl Reason {
    /// The reason of that word; None for one that this version does not know.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }

    /// Whether what is not so for this reason stays so until somebody edits an object. What is missing may come, and what does
    /// not answer may answer, without that; and a draft is one because somebody wants it so.
    #[must_use]
    pub fn needs_edit(self) -> bool {
        matches!(
            self,
            Self::Invalid
                | Self::Unreadable
                | Self::NeverFires
                | Self::NotSupportedYet
                | Self::PlanTooLarge
                | Self::ConfigInvalid
                | Self::VolumeMissing
                | Self::TestFailed
        )
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_one_reason_that_has_a_topic_of_the_documentation() {
        for reason in Reason::ALL {
            assert_eq!(Reason::of(reason.as_str()), Some(*reason));
            assert!(Topic::ALL.contains(&reason.topic()), "{reason}");
            assert!(!reason.meaning().ends_with('.') && !reason.remedy().is_empty(), "{reason}");
        }
        assert_eq!(Reason::of("Unheard"), None);
    }

    #[test]
    fn nothing_that_is_well_or_waits_needs_an_edit_nor_does_a_draft() {
        let edited: Vec<&Reason> = Reason::ALL.iter().filter(|reason| reason.needs_edit()).collect();
        assert!(edited.iter().all(|reason| !matches!(reason.topic(), Topic::Well | Topic::Waiting)), "{edited:?}");
        for other in [Reason::PipelineIsDraft, Reason::ConnectorMissing, Reason::PipelineMissing, Reason::Unreachable] {
            assert!(!other.needs_edit(), "{other}");
        }
    }
}
