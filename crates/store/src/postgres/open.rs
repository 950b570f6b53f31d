//! Opening a database.

use std::sync::Arc;
use std::time::Duration;

use relynt_gateway::ports::{Entropy, StoreError};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use zeroize::Zeroizing;

use super::failure::{Failure, corrupt};
use super::migrate::SchemaError;
use super::session::{AS_APPLICATION, AS_OWNER, Ask, Session};
use super::values::get;
use super::{PostgresStore, sql};
use crate::seal::{Place, SealError};

/// Where the database is and what the store needs.
pub struct PostgresOptions {
    /// `postgresql://login:password@host:port,host:port/database`, with `sslmode` as
    /// `verify-full` (as if it were given) or, on this machine only, `disable`, and in
    /// `sslrootcert` the file of who may have signed the server's certificate, if not those whom
    /// the system trusts.
    pub url: Zeroizing<String>,
    /// What wraps every other key.
    pub master_key: Zeroizing<[u8; 32]>,
    /// Where keys, salts and nonces come from.
    pub entropy: Arc<dyn Entropy>,
    /// Commands that may wait; more are [`StoreError::Overloaded`] at once.
    pub queue_limit: usize,
    /// Connections beside the one that records decisions.
    pub connections: usize,
    /// How long the database may take over one turn, a commit for one, before the connection is
    /// dropped.
    pub deadline: Duration,
}

impl PostgresOptions {
    /// The usual: 4,096 waiting commands, 8 connections, 3 s.
    pub fn new(
        url: Zeroizing<String>,
        master_key: Zeroizing<[u8; 32]>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            url,
            master_key,
            entropy,
            queue_limit: 4_096,
            connections: 8,
            deadline: DEADLINE,
        }
    }
}

impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions").finish_non_exhaustive()
    }
}

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The address.
    #[error("the database's address is not one: {0}")]
    Address(&'static str),
    /// Who may have signed the server's certificate.
    #[error("`{file}` (`sslrootcert`) is not a file of certificates")]
    Authorities {
        /// The file.
        file: String,
    },
    /// The schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The master key is not the one that the store was made with.
    #[error("the master key is not the one that this database was made with")]
    WrongKey,
    /// The store's thread.
    #[error("the store cannot be started")]
    Thread(#[source] std::io::Error),
    /// The database itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How connections are made.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    deadline: Duration,
}

/// What the database may take over one turn, usually.
pub(super) const DEADLINE: Duration = Duration::from_secs(3);
/// An index over many rows takes its time.
const OWNERS_DEADLINE: Duration = Duration::from_hours(1);

/// What the address may say beside what the driver reads.
const MODE: &str = "sslmode=";
const AUTHORITIES: &str = "sslrootcert=";

impl Connector {
    pub(super) fn new(url: &str, deadline: Duration) -> Result<Self, PostgresError> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut mode = "verify-full";
        let mut authorities = None;
        let mut rest = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            if let Some(asked) = part.strip_prefix(MODE) {
                mode = asked;
            } else if let Some(file) = part.strip_prefix(AUTHORITIES) {
                authorities = Some(file);
            } else {
                rest.push(part);
            }
        }
        let address = Zeroizing::new(format!("{address}?{}", rest.join("&")));
        let mut config: Config = address
            .parse()
            .map_err(|_| PostgresError::Address("`postgresql://login@host/database` is"))?;
        let tls = match mode {
            "verify-full" => {
                config.ssl_mode(SslMode::Require);
                Some(encrypted(authorities)?)
            }
            "disable" if config.get_hosts().iter().all(is_here) => {
                config.ssl_mode(SslMode::Disable);
                None
            }
            "disable" => {
                return Err(PostgresError::Address(
                    "`sslmode=disable` is for a server on this machine",
                ));
            }
            _ => {
                return Err(PostgresError::Address(
                    "`sslmode` is `verify-full` or `disable`",
                ));
            }
        };
        config
            .application_name("relynt")
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .connect_timeout(deadline)
            .keepalives_idle(Duration::from_secs(10))
            .tcp_user_timeout(deadline);
        Ok(Self {
            config,
            tls,
            deadline,
        })
    }

    /// As the application.
    pub(super) async fn connect(&self) -> Result<Session, Failure> {
        self.connect_with(AS_APPLICATION, self.deadline).await
    }

    /// As whoever the address names, to change the schema.
    pub(super) async fn connect_as_owner(&self) -> Result<Session, Failure> {
        self.connect_with(AS_OWNER, OWNERS_DEADLINE).await
    }

    async fn connect_with(&self, beginning: &str, deadline: Duration) -> Result<Session, Failure> {
        let config = &self.config;
        match &self.tls {
            Some(tls) => Session::connect(config, tls.clone(), beginning, deadline).await,
            None => Session::connect(config, NoTls, beginning, deadline).await,
        }
    }
}

fn encrypted(authorities: Option<&str>) -> Result<MakeRustlsConnect, PostgresError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(file) => {
            let wrong = || PostgresError::Authorities {
                file: file.to_owned(),
            };
            let found = CertificateDer::pem_file_iter(file).map_err(|_| wrong())?;
            for certificate in found {
                let certificate = certificate.map_err(|_| wrong())?;
                roots.add(certificate).map_err(|_| wrong())?;
            }
            if roots.is_empty() {
                return Err(wrong());
            }
        }
        // Unreadable ones are left out; with none at all no server is believed.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| PostgresError::Address("TLS cannot be set up"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Whether nothing leaves this machine on the way there.
fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

const CHECK: &str = "master_key_check";
const CHECK_TEXT: &[u8] = b"relynt";

/// Proves the master key by a value that was sealed with it when the store was made. Of two nodes
/// that start on an empty database, the first one's value stands and both compare with it.
pub(super) async fn check_master(store: &PostgresStore) -> Result<(), PostgresError> {
    let place = Place {
        table: "meta",
        organization: None,
        row: CHECK.as_bytes(),
        field: "value",
    };
    let master = store.keys.master();
    let sealed = master
        .seal(&*store.entropy, &place, CHECK_TEXT)
        .map_err(StoreError::from)?;
    let stored = store
        .run(async move |core| {
            let ask = [Ask::new(sql::FIND_META, vec![&CHECK])];
            let found = || core.read(&[], &ask);
            if let Some(row) = found().await?.iter().flatten().next() {
                return get::<Vec<u8>>(row, 0);
            }
            core.write(&[], async |tx| {
                tx.execute(sql::INSERT_META, &[&CHECK, &sealed]).await
            })
            .await?;
            let rows = found().await?;
            let row = rows.iter().flatten().next();
            get::<Vec<u8>>(row.ok_or_else(|| corrupt("the key's check is gone"))?, 0)
        })
        .await?;
    match master.unseal(&place, &stored) {
        Ok(text) if text.as_slice() == CHECK_TEXT => Ok(()),
        Err(SealError::Cipher) => Err(StoreError::from(SealError::Cipher).into()),
        _ => Err(PostgresError::WrongKey),
    }
}
