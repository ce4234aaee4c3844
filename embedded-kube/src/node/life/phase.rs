//! The Pod's phase.

use super::Life;
use super::container::{Container, Role, State};

impl Life {
    /// The phase, by a kubelet's rules: what the API server says for good stays, and what we say for good is said when the
    /// processes are gone.
    pub(crate) fn phase(&self) -> &'static str {
        if let Some(phase) = self.settled {
            return phase;
        }
        if self.over() {
            return if self.failed.is_none() && self.mains().all(succeeded) { "Succeeded" } else { "Failed" };
        }
        let waits = |container: &Container| {
            matches!(container.state, State::Waiting { .. }) && container.last.is_none() && container.starts == 0
        };
        if self.mains().any(waits) { "Pending" } else { "Running" }
    }

    fn mains(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(|container| container.role == Role::Main)
    }
}

fn succeeded(container: &Container) -> bool {
    container.done().is_some_and(|end| end.code == 0)
}

#[cfg(test)]
mod tests {
    use super::super::container::Delays;
    use super::super::tests::{at, ended, life};
    use super::*;

    #[test]
    fn phases_follow_the_containers() {
        use jiff::SignedDuration;
        let delays = Delays { first: SignedDuration::from_secs(10), most: SignedDuration::from_secs(300) };
        let mut life = life("Never");
        assert_eq!(life.phase(), "Pending");
        life.containers[0].start(at(1));
        assert_eq!(life.phase(), "Pending");
        life.containers[0].end(ended(0, 2), delays, true);
        life.containers[1].start(at(1));
        life.containers[2].start(at(2));
        assert_eq!(life.phase(), "Pending");
        life.containers[3].start(at(2));
        assert_eq!(life.phase(), "Running");
        life.containers[2].end(ended(0, 3), delays, true);
        life.containers[3].end(ended(0, 3), delays, true);
        // The helper still runs.
        assert_eq!(life.phase(), "Running");
        life.containers[1].end(ended(143, 4), delays, true);
        assert_eq!(life.phase(), "Succeeded");
        let mut failed = life.clone();
        failed.containers[2].state = State::Ended(ended(1, 3));
        assert_eq!(failed.phase(), "Failed");
        life.failed = Some(("DeadlineExceeded".into(), String::new()));
        assert_eq!(life.phase(), "Failed");
    }

    #[test]
    fn what_the_api_server_says_for_good_stays() {
        let mut life = life("Always");
        life.containers[0].start(at(1));
        life.settled = Some("Failed");
        assert_eq!(life.phase(), "Failed");
        for container in &mut life.containers {
            container.state = State::Ended(ended(0, 2));
        }
        assert_eq!(life.phase(), "Failed");
    }

    #[test]
    fn a_first_container_that_fails_for_good_fails_the_pod() {
        let mut life = life("Never");
        life.containers[0].state = State::Ended(ended(2, 1));
        assert_eq!(life.phase(), "Failed");
    }
}
