use std::sync::Arc;

use relynt_domain::Decision;
use relynt_gateway::ports::{Ledger as _, ReceiptFilter, Store};
use relynt_ledger::Receipt;
use relynt_testkit::SeededEntropy;
use relynt_testkit::sample::Tenant;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::{OpenOptions, SqliteStore};

async fn store_with(receipts: usize) -> (TempDir, Arc<SqliteStore>, Tenant, Vec<ReceiptId>) {
    let folder = tempfile::tempdir().unwrap();
    let entropy = Arc::new(SeededEntropy::new(1));
    let options = OpenOptions::new(folder.path(), Zeroizing::new([7; 32]), entropy);
    let store = SqliteStore::open(options).unwrap();
    let tenant = Tenant::create(&*store as &dyn Store, "walk").await;
    let mut ids = Vec::new();
    for _ in 0..receipts {
        ids.push(
            tenant
                .record(&*store, &tenant.call(), Decision::Allow)
                .await
                .id,
        );
    }
    ids.reverse();
    (folder, store, tenant, ids)
}

fn ids(page: &ReceiptPage) -> Vec<ReceiptId> {
    let id = |bytes: &Vec<u8>| {
        Receipt::from_bytes(bytes)
            .unwrap()
            .record()
            .receipt_id
            .clone()
    };
    page.receipts
        .iter()
        .map(|bytes| id(bytes).parse().unwrap())
        .collect()
}

async fn run(store: &SqliteStore, walk: Walk) -> ReceiptPage {
    store
        .walks
        .read(move |reader| walk.run(reader))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_search_that_costs_too_much_says_where_it_was() {
    let (_folder, store, tenant, all) = store_with(7).await;
    // Only the oldest receipt is searched for.
    let filter = ReceiptFilter {
        search: Some(all[6].to_string()),
        ..ReceiptFilter::default()
    };
    let mut after = None;
    let mut pages = Vec::new();
    loop {
        let page = Page { after, limit: 5 };
        let mut walk = Walk::new(tenant.organization, filter.clone(), page);
        assert!(walk.is_long());
        walk.bounds.rows = 3;
        let page = run(&store, walk).await;
        after = page.next;
        pages.push(ids(&page));
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![], vec![], vec![all[6]]]);
}

#[tokio::test]
async fn a_list_in_many_transactions_is_the_same_list() {
    let (_folder, store, tenant, all) = store_with(7).await;
    let filters = [
        ReceiptFilter::default(),
        ReceiptFilter {
            agent: Some(tenant.agent),
            ..ReceiptFilter::default()
        },
        ReceiptFilter {
            search: Some("deal".to_owned()),
            ..ReceiptFilter::default()
        },
    ];
    for filter in filters {
        let page = Page {
            after: None,
            limit: 50,
        };
        let mut walk = Walk::new(tenant.organization, filter, page);
        walk.bounds.transaction = Duration::ZERO;
        let page = run(&store, walk).await;
        assert_eq!(ids(&page), all);
        assert!(page.next.is_none());
    }
}

#[tokio::test]
async fn time_that_is_up_ends_a_list_after_a_row() {
    let (_folder, store, tenant, all) = store_with(3).await;
    let page = Page {
        after: None,
        limit: 50,
    };
    let mut walk = Walk::new(tenant.organization, ReceiptFilter::default(), page);
    walk.bounds.time = Duration::ZERO;
    let page = run(&store, walk).await;
    assert_eq!(ids(&page), all[..1]);
    assert_eq!(page.next.unwrap().1, *all[0].as_bytes());
}

#[tokio::test]
async fn a_read_that_takes_too_long_is_broken_off() {
    let (_folder, store, ..) = store_with(0).await;
    let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
        SELECT count(*) FROM n";
    let read = store
        .points
        .read(move |reader| {
            Ok(reader
                .connection()
                .query_one(endless, [], |row| row.get::<_, i64>(0))?)
        })
        .await;
    let error = read.unwrap_err().to_string();
    assert_eq!(error, "the store failed: reading took too long");
}

#[tokio::test]
async fn a_read_that_panics_takes_no_thread_with_it() {
    let (_folder, store, tenant, all) = store_with(1).await;
    for _ in 0..10 {
        let broken = store
            .points
            .read(|_| -> Result<(), Failure> { panic!("broken") })
            .await;
        assert!(broken.is_err());
    }
    let found = store
        .find_receipt(tenant.organization, all[0])
        .await
        .unwrap();
    assert!(found.is_some());
}

/// Along the table's own key, and only what is not in it yet is sorted.
const BEHIND: &str = "MERGE (UNION ALL); LEFT; SEARCH w USING PRIMARY KEY (organization=? AND";

#[tokio::test]
async fn lists_follow_an_index_and_only_narrow_ones_sort() {
    let (_folder, store, ..) = store_with(0).await;
    for (sql, sorts) in [
        (sql::WALK_BY_TIME, None),
        (sql::WALK_BY_AGENT, Some(BEHIND)),
        (sql::WALK_BY_INSTANCE, Some(BEHIND)),
        (sql::WALK_BY_APPROVAL, Some("ORDER BY")),
        (sql::LIST_APPROVALS, None),
        (sql::LIST_APPROVALS_OF_STATUS, None),
        (sql::LIST_APPROVALS_OF_AGENT, None),
        (sql::LIST_APPROVALS_OF_BOTH, None),
        (sql::LIST_POLICIES, None),
        (sql::OPEN_APPROVAL, Some("ORDER BY")),
        (sql::PENDING_OF_AGENT, Some("approvals_open")),
        (sql::LIST_EXPIRED, None),
        (sql::CHANGED_AGENTS, None),
        (sql::CHANGED_CREDENTIALS, None),
        (sql::CHANGED_TOKENS, None),
        (sql::CHANGED_MEMBERS, None),
        (sql::CHANGED_CONNECTORS, None),
    ] {
        let plan = store
            .points
            .read(move |reader| {
                let mut statement = reader
                    .connection()
                    .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let lines = statement.raw_query().mapped(|row| row.get(3));
                Ok(lines.collect::<Result<Vec<String>, _>>()?.join("; "))
            })
            .await
            .unwrap();
        assert!(
            plan.starts_with("SEARCH") || sorts == Some(BEHIND),
            "{sql}: {plan}"
        );
        match sorts {
            Some(how) => assert!(plan.contains(how), "{sql}: {plan}"),
            None => assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}"),
        }
    }
}

/// How many receipts are not yet in the tables that are filled behind the decisions.
async fn behind(store: &SqliteStore) -> i64 {
    store
        .points
        .read(|reader| {
            Ok(reader.connection().query_one(
                "SELECT (SELECT coalesce(max(seq), 0) FROM receipts)
                     - (SELECT upto FROM receipts_indexed)",
                [],
                |row| row.get(0),
            )?)
        })
        .await
        .unwrap()
}

async fn of_agent(store: &SqliteStore, tenant: &Tenant, limit: u32) -> Vec<ReceiptId> {
    let filter = ReceiptFilter {
        agent: Some(tenant.agent),
        ..ReceiptFilter::default()
    };
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after, limit };
        let page = run(store, Walk::new(tenant.organization, filter.clone(), page)).await;
        all.extend(ids(&page));
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

#[tokio::test]
async fn lists_are_complete_whether_receipts_are_indexed_yet_or_not() {
    let (folder, store, tenant, mut all) = store_with(3).await;
    // Decisions one after the other, faster than the store is ever idle: some batches are indexed
    // among them, the rest is not.
    for _ in 0..600 {
        let new = tenant.record(&*store, &tenant.call(), Decision::Deny).await;
        all.insert(0, new.id);
    }
    assert_eq!(of_agent(&store, &tenant, 200).await, all);
    assert_eq!(of_agent(&store, &tenant, 7).await, all);

    // What was not indexed when the store was closed is found after the next start, and indexed once
    // nobody asks for anything.
    store.close();
    drop(store);
    let entropy = Arc::new(SeededEntropy::new(2));
    let options = OpenOptions::new(folder.path(), Zeroizing::new([7; 32]), entropy);
    let store = SqliteStore::open(options).unwrap();
    assert_eq!(of_agent(&store, &tenant, 200).await, all);
    let new = tenant.record(&*store, &tenant.call(), Decision::Deny).await;
    all.insert(0, new.id);
    while behind(&store).await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(of_agent(&store, &tenant, 200).await, all);
    let instance = ReceiptFilter {
        instance_id: Some(tenant.call().instance_id.clone()),
        ..ReceiptFilter::default()
    };
    let page = Page {
        after: None,
        limit: 200,
    };
    let page = run(&store, Walk::new(tenant.organization, instance, page)).await;
    assert_eq!(ids(&page), all[..200]);
}

#[tokio::test]
async fn another_organizations_receipts_are_in_no_list_indexed_or_not() {
    let (_folder, store, tenant, all) = store_with(2).await;
    let other = Tenant::create(&*store as &dyn Store, "other").await;
    let filter = ReceiptFilter {
        agent: Some(tenant.agent),
        ..ReceiptFilter::default()
    };
    for _ in 0..2 {
        let page = Page {
            after: None,
            limit: 10,
        };
        let walk = Walk::new(other.organization, filter.clone(), page);
        assert!(run(&store, walk).await.receipts.is_empty());
        assert_eq!(of_agent(&store, &tenant, 10).await, all);
        while behind(&store).await > 0 {
            tokio::task::yield_now().await;
        }
    }
}
