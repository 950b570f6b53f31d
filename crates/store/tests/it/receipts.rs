//! Receipts are only ever added.

use relynt_domain::Decision;
use relynt_gateway::ports::Ledger as _;
use relynt_testkit::sample::Tenant;

use crate::support::{beside, count, open};

#[tokio::test]
async fn the_database_refuses_to_change_or_remove_records() {
    let (folder, store) = open();
    let tenant = Tenant::create(&*store, "refuses").await;
    tenant.record(&*store, &tenant.call(), Decision::Deny).await;
    let connection = beside(folder.path());
    for table in ["receipts", "admin_records"] {
        let columns: String = connection
            .query_one(
                "SELECT group_concat(name) FROM pragma_table_info(?1) WHERE name <> 'seq'",
                [table],
                |row| row.get(0),
            )
            .unwrap();
        let before: String = dump(&connection, table);
        for sql in [
            format!("UPDATE {table} SET bytes = x'00'"),
            format!("UPDATE {table} SET created_at = created_at"),
            format!("UPDATE OR REPLACE {table} SET seq = seq + 1"),
            format!("UPDATE OR IGNORE {table} SET bytes = x'00'"),
            format!("DELETE FROM {table}"),
            format!("DELETE FROM {table} WHERE seq = 1"),
            format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}"),
            format!("INSERT OR REPLACE INTO {table} ({columns}) SELECT {columns} FROM {table}"),
            format!("REPLACE INTO {table} SELECT * FROM {table}"),
            format!("INSERT OR IGNORE INTO {table} ({columns}) SELECT {columns} FROM {table}"),
            // Another id in the place of a row that is there.
            format!(
                "REPLACE INTO {table} (seq, {columns}) SELECT seq, {} FROM {table} WHERE seq = 1",
                columns.replacen("id", "randomblob(16)", 1).replacen(
                    "organizatrandomblob(16)on",
                    "organization",
                    1
                )
            ),
            format!(
                "INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE true
                 ON CONFLICT DO UPDATE SET bytes = x'00'"
            ),
        ] {
            let refused = connection.execute_batch(&sql).unwrap_err().to_string();
            assert!(refused.contains("are only ever added"), "{sql}: {refused}");
        }
        assert_eq!(dump(&connection, table), before);
    }
}

fn dump(connection: &rusqlite::Connection, table: &str) -> String {
    let sql = format!("SELECT group_concat(seq || hex(id) || hex(bytes)) FROM {table}");
    connection.query_one(&sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn every_record_stands_in_the_queue_of_the_log() {
    let (folder, store) = open();
    let tenant = Tenant::create(&*store, "queue").await;
    let receipt = tenant
        .record(&*store, &tenant.call(), Decision::Allow)
        .await;
    let connection = beside(folder.path());
    let (kind, id, leaf): (String, Vec<u8>, Vec<u8>) = connection
        .query_one(
            "SELECT kind, id, leaf FROM log_queue ORDER BY seq DESC LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(kind, "receipt");
    assert_eq!(id, receipt.id.as_bytes());
    assert_eq!(leaf, receipt.signed.leaf_hash());
    let missing = "SELECT count(*) FROM (SELECT organization, id FROM receipts
        UNION ALL SELECT organization, id FROM admin_records
        EXCEPT SELECT organization, id FROM log_queue)";
    assert_eq!(count(folder.path(), missing), 0);
}

#[tokio::test]
async fn an_altered_column_reads_as_it_now_is() {
    let (folder, store) = open();
    let tenant = Tenant::create(&*store, "altered").await;
    let receipt = tenant
        .record(&*store, &tenant.call(), Decision::Allow)
        .await;
    let find = async || {
        store
            .find_receipt(tenant.organization, receipt.id)
            .await
            .unwrap()
            .unwrap()
    };
    let before = format!("{:?}", find().await);
    let connection = beside(folder.path());
    connection
        .execute_batch("DROP TRIGGER receipts_keep")
        .unwrap();
    for altered in [
        "created_at = created_at + 1",
        "created_at = created_at - 1",
        "created_at = -1",
        "agent_id = x'00'",
        "agent_id = randomblob(16)",
        "instance_id = 'run-2'",
        "approval_id = randomblob(16)",
        "approval_id = x'01'",
        "action = 'other'",
        "resource = 'other'",
        "decision = 'deny'",
        "decision = 'nonsense'",
        "risk_level = 'high'",
        "bytes = x'7b7d'",
    ] {
        connection.execute_batch("BEGIN").unwrap();
        connection
            .execute_batch(&format!("UPDATE receipts SET {altered}"))
            .unwrap();
        connection.execute_batch("COMMIT").unwrap();
        let after = format!("{:?}", find().await);
        assert_ne!(after, before, "{altered}");
        restore(&connection, &receipt);
        assert_eq!(format!("{:?}", find().await), before);
    }
}

fn restore(connection: &rusqlite::Connection, receipt: &relynt_gateway::ports::NewReceipt) {
    connection
        .execute(
            "UPDATE receipts SET created_at = ?1, agent_id = ?2, instance_id = ?3,
             approval_id = NULL, action = ?4, resource = ?5, decision = ?6, risk_level = ?7,
             bytes = ?8",
            rusqlite::params![
                receipt.created_at.unix_micros(),
                receipt.agent.as_bytes(),
                receipt.instance_id,
                receipt.action,
                receipt.resource,
                receipt.decision.as_str(),
                receipt.risk_level.as_str(),
                receipt.signed.bytes(),
            ],
        )
        .unwrap();
}
