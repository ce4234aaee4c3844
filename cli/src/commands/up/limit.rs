//! How many clients may watch at a time: each has a connection, which is an open file.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit of open files as far as whoever has started this process lets it. Shells set one that few programs need
/// raised; the processes of Pods get what this one has.
pub(super) fn raise() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(now, most)| if now < most { setrlimit(Resource::RLIMIT_NOFILE, most, most) } else { Ok(()) });
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
