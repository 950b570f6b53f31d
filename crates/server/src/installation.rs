//! A gateway on its store: everything put together but the listeners

use std::{net::SocketAddr, sync::Arc};

use relynt_connectors::{HttpConnectors, Options as ConnectorOptions};
use relynt_egress::{AddressRules, Egress, PlainHttp, Roots};
use relynt_gateway::{
    CredentialKey, Gateway, Parts, Settings,
    ports::{Clock, Entropy, Stages},
};
use relynt_store::Bringers;
use zeroize::Zeroizing;

use crate::{
    StoreUrl,
    answers::WireAnswers,
    stage_metrics::StageTimes,
    store::OpenStore,
    system::{SystemClock, SystemEntropy, SystemTimer},
};

/// What an installation is opened with.
pub struct InstallationOptions {
    /// Where records are kept; of the embedded store, its folder.
    pub store: StoreUrl,
    /// What wraps every other key.
    pub master_key: Zeroizing<[u8; 32]>,
    /// What connectors may reach besides public addresses: `CIDR[:port]`, comma-separated.
    pub connector_allow: String,
    /// Whether connectors may be called in clear, where the address rules allow the target.
    pub plain_http: bool,
    /// The listeners of this process, which no connector may reach.
    pub own_listeners: Vec<SocketAddr>,
    /// The threads that serve, for the store's writer.
    pub bringers: Arc<Bringers>,
}

/// The installation cannot be opened. One line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// The store.
    #[error("{0}")]
    Store(#[from] relynt_store::OpenError),
    /// The store, where it is a database.
    #[error("{0}")]
    Database(#[from] relynt_store::PostgresError),
    /// The gateway on the store.
    #[error("the gateway cannot be opened: {0}")]
    Gateway(#[from] relynt_gateway::OpenError),
    /// What connectors may reach.
    #[error("`connector.allow` (variable `RELYNT_CONNECTOR_ALLOW`) is not as described: {0}")]
    Allow(String),
    /// The certificate authorities.
    #[error("TLS cannot be set up for connectors: {0}")]
    Tls(String),
}

/// A gateway on its store.
pub struct Installation {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    pub(crate) store: OpenStore,
    pub(crate) egress: Egress,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) stages: Arc<StageTimes>,
}

impl Installation {
    /// Opens the store and the gateway on it; closes as unknown what an earlier process left
    /// executing.
    ///
    /// # Errors
    /// Something is missing or wrong; nothing is served then.
    pub async fn open(options: InstallationOptions) -> Result<Self, InstallationError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
        let rules = AddressRules::parse(&options.connector_allow)
            .map_err(|error| InstallationError::Allow(error.to_string()))?
            .with_own_listeners(options.own_listeners);
        let egress = Egress::new(rules, Roots::system())
            .map_err(|error| InstallationError::Tls(error.to_string()))?;
        let plain_http = if options.plain_http {
            PlainHttp::Allowed
        } else {
            PlainHttp::Refused
        };
        let connectors = HttpConnectors::new(
            egress.clone(),
            Arc::clone(&clock),
            ConnectorOptions {
                plain_http,
                ..ConnectorOptions::default()
            },
        );
        let credential_key = CredentialKey::derive(&options.master_key)?;
        let store = OpenStore::open(
            options.store,
            options.master_key,
            Arc::clone(&entropy),
            options.bringers,
        )
        .await?;
        let stages = Arc::new(StageTimes::default());
        let parts = Parts {
            store: store.port(),
            connectors: Arc::new(connectors),
            clock: Arc::clone(&clock),
            timer: Arc::new(SystemTimer),
            entropy: Arc::clone(&entropy),
            answers: Arc::new(WireAnswers),
            stages: Arc::clone(&stages) as Arc<dyn Stages>,
            credential_key,
            settings: Settings::default(),
        };
        let gateway = Arc::new(Gateway::open(parts, store.is_alone()).await?);
        Ok(Self {
            gateway,
            store,
            egress,
            clock,
            entropy,
            stages,
        })
    }
}
