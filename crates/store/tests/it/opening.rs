//! What opens, and what does not.

use relynt_domain::Decision;
use relynt_gateway::ports::{Calls as _, Ledger as _, Store as _, StoreError};
use relynt_store::{OpenError, OpenOptions, SqliteStore};
use relynt_testkit::NoEntropy;
use relynt_testkit::sample::Tenant;
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::support::{MASTER_KEY, beside, count, open, options, try_open};

#[test]
fn the_linked_sqlite_is_new_enough() {
    assert!(
        rusqlite::version_number() >= 3_051_003,
        "{}",
        rusqlite::version()
    );
}

#[test]
fn a_second_gateway_on_the_folder_is_refused() {
    let (folder, store) = open();
    let refused = try_open(folder.path()).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    assert!(
        refused
            .to_string()
            .starts_with("another gateway is running on `")
    );
    drop(store);
    try_open(folder.path()).unwrap();
}

#[test]
fn another_master_key_is_refused() {
    let (folder, store) = open();
    drop(store);
    let mut wrong = options(folder.path());
    wrong.master_key = Zeroizing::new([8; 32]);
    let refused = SqliteStore::open(wrong).unwrap_err();
    assert!(matches!(refused, OpenError::WrongKey { .. }), "{refused}");
    // The lock was given back.
    try_open(folder.path()).unwrap();
}

#[test]
fn a_store_of_a_newer_program_is_refused() {
    let (folder, store) = open();
    drop(store);
    beside(folder.path())
        .execute_batch("INSERT INTO schema_migrations VALUES (99, 'later', x'00')")
        .unwrap();
    let refused = try_open(folder.path()).unwrap_err();
    assert!(
        matches!(refused, OpenError::Newer { found: 99, .. }),
        "{refused}"
    );
}

#[test]
fn without_randomness_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let key = Zeroizing::new(MASTER_KEY);
    let refused = SqliteStore::open(OpenOptions::new(folder.path(), key, Arc::new(NoEntropy)));
    assert!(matches!(refused.unwrap_err(), OpenError::Keys(_)));
}

#[cfg(unix)]
#[test]
fn its_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("new/data");
    let store = try_open(&folder).unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&folder) & 0o777, 0o700);
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
    drop(store);
}

#[tokio::test]
async fn a_closed_store_answers_nothing_and_keeps_everything() {
    let (folder, store) = open();
    let tenant = Tenant::create(&*store, "closed").await;
    let call = tenant.call();
    let receipt = tenant.record(&*store, &call, Decision::Allow).await;
    store.close();
    store.close();
    assert!(matches!(
        store.check_writable().await,
        Err(StoreError::Closed)
    ));
    let read = store.find_receipt(tenant.organization, receipt.id).await;
    assert!(matches!(read, Err(StoreError::Closed)));
    drop(store);

    // All of it is in the database itself.
    let log = folder.path().join("relynt.db-wal");
    assert!(!log.exists() || std::fs::metadata(&log).unwrap().len() == 0);
    let store = try_open(folder.path()).unwrap();
    let stored = store
        .find_receipt(tenant.organization, receipt.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.bytes, receipt.signed.bytes());
    // With its key unwrapped again.
    let request =
        relynt_gateway::ports::Approvals::find_request(&*store, tenant.organization, receipt.id);
    assert!(request.await.unwrap().unwrap().body.contains("update_deal"));
    let known = store
        .find_call(tenant.organization, tenant.agent, &call.key)
        .await
        .unwrap();
    assert_eq!(known.unwrap().receipt_id, receipt.id);
}

#[tokio::test]
async fn what_was_answered_survives_a_crash() {
    let (folder, store) = open();
    let tenant = Tenant::create(&*store, "crash").await;
    for _ in 0..50 {
        tenant
            .record(&*store, &tenant.call(), Decision::Allow)
            .await;
    }
    // The files as a killed process leaves them.
    let copy = tempfile::tempdir().unwrap();
    for file in ["relynt.db", "relynt.db-wal"] {
        std::fs::copy(folder.path().join(file), copy.path().join(file)).unwrap();
    }
    let again = try_open(copy.path()).unwrap();
    again.check_writable().await.unwrap();
    assert_eq!(count(copy.path(), "SELECT count(*) FROM receipts"), 50);
    // The organization, its agent and its credential are records of their own.
    assert_eq!(count(copy.path(), "SELECT count(*) FROM log_queue"), 53);
}
