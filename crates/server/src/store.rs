//! The one store of an installation, of either kind

use std::{path::PathBuf, sync::Arc};

use relynt_gateway::ports::{Entropy, Store};
use relynt_store::{Bringers, OpenOptions, PostgresOptions, PostgresStore, SqliteStore};
use zeroize::Zeroizing;

use crate::{DatabaseUrl, InstallationError, StoreUrl};

/// An open store.
#[derive(Clone)]
pub(crate) enum OpenStore {
    /// The embedded one.
    Sqlite(Arc<SqliteStore>),
    /// A database.
    Postgres(Arc<PostgresStore>),
}

impl OpenStore {
    pub(crate) async fn open(
        url: StoreUrl,
        master_key: Zeroizing<[u8; 32]>,
        entropy: Arc<dyn Entropy>,
        bringers: Arc<Bringers>,
    ) -> Result<Self, InstallationError> {
        match url {
            StoreUrl::Sqlite(folder) => Self::sqlite(folder, master_key, entropy, bringers),
            StoreUrl::Postgres(url) => Self::postgres(&url, master_key, entropy).await,
        }
    }

    fn sqlite(
        folder: PathBuf,
        master_key: Zeroizing<[u8; 32]>,
        entropy: Arc<dyn Entropy>,
        bringers: Arc<Bringers>,
    ) -> Result<Self, InstallationError> {
        let options = OpenOptions {
            bringers,
            ..OpenOptions::new(folder, master_key, entropy)
        };
        Ok(Self::Sqlite(SqliteStore::open(options)?))
    }

    async fn postgres(
        url: &DatabaseUrl,
        master_key: Zeroizing<[u8; 32]>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, InstallationError> {
        let options = PostgresOptions::new(url.expose(), master_key, entropy);
        Ok(Self::Postgres(PostgresStore::open(options).await?))
    }

    /// As the gateway uses it.
    pub(crate) fn port(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// Whether it proves that no other process uses it: what somebody else left executing can only
    /// be known as left behind by its deadline otherwise.
    pub(crate) const fn is_alone(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Ends once the process has to.
    pub(crate) async fn failed(&self) {
        match self {
            Self::Sqlite(store) => store.failed().await,
            Self::Postgres(store) => store.failed().await,
        }
    }

    /// How many groups there were of each size; the index is the size.
    pub(crate) fn group_sizes(&self) -> Vec<u64> {
        match self {
            Self::Sqlite(store) => store.group_sizes(),
            Self::Postgres(store) => store.group_sizes(),
        }
    }

    /// Finishes what is queued. Blocks meanwhile.
    pub(crate) fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close(),
            Self::Postgres(store) => store.close(),
        }
    }
}
