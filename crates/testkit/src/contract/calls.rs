//! Calls and executions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use relynt_domain::{ChangeNumber, Decision, ExecutionStatus, OrganizationId, ReceiptId};
use relynt_gateway::ports::{
    ClosedOutcome, Decide, DecideError, Decided, Plan, Recorded, Seen, Store, StoredCall,
    StoredCallState,
};

use crate::sample::{Maker, Tenant};

fn receipt_of(call: &StoredCall) -> &[u8] {
    match &call.state {
        StoredCallState::Answered { receipt, .. } => receipt,
        StoredCallState::Running => panic!("the call still runs"),
    }
}

/// The second decision under a key stores nothing and is told of the first.
pub async fn key_is_used_once(store: &dyn Store) {
    let tenant = Tenant::create(store, "key_is_used_once").await;
    let call = tenant.call();
    let first = tenant.record(store, &call, Decision::Allow).await;
    let again = tenant.maker.close(&call, Decision::Deny);
    let Decided::Close {
        receipt: second, ..
    } = &again
    else {
        unreachable!()
    };
    let second = second.id;
    let plan = Plan::Ready(Box::new(again));
    match store
        .record_decision(tenant.seen(), Arc::clone(&call), plan)
        .await
        .unwrap()
    {
        Recorded::Known(known) => {
            assert_eq!(known.receipt_id, first.id);
            assert_eq!(known.request_digest, call.request_digest);
            assert_eq!(receipt_of(&known), first.signed.bytes());
        }
        other => panic!("{other:?}"),
    }
    assert!(
        store
            .find_receipt(tenant.organization, second)
            .await
            .unwrap()
            .is_none()
    );
}

/// Sixteen calls with one key at once: one is new, the others are told of it.
pub async fn one_of_many_equal_calls_wins(store: &dyn Store) {
    let tenant = Tenant::create(store, "one_of_many_equal_calls_wins").await;
    let call = tenant.call();
    let recorded = join_all((0..16).map(|_| {
        let plan = tenant.maker.closed(&call, Decision::Allow);
        store.record_decision(tenant.seen(), Arc::clone(&call), plan)
    }))
    .await;
    let stored = store
        .find_call(tenant.organization, tenant.agent, &call.key)
        .await
        .unwrap()
        .unwrap();
    let mut new = 0;
    for recorded in recorded {
        match recorded.unwrap() {
            Recorded::New(decided) => {
                let Decided::Close { receipt, .. } = *decided else {
                    unreachable!()
                };
                assert_eq!(receipt.id, stored.receipt_id);
                new += 1;
            }
            Recorded::Known(known) => assert_eq!(known.receipt_id, stored.receipt_id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(new, 1);
}

/// A decision under another change number than the store's is stale and leaves its key free.
pub async fn a_stale_decision_stores_nothing(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_stale_decision_stores_nothing").await;
    for number in [tenant.change.0 - 1, tenant.change.0 + 1] {
        let call = tenant.call();
        let seen = Seen {
            change: ChangeNumber(number),
            ..tenant.seen()
        };
        let plan = tenant.maker.closed(&call, Decision::Allow);
        let recorded = store
            .record_decision(seen, Arc::clone(&call), plan)
            .await
            .unwrap();
        assert!(
            matches!(recorded, Recorded::Stale),
            "{number}: {recorded:?}"
        );
        let found = store
            .find_call(tenant.organization, tenant.agent, &call.key)
            .await
            .unwrap();
        assert!(found.is_none());
    }
}

/// A decision that cannot be signed inside the transaction stores nothing.
pub async fn a_refused_decision_leaves_its_key_free(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_refused_decision_leaves_its_key_free").await;
    let call = tenant.call();
    let refuse: Decide = Arc::new(|_| Err(DecideError("no signer".to_owned())));
    let plan = Plan::InTransaction(refuse);
    let recorded = store
        .record_decision(tenant.seen(), Arc::clone(&call), plan)
        .await
        .unwrap();
    assert!(matches!(recorded, Recorded::Refused(_)), "{recorded:?}");
    let found = store
        .find_call(tenant.organization, tenant.agent, &call.key)
        .await
        .unwrap();
    assert!(found.is_none());
    tenant.record(store, &call, Decision::Allow).await;
}

/// What decides inside the transaction is shown the pending approval of the same agent and digest,
/// and none that is another's, has ended or has expired.
pub async fn a_decision_in_the_transaction_meets_the_open_approval(store: &dyn Store) {
    let tenant = Tenant::create(
        store,
        "a_decision_in_the_transaction_meets_the_open_approval",
    )
    .await;
    let maker = &tenant.maker;
    let same = || maker.call_with(tenant.organization, tenant.agent, r#"{"amount":1}"#);
    let asked = same();
    let record = tenant.ask(store, &asked).await;
    let open = async |call: Arc<relynt_domain::ToolCall>| {
        let seen = Arc::new(std::sync::Mutex::new(None));
        let decided = maker.close(&call, Decision::PendingApproval);
        let keep = Arc::clone(&seen);
        let decide: Decide = Arc::new(move |facts| {
            *keep.lock().unwrap() = Some(facts.open_approval.as_ref().map(|open| open.id));
            Ok(decided.clone())
        });
        let plan = Plan::InTransaction(decide);
        let recorded = store
            .record_decision(tenant.seen(), call, plan)
            .await
            .unwrap();
        assert!(matches!(recorded, Recorded::New(_)), "{recorded:?}");
        let seen = *seen.lock().unwrap();
        seen.expect("a decision")
    };
    assert_eq!(open(same()).await, Some(record.id));
    let other = maker.call_with(tenant.organization, tenant.agent, r#"{"amount":2}"#);
    assert_eq!(open(other).await, None);
    let stranger = maker.call_with(
        tenant.organization,
        maker.id(relynt_domain::AgentId::new),
        r#"{"amount":1}"#,
    );
    assert_eq!(open(stranger).await, None);
    let mut late = Arc::unwrap_or_clone(same());
    late.received_at = record.expires_at;
    assert_eq!(open(Arc::new(late)).await, None);
}

/// What decides is not asked about a key that was used before.
pub async fn a_known_key_is_not_decided_again(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_known_key_is_not_decided_again").await;
    let call = tenant.call();
    let first = tenant.record(store, &call, Decision::Allow).await;
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let decide: Decide = Arc::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Err(DecideError("asked".to_owned()))
    });
    let plan = Plan::InTransaction(decide);
    match store
        .record_decision(tenant.seen(), call, plan)
        .await
        .unwrap()
    {
        Recorded::Known(known) => assert_eq!(known.receipt_id, first.id),
        other => panic!("{other:?}"),
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

/// An organization that is not there, or another one than the call's, records nothing.
pub async fn an_unknown_organization_records_nothing(store: &dyn Store) {
    let tenant = Tenant::create(store, "an_unknown_organization_records_nothing").await;
    let nobody = tenant.maker.id(OrganizationId::new);
    let call = tenant.maker.call(nobody, tenant.agent);
    let plan = tenant.maker.closed(&call, Decision::Allow);
    let seen = Seen {
        organization: nobody,
        change: tenant.change,
    };
    assert!(
        store
            .record_decision(seen, Arc::clone(&call), plan)
            .await
            .is_err()
    );
    let plan = tenant.maker.closed(&call, Decision::Allow);
    assert!(
        store
            .record_decision(tenant.seen(), Arc::clone(&call), plan)
            .await
            .is_err()
    );
    assert!(
        store
            .find_call(nobody, tenant.agent, &call.key)
            .await
            .unwrap()
            .is_none()
    );
}

/// Keys are an agent's own: another agent's or organization's call is not found.
pub async fn a_call_is_found_by_its_own_agent_only(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_call_is_found_by_its_own_agent_only").await;
    let call = tenant.call();
    let receipt = tenant.record(store, &call, Decision::Deny).await;
    let found = store
        .find_call(tenant.organization, tenant.agent, &call.key)
        .await
        .unwrap();
    assert_eq!(receipt_of(&found.unwrap()), receipt.signed.bytes());
    let other_agent = tenant.maker.id(relynt_domain::AgentId::new);
    let other_organization = tenant.maker.id(OrganizationId::new);
    for (organization, agent, key) in [
        (tenant.organization, other_agent, call.key.clone()),
        (other_organization, tenant.agent, call.key.clone()),
        (tenant.organization, tenant.agent, tenant.maker.key()),
    ] {
        assert!(
            store
                .find_call(organization, agent, &key)
                .await
                .unwrap()
                .is_none()
        );
    }
}

/// A call with an execution runs until its outcome, and is then answered with what was kept.
pub async fn an_outcome_answers_its_call(store: &dyn Store) {
    let tenant = Tenant::create(store, "an_outcome_answers_its_call").await;
    let call = tenant.call();
    let intent = tenant.start(store, &call, tenant.maker.incarnation()).await;
    let find = || store.find_call(tenant.organization, tenant.agent, &call.key);
    let running = find().await.unwrap().unwrap();
    assert!(matches!(running.state, StoredCallState::Running));
    assert_eq!(running.receipt_id, intent.receipt_id);
    assert!(
        store
            .find_receipt(tenant.organization, intent.receipt_id)
            .await
            .unwrap()
            .is_none()
    );

    let closing = tenant.maker.success(tenant.organization, &intent);
    let outcome = store.record_outcome(closing.clone()).await.unwrap();
    assert!(matches!(outcome, ClosedOutcome::Closed));
    match find().await.unwrap().unwrap().state {
        StoredCallState::Answered {
            answer,
            receipt,
            erased,
        } => {
            assert_eq!(answer.http_status, 200);
            assert_eq!(answer.format, 1);
            assert_eq!(answer.body.as_deref(), Some(b"{\"ok\":1}".as_slice()));
            assert_eq!(receipt, closing.receipt.signed.bytes());
            assert!(!erased);
        }
        StoredCallState::Running => panic!("the call still runs"),
    }
    let execution = store
        .find_execution(tenant.organization, intent.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(execution.status, ExecutionStatus::Succeeded);
    assert_eq!(execution.http_status, Some(201));
    assert_eq!(execution.attempts, 1);
    assert_eq!(execution.connector, intent.connector);
    assert_eq!(execution.connector_version, 3);
    assert_eq!(execution.started_at, intent.started_at);
    assert_eq!(execution.finished_at, closing.execution.finished_at);
    let response = store
        .find_tool_response(tenant.organization, intent.id)
        .await
        .unwrap();
    assert_eq!(response.as_deref(), Some("{\"deal\":\"won\"}"));
}

/// Of two outcomes one closes the execution; the other changes nothing, whatever it says.
pub async fn the_first_outcome_wins(store: &dyn Store) {
    let tenant = Tenant::create(store, "the_first_outcome_wins").await;
    let call = tenant.call();
    let intent = tenant.start(store, &call, tenant.maker.incarnation()).await;
    let one = tenant.maker.success(tenant.organization, &intent);
    let mut two = tenant.maker.success(tenant.organization, &intent);
    two.execution.status = ExecutionStatus::Unknown;
    two.tool_response = Some("{\"deal\":\"lost\"}".to_owned());
    let (first, second) = join(
        store.record_outcome(one.clone()),
        store.record_outcome(two.clone()),
    )
    .await;
    let (winner, loser) = match (first.unwrap(), second.unwrap()) {
        (ClosedOutcome::Closed, ClosedOutcome::AlreadyClosed) => (one, two),
        (ClosedOutcome::AlreadyClosed, ClosedOutcome::Closed) => (two, one),
        other => panic!("{other:?}"),
    };
    let again = store.record_outcome(loser).await.unwrap();
    assert!(matches!(again, ClosedOutcome::AlreadyClosed));
    let execution = store
        .find_execution(tenant.organization, intent.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(execution.status, winner.execution.status);
    let receipt = store
        .find_receipt(tenant.organization, intent.receipt_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(receipt.bytes, winner.receipt.signed.bytes());
    let response = store
        .find_tool_response(tenant.organization, intent.id)
        .await
        .unwrap();
    assert_eq!(response, winner.tool_response);
}

/// An outcome whose receipt is not the one that the intent names, that says `pending`, or that
/// belongs to no execution, is an error, and the execution stays open.
pub async fn an_outcome_of_another_receipt_is_refused(store: &dyn Store) {
    let tenant = Tenant::create(store, "an_outcome_of_another_receipt_is_refused").await;
    let call = tenant.call();
    let intent = tenant.start(store, &call, tenant.maker.incarnation()).await;
    let good = tenant.maker.success(tenant.organization, &intent);

    let mut other_receipt = good.clone();
    other_receipt.receipt = tenant.maker.receipt(&call, Decision::Allow);
    let mut pending = good.clone();
    pending.execution.status = ExecutionStatus::Pending;
    let mut unknown = good.clone();
    unknown.execution.id = tenant.maker.id(relynt_domain::ExecutionId::new);
    let mut elsewhere = good.clone();
    elsewhere.organization = tenant.maker.id(OrganizationId::new);
    let mut unanswered = good.clone();
    unanswered.answer = None;
    for (name, wrong) in [
        ("other receipt", other_receipt),
        ("pending", pending),
        ("unknown", unknown),
        ("elsewhere", elsewhere),
        ("unanswered", unanswered),
    ] {
        assert!(store.record_outcome(wrong).await.is_err(), "{name}");
    }
    let execution = store
        .find_execution(tenant.organization, intent.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(execution.status, ExecutionStatus::Pending);
    assert!(matches!(
        store.record_outcome(good).await.unwrap(),
        ClosedOutcome::Closed
    ));
}

/// One more receipt about something closed; the same id is never taken twice.
pub async fn a_later_receipt_is_added_once(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_later_receipt_is_added_once").await;
    let receipt = tenant.maker.receipt(&tenant.call(), Decision::Error);
    store
        .record_receipt(tenant.organization, receipt.clone())
        .await
        .unwrap();
    let stored = store
        .find_receipt(tenant.organization, receipt.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.bytes, receipt.signed.bytes());

    let mut forged = tenant.maker.receipt(&tenant.call(), Decision::Allow);
    forged.id = receipt.id;
    assert!(
        store
            .record_receipt(tenant.organization, forged)
            .await
            .is_err()
    );
    let stored = store
        .find_receipt(tenant.organization, receipt.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.bytes, receipt.signed.bytes());
}

/// Executions of other incarnations, and of any whose time is up, with everything that closing
/// them needs.
pub async fn what_was_left_behind_is_listed_oldest_first(store: &dyn Store) {
    let tenant = Tenant::create(store, "what_was_left_behind_is_listed_oldest_first").await;
    let (dead, alive) = (tenant.maker.incarnation(), tenant.maker.incarnation());
    let first = tenant.start(store, &tenant.call(), dead).await;
    let second = tenant.start(store, &tenant.call(), alive).await;
    let third = tenant.start(store, &tenant.call(), dead).await;
    let closed = tenant.start(store, &tenant.call(), dead).await;
    store
        .record_outcome(tenant.maker.success(tenant.organization, &closed))
        .await
        .unwrap();

    let list = async |others, due, limit| {
        let open = store
            .list_left_behind(alive, others, due, limit)
            .await
            .unwrap();
        open.into_iter()
            .filter(|open| open.organization == tenant.organization)
            .map(|open| open.intent.id)
            .collect::<Vec<_>>()
    };
    let early = first.started_at;
    let after_first = first.deadline_at.after(Duration::from_millis(1));
    let late = third.deadline_at.after(Duration::from_secs(1));
    assert_eq!(list(true, early, 10).await, [first.id, third.id]);
    assert_eq!(list(true, early, 1).await, [first.id]);
    assert_eq!(list(false, early, 10).await, []);
    assert_eq!(list(false, first.deadline_at, 10).await, []);
    assert_eq!(list(false, after_first, 10).await, [first.id]);
    assert_eq!(list(false, late, 10).await, [first.id, second.id, third.id]);

    let open = store
        .list_left_behind(alive, true, early, 1)
        .await
        .unwrap()
        .remove(0)
        .intent;
    assert_eq!(open.draft, first.draft);
    assert_eq!(open.receipt_id, first.receipt_id);
    assert_eq!(open.agent, first.agent);
    assert_eq!(open.approval, None);
    assert_eq!(open.connector, first.connector);
    assert_eq!(open.connector_version, first.connector_version);
    assert_eq!(open.incarnation, dead);
    assert_eq!(open.request_digest, first.request_digest);
    assert_eq!(open.started_at, first.started_at);
    assert_eq!(open.deadline_at, first.deadline_at);
    assert_eq!(open.request_id, first.request_id);
}

/// Another organization's execution is none.
pub async fn an_execution_belongs_to_its_organization(store: &dyn Store) {
    let tenant = Tenant::create(store, "an_execution_belongs_to_its_organization").await;
    let intent = tenant
        .start(store, &tenant.call(), tenant.maker.incarnation())
        .await;
    let found = store
        .find_execution(tenant.organization, intent.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.status, ExecutionStatus::Pending);
    assert_eq!(found.finished_at, None);
    let elsewhere = Maker::named("elsewhere").id(OrganizationId::new);
    assert!(
        store
            .find_execution(elsewhere, intent.id)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .find_tool_response(elsewhere, intent.id)
            .await
            .unwrap()
            .is_none()
    );
    let nothing: ReceiptId = tenant.maker.id(ReceiptId::new);
    assert!(
        store
            .find_request(tenant.organization, nothing)
            .await
            .unwrap()
            .is_none()
    );
}
