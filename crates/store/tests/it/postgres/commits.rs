//! A lost commit is not a failed one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use relynt_domain::{ApprovalStatus, Decision, OrganizationId, PolicyVersion, ToolCall};
use relynt_gateway::ports::{
    Administration as _, Approvals as _, Calls as _, Change, ClosedOutcome, Decided, Plan,
    Recorded, Resolved, Then,
};
use relynt_store::PostgresStore;
use relynt_testkit::postgres::PostgresVersion;
use relynt_testkit::sample::{Tenant, resolution};
use zeroize::Zeroizing;

use super::proxy::{Cut, Proxy};
use super::support::{GATEWAY, Installation};

/// A store whose wire can be cut, and whose database has 2 s for a commit.
async fn through_proxy(installation: &Installation) -> (Proxy, Arc<PostgresStore>) {
    let port = installation.server.port();
    let proxy = Proxy::start(port).await;
    let mut options = installation.options(GATEWAY, "relynt");
    options.url = Zeroizing::new(proxy.url(&options.url, port));
    options.deadline = Duration::from_secs(2);
    let store = PostgresStore::open(options).await.unwrap();
    (proxy, store)
}

fn receipt_of(plan: &Plan) -> relynt_domain::ReceiptId {
    match plan {
        Plan::Ready(decided) => match &**decided {
            Decided::Close { receipt, .. } => receipt.id,
            Decided::Execute(new) => new.receipt_id,
        },
        Plan::InTransaction(_) => unreachable!("decided ahead"),
    }
}

/// Records eight calls while the commit is cut; each must be new, with the receipt that was chosen.
async fn eight_survive(installation: &Installation, cut: Cut) {
    let (proxy, store) = through_proxy(installation).await;
    let tenant = Tenant::create(&*store, &format!("{cut:?}")).await;
    let calls: Vec<(Arc<ToolCall>, Plan)> = (0..8)
        .map(|_| {
            let call = tenant.call();
            let plan = tenant.maker.closed(&call, Decision::Allow);
            (call, plan)
        })
        .collect();
    // The organization's key is read once: the next commit is the group's.
    tenant
        .record(&*store, &tenant.call(), Decision::Allow)
        .await;
    let cuts = proxy.cuts();
    proxy.cut_next_commit(cut);
    let recorded = join_all(calls.iter().map(async |(call, plan)| {
        let recorded = store
            .record_decision(tenant.seen(), Arc::clone(call), plan.clone())
            .await;
        assert!(
            matches!(recorded.as_ref().unwrap(), Recorded::New(_)),
            "{recorded:?}"
        );
        let found = store
            .find_call(tenant.organization, tenant.agent, &call.key)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.receipt_id, receipt_of(plan));
    }))
    .await;
    assert_eq!(recorded.len(), 8);
    assert_eq!(proxy.cuts() - cuts, 1, "no commit was cut");
    let owner = installation.beside().await;
    let stored: i64 = owner
        .query_one(
            "SELECT count(*) FROM receipts WHERE organization = $1::text::uuid",
            &[&tenant.organization.to_string()],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(stored, 9);
}

#[tokio::test]
async fn a_group_whose_commit_is_cut_off_is_stored_once() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    for cut in [Cut::Before, Cut::After, Cut::Silent] {
        eight_survive(&installation, cut).await;
    }
}

/// A commit on this server whose wait for the standby is given up is not acknowledged: the group is
/// looked at again, in a transaction that has to wait as well.
#[tokio::test]
async fn a_commit_with_a_warning_is_not_acknowledged() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    let mut options = installation.options(GATEWAY, "relynt");
    options.deadline = Duration::from_secs(30);
    let store = PostgresStore::open(options).await.unwrap();
    let tenant = Tenant::create(&*store, "warning").await;
    let owner = installation.beside().await;
    // From here on every commit waits for a standby that is not there.
    for sql in [
        "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
        "SELECT pg_reload_conf()",
    ] {
        owner.batch_execute(sql).await.unwrap();
    }
    let call = tenant.call();
    let plan = tenant.maker.closed(&call, Decision::Allow);
    let chosen = receipt_of(&plan);
    let recording = store.record_decision(tenant.seen(), Arc::clone(&call), plan);
    let meddling = async {
        let mut cancelled = Vec::new();
        while cancelled.len() < 2 {
            let waiting = owner
                .query(
                    "SELECT pid, pg_cancel_backend(pid) FROM pg_stat_activity
                     WHERE wait_event = 'SyncRep' AND usename = 'gateway'",
                    &[],
                )
                .await
                .unwrap();
            for row in waiting {
                let pid: i32 = row.get(0);
                if !cancelled.contains(&pid) {
                    cancelled.push(pid);
                }
            }
            tokio::task::yield_now().await;
        }
        // Twice the commit was on this server's disk, and twice nobody was told: a third one waits.
        owner
            .batch_execute("ALTER SYSTEM RESET synchronous_standby_names")
            .await
            .unwrap();
        owner
            .batch_execute("SELECT pg_reload_conf()")
            .await
            .unwrap();
    };
    let (recorded, ()) = futures_util::future::join(recording, meddling).await;
    assert!(
        matches!(recorded.as_ref().unwrap(), Recorded::New(_)),
        "{recorded:?}"
    );
    let found = store
        .find_call(tenant.organization, tenant.agent, &call.key)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.receipt_id, chosen);
}

#[tokio::test]
async fn what_a_lost_commit_has_stored_is_found() {
    let installation = Installation::start(PostgresVersion::Fifteen).await;
    let (proxy, store) = through_proxy(&installation).await;
    let mut tenant = Tenant::create(&*store, "found").await;
    let incarnation = tenant.maker.incarnation();
    let cut = || proxy.cut_next_commit(Cut::After);

    let call = tenant.call();
    let intent = tenant.start(&*store, &call, incarnation).await;
    let mut closing = tenant.maker.success(tenant.organization, &intent);
    // Nothing to seal, so that the next commit is that of the outcome.
    closing.tool_response = None;
    closing.answer.as_mut().unwrap().body = None;
    cut();
    let closed = store.record_outcome(closing).await.unwrap();
    assert!(matches!(closed, ClosedOutcome::Closed), "{closed:?}");

    let receipt = tenant.maker.receipt(&call, Decision::Allow);
    cut();
    store
        .record_receipt(tenant.organization, receipt)
        .await
        .unwrap();

    let record = tenant.ask(&*store, &tenant.call()).await;
    let last = tenant.maker.final_receipt(tenant.organization, &record);
    let end = resolution(
        tenant.organization,
        &record,
        ApprovalStatus::Denied,
        Then::Close(Box::new(last.clone())),
    );
    cut();
    match store.record_resolution(end).await.unwrap() {
        Resolved::Done(record) => assert_eq!(record.final_receipt_id, Some(last.id)),
        other => panic!("{other:?}"),
    }

    let record = tenant.ask(&*store, &tenant.call()).await;
    let mut intent = tenant.maker.intent(&tenant.call(), incarnation);
    intent.approval = Some(record.id);
    let execution = intent.id;
    let end = resolution(
        tenant.organization,
        &record,
        ApprovalStatus::Approved,
        Then::Execute(Box::new(intent)),
    );
    cut();
    match store.record_resolution(end).await.unwrap() {
        Resolved::Done(record) => assert_eq!(record.execution, Some(execution)),
        other => panic!("{other:?}"),
    }

    let policy = Tenant::new_policy(&tenant.maker, PolicyVersion(2), "[]", tenant.owner);
    let before = tenant.change;
    cut();
    tenant.change(&*store, Change::Policy(policy)).await;
    assert_eq!(tenant.change.0, before.0 + 1);

    let organization = tenant.maker.id(OrganizationId::new);
    let new = Tenant::new_organization(&tenant.maker, organization, "found@example.com");
    cut();
    // The same person as the first organization's Owner.
    let owner = store.record_organization(new).await.unwrap();
    assert_eq!(owner, tenant.owner);
    assert_eq!(proxy.cuts(), 6);
}
