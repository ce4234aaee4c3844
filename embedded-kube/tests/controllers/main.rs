//! The controllers do what those of a real control plane do: the same is done on two, one with its own and one with ours,
//! and what has come of it is compared.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails as the test does")]

mod garbage;
mod jobs;
mod namespaces;
mod nodes;
mod planes;
mod restarts;
mod stage;

use planes::Planes;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_on_both_comes_to_the_same_end() {
    let planes = Planes::start().await;
    let all = [jobs::scenarios(), garbage::scenarios(), namespaces::scenarios()];
    planes.compare(all.into_iter().flatten().collect()).await;
    planes.stop().await;
}
