//! Group commit.

use std::sync::Arc;

use futures_util::future::join_all;
use relynt_domain::Decision;
use relynt_store::SqliteStore;
use relynt_testkit::sample::Tenant;

use crate::support::{count, open};

/// The median of the sizes of the groups since `before`.
fn median(before: &[u64], after: &[u64]) -> usize {
    let sizes: Vec<u64> = after.iter().zip(before).map(|(a, b)| a - b).collect();
    let groups: u64 = sizes.iter().sum();
    let mut seen = 0;
    for (size, number) in sizes.iter().enumerate() {
        seen += number;
        if seen * 2 >= groups {
            return size;
        }
    }
    unreachable!("there was no group")
}

/// `callers` at once, each with `calls` calls, one after the other.
async fn load(store: &Arc<SqliteStore>, tenant: &Arc<Tenant>, callers: usize, calls: usize) {
    let tasks = (0..callers).map(|_| {
        let (store, tenant) = (Arc::clone(store), Arc::clone(tenant));
        async move {
            for _ in 0..calls {
                tenant
                    .record(&*store, &tenant.call(), Decision::Allow)
                    .await;
            }
        }
    });
    join_all(tasks).await;
}

#[tokio::test]
async fn one_caller_never_waits_for_others() {
    let (_folder, store) = open();
    let tenant = Arc::new(Tenant::create(&*store, "one caller").await);
    let before = store.group_sizes();
    load(&store, &tenant, 1, 50).await;
    let after = store.group_sizes();
    assert_eq!(after[1] - before[1], 50);
    assert_eq!(median(&before, &after), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_their_commits() {
    let (_folder, store) = open();
    let tenant = Arc::new(Tenant::create(&*store, "many callers").await);
    let before = store.group_sizes();
    load(&store, &tenant, 64, 20).await;
    let median = median(&before, &store.group_sizes());
    assert!(median >= 8, "the median group has {median} commands");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_leave_ten_thousand_receipts() {
    let (folder, store) = open();
    let tenant = Arc::new(Tenant::create(&*store, "ten thousand").await);
    load(&store, &tenant, 100, 100).await;
    for (sql, expected) in [
        ("SELECT count(*) FROM receipts", 10_000),
        ("SELECT count(DISTINCT id) FROM receipts", 10_000),
        ("SELECT count(*) FROM calls", 10_000),
        ("SELECT count(*) FROM requests", 10_000),
        (
            "SELECT count(*) FROM log_queue WHERE kind = 'receipt'",
            10_000,
        ),
        (
            "SELECT count(*) FROM calls c JOIN receipts r
                 ON r.organization = c.organization AND r.id = c.receipt",
            10_000,
        ),
    ] {
        assert_eq!(count(folder.path(), sql), expected, "{sql}");
    }
}
