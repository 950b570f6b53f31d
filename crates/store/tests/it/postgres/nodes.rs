//! Several gateways over one database, and a database that goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use relynt_domain::{Decision, PolicyVersion, ReceiptId};
use relynt_gateway::ports::{
    Calls as _, Change, ChangeError, Decided, Ledger as _, Plan, Recorded, Store as _, StoreError,
};
use relynt_testkit::postgres::PostgresVersion;
use relynt_testkit::sample::Tenant;

use super::support::Installation;

#[tokio::test]
async fn of_two_nodes_with_one_key_one_wins() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    let nodes = [installation.open().await, installation.open().await];
    let tenant = Tenant::create(&*nodes[0], "nodes").await;
    for _ in 0..20 {
        // Sixteen callers of each node, in opposite order of the keys.
        let mut calls: Vec<_> = (0..16).map(|_| tenant.call()).collect();
        let mut asked = Vec::new();
        for node in &nodes {
            for call in &calls {
                let plan = tenant.maker.closed(call, Decision::Allow);
                asked.push(node.record_decision(tenant.seen(), Arc::clone(call), plan));
            }
            calls.reverse();
        }
        let mut new = Vec::new();
        let mut known = Vec::new();
        for recorded in join_all(asked).await {
            match recorded.unwrap() {
                Recorded::New(decided) => match *decided {
                    Decided::Close { receipt, .. } => new.push(receipt.id),
                    Decided::Execute(_) => unreachable!(),
                },
                Recorded::Known(call) => known.push(call.receipt_id),
                other => panic!("{other:?}"),
            }
        }
        new.sort_unstable();
        known.sort_unstable();
        assert_eq!(new.len(), 16);
        assert_eq!(new, known);
    }
}

#[tokio::test]
async fn of_two_nodes_with_one_approval_to_open_one_opens_it() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    let nodes = [installation.open().await, installation.open().await];
    let tenant = Tenant::create(&*nodes[0], "approval").await;
    for round in 0..20 {
        let payload = format!("{{\"amount\":{round}}}");
        let joined = join_all(
            nodes
                .iter()
                .flat_map(|node| [node, node])
                .map(async |node| {
                    let call = tenant
                        .maker
                        .call_with(tenant.organization, tenant.agent, &payload);
                    let (_, opens) = tenant.maker.asked(&call);
                    let joins = tenant.maker.close(&call, Decision::PendingApproval);
                    let met = Arc::new(AtomicBool::new(false));
                    let meets = Arc::clone(&met);
                    let decide: relynt_gateway::ports::Decide = Arc::new(move |facts| {
                        let open = facts.open_approval.is_some();
                        meets.store(open, Ordering::SeqCst);
                        Ok(if open { joins.clone() } else { opens.clone() })
                    });
                    let recorded = node
                        .record_decision(tenant.seen(), call, Plan::InTransaction(decide))
                        .await;
                    assert!(matches!(recorded.unwrap(), Recorded::New(_)));
                    met.load(Ordering::SeqCst)
                }),
        )
        .await;
        let opened = joined.iter().filter(|met| !**met).count();
        assert_eq!(opened, 1, "round {round}");
    }
}

#[tokio::test]
async fn a_decision_that_waits_for_a_change_is_stale() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    let store = installation.open().await;
    let tenant = Tenant::create(&*store, "waits").await;
    let owner = installation.beside().await;
    let watch = installation.beside().await;
    // Another node's change, up to just before its commit.
    owner
        .batch_execute(&format!(
            "BEGIN; UPDATE organizations SET change_number = change_number + 1
             WHERE id = '{}'",
            tenant.organization
        ))
        .await
        .unwrap();
    let call = tenant.call();
    let plan = tenant.maker.closed(&call, Decision::Allow);
    let deciding = store.record_decision(tenant.seen(), Arc::clone(&call), plan);
    let changing = async {
        // The decision waits for the change, not the other way round.
        loop {
            let waiting: i64 = watch
                .query_one(
                    "SELECT count(*) FROM pg_stat_activity
                     WHERE wait_event_type = 'Lock' AND usename = 'gateway'",
                    &[],
                )
                .await
                .unwrap()
                .get(0);
            if waiting > 0 {
                break;
            }
        }
        owner.batch_execute("COMMIT").await.unwrap();
    };
    let (recorded, ()) = join(deciding, changing).await;
    assert!(matches!(recorded.unwrap(), Recorded::Stale));
    let found = store
        .find_call(tenant.organization, tenant.agent, &call.key)
        .await;
    assert!(found.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_comes_through_under_load_and_no_later_decision_is_of_before() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    let nodes = [installation.open().await, installation.open().await];
    let mut tenant = Tenant::create(&*nodes[0], "load").await;
    let calls = Tenant::create(&*nodes[0], "calls").await;
    let (organization, agent) = (tenant.organization, tenant.agent);
    let stop = AtomicBool::new(false);
    // Each caller goes on under the number that it last heard of.
    let number = std::sync::Mutex::new(tenant.seen());
    let load = join_all((0..32).map(async |caller: usize| {
        let mut stale = 0;
        while !stop.load(Ordering::SeqCst) {
            let seen = *number.lock().unwrap();
            let call = calls.maker.call(organization, agent);
            let plan = calls.maker.closed(&call, Decision::Allow);
            match nodes[caller % 2]
                .record_decision(seen, call, plan)
                .await
                .unwrap()
            {
                Recorded::New(_) => {}
                Recorded::Stale => stale += 1,
                other => panic!("{other:?}"),
            }
        }
        stale
    }));
    let changes = async {
        let mut longest = Duration::ZERO;
        for version in 2..12 {
            let policy =
                Tenant::new_policy(&tenant.maker, PolicyVersion(version), "[]", tenant.owner);
            let (before, began) = (tenant.seen(), Instant::now());
            tenant.change(&*nodes[0], Change::Policy(policy)).await;
            longest = longest.max(began.elapsed());
            // On both nodes, from the moment that it is made.
            for node in &nodes {
                let call = calls.maker.call(organization, agent);
                let plan = calls.maker.closed(&call, Decision::Allow);
                let recorded = node.record_decision(before, call, plan).await;
                assert!(matches!(recorded, Ok(Recorded::Stale)), "{recorded:?}");
            }
            *number.lock().unwrap() = tenant.seen();
        }
        stop.store(true, Ordering::SeqCst);
        longest
    };
    let (_, longest) = join(load, changes).await;
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

#[tokio::test]
async fn a_database_that_comes_back_is_used_again_with_all_that_was_acknowledged() {
    let mut installation = Installation::start(PostgresVersion::Fifteen).await;
    let store = installation.open().await;
    let tenant = Tenant::create(&*store, "comes back").await;
    let mut acknowledged: Vec<ReceiptId> = Vec::new();
    for round in 0..3 {
        for _ in 0..5 {
            let call = tenant.call();
            acknowledged.push(tenant.record(&*store, &call, Decision::Allow).await.id);
        }
        if round == 1 {
            installation.server.stop();
        } else {
            installation.server.crash();
        }
        let began = Instant::now();
        let call = tenant.call();
        let plan = tenant.maker.closed(&call, Decision::Allow);
        let refused = store.record_decision(tenant.seen(), call, plan).await;
        assert!(refused.is_err(), "{refused:?}");
        assert!(store.check_writable().await.is_err());
        assert!(
            store
                .find_receipt(tenant.organization, acknowledged[0])
                .await
                .is_err()
        );
        let mut other = Tenant::new_agent(&tenant, tenant.agent, "renamed");
        other.description = None;
        let refused = tenant.try_change(&*store, Change::Agent(other)).await;
        assert!(matches!(refused, Err(ChangeError::Store(_))), "{refused:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
        installation.server.restart();
        for id in &acknowledged {
            let found = store.find_receipt(tenant.organization, *id).await;
            assert!(found.unwrap().is_some());
        }
        store.check_writable().await.unwrap();
    }
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_a_closed_store_for_ever() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    let mut options = installation.options(super::support::GATEWAY, "relynt");
    options.queue_limit = 2;
    let store = relynt_store::PostgresStore::open(options).await.unwrap();
    let tenant = Tenant::create(&*store, "full").await;
    tenant
        .record(&*store, &tenant.call(), Decision::Allow)
        .await;
    let owner = installation.beside().await;
    // Nothing can be decided while this lasts.
    owner
        .batch_execute(&format!(
            "BEGIN; SELECT 1 FROM organizations WHERE id = '{}' FOR UPDATE",
            tenant.organization
        ))
        .await
        .unwrap();
    // More than a group and the queue behind it.
    let asked = join_all((0..300).map(async |_| {
        let call = tenant.call();
        let plan = tenant.maker.closed(&call, Decision::Allow);
        store.record_decision(tenant.seen(), call, plan).await
    }));
    let freeing = async { owner.batch_execute("ROLLBACK").await.unwrap() };
    let (recorded, ()) = join(asked, freeing).await;
    let mut refused = 0;
    for recorded in recorded {
        match recorded {
            Ok(Recorded::New(_)) => {}
            Err(StoreError::Overloaded) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 0);

    store.close();
    let call = tenant.call();
    let plan = tenant.maker.closed(&call, Decision::Allow);
    let recorded = store.record_decision(tenant.seen(), call, plan).await;
    assert!(matches!(recorded, Err(StoreError::Closed)), "{recorded:?}");
    let read = store.check_writable().await;
    assert!(matches!(read, Err(StoreError::Closed)), "{read:?}");
}
