//! The flow of a call, and the ports of everything it needs from outside.
//!
//! Read [`ports`] for what the gateway needs, [`Gateway::submit`] for a call, and
//! [`Gateway::decide_approval`] for a person's decision. Nothing here knows HTTP, SQL or a
//! framework; time, chance and waiting come in through ports.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod admin;
mod answer;
mod authenticate;
mod directory;
mod execute;
mod places;
mod plan;
pub mod ports;
mod read;
mod receipts;
mod recover;
mod request;
mod resolve;
mod running;
mod signer;
mod simulate;
mod submit;
mod waiters;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use relynt_domain::{Incarnation, Timestamp};

pub use admin::{
    AdminError, AgentDraft, AgentPatch, CreatedOrganization, Rotated, Rotation, ShownToken,
    TokenDraft,
};
pub use authenticate::{AuthError, Caller, CredentialKey, Person, Principal};
pub use places::{Place, Places};
pub use read::{
    AgentView, ApprovalView, ConnectorView, CredentialView, PolicyView, ReadError, TokenView,
    VerifiedReceipt,
};
pub use resolve::{DecideApproval, ResolveError, Tail};
pub use signer::PublishedKeys;
pub use simulate::{SimulateError, Simulated, Simulation};
pub use submit::{Intake, SubmitError, Submitted};

use directory::Directory;
use ports::{
    Answers, Clock, Connectors, Entropy, EntropyError, Stage, Stages, Store, StoreError, Timer,
};
use running::Running;
use signer::Signer;
use waiters::Waiters;

/// What a gateway is built from.
pub struct Parts {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What carries out allowed actions.
    pub connectors: Arc<dyn Connectors>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Waiting.
    pub timer: Arc<dyn Timer>,
    /// Where chance comes from.
    pub entropy: Arc<dyn Entropy>,
    /// How a call is answered on the wire.
    pub answers: Arc<dyn Answers>,
    /// Who is told how long the parts of a call took.
    pub stages: Arc<dyn Stages>,
    /// What hashes credentials.
    pub credential_key: CredentialKey,
    /// What may be set.
    pub settings: Settings,
}

/// What may be set.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long an agent may act on a direct allow: 60 s; 5 s to 24 h.
    pub direct_valid: Duration,
    /// How long an agent may act on an approved one: 15 min; 5 s to 24 h.
    pub approved_valid: Duration,
    /// How long an approval waits where its rule says nothing: 1 h; 1 min to 7 days.
    pub approval_expires_in: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            direct_valid: Duration::from_mins(1),
            approved_valid: Duration::from_mins(15),
            approval_expires_in: Duration::from_hours(1),
        }
    }
}

/// The gateway could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no randomness for a key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A stored signing key is not one, or a key cannot be derived.
    #[error("a stored signing key cannot be used, or a key cannot be derived")]
    Key,
}

/// The gateway: decides, executes, proves.
pub struct Gateway {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) connectors: Arc<dyn Connectors>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) answers: Arc<dyn Answers>,
    pub(crate) stages: Arc<dyn Stages>,
    pub(crate) credential_key: CredentialKey,
    pub(crate) settings: Settings,
    pub(crate) signer: Signer,
    pub(crate) directory: Directory,
    pub(crate) running: Running,
    pub(crate) waiters: Waiters,
    pub(crate) incarnation: Incarnation,
}

impl Gateway {
    /// Opens the gateway on its store: makes the first signing key if there is none, reads every
    /// organization, and closes as unknown whatever an earlier incarnation left executing.
    ///
    /// On a store that several nodes share, `alone` is false: others may be alive.
    ///
    /// # Errors
    /// The store does not answer or holds what cannot be read: nothing is served then.
    pub async fn open(parts: Parts, alone: bool) -> Result<Self, OpenError> {
        let signer = Signer::open(&*parts.store, &*parts.entropy, parts.clock.now()).await?;
        let mut random = [0; 10];
        parts.entropy.fill(&mut random)?;
        let gateway = Self {
            incarnation: Incarnation::new(parts.clock.now(), random),
            store: parts.store,
            connectors: parts.connectors,
            clock: parts.clock,
            timer: parts.timer,
            entropy: parts.entropy,
            answers: parts.answers,
            stages: parts.stages,
            credential_key: parts.credential_key,
            settings: parts.settings,
            signer,
            directory: Directory::default(),
            running: Running::default(),
            waiters: Waiters::default(),
        };
        for organization in gateway.store.list_organizations().await? {
            gateway.reload(organization.id).await?;
        }
        // The store's lock proves that every other incarnation is dead.
        while alone && gateway.recover(true).await? > 0 {}
        Ok(gateway)
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The store's own gauges, for metrics.
    pub fn store_gauges(&self) -> ports::StoreGauges {
        self.store.gauges()
    }

    /// Whether everything that a decision needs is there: the store takes a commit, the signer
    /// signs, there is an organization and each can be read. Otherwise why not, and what to do.
    ///
    /// # Errors
    /// The first check that fails.
    pub async fn check_ready(&self) -> Result<(), NotReady> {
        self.store.check_writable().await.map_err(NotReady::Store)?;
        self.signer.check().map_err(|_| NotReady::Signer)?;
        if self.directory.organizations().is_empty() {
            return Err(NotReady::NoOrganization);
        }
        if self.directory.dirty().is_empty() {
            Ok(())
        } else {
            Err(NotReady::Policies)
        }
    }

    /// Reads again what could not be read before. One step of a background loop.
    ///
    /// # Errors
    /// It still cannot be read; the organization stays closed.
    pub async fn refresh_dirty(&self) -> Result<(), StoreError> {
        for organization in self.directory.dirty() {
            self.reload(organization).await?;
        }
        Ok(())
    }

    /// Writes down when credentials, tokens and agents were last used. One step of a background
    /// loop.
    ///
    /// # Errors
    /// The store did not take it; the next use is written the next time.
    pub async fn record_touched(&self) -> Result<(), StoreError> {
        let touched = self.directory.take_touched();
        if touched.is_empty() {
            Ok(())
        } else {
            self.store.record_touched(touched).await
        }
    }

    pub(crate) async fn reload(
        &self,
        organization: relynt_domain::OrganizationId,
    ) -> Result<Arc<directory::Snapshot>, StoreError> {
        self.directory
            .reload(&*self.store, &*self.connectors, organization)
            .await
    }

    /// Tells how long a stage took that began at this uptime; says what it is now.
    pub(crate) fn timed(&self, stage: Stage, began: Duration) -> Duration {
        let now = self.clock.uptime();
        self.stages.took(stage, now.saturating_sub(began));
        now
    }

    /// Random bytes for a new id.
    pub(crate) fn random(&self) -> Result<[u8; 10], EntropyError> {
        let mut random = [0; 10];
        self.entropy.fill(&mut random)?;
        Ok(random)
    }

    /// The future's output, if it comes in time.
    pub(crate) async fn within<T>(
        &self,
        time: Duration,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let future = std::pin::pin!(future);
        match select(future, self.timer.sleep(time)).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }
}

/// Why the gateway is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The store does not take a commit.
    #[error("the store cannot be written: {0}")]
    Store(StoreError),
    /// The signer does not sign.
    #[error("the signer does not sign")]
    Signer,
    /// There is no organization.
    #[error(
        "there is no organization: create one with `relynt organizations create NAME --owner EMAIL`"
    )]
    NoOrganization,
    /// An organization's rules cannot be read.
    #[error("the rules of an organization cannot be read")]
    Policies,
}
