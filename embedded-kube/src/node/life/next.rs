//! What happens next: which containers are started, which are stopped, and when to look again.

use jiff::Timestamp;

use super::Life;
use super::container::{Container, Role, State};

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Next {
    /// Containers to start, by their places.
    pub(crate) start: Vec<usize>,
    /// Containers to stop, because they only helped others.
    pub(crate) stop: Vec<usize>,
    /// When something changes by time alone.
    pub(crate) wake: Option<Timestamp>,
}

/// What keeps the next container from being looked at.
enum Step {
    /// It does not: this one has done its part.
    Past,
    Start,
    Wait(Option<Timestamp>),
    /// The Pod has failed.
    Failed,
}

impl Life {
    /// What to do now.
    pub(crate) fn next(&self, now: Timestamp) -> Next {
        let mut next = Next::default();
        if !self.halted {
            self.start(now, &mut next);
        }
        if self.decided() {
            let helpers = self.containers.iter().enumerate();
            let helpers = helpers.filter(|(_, container)| container.role == Role::Helper && container.is_running());
            next.stop.extend(helpers.map(|(place, _)| place));
            next.start.clear();
            next.wake = None;
        }
        next
    }

    fn start(&self, now: Timestamp, next: &mut Next) {
        for (place, container) in self.containers.iter().enumerate() {
            match step(container, now) {
                Step::Past => {}
                Step::Start => next.start.push(place),
                Step::Wait(until) => next.wake = next.wake.into_iter().chain(until).min(),
                Step::Failed => return,
            }
            let before_others = container.role != Role::Main;
            if before_others && !matches!(step(container, now), Step::Past) {
                return;
            }
        }
    }

    /// Whether nothing but the end of helpers is left to come.
    pub(crate) fn decided(&self) -> bool {
        let failed =
            |container: &Container| container.role == Role::First && container.done().is_some_and(|end| end.code != 0);
        let mut mains = self.containers.iter().filter(|container| container.role == Role::Main);
        let running = self.containers.iter().any(|container| container.role != Role::Helper && container.is_running());
        if running {
            return false;
        }
        let settled = self.failed.is_some() || self.settled.is_some();
        settled || self.containers.iter().any(failed) || mains.all(|container| container.done().is_some())
    }

    /// Whether the Pod has succeeded or failed for good, and none of its processes is left.
    pub(crate) fn over(&self) -> bool {
        self.decided() && self.still()
    }

    /// Whether none of its processes is left.
    pub(crate) fn still(&self) -> bool {
        !self.containers.iter().any(Container::is_running)
    }

    /// What was not started because of what the Pod said is looked at again, because it says something else.
    pub(crate) fn unblock(&mut self) {
        for container in &mut self.containers {
            container.blocked = false;
        }
    }
}

fn step(container: &Container, now: Timestamp) -> Step {
    match &container.state {
        State::Running { .. } if container.role == Role::First => Step::Wait(None),
        State::Running { .. } => Step::Past,
        State::Ended(_) if let Some(end) = container.done() => {
            if container.role == Role::First && end.code != 0 {
                Step::Failed
            } else {
                Step::Past
            }
        }
        _ if container.blocked => Step::Wait(None),
        _ => match container.not_before {
            Some(until) if until > now => Step::Wait(Some(until)),
            _ => Step::Start,
        },
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::container::Delays;
    use super::super::tests::{at, ended, life};
    use super::*;

    const DELAYS: Delays = Delays { first: SignedDuration::from_secs(10), most: SignedDuration::from_secs(300) };

    fn started(life: &mut Life, place: usize) {
        life.containers[place].start(at(1));
    }

    fn end(life: &mut Life, place: usize, code: i32) {
        life.containers[place].end(ended(code, 2), DELAYS, true);
    }

    fn start(life: &Life, now: i64) -> Vec<usize> {
        life.next(at(now)).start
    }

    #[test]
    fn containers_start_in_their_order_and_helpers_end_last() {
        let mut life = life("Never");
        assert_eq!(start(&life, 1), [0]);
        started(&mut life, 0);
        assert_eq!(life.next(at(1)), Next::default());
        end(&mut life, 0, 0);
        assert_eq!(start(&life, 2), [1]);
        started(&mut life, 1);
        assert_eq!(start(&life, 2), [2, 3]);
        started(&mut life, 2);
        started(&mut life, 3);
        end(&mut life, 2, 0);
        assert_eq!(life.next(at(3)), Next::default());
        end(&mut life, 3, 1);
        assert_eq!(life.next(at(3)), Next { stop: vec![1], ..Next::default() });
        assert!(!life.over());
        end(&mut life, 1, 143);
        assert_eq!(life.next(at(3)), Next::default());
        assert!(life.over());
    }

    #[test]
    fn a_first_container_that_fails_ends_the_pod_or_is_tried_again() {
        let mut never = life("Never");
        started(&mut never, 0);
        end(&mut never, 0, 1);
        assert_eq!(never.next(at(3)), Next::default());
        assert!(never.over());

        let mut always = life("Always");
        started(&mut always, 0);
        end(&mut always, 0, 1);
        assert_eq!(start(&always, 2), [0]);
        started(&mut always, 0);
        end(&mut always, 0, 1);
        assert_eq!(always.next(at(3)), Next { wake: Some(at(12)), ..Next::default() });
        assert_eq!(start(&always, 12), [0]);
    }

    #[test]
    fn a_container_that_fails_is_started_again_beside_the_others() {
        let mut life = life("OnFailure");
        started(&mut life, 0);
        end(&mut life, 0, 0);
        for place in [1, 2, 3] {
            started(&mut life, place);
        }
        end(&mut life, 3, 0);
        end(&mut life, 2, 5);
        assert_eq!(start(&life, 2), [2]);
        life.halted = true;
        assert!(start(&life, 2).is_empty());
    }

    #[test]
    fn what_is_blocked_waits_for_an_edit() {
        let mut life = life("Never");
        life.containers[0].wait("ImagePullBackOff", "no".into(), None);
        assert_eq!(life.next(at(99)), Next::default());
        life.unblock();
        assert_eq!(start(&life, 99), [0]);
        life.containers[0].wait("ContainerCreating", "not yet".into(), Some(at(100)));
        assert_eq!(life.next(at(99)), Next { wake: Some(at(100)), ..Next::default() });
    }

    #[test]
    fn nothing_of_a_pod_is_started_that_somebody_has_ended() {
        let mut pod = super::super::tests::pod("Always");
        let mut life = Life::of(&pod, at(0));
        started(&mut life, 0);
        end(&mut life, 0, 0);
        for place in [1, 2] {
            started(&mut life, place);
        }
        pod.status = serde_json::from_value(serde_json::json!({"phase": "Failed", "reason": "Evicted"})).unwrap();
        life.settle(&pod);
        // The last was never started.
        assert_eq!(life.next(at(3)), Next::default());
        assert!(!life.over());
        life.containers[2].end(ended(0, 3), DELAYS, false);
        // Only the helper is left.
        assert_eq!(life.next(at(3)).stop, [1]);
        life.containers[1].end(ended(143, 3), DELAYS, false);
        assert!(life.over());
        assert_eq!(life.next(at(99)), Next::default());
        // What the status says later changes nothing.
        pod.status = None;
        life.settle(&pod);
        assert_eq!(life.settled, Some("Failed"));
    }

    #[test]
    fn a_pod_that_failed_is_over_when_its_processes_are() {
        let mut life = life("Always");
        started(&mut life, 0);
        life.halted = true;
        life.failed = Some(("DeadlineExceeded".into(), "late".into()));
        assert!(!life.over());
        end(&mut life, 0, 143);
        assert!(life.over());
    }
}
