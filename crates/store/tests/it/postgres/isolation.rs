//! The second fence: what the database refuses whatever it is asked.

use relynt_domain::{Decision, OrganizationId};
use relynt_testkit::postgres::PostgresVersion;
use relynt_testkit::sample::Tenant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::support::{GATEWAY, Installation};

/// What belongs to the installation and not to a tenant.
const SHARED: [&str; 6] = [
    "leases",
    "meta",
    "probe",
    "schema_migrations",
    "signing_keys",
    "users",
];
/// Never changed or removed.
const KEPT: [&str; 2] = ["receipts", "admin_records"];

/// A connection that acts as one of the two roles, or as whoever logs in.
async fn acting(installation: &Installation, role: &str) -> Client {
    let client = installation.connect(GATEWAY, "relynt").await;
    client
        .batch_execute(&format!("SET ROLE {role}"))
        .await
        .unwrap();
    client
}

async fn scoped(client: &Client, organizations: &str) {
    client
        .batch_execute(&format!(
            "SELECT set_config('relynt.organizations', '{organizations}', false)"
        ))
        .await
        .unwrap();
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Rows that a statement has changed.
async fn changed(client: &Client, sql: &str) -> u64 {
    match client.simple_query(sql).await.unwrap().pop() {
        Some(SimpleQueryMessage::CommandComplete(rows)) => rows,
        other => panic!("{other:?}"),
    }
}

async fn refusal(client: &Client, sql: &str) -> SqlState {
    match client.batch_execute(sql).await {
        Err(error) => error.code().unwrap_or_else(|| panic!("{error}")).clone(),
        Ok(()) => panic!("not refused: {sql}"),
    }
}

/// Every table, with what divides it.
async fn tables(installation: &Installation) -> Vec<(String, &'static str)> {
    let rows = installation
        .beside()
        .await
        .query(
            "SELECT relname::text FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname",
            &[],
        )
        .await
        .unwrap();
    let divides = |name: &str| match name {
        "organizations" => "id",
        _ => "organization",
    };
    rows.iter()
        .map(|row| row.get::<_, String>(0))
        .filter(|name| !SHARED.contains(&name.as_str()))
        .map(|name| {
            let column = divides(&name);
            (name, column)
        })
        .collect()
}

/// Two organizations with something in every table.
async fn two_tenants(installation: &Installation) -> (OrganizationId, OrganizationId) {
    let store = installation.open().await;
    let mut organizations = Vec::new();
    for name in ["ours", "theirs"] {
        let mut tenant = Tenant::create(&*store, name).await;
        let call = tenant.call();
        tenant.record(&*store, &call, Decision::Deny).await;
        tenant.ask(&*store, &tenant.call()).await;
        let call = tenant.call();
        tenant
            .start(&*store, &call, tenant.maker.incarnation())
            .await;
        let connector = tenant.new_connector("crm", "secret");
        tenant
            .change(&*store, relynt_gateway::ports::Change::Connector(connector))
            .await;
        organizations.push(tenant.organization);
    }
    (organizations[0], organizations[1])
}

#[tokio::test]
async fn the_database_shows_and_changes_only_what_belongs_to_the_transactions_organizations() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    let (ours, theirs) = two_tenants(&installation).await;
    let client = acting(&installation, "relynt_application").await;
    let tables = tables(&installation).await;
    assert_eq!(tables.len(), 14, "{tables:?}");
    for (table, column) in &tables {
        let all = format!("SELECT count(*) FROM {table}");
        let of_theirs = format!("SELECT count(*) FROM {table} WHERE {column} = '{theirs}'");
        // Nothing said, or nothing that is an organization of theirs: nothing seen.
        client
            .batch_execute("RESET relynt.organizations")
            .await
            .unwrap();
        assert_eq!(count(&client, &all).await, 0, "{table}");
        let nobody = "00000000-0000-7000-8000-000000000000";
        for scope in ["", nobody, &ours.to_string()] {
            scoped(&client, scope).await;
            assert_eq!(count(&client, &of_theirs).await, 0, "{table}: {scope}");
        }
        let seen_by_us = count(&client, &all).await;
        assert!(seen_by_us > 0, "{table} is empty: nothing is shown by it");
        scoped(&client, &format!("{ours},{theirs}")).await;
        assert!(count(&client, &all).await > seen_by_us, "{table}");
        assert!(count(&client, &of_theirs).await > 0, "{table}");

        // Nor is anything put among theirs, or taken there.
        scoped(&client, &ours.to_string()).await;
        let owner = installation.beside().await;
        let columns: String = owner
            .query_one(
                "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute
                 WHERE attrelid = $1::text::regclass AND attnum > 0",
                &[table],
            )
            .await
            .unwrap()
            .get(0);
        let values: Vec<String> = columns
            .split(',')
            .map(|name| match name {
                name if name == *column => format!("'{theirs}'::uuid"),
                name => name.to_owned(),
            })
            .collect();
        let moved = format!(
            "INSERT INTO {table} ({columns}) SELECT {} FROM {table}",
            values.join(",")
        );
        let said = refusal(&client, &moved).await;
        assert_eq!(said, SqlState::INSUFFICIENT_PRIVILEGE, "{table}");
        let said = refusal(&client, &format!("DELETE FROM {table}")).await;
        assert_eq!(said, SqlState::INSUFFICIENT_PRIVILEGE, "{table}");
        let said = refusal(
            &client,
            &format!("UPDATE {table} SET {column} = '{theirs}'"),
        )
        .await;
        assert_eq!(said, SqlState::INSUFFICIENT_PRIVILEGE, "{table}");
        let mut updates = vec![
            ("organizations", "change_number = change_number + 1"),
            ("agents", "status = 'disabled'"),
            ("approvals", "status = 'approved'"),
            ("calls", "http_status = 500"),
            ("executions", "status = 'failed'"),
        ];
        updates.retain(|(name, _)| name == table);
        for (_, update) in updates {
            let sql = format!("UPDATE {table} SET {update} WHERE {column} = '{theirs}'");
            assert_eq!(changed(&client, &sql).await, 0, "{sql}");
        }
    }
}

#[tokio::test]
async fn the_roles_own_nothing_and_security_is_forced_everywhere() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    let owner = installation.beside().await;
    for (table, _) in tables(&installation).await {
        let row = owner
            .query_one(
                "SELECT relrowsecurity AND relforcerowsecurity,
                    (SELECT string_agg(pg_get_expr(polqual, polrelid), '') FROM pg_policy
                     WHERE polrelid = pg_class.oid AND polname = 'own')
                 FROM pg_class WHERE oid = $1::text::regclass",
                &[&table],
            )
            .await
            .unwrap();
        assert!(row.get::<_, bool>(0), "{table}");
        let policy: String = row.get(1);
        assert!(
            policy.contains("ANY ((string_to_array(current_setting('relynt.organizations'::text, true), ','::text))::uuid[])"),
            "{table}: {policy}"
        );
    }
    let theirs = count(
        &owner,
        "SELECT count(*) FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner
         WHERE rolname LIKE 'relynt%'",
    )
    .await;
    assert_eq!(theirs, 0);
    let powers = count(
        &owner,
        "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'relynt%'
         AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin OR rolinherit)",
    )
    .await;
    assert_eq!(powers, 0);
}

#[tokio::test]
async fn whoever_looks_things_up_reads_heads_and_nothing_else() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    two_tenants(&installation).await;
    let client = acting(&installation, "relynt_lookup").await;
    for sql in [
        "SELECT count(*) FROM (SELECT id, change_number FROM organizations) AS heads",
        "SELECT count(*) FROM (SELECT id, email_key FROM users) AS heads",
        "SELECT count(*) FROM (SELECT organization, id, lookup FROM credentials) AS heads",
        "SELECT count(*) FROM (SELECT organization, id, lookup FROM tokens) AS heads",
        "SELECT count(*) FROM (SELECT organization, id, expires_at FROM approvals) AS heads",
        "SELECT count(*) FROM (SELECT organization, id, deadline_at FROM executions) AS heads",
    ] {
        assert_eq!(count(&client, sql).await, 2, "{sql}");
    }
    for sql in [
        "SELECT name FROM organizations",
        "SELECT wrapped_key FROM organizations",
        "SELECT email FROM users",
        "SELECT secret_hash FROM credentials",
        "SELECT secret_hash FROM tokens",
        "SELECT resource FROM approvals",
        "SELECT draft FROM executions",
        "SELECT 1 FROM receipts",
        "SELECT 1 FROM requests",
        "SELECT 1 FROM calls",
        "SELECT 1 FROM agents",
        "SELECT 1 FROM policies",
        "SELECT 1 FROM connectors",
        "SELECT 1 FROM admin_records",
        "SELECT 1 FROM log_queue",
        "SELECT 1 FROM memberships",
        "SELECT 1 FROM signing_keys",
        "SELECT 1 FROM meta",
        "UPDATE organizations SET change_number = 0",
        "INSERT INTO probe (id, commits) VALUES (1, 1)",
    ] {
        let said = refusal(&client, sql).await;
        assert_eq!(said, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
}

#[tokio::test]
async fn the_database_refuses_to_change_or_remove_records() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    let (ours, _) = two_tenants(&installation).await;
    let client = acting(&installation, "relynt_application").await;
    scoped(&client, &ours.to_string()).await;
    for table in KEPT {
        let before = count(&client, &format!("SELECT count(*) FROM {table}")).await;
        for sql in [
            format!("UPDATE {table} SET bytes = ''"),
            format!("UPDATE {table} SET created_at = created_at"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
            format!("DROP TABLE {table}"),
            format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
            format!(
                "INSERT INTO {table} SELECT * FROM {table}
                 ON CONFLICT (organization, id) DO UPDATE SET bytes = ''"
            ),
        ] {
            let said = refusal(&client, &sql).await;
            assert_eq!(said, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
        }
        let again = format!("INSERT INTO {table} SELECT * FROM {table}");
        assert_eq!(refusal(&client, &again).await, SqlState::UNIQUE_VIOLATION);
        let after = count(&client, &format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(before, after);
    }
}
