//! Servers with a migrated database, and stores on it.

use std::sync::Arc;

use relynt_store::{PostgresError, PostgresOptions, PostgresStore};
use relynt_testkit::SeededEntropy;
use relynt_testkit::postgres::{OWNER, PASSWORD, PostgresServer, PostgresVersion};
use tokio_postgres::{Client, NoTls};
use zeroize::Zeroizing;

use crate::support::MASTER_KEY;

/// Whom the gateway logs in as.
pub(crate) const GATEWAY: &str = "gateway";
const TEMPLATE: &str = "relynt";

/// A server whose database `relynt` has the schema, and a login for the gateway.
pub(crate) struct Installation {
    pub(crate) server: PostgresServer,
}

impl Installation {
    pub(crate) async fn start(version: PostgresVersion) -> Self {
        Self::start_with(version, &[]).await
    }

    pub(crate) async fn start_with(version: PostgresVersion, settings: &[&str]) -> Self {
        Self::on(PostgresServer::start(version, settings)).await
    }

    pub(crate) async fn on(server: PostgresServer) -> Self {
        let installation = Self { server };
        let owner = installation.connect(OWNER, "postgres").await;
        owner
            .batch_execute(&format!("CREATE DATABASE {TEMPLATE}"))
            .await
            .unwrap();
        installation.migrate(TEMPLATE).await.unwrap();
        owner
            .batch_execute(&format!(
                "CREATE ROLE {GATEWAY} LOGIN PASSWORD '{PASSWORD}';
                 GRANT relynt_application, relynt_lookup TO {GATEWAY}"
            ))
            .await
            .unwrap();
        installation
    }

    pub(crate) async fn migrate(&self, database: &str) -> Result<(), PostgresError> {
        let url = Zeroizing::new(self.server.url(OWNER, database));
        PostgresStore::migrate(url, Arc::new(SeededEntropy::new(1))).await
    }

    pub(crate) fn options(&self, login: &str, database: &str) -> PostgresOptions {
        PostgresOptions::new(
            Zeroizing::new(self.server.url(login, database)),
            Zeroizing::new(MASTER_KEY),
            Arc::new(SeededEntropy::new(42)),
        )
    }

    /// A connection beside the store's own.
    pub(crate) async fn connect(&self, login: &str, database: &str) -> Client {
        let url = self.server.url(login, database);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        // Ends with the client.
        #[expect(clippy::disallowed_methods, reason = "a test's own connection")]
        tokio::spawn(connection);
        client
    }

    /// Another database with the schema.
    pub(crate) async fn copy(&self, name: &str) {
        self.connect(OWNER, "postgres")
            .await
            .batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
            .await
            .unwrap();
    }

    pub(crate) async fn try_open(
        &self,
        database: &str,
    ) -> Result<Arc<PostgresStore>, PostgresError> {
        PostgresStore::open(self.options(GATEWAY, database)).await
    }

    /// A store on the first database.
    pub(crate) async fn open(&self) -> Arc<PostgresStore> {
        self.try_open(TEMPLATE).await.unwrap()
    }

    /// As the owner, who reads everything: forced security is lifted first.
    pub(crate) async fn beside(&self) -> Client {
        self.connect(OWNER, TEMPLATE).await
    }
}
