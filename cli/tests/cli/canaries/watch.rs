//! Which files of a folder were opened.

use std::collections::BTreeSet;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Watches a folder.
pub(super) struct Watch(Inotify);

impl Watch {
    /// Begins to watch.
    pub(super) fn begin(folder: &Path) -> Self {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK).expect("a watch");
        inotify.add_watch(folder, AddWatchFlags::IN_OPEN).expect("a folder to watch");
        Self(inotify)
    }

    /// The names of the files that were opened since.
    pub(super) fn opened(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        loop {
            match self.0.read_events() {
                Ok(events) => {
                    names.extend(events.into_iter().filter_map(|event| event.name?.into_string().ok()));
                }
                Err(Errno::EAGAIN) => return names,
                Err(error) => panic!("{error}"),
            }
        }
    }
}
