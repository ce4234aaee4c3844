//! One container: its part in the Pod, its state, and whether it is started again.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{self, PodSpec};

/// The reason of a container that waits because it has failed again and again.
const BACK_OFF: &str = "CrashLoopBackOff";

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It ends before the next one starts.
    First,
    /// It starts before the next one, and runs beside the main containers until they have ended.
    Helper,
    Main,
}

/// When a container that has ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Always,
    OnFailure,
    Never,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) signal: Option<i32>,
    pub(crate) reason: String,
    pub(crate) message: Option<String>,
    pub(crate) started: Option<Timestamp>,
    pub(crate) finished: Timestamp,
    pub(crate) id: Option<String>,
}

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Waiting { reason: String, message: Option<String> },
    Running { since: Timestamp },
    Ended(Ended),
}

/// A container and its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) role: Role,
    pub(crate) policy: Policy,
    pub(crate) state: State,
    /// How it ended the time before.
    pub(crate) last: Option<Ended>,
    /// How often it has been started, which numbers its runs from 1.
    pub(crate) starts: u32,
    /// How often it has ended shortly after its start, since it last ran well.
    pub(crate) failures: u32,
    /// It is not started before.
    pub(crate) not_before: Option<Timestamp>,
    /// It is not started until its Pod is changed.
    pub(crate) blocked: bool,
}

/// How long a container waits before it is started again: nothing, then the first delay, then twice that each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delays {
    pub(crate) first: SignedDuration,
    pub(crate) most: SignedDuration,
}

impl Delays {
    /// The delay after so many failures.
    pub(crate) fn after(self, failures: u32) -> SignedDuration {
        let Some(doublings) = failures.checked_sub(2) else { return SignedDuration::ZERO };
        let delay = 2i32.checked_pow(doublings).and_then(|times| self.first.checked_mul(times));
        delay.map_or(self.most, |delay| delay.min(self.most))
    }
}

impl Policy {
    /// The policy of a container in its Pod.
    pub(crate) fn of(role: Role, container: &v1::Container, spec: &PodSpec) -> Self {
        let own = container.restart_policy.as_deref().filter(|_| role == Role::Main);
        match (role, own.or(spec.restart_policy.as_deref())) {
            (Role::Helper, _) => Self::Always,
            (_, Some("Never")) => Self::Never,
            // What is to end is not started again when it has.
            (Role::First, _) | (_, Some("OnFailure")) => Self::OnFailure,
            (Role::Main, _) => Self::Always,
        }
    }

    /// Whether a container that ended with the code is started again.
    pub(crate) fn again(self, code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => code != 0,
            Self::Never => false,
        }
    }
}

impl Container {
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Whether it waits because it has failed again and again.
    pub(crate) fn is_backing_off(&self) -> bool {
        matches!(&self.state, State::Waiting { reason, .. } if reason == BACK_OFF)
    }

    /// How it ended, if it is not started again.
    pub(crate) fn done(&self) -> Option<&Ended> {
        match &self.state {
            State::Ended(ended) if !self.policy.again(ended.code) => Some(ended),
            _ => None,
        }
    }

    /// How many of its starts came after an end.
    pub(crate) fn restarts(&self) -> u32 {
        self.starts.saturating_sub(1)
    }

    /// It runs now.
    pub(crate) fn start(&mut self, now: Timestamp) {
        self.starts += 1;
        if let State::Ended(ended) = &self.state {
            self.last = Some(ended.clone());
        }
        self.state = State::Running { since: now };
        self.not_before = None;
    }

    /// It has ended, or could not be started; `again` unless it was to end.
    pub(crate) fn end(&mut self, ended: Ended, delays: Delays, again: bool) {
        let ran = ended.started.map(|started| ended.finished.duration_since(started));
        // As a kubelet does: what ran that long is not failing all the time.
        let well = ran.is_some_and(|ran| ran >= delays.most.saturating_mul(2));
        self.failures = if well { 1 } else { self.failures + 1 };
        self.not_before = ended.finished.checked_add(delays.after(self.failures)).ok();
        if again && self.policy.again(ended.code) && self.not_before > Some(ended.finished) {
            let delay = delays.after(self.failures);
            let message = format!("back-off {delay:#} restarting failed container {}", self.name);
            self.state = State::Waiting { reason: BACK_OFF.to_owned(), message: Some(message) };
            self.last = Some(ended);
        } else {
            self.state = State::Ended(ended);
        }
    }

    /// It cannot be started yet, or never.
    pub(crate) fn wait(&mut self, reason: &str, message: String, until: Option<Timestamp>) {
        if let State::Ended(ended) = &self.state {
            self.last = Some(ended.clone());
        }
        self.state = State::Waiting { reason: reason.to_owned(), message: Some(message) };
        self.not_before = until;
        self.blocked = until.is_none();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, ended, life};
    use super::*;

    const DELAYS: Delays = Delays { first: SignedDuration::from_secs(10), most: SignedDuration::from_secs(300) };

    #[test]
    fn delays_double_up_to_the_most() {
        let delays: Vec<_> = (0..10).map(|failures| DELAYS.after(failures).as_secs()).collect();
        assert_eq!(delays, [0, 0, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(DELAYS.after(u32::MAX).as_secs(), 300);
    }

    #[test]
    fn roles_have_policies() {
        let policies = |policy| life(policy).containers.iter().map(|container| container.policy).collect::<Vec<_>>();
        use Policy::{Always, Never, OnFailure};
        assert_eq!(policies("Always"), [OnFailure, Always, Always, Always]);
        assert_eq!(policies("OnFailure"), [OnFailure, Always, OnFailure, OnFailure]);
        assert_eq!(policies("Never"), [Never, Always, Never, Never]);
        assert_eq!([Always, OnFailure, Never].map(|policy| policy.again(0)), [true, false, false]);
        assert_eq!([Always, OnFailure, Never].map(|policy| policy.again(1)), [true, true, false]);
    }

    #[test]
    fn a_container_that_fails_again_and_again_waits_longer() {
        let mut container = life("Always").containers.remove(2);
        container.start(at(1));
        container.end(ended(1, 2), DELAYS, true);
        assert!(matches!(container.state, State::Ended(_)));
        container.start(at(2));
        assert_eq!((container.starts, container.restarts()), (2, 1));
        assert_eq!(container.last, Some(ended(1, 2)));
        container.end(ended(1, 3), DELAYS, true);
        assert!(container.is_backing_off());
        let mut stopped = container.clone();
        stopped.end(ended(143, 4), DELAYS, false);
        assert_eq!(stopped.state, State::Ended(ended(143, 4)));
        assert_eq!((container.last.clone(), container.not_before), (Some(ended(1, 3)), Some(at(13))));
        // It runs for long: the next time is the first again.
        container.start(at(13));
        container.end(Ended { started: Some(at(13)), ..ended(1, 1000) }, DELAYS, true);
        assert_eq!((container.failures, container.not_before), (1, Some(at(1000))));
    }

    #[test]
    fn a_container_that_is_not_started_again_has_ended() {
        let mut container = life("Never").containers.remove(2);
        container.start(at(1));
        container.end(ended(3, 2), DELAYS, true);
        assert_eq!(container.done(), Some(&ended(3, 2)));
    }
}
