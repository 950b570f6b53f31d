//! The files of a store: how large they get, and a disk without room.

use std::sync::Arc;

use futures_util::future::join_all;
use relynt_domain::Decision;
use relynt_gateway::ports::{Calls as _, Ledger as _, Page, ReceiptFilter, Store as _, StoreError};
use relynt_store::SqliteStore;
use relynt_testkit::sample::Tenant;

use crate::support::{count, open, options};

#[tokio::test]
async fn a_full_store_refuses_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.max_pages = Some(150);
    let store = SqliteStore::open(options).unwrap();
    let tenant = Tenant::create(&*store, "full").await;
    let mut kept = 0;
    let refused = loop {
        let call = tenant.call();
        let plan = tenant.maker.closed(&call, Decision::Allow);
        match store
            .record_decision(tenant.seen(), Arc::clone(&call), plan)
            .await
        {
            Ok(_) => kept += 1,
            Err(error) => {
                let found = store
                    .find_call(tenant.organization, tenant.agent, &call.key)
                    .await
                    .unwrap();
                assert!(found.is_none());
                break error;
            }
        }
        assert!(kept < 10_000, "the store never fills");
    };
    assert!(matches!(refused, StoreError::Unwritable(_)), "{refused}");
    // Reading goes on, and so does whatever needs no room.
    let page = Page {
        after: None,
        limit: 1_000,
    };
    let page = store
        .list_receipts(tenant.organization, ReceiptFilter::default(), page)
        .await
        .unwrap();
    assert_eq!(page.receipts.len(), kept);
    store.check_writable().await.unwrap();
    drop(store);

    let store = SqliteStore::open(crate::support::options(folder.path())).unwrap();
    tenant
        .record(&*store, &tenant.call(), Decision::Allow)
        .await;
    assert_eq!(
        count(folder.path(), "SELECT count(*) FROM receipts"),
        i64::try_from(kept).unwrap() + 1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_ahead_log_does_not_grow_without_end() {
    let (folder, store) = open();
    let tenant = Arc::new(Tenant::create(&*store, "log").await);
    let tasks = (0..64).map(|_| {
        let (store, tenant) = (Arc::clone(&store), Arc::clone(&tenant));
        async move {
            for _ in 0..80 {
                tenant
                    .record(&*store, &tenant.call(), Decision::Allow)
                    .await;
            }
        }
    });
    join_all(tasks).await;
    let log = std::fs::metadata(folder.path().join("relynt.db-wal"))
        .unwrap()
        .len();
    assert!(
        log < 64 * 1024 * 1024,
        "the write-ahead log has {log} bytes"
    );
}
