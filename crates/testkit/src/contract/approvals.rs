//! Approvals.

use std::time::Duration;

use futures_util::future::join_all;
use relynt_domain::{
    AgentId, ApprovalId, ApprovalRecord, ApprovalStatus, BlockedBy, ChangeNumber, Channel, Decider,
    OrganizationId, Vote, VoteKind,
};
use relynt_gateway::ports::{
    ClosedOutcome, NewExecution, Page, Resolution, Resolved, Store, StoredCallState, Then,
};

use crate::sample::{Maker, Tenant, resolution};

fn deny(tenant: &Tenant, record: &ApprovalRecord) -> Resolution {
    let receipt = tenant.maker.final_receipt(tenant.organization, record);
    let then = Then::Close(Box::new(receipt));
    let mut deny = resolution(tenant.organization, record, ApprovalStatus::Denied, then);
    let by = Decider::User(tenant.owner);
    deny.vote = Some(Vote {
        by: by.clone(),
        vote: VoteKind::Deny,
        at: deny.at,
        channel: Channel::Token,
        revision: record.revision,
    });
    deny.decided_by = Some(by);
    deny.note = Some("not today".to_owned());
    deny
}

fn expire(tenant: &Tenant, record: &ApprovalRecord) -> Resolution {
    let receipt = tenant.maker.final_receipt(tenant.organization, record);
    let then = Then::Close(Box::new(receipt));
    let mut expire = resolution(tenant.organization, record, ApprovalStatus::Expired, then);
    expire.at = record.expires_at;
    expire
}

fn intent_for(tenant: &Tenant, record: &ApprovalRecord) -> NewExecution {
    let call = tenant.call();
    NewExecution {
        approval: Some(record.id),
        ..tenant.maker.intent(&call, tenant.maker.incarnation())
    }
}

async fn found(store: &dyn Store, tenant: &Tenant, id: ApprovalId) -> ApprovalRecord {
    store
        .find_approval(tenant.organization, id)
        .await
        .unwrap()
        .unwrap()
}

fn assert_same(one: &ApprovalRecord, two: &ApprovalRecord) {
    // No equality on records: their text has every field.
    assert_eq!(format!("{one:?}"), format!("{two:?}"));
}

async fn assert_no_receipt(store: &dyn Store, resolution: &Resolution) {
    let Then::Close(receipt) = &resolution.then else {
        return;
    };
    let stored = store
        .find_receipt(resolution.organization, receipt.id)
        .await
        .unwrap();
    assert!(
        stored.is_none(),
        "a receipt was stored for what did not happen"
    );
}

async fn assert_not_pending(store: &dyn Store, resolution: Resolution, status: ApprovalStatus) {
    match store.record_resolution(resolution.clone()).await.unwrap() {
        Resolved::NotPending(record) => assert_eq!(record.status, status),
        other => panic!("{other:?}"),
    }
    assert_no_receipt(store, &resolution).await;
}

/// Every field of a stored approval comes back, to its organization only.
pub async fn an_approval_reads_back(store: &dyn Store) {
    let tenant = Tenant::create(store, "an_approval_reads_back").await;
    let record = tenant.ask(store, &tenant.call()).await;
    assert_same(&found(store, &tenant, record.id).await, &record);
    let elsewhere = tenant.maker.id(OrganizationId::new);
    assert!(
        store
            .find_approval(elsewhere, record.id)
            .await
            .unwrap()
            .is_none()
    );
}

/// The request of a call comes back as its canonical body, with the facts.
pub async fn a_request_reads_back(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_request_reads_back").await;
    let call = tenant
        .maker
        .call_with(tenant.organization, tenant.agent, r#"{"b":1,"a":"é"}"#);
    let record = tenant.ask(store, &call).await;
    let request = store
        .find_request(tenant.organization, record.receipt_id)
        .await
        .unwrap()
        .unwrap();
    let body = r#"{"action":"update_deal","instance_id":"run-1","payload":{"a":"é","b":1},"resource":"crm:deal:1"}"#;
    assert_eq!(request.body, body);
    assert_eq!(request.facts, &*call.facts);
    let elsewhere = tenant.maker.id(OrganizationId::new);
    assert!(
        store
            .find_request(elsewhere, record.receipt_id)
            .await
            .unwrap()
            .is_none()
    );
}

/// A tool response is there once its execution has ended, and only where there was one.
pub async fn a_tool_response_reads_back(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_tool_response_reads_back").await;
    let with = tenant
        .start(store, &tenant.call(), tenant.maker.incarnation())
        .await;
    let without = tenant
        .start(store, &tenant.call(), tenant.maker.incarnation())
        .await;
    let read = |id| store.find_tool_response(tenant.organization, id);
    assert_eq!(read(with.id).await.unwrap(), None);
    store
        .record_outcome(tenant.maker.success(tenant.organization, &with))
        .await
        .unwrap();
    let mut closing = tenant.maker.success(tenant.organization, &without);
    closing.tool_response = None;
    store.record_outcome(closing).await.unwrap();
    assert_eq!(
        read(with.id).await.unwrap().as_deref(),
        Some("{\"deal\":\"won\"}")
    );
    assert_eq!(read(without.id).await.unwrap(), None);
}

/// Pages of a list hang together: newest first, nothing twice, nothing missing.
pub async fn approvals_are_listed_in_pages(store: &dyn Store) {
    let tenant = Tenant::create(store, "approvals_are_listed_in_pages").await;
    let mut asked = Vec::new();
    for _ in 0..5 {
        asked.push(tenant.ask(store, &tenant.call()).await.id);
    }
    asked.reverse();
    let mut listed = Vec::new();
    let mut after = None;
    let mut pages = 0;
    loop {
        let page = Page { after, limit: 2 };
        let page = store
            .list_approvals(tenant.organization, None, None, page)
            .await
            .unwrap();
        listed.extend(page.approvals.iter().map(|record| record.id));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, asked);
    assert_eq!(pages, 3);
}

/// Each filter alone and both together.
pub async fn approvals_are_listed_by_status_and_agent(store: &dyn Store) {
    let tenant = Tenant::create(store, "approvals_are_listed_by_status_and_agent").await;
    let other = tenant.maker.id(AgentId::new);
    let pending = tenant.ask(store, &tenant.call()).await;
    let denied = tenant.ask(store, &tenant.call()).await;
    store
        .record_resolution(deny(&tenant, &denied))
        .await
        .unwrap();
    let others = tenant
        .ask(store, &tenant.maker.call(tenant.organization, other))
        .await;

    for (status, agent, expected) in [
        (None, None, vec![others.id, denied.id, pending.id]),
        (
            Some(ApprovalStatus::Pending),
            None,
            vec![others.id, pending.id],
        ),
        (Some(ApprovalStatus::Denied), None, vec![denied.id]),
        (Some(ApprovalStatus::Expired), None, vec![]),
        (None, Some(other), vec![others.id]),
        (None, Some(tenant.agent), vec![denied.id, pending.id]),
        (
            Some(ApprovalStatus::Pending),
            Some(tenant.agent),
            vec![pending.id],
        ),
        (Some(ApprovalStatus::Denied), Some(other), vec![]),
    ] {
        let page = Page {
            after: None,
            limit: 10,
        };
        let page = store
            .list_approvals(tenant.organization, status, agent, page)
            .await
            .unwrap();
        let ids: Vec<_> = page.approvals.iter().map(|record| record.id).collect();
        assert_eq!(ids, expected, "{status:?} {agent:?}");
        assert!(page.next.is_none());
    }
}

/// The first end of an approval stands; a later one is told of it and leaves no receipt.
pub async fn the_first_resolution_wins(store: &dyn Store) {
    let tenant = Tenant::create(store, "the_first_resolution_wins").await;
    let record = tenant.ask(store, &tenant.call()).await;
    let first = deny(&tenant, &record);
    let Then::Close(receipt) = &first.then else {
        unreachable!()
    };
    let receipt = receipt.clone();
    let done = match store.record_resolution(first.clone()).await.unwrap() {
        Resolved::Done(record) => *record,
        other => panic!("{other:?}"),
    };
    let stored = found(store, &tenant, record.id).await;
    assert_same(&done, &stored);
    assert_eq!(stored.status, ApprovalStatus::Denied);
    assert_eq!(stored.decided_by, first.decided_by);
    assert_eq!(stored.decided_at, Some(first.at));
    assert_eq!(stored.note, first.note);
    assert_eq!(stored.votes, Vec::from_iter(first.vote.clone()));
    assert_eq!(stored.final_receipt_id, Some(receipt.id));
    let written = store
        .find_receipt(tenant.organization, receipt.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(written.bytes, receipt.signed.bytes());
    assert_eq!(written.approval, Some(record.id));

    for again in [deny(&tenant, &record), expire(&tenant, &record)] {
        assert_not_pending(store, again, ApprovalStatus::Denied).await;
    }
    let mut approve = deny(&tenant, &record);
    approve.to = ApprovalStatus::Approved;
    approve.then = Then::Execute(Box::new(intent_for(&tenant, &record)));
    assert_not_pending(store, approve, ApprovalStatus::Denied).await;
    assert_same(&found(store, &tenant, record.id).await, &stored);
}

/// Many votes at once: one decides, the others are told.
pub async fn of_many_votes_at_once_one_decides(store: &dyn Store) {
    let tenant = Tenant::create(store, "of_many_votes_at_once_one_decides").await;
    let record = tenant.ask(store, &tenant.call()).await;
    let votes = (0..16).map(|_| store.record_resolution(deny(&tenant, &record)));
    let done = join_all(votes).await;
    let done = done
        .iter()
        .filter(|done| matches!(done, Ok(Resolved::Done(_))))
        .count();
    assert_eq!(done, 1);
}

/// A vote on a revision that is not the present one changes nothing.
pub async fn a_vote_on_another_revision_is_none(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_vote_on_another_revision_is_none").await;
    let record = tenant.ask(store, &tenant.call()).await;
    for revision in [0, 2] {
        let vote = Resolution {
            revision,
            ..deny(&tenant, &record)
        };
        assert_not_pending(store, vote, ApprovalStatus::Pending).await;
    }
    assert_same(&found(store, &tenant, record.id).await, &record);
}

/// A vote counts up to the last moment before the expiry, and not from then on.
pub async fn a_vote_comes_before_the_expiry(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_vote_comes_before_the_expiry").await;
    let record = tenant.ask(store, &tenant.call()).await;
    let late = Resolution {
        at: record.expires_at,
        ..deny(&tenant, &record)
    };
    assert_not_pending(store, late.clone(), ApprovalStatus::Pending).await;
    let cancelled = Resolution {
        to: ApprovalStatus::Cancelled,
        blocked_by: Some(BlockedBy::Policy),
        ..late
    };
    assert_not_pending(store, cancelled, ApprovalStatus::Pending).await;
    let last = record.expires_at.before(Duration::from_millis(1));
    let in_time = Resolution {
        at: last,
        ..deny(&tenant, &record)
    };
    let done = store.record_resolution(in_time).await.unwrap();
    assert!(matches!(done, Resolved::Done(_)), "{done:?}");
}

/// An expiry before its time changes nothing; at its time it ends the approval.
pub async fn an_expiry_comes_no_earlier_than_told(store: &dyn Store) {
    let tenant = Tenant::create(store, "an_expiry_comes_no_earlier_than_told").await;
    let record = tenant.ask(store, &tenant.call()).await;
    let early = record.expires_at.before(Duration::from_millis(1));
    let early = Resolution {
        at: early,
        ..expire(&tenant, &record)
    };
    assert_not_pending(store, early, ApprovalStatus::Pending).await;
    let done = store
        .record_resolution(expire(&tenant, &record))
        .await
        .unwrap();
    assert!(matches!(done, Resolved::Done(_)), "{done:?}");
    let stored = found(store, &tenant, record.id).await;
    assert_eq!(stored.status, ApprovalStatus::Expired);
    assert_eq!(stored.decided_by, None);
    assert!(stored.votes.is_empty());
}

/// Where rules were read, they must still be the same; a deny reads none and is always taken.
pub async fn a_resolution_under_old_rules_is_stale(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_resolution_under_old_rules_is_stale").await;
    let record = tenant.ask(store, &tenant.call()).await;
    let old = Some(ChangeNumber(tenant.change.0 - 1));
    let stale = Resolution {
        seen: old,
        ..deny(&tenant, &record)
    };
    let resolved = store.record_resolution(stale.clone()).await.unwrap();
    assert!(matches!(resolved, Resolved::Stale), "{resolved:?}");
    assert_no_receipt(store, &stale).await;
    assert_same(&found(store, &tenant, record.id).await, &record);
    let current = Resolution {
        seen: Some(tenant.change),
        ..deny(&tenant, &record)
    };
    let resolved = store.record_resolution(current).await.unwrap();
    assert!(matches!(resolved, Resolved::Done(_)), "{resolved:?}");
}

/// An approval that is not there, or another organization's, cannot end; nor can one end in
/// `pending`, or be executed without having been approved.
pub async fn an_unknown_approval_is_not_found(store: &dyn Store) {
    let tenant = Tenant::create(store, "an_unknown_approval_is_not_found").await;
    let record = tenant.ask(store, &tenant.call()).await;
    let unknown = Resolution {
        approval: tenant.maker.id(ApprovalId::new),
        ..deny(&tenant, &record)
    };
    let elsewhere = Resolution {
        organization: Maker::named("elsewhere").id(OrganizationId::new),
        ..deny(&tenant, &record)
    };
    for wrong in [unknown, elsewhere] {
        let resolved = store.record_resolution(wrong.clone()).await.unwrap();
        assert!(matches!(resolved, Resolved::NotFound), "{resolved:?}");
        assert_no_receipt(store, &wrong).await;
    }
    let to_pending = Resolution {
        to: ApprovalStatus::Pending,
        ..deny(&tenant, &record)
    };
    assert!(store.record_resolution(to_pending).await.is_err());
    let executed = Resolution {
        then: Then::Execute(Box::new(intent_for(&tenant, &record))),
        ..deny(&tenant, &record)
    };
    assert!(store.record_resolution(executed).await.is_err());
    assert_same(&found(store, &tenant, record.id).await, &record);
}

/// Vote, transition and intent are one; the outcome makes the approval final, and the call's own
/// answer stays what it was.
pub async fn an_approved_request_is_executed_and_final_with_its_outcome(store: &dyn Store) {
    let name = "an_approved_request_is_executed_and_final_with_its_outcome";
    let tenant = Tenant::create(store, name).await;
    let call = tenant.call();
    let record = tenant.ask(store, &call).await;
    let intent = intent_for(&tenant, &record);
    let approve = Resolution {
        to: ApprovalStatus::Approved,
        seen: Some(tenant.change),
        then: Then::Execute(Box::new(intent.clone())),
        ..deny(&tenant, &record)
    };
    let done = store.record_resolution(approve).await.unwrap();
    assert!(matches!(done, Resolved::Done(_)), "{done:?}");
    let approved = found(store, &tenant, record.id).await;
    assert_eq!(approved.status, ApprovalStatus::Approved);
    assert_eq!(approved.execution, Some(intent.id));
    assert_eq!(approved.final_receipt_id, None);

    let mut answering = tenant.maker.success(tenant.organization, &intent);
    answering.answer = Some(relynt_gateway::ports::Answer {
        http_status: 200,
        format: 1,
        body: None,
    });
    assert!(
        store.record_outcome(answering).await.is_err(),
        "the call was answered long ago"
    );
    let mut elsewhere = tenant.maker.success(tenant.organization, &intent);
    elsewhere.approval = None;
    assert!(
        store.record_outcome(elsewhere).await.is_err(),
        "the approval would stay open"
    );

    let closing = tenant.maker.success(tenant.organization, &intent);
    let closed = store.record_outcome(closing).await.unwrap();
    assert!(matches!(closed, ClosedOutcome::Closed));
    let ended = found(store, &tenant, record.id).await;
    assert_eq!(ended.final_receipt_id, Some(intent.receipt_id));
    let response = store
        .find_tool_response(tenant.organization, intent.id)
        .await
        .unwrap();
    assert_eq!(response.as_deref(), Some("{\"deal\":\"won\"}"));
    let stored = store
        .find_call(tenant.organization, tenant.agent, &call.key)
        .await
        .unwrap()
        .unwrap();
    match stored.state {
        StoredCallState::Answered { answer, erased, .. } => {
            assert_eq!(answer.body, None);
            assert!(!erased);
        }
        StoredCallState::Running => panic!("the call was answered when it was asked"),
    }
}

/// Pending approvals whose time is up, of every organization; nothing else.
pub async fn what_is_due_is_listed_across_organizations(store: &dyn Store) {
    let one = Tenant::create(store, "what_is_due_1").await;
    let two = Tenant::create(store, "what_is_due_2").await;
    let first = one.ask(store, &one.call()).await;
    let second = two.ask(store, &two.call()).await;
    let denied = one.ask(store, &one.call()).await;
    store.record_resolution(deny(&one, &denied)).await.unwrap();
    let later = first
        .expires_at
        .max(second.expires_at)
        .after(Duration::from_mins(1));

    let due = store.list_expired(later, 100).await.unwrap();
    assert!(due.contains(&(one.organization, first.id)));
    assert!(due.contains(&(two.organization, second.id)));
    assert!(!due.contains(&(one.organization, denied.id)));
    let early = first.expires_at.before(Duration::from_millis(1));
    let due = store.list_expired(early, 100).await.unwrap();
    assert!(!due.contains(&(one.organization, first.id)));
    let due = store.list_expired(first.expires_at, 100).await.unwrap();
    assert!(due.contains(&(one.organization, first.id)));
    assert_eq!(store.list_expired(later, 1).await.unwrap().len(), 1);
}
