//! Opening a database, and the steps of its schema.

use std::sync::Arc;

use relynt_domain::Decision;
use relynt_gateway::ports::{Ledger as _, Store as _};
use relynt_store::{PostgresError, PostgresStore, SchemaError};
use relynt_testkit::postgres::{OWNER, PostgresServer, PostgresVersion};
use relynt_testkit::sample::Tenant;
use zeroize::Zeroizing;

use super::support::{GATEWAY, Installation};

#[tokio::test]
async fn a_schema_is_brought_up_to_date_once_and_refused_where_it_is_not_known() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    let migrate = async || installation.migrate("relynt").await;
    let owner = installation.beside().await;
    let store = installation.open().await;
    let tenant = Tenant::create(&*store, "kept").await;
    let receipt = tenant
        .record(&*store, &tenant.call(), Decision::Allow)
        .await;

    // Again: nothing to do. As if a crash had come behind a statement: taken up there.
    migrate().await.unwrap();
    owner
        .batch_execute("UPDATE schema_migrations SET done = 5, whole = false")
        .await
        .unwrap();
    let refused = installation.try_open("relynt").await.unwrap_err();
    assert!(
        matches!(
            refused,
            PostgresError::Schema(SchemaError::Older { found: 0, known: 1 })
        ),
        "{refused}"
    );
    assert!(refused.to_string().contains("relynt migrate"), "{refused}");
    migrate().await.unwrap();
    let found = store.find_receipt(tenant.organization, receipt.id).await;
    assert_eq!(found.unwrap().unwrap().bytes, receipt.signed.bytes());

    // Somebody else is at it.
    owner
        .batch_execute("UPDATE leases SET expires_at = 9000000000000000")
        .await
        .unwrap();
    let refused = migrate().await.unwrap_err();
    assert!(
        matches!(refused, PostgresError::Schema(SchemaError::Busy)),
        "{refused}"
    );
    // Somebody else was at it, and died.
    owner
        .batch_execute("UPDATE leases SET expires_at = 1")
        .await
        .unwrap();
    migrate().await.unwrap();

    // A later step that this program need not know is no reason to refuse; one that it must is.
    owner
        .batch_execute("INSERT INTO schema_migrations VALUES (2, 'two', '', 1, 1, true)")
        .await
        .unwrap();
    installation.open().await;
    owner
        .batch_execute("UPDATE schema_migrations SET needs = 2 WHERE number = 2")
        .await
        .unwrap();
    for refused in [
        installation.try_open("relynt").await.unwrap_err(),
        migrate().await.unwrap_err(),
    ] {
        assert!(
            matches!(
                refused,
                PostgresError::Schema(SchemaError::Newer { needs: 2, known: 1 })
            ),
            "{refused}"
        );
    }
    owner
        .batch_execute(
            "DELETE FROM schema_migrations WHERE number = 2;
             UPDATE schema_migrations SET checksum = '\\x00'",
        )
        .await
        .unwrap();
    let refused = installation.try_open("relynt").await.unwrap_err();
    assert!(
        matches!(
            refused,
            PostgresError::Schema(SchemaError::Altered { number: 1, .. })
        ),
        "{refused}"
    );
}

#[tokio::test]
async fn a_database_is_opened_with_its_key_its_schema_and_its_roles() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    installation.open().await.check_writable().await.unwrap();
    installation.open().await.check_writable().await.unwrap();

    let mut options = installation.options(GATEWAY, "relynt");
    options.master_key = Zeroizing::new([8; 32]);
    let refused = PostgresStore::open(options).await.unwrap_err();
    assert!(matches!(refused, PostgresError::WrongKey), "{refused}");

    let owner = installation.connect(OWNER, "postgres").await;
    owner.batch_execute("CREATE DATABASE empty").await.unwrap();
    let refused = installation.try_open("empty").await.unwrap_err();
    assert!(
        matches!(refused, PostgresError::Schema(SchemaError::Older { .. })),
        "{refused}"
    );

    // A login without the roles.
    owner
        .batch_execute("CREATE ROLE stranger LOGIN PASSWORD 'open-sesame'")
        .await
        .unwrap();
    let refused = PostgresStore::open(installation.options("stranger", "relynt"))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("relynt_application"),
        "{refused}"
    );

    let mut options = installation.options(GATEWAY, "relynt");
    options.url = Zeroizing::new(options.url.replace("open-sesame", "wrong"));
    let refused = PostgresStore::open(options).await.unwrap_err();
    assert!(refused.to_string().contains("28P01"), "{refused}");
    assert!(!refused.to_string().contains("wrong"), "{refused}");
}

#[tokio::test]
async fn an_address_that_would_send_the_password_in_clear_is_refused() {
    let entropy = Arc::new(relynt_testkit::SeededEntropy::new(1));
    for (url, expected) in [
        (
            "postgresql://a:b@db.example.com/relynt?sslmode=disable",
            "`sslmode=disable` is for a server on this machine",
        ),
        (
            "postgresql://a:b@127.0.0.1,db.example.com/relynt?sslmode=disable",
            "`sslmode=disable` is for a server on this machine",
        ),
        (
            "postgresql://a:b@127.0.0.1/relynt?sslmode=require",
            "`sslmode` is `verify-full` or `disable`",
        ),
        (
            "postgresql://a:b@127.0.0.1/relynt?sslmode=prefer",
            "`sslmode` is `verify-full` or `disable`",
        ),
        ("nonsense", "`postgresql://login@host/database` is"),
        (
            "postgresql://a:b@127.0.0.1/relynt?nonsense=1",
            "`postgresql://login@host/database` is",
        ),
    ] {
        let options = relynt_store::PostgresOptions::new(
            Zeroizing::new(url.to_owned()),
            Zeroizing::new([7; 32]),
            Arc::clone(&entropy) as Arc<dyn relynt_gateway::ports::Entropy>,
        );
        let refused = PostgresStore::open(options).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{url}: {refused}");
        assert!(!refused.contains("a:b"), "{refused}");
    }
}

#[tokio::test]
async fn a_server_is_believed_by_its_certificate_for_its_name() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let server = PostgresServer::start_with(
        PostgresVersion::Fifteen,
        &["ssl=on"],
        &[
            ("server.crt", &made.cert.pem()),
            ("server.key", &made.signing_key.serialize_pem()),
        ],
    );
    let installation = Installation::on(server).await;
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, made.cert.pem()).unwrap();
    let stranger = folder.path().join("stranger.pem");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&stranger, other.cert.pem()).unwrap();
    let nobody = folder.path().join("nobody.pem");
    std::fs::write(&nobody, "").unwrap();

    let open = async |host: &str, mode: &str, authorities: &std::path::Path| {
        let mut options = installation.options(GATEWAY, "relynt");
        let end = format!("{mode}sslrootcert={}", authorities.display());
        options.url = Zeroizing::new(
            options
                .url
                .replace("127.0.0.1", host)
                .replace("sslmode=disable", &end),
        );
        PostgresStore::open(options).await
    };
    for mode in ["sslmode=verify-full&", ""] {
        let store = open("localhost", mode, &authority).await.unwrap();
        store.check_writable().await.unwrap();
    }
    let encrypted: i64 = installation
        .beside()
        .await
        .query_one(
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
             WHERE usename = 'gateway' AND NOT ssl",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(encrypted, 0, "a connection in clear");
    for (host, authorities) in [
        ("localhost", &stranger),
        ("127.0.0.1", &authority),
        ("localhost", &nobody),
        ("localhost", &folder.path().join("absent")),
    ] {
        let refused = open(host, "", authorities).await;
        assert!(refused.is_err(), "{host} {}", authorities.display());
    }
}

#[tokio::test]
async fn of_several_hosts_the_one_that_can_be_written_is_used() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    let read_only = Installation::start_with(
        PostgresVersion::Fifteen,
        &["default_transaction_read_only=off"],
    )
    .await;
    read_only
        .beside()
        .await
        .batch_execute("ALTER ROLE gateway SET default_transaction_read_only = on")
        .await
        .unwrap();
    let mut options = installation.options(GATEWAY, "relynt");
    // A host where nobody listens, one that only reads, and the right one.
    let hosts = format!(
        "@127.0.0.1:1,127.0.0.1:{},127.0.0.1:{}/",
        read_only.server.port(),
        installation.server.port()
    );
    let one = format!("@127.0.0.1:{}/", installation.server.port());
    options.url = Zeroizing::new(options.url.replace(&one, &hosts));
    let store = PostgresStore::open(options).await.unwrap();
    store.check_writable().await.unwrap();
    let refused = PostgresStore::open(read_only.options(GATEWAY, "relynt")).await;
    assert!(refused.is_err(), "{refused:?}");
}
