//! Applies the manifests of a folder, now and whenever they have changed, and says what that did.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aggregator_compiler::plural::counted;
use kube::Client;
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::apply::{Applied, Applier, ApplyError, Named, Removed};
use super::folder::{self, Content, Look, Manifest};
use crate::args::Output;
use crate::output;

/// How often the folder is looked at. What two looks in a row have seen is written to its end.
const EVERY: Duration = Duration::from_millis(400);

/// The folder, and what was made of it.
pub(super) struct Watch {
    folder: PathBuf,
    output: Output,
    applier: Applier,
    /// Each object that comes from the folder, with its manifest, if that was applied.
    known: BTreeMap<Named, Option<Value>>,
}

impl Watch {
    /// A folder whose objects of earlier times are known again by their marks.
    pub(super) async fn open(client: Client, folder: &Path, output: Output) -> Result<Self, ApplyError> {
        let applier = Applier::new(client, Some(folder.display().to_string())).await?;
        let known = applier.marked().await?.into_iter().map(|named| (named, None)).collect();
        Ok(Self { folder: folder.to_owned(), output, applier, known })
    }

    /// Applies what is there, and then what has changed, for as long as anybody waits.
    pub(super) async fn run(mut self) -> Infallible {
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut taken = None;
        let mut last = None;
        loop {
            looks.tick().await;
            let now = self.look().await;
            let is_new = taken.as_ref() != Some(&now);
            if is_new && (taken.is_none() || last.as_ref() == Some(&now)) {
                match &now {
                    Ok(look) => self.take(look).await,
                    Err(why) => output::error_line(why),
                }
                taken = Some(now);
                last = None;
            } else {
                last = Some(now);
            }
        }
    }

    /// What there is, or why that cannot be told.
    async fn look(&self) -> Result<Arc<Look>, String> {
        let folder = self.folder.clone();
        match spawn_blocking(move || folder::look(&folder)).await {
            Ok(Ok(look)) => Ok(Arc::new(look)),
            Ok(Err(failure)) => Err(failure.text()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn take(&mut self, look: &Arc<Look>) {
        let look = Arc::clone(look);
        // A disk that does not answer holds nobody up who asks for the end meanwhile.
        let Content { objects, mistakes } = match spawn_blocking(move || folder::read(&look)).await {
            Ok(content) => content,
            Err(error) => return output::error_line(&error.to_string()),
        };
        for mistake in &mistakes {
            output::error_line(mistake);
        }
        let mut whole = mistakes.is_empty();
        let mut there = BTreeSet::new();
        for manifest in objects {
            match self.applier.named(&manifest.object).await {
                Ok(named) => {
                    there.insert(named.clone());
                    self.apply(named, manifest).await;
                }
                Err(error) => {
                    whole = false;
                    refused(&manifest.place, "an object", &error);
                }
            }
        }
        let gone: Vec<Named> = self.known.keys().filter(|known| !there.contains(*known)).cloned().collect();
        match gone.len() {
            0 => {}
            // What cannot be read may be what seems to be gone.
            count if !whole => {
                let objects = counted(count, "object");
                self.tell(&format!("not deleted until all files can be read: {objects} without a manifest"));
            }
            _ => self.remove(gone).await,
        }
    }

    async fn apply(&mut self, named: Named, manifest: Manifest) {
        if self.known.get(&named).is_some_and(|known| known.as_ref() == Some(&manifest.object)) {
            return;
        }
        match self.applier.apply(&named, &manifest.object).await {
            Ok(applied) => {
                let (word, lines) = match applied {
                    Applied::Created => ("created", Vec::new()),
                    Applied::Changed(lines) => ("changed", lines),
                    Applied::Unchanged => ("unchanged", Vec::new()),
                };
                self.tell(&format!("{word:<9}  {named}"));
                for line in lines {
                    self.tell(&format!("             {line}"));
                }
                self.known.insert(named, Some(manifest.object));
            }
            Err(error) => {
                refused(&manifest.place, &named.to_string(), &error);
                // It is tried again with the next change.
                self.known.insert(named, None);
            }
        }
    }

    /// Deletes objects whose manifests are gone.
    async fn remove(&mut self, gone: Vec<Named>) {
        for named in gone {
            match self.applier.remove(&named).await {
                Ok(Removed::Deleted) => self.tell(&format!("{:<9}  {named}", "deleted")),
                Ok(Removed::Kept(why)) => self.tell(&format!("{:<9}  {named}: {why}", "kept")),
                Ok(Removed::Gone) => {}
                Err(error) => {
                    refused(&self.folder.display().to_string(), &named.to_string(), &error);
                    continue;
                }
            }
            self.known.remove(&named);
        }
    }

    /// Says what was done: where results go, or, when these are for programs, beside them.
    fn tell(&self, text: &str) {
        match self.output {
            Output::Table => output::line(&output::harmless(text)),
            Output::Json => output::error_line(text),
        }
    }
}

fn refused(place: &str, object: &str, error: &ApplyError) {
    output::error_line(&format!("{place}: error[{}]: {error}\n  at {object}", error.reason()));
}
