//! One operator acts at a time: the one that holds a Lease.
//!
//! Whether another one's hold has run out is told by our own clock alone, from when we saw it change last: the clocks of
//! two machines differ. Whoever cannot renew in time stops writing before anybody else may begin.

mod decide;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Error};
use tokio_util::sync::CancellationToken;

use decide::{Decision, Seen, decide};

use crate::execute::FIELD_MANAGER;

/// How long a hold lasts that is not renewed.
pub(crate) const LASTS: Duration = Duration::from_secs(15);
/// How long after its last renewal the holder still writes.
const WRITES: Duration = Duration::from_secs(10);
/// The time between two looks, or renewals.
const EVERY: Duration = Duration::from_secs(2);
/// How long the API server may take for one of them.
const ANSWER: Duration = Duration::from_secs(4);

/// Where the Lease is, and who asks for it.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who we are: different for every process.
    pub holder: String,
}

/// Whether this process may write.
#[derive(Clone, Debug)]
pub struct Leadership(Option<Arc<Mutex<Option<Instant>>>>);

impl Leadership {
    /// Of an operator that shares its cluster with no other one: it always may.
    #[must_use]
    pub fn alone() -> Self {
        Self(None)
    }

    fn none() -> Self {
        Self(Some(Arc::default()))
    }

    /// Whether this process may write now.
    #[must_use]
    pub fn holds(&self) -> bool {
        let Some(renewed) = &self.0 else { return true };
        renewed.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|renewed| renewed.elapsed() < WRITES)
    }

    fn renewed(&self, at: Option<Instant>) {
        if let Some(renewed) = &self.0 {
            *renewed.lock().unwrap_or_else(PoisonError::into_inner) = at;
        }
    }
}

/// Holds a Lease, or waits for it.
pub struct Elector {
    leases: Api<Lease>,
    options: LeaseOptions,
    leadership: Leadership,
    seen: Option<Seen>,
}

impl Elector {
    /// An elector with a client of its own: a flood of other requests must not hold renewals up.
    #[must_use]
    pub fn new(client: Client, options: LeaseOptions) -> Self {
        let leases = Api::namespaced(client, &options.namespace);
        Self { leases, options, leadership: Leadership::none(), seen: None }
    }

    /// Whether this process may write.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Waits until the Lease is ours; false when it was asked to stop before.
    pub async fn acquire(&mut self, stop: &CancellationToken) -> bool {
        loop {
            match tokio::time::timeout(ANSWER, self.look()).await {
                Ok(Ok(true)) => return true,
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the Lease could not be looked at"),
                Err(_) => tracing::warn!("the Lease could not be looked at in time"),
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Renews the Lease until it is asked to stop, and gives it back then; ends earlier when it is lost.
    pub async fn keep(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.give_back().await,
                () = tokio::time::sleep(EVERY) => {}
            }
            match tokio::time::timeout(ANSWER, self.look()).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => {
                    tracing::error!("another operator holds the Lease");
                    return self.leadership.renewed(None);
                }
                Ok(Err(error)) => tracing::warn!(%error, "the Lease could not be renewed"),
                Err(_) => tracing::warn!("the Lease could not be renewed in time"),
            }
            if !self.leadership.holds() {
                tracing::error!("the Lease could not be renewed for {} s: the operator ends", WRITES.as_secs());
                return;
            }
        }
    }

    /// Looks at the Lease, and takes or renews it when that is our turn; whether it is ours then.
    async fn look(&mut self) -> Result<bool, Error> {
        let begun = Instant::now();
        let there = self.leases.get_opt(&self.options.name).await?;
        let spec = there.as_ref().and_then(|lease| lease.spec.as_ref());
        self.seen = Seen::update(self.seen.take(), spec, begun);
        let decision = decide(spec, &self.options.holder, self.seen.as_ref(), begun);
        if decision == Decision::Wait {
            return Ok(false);
        }
        let lease = self.lease(there, decision);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let written = if lease.metadata.resource_version.is_some() {
            self.leases.replace(&self.options.name, &params, &lease).await
        } else {
            self.leases.create(&params, &lease).await
        };
        match written {
            Ok(_) => {
                // From when we began to ask: the server may have taken its time.
                self.leadership.renewed(Some(begun));
                Ok(true)
            }
            // Somebody else was faster.
            Err(Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn lease(&self, there: Option<Lease>, decision: Decision) -> Lease {
        let now = MicroTime(Timestamp::now());
        let mut lease = there.unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(self.options.name.clone()),
                namespace: Some(self.options.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: None,
        });
        let before = lease.spec.take().unwrap_or_default();
        let taken = decision == Decision::Take;
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.options.holder.clone()),
            lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
            acquire_time: if taken { Some(now.clone()) } else { before.acquire_time },
            renew_time: Some(now),
            lease_transitions: Some(before.lease_transitions.unwrap_or(0) + i32::from(taken)),
            ..before
        });
        lease
    }

    /// Lets the next one begin at once.
    async fn give_back(self) {
        self.leadership.renewed(None);
        let given = async {
            let Some(mut lease) = self.leases.get_opt(&self.options.name).await? else { return Ok(()) };
            let Some(spec) = lease.spec.as_mut() else { return Ok(()) };
            if spec.holder_identity.as_ref() == Some(&self.options.holder) {
                spec.holder_identity = None;
                self.leases.replace(&self.options.name, &PostParams::default(), &lease).await?;
            }
            Ok::<(), Error>(())
        };
        match tokio::time::timeout(EVERY, given).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the Lease was not given back: the next operator waits for its end")
            }
            Err(_) => tracing::warn!("the Lease was not given back in time: the next operator waits for its end"),
        }
    }
}
