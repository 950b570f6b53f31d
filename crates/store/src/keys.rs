//! The keys that are unwrapped at the moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use relynt_domain::{AgentId, ExecutionId, IdempotencyKey, OrganizationId, ReceiptId};
use relynt_gateway::ports::Entropy;
use zeroize::Zeroizing;

use crate::seal::{Key, Place, RecordKey, SealError};

/// The master key, and the organizations' keys as far as they were needed.
pub(crate) struct Keyring {
    master: Key,
    known: RwLock<HashMap<OrganizationId, Arc<Key>>>,
    /// Of calls whose execution runs: what comes back is sealed under them in a moment.
    running: Mutex<HashMap<(OrganizationId, ExecutionId), Arc<CallKey>>>,
}

impl Keyring {
    pub(crate) fn new(master: Key) -> Self {
        Self {
            master,
            known: RwLock::new(HashMap::new()),
            running: Mutex::default(),
        }
    }

    pub(crate) const fn master(&self) -> &Key {
        &self.master
    }

    /// The organization's key if it was unwrapped before.
    pub(crate) fn known(&self, organization: OrganizationId) -> Option<Arc<Key>> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&organization)
            .map(Arc::clone)
    }

    /// Unwraps the organization's key and remembers it.
    pub(crate) fn learn(
        &self,
        organization: OrganizationId,
        wrapped: &[u8],
    ) -> Result<Arc<Key>, SealError> {
        let key = Arc::new(
            self.master
                .unwrap_key(&organization_key(&organization), wrapped)?,
        );
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(organization, Arc::clone(&key));
        Ok(key)
    }

    /// Remembers the key of a call until its execution is over.
    pub(crate) fn keep(
        &self,
        organization: OrganizationId,
        execution: ExecutionId,
        key: Arc<CallKey>,
    ) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((organization, execution), key);
    }

    /// The key of the call that an execution belongs to, if it was remembered; forgotten here.
    pub(crate) fn take(
        &self,
        organization: OrganizationId,
        execution: ExecutionId,
    ) -> Option<Arc<CallKey>> {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&(organization, execution))
    }

    /// A new key for a new organization, wrapped.
    pub(crate) fn wrap_new(
        &self,
        entropy: &dyn Entropy,
        organization: OrganizationId,
    ) -> Result<Vec<u8>, SealError> {
        let key = Key::random(entropy)?;
        self.master
            .wrap(entropy, &organization_key(&organization), &key)
    }
}

fn organization_key(organization: &OrganizationId) -> Place<'_> {
    Place {
        table: "organizations",
        organization: Some(*organization),
        row: organization.as_bytes(),
        field: "wrapped_key",
    }
}

/// Which call a row of `requests` belongs to: the identity that its sealed fields are bound to.
///
/// The agent and the key, not the receipt: they are known before it is decided.
#[derive(Debug, Clone)]
pub(crate) struct CallIdentity {
    organization: OrganizationId,
    row: Vec<u8>,
}

impl CallIdentity {
    pub(crate) fn new(organization: OrganizationId, agent: AgentId, key: &IdempotencyKey) -> Self {
        Self::stored(organization, agent, &key.stored())
    }

    /// The same from the stored form of the key.
    pub(crate) fn stored(organization: OrganizationId, agent: AgentId, key: &[u8]) -> Self {
        let mut row = Vec::with_capacity(16 + key.len());
        row.extend_from_slice(agent.as_bytes());
        row.extend_from_slice(key);
        Self { organization, row }
    }

    fn place(&self, field: &'static str) -> Place<'_> {
        Place {
            table: "requests",
            organization: Some(self.organization),
            row: &self.row,
            field,
        }
    }
}

/// The key of one call.
#[derive(Debug)]
pub(crate) struct CallKey {
    key: RecordKey,
    identity: CallIdentity,
}

impl CallKey {
    /// A new one, and its wrapped form.
    pub(crate) fn random(
        organization_key: &Key,
        entropy: &dyn Entropy,
        identity: CallIdentity,
    ) -> Result<(Self, Vec<u8>), SealError> {
        let (key, wrapped) = organization_key.wrap_random(entropy, &identity.place("call_key"))?;
        let key = RecordKey::new(key)?;
        Ok((Self { key, identity }, wrapped))
    }

    /// The one that was wrapped.
    pub(crate) fn unwrap_from(
        organization_key: &Key,
        identity: CallIdentity,
        wrapped: &[u8],
    ) -> Result<Self, SealError> {
        let key =
            RecordKey::new(organization_key.unwrap_key(&identity.place("call_key"), wrapped)?)?;
        Ok(Self { key, identity })
    }

    pub(crate) fn seal_body(
        &self,
        entropy: &dyn Entropy,
        body: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        self.key.seal(entropy, &self.identity.place("body"), body)
    }

    pub(crate) fn unseal_body(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.key.unseal(&self.identity.place("body"), sealed)
    }

    pub(crate) fn seal_answer(
        &self,
        entropy: &dyn Entropy,
        body: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        self.key.seal(entropy, &self.identity.place("answer"), body)
    }

    pub(crate) fn unseal_answer(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.key.unseal(&self.identity.place("answer"), sealed)
    }

    pub(crate) fn seal_response(
        &self,
        entropy: &dyn Entropy,
        execution: ExecutionId,
        response: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        self.key.seal(
            entropy,
            &self.response_place(execution).as_place(),
            response,
        )
    }

    pub(crate) fn unseal_response(
        &self,
        execution: ExecutionId,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.key
            .unseal(&self.response_place(execution).as_place(), sealed)
    }

    /// A call has one execution, but a response says which.
    fn response_place(&self, execution: ExecutionId) -> ResponsePlace {
        let mut row = self.identity.row.clone();
        row.extend_from_slice(execution.as_bytes());
        ResponsePlace {
            organization: self.identity.organization,
            row,
        }
    }
}

struct ResponsePlace {
    organization: OrganizationId,
    row: Vec<u8>,
}

impl ResponsePlace {
    fn as_place(&self) -> Place<'_> {
        Place {
            table: "requests",
            organization: Some(self.organization),
            row: &self.row,
            field: "tool_response",
        }
    }
}

/// Where a connector's headers stand.
pub(crate) fn connector_headers(
    organization: OrganizationId,
    connector: &relynt_domain::ConnectorId,
) -> Place<'_> {
    Place {
        table: "connectors",
        organization: Some(organization),
        row: connector.as_bytes(),
        field: "headers",
    }
}

/// Where a signing key's seed stands.
pub(crate) fn signing_seed(id: &str) -> Place<'_> {
    Place {
        table: "signing_keys",
        organization: None,
        row: id.as_bytes(),
        field: "seed",
    }
}

/// Names a call's row for messages.
pub(crate) fn about(receipt: ReceiptId) -> String {
    format!("the request of receipt `{receipt}`")
}
