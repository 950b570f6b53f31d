//! A person decides, once.

use std::sync::Arc;
use std::time::Duration;

use relynt_domain::{ApprovalId, ApprovalStatus, BlockedBy, Decision, VoteKind};
use relynt_gateway::{DecideApproval, Principal, ResolveError};
use relynt_ledger::{Event, ExecutionStatus, PerformedBy, Receipt};
use relynt_testkit::{Behaviour, Failure, TestGateway};

use super::start;
use crate::RULES;

const fn vote(approval: ApprovalId, vote: VoteKind) -> DecideApproval {
    DecideApproval {
        approval,
        vote,
        revision: None,
        note: None,
    }
}

async fn asked(connector: bool) -> (TestGateway, ApprovalId) {
    let test = start().await;
    test.activate(RULES).await;
    if connector {
        test.connect("ask").await;
    }
    let call = test.call("k", "ask", "{\"amount\":1e20}").await.unwrap();
    assert_eq!(call.decision, Decision::PendingApproval);
    let approval = test.newest_approval().await.record.id;
    // What comes of it is later: receipts of one millisecond have no order but their ids'.
    test.clock.advance(Duration::from_millis(1));
    (test, approval)
}

fn closing(receipts: &[Receipt]) -> Vec<&Receipt> {
    receipts
        .iter()
        .filter(|receipt| receipt.event == Event::ApprovalClosed)
        .collect()
}

#[tokio::test]
async fn an_approved_action_is_carried_out_once_and_leaves_two_receipts() {
    let (test, approval) = asked(true).await;
    assert_eq!(test.connectors.seen(), []);
    test.decide(vote(approval, VoteKind::Approve))
        .await
        .unwrap();
    let view = test.newest_approval().await;
    assert!(view.is_final());
    assert_eq!(view.record.status, ApprovalStatus::Approved);
    assert_eq!(view.tool_response.as_deref(), Some(r#"{"ok":true}"#));
    assert!(
        view.record
            .decided_by
            .unwrap()
            .to_string()
            .starts_with("user:")
    );
    let seen = test.connectors.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].approval_id, Some(approval.to_string()));
    assert_eq!(seen[0].payload, r#"{"amount":100000000000000000000}"#);
    let receipts = test.receipts().await;
    assert_eq!(receipts.len(), 2);
    assert_eq!(receipts[1].event, Event::ApprovalRequested);
    let last = &receipts[0];
    assert_eq!(last.event, Event::ApprovalClosed);
    assert_eq!(last.decision, relynt_ledger::Decision::Allow);
    assert_eq!(last.approval_id, Some(approval.to_string()));
    assert_eq!(
        last.previous_receipt_id.as_deref(),
        Some(receipts[1].receipt_id.as_str())
    );
    assert_eq!(last.approvers.as_ref().unwrap().len(), 1);
    assert_eq!(
        view.record
            .final_receipt_id
            .map(|id| id.to_string())
            .as_deref(),
        Some(last.receipt_id.as_str())
    );
    // The call itself stays what it was.
    let again = test.call("k", "ask", "{\"amount\":1e20}").await.unwrap();
    assert_eq!(
        (again.decision, again.replayed),
        (Decision::PendingApproval, true)
    );
}

#[tokio::test]
async fn without_a_connector_the_agent_performs_it_within_a_time() {
    let (test, approval) = asked(false).await;
    test.decide(vote(approval, VoteKind::Approve))
        .await
        .unwrap();
    let view = test.newest_approval().await;
    assert_eq!(
        view.record.valid_until,
        Some(test.now().after(Duration::from_mins(15)))
    );
    let receipts = test.receipts().await;
    assert_eq!(receipts[0].performed_by, Some(PerformedBy::Agent));
    assert!(receipts[0].valid_until.is_some());
}

#[tokio::test]
async fn a_deny_executes_nothing_and_the_first_vote_wins() {
    let (test, approval) = asked(true).await;
    test.decide(vote(approval, VoteKind::Deny)).await.unwrap();
    let error = test
        .decide(vote(approval, VoteKind::Approve))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ResolveError::Ended {
                status: ApprovalStatus::Denied,
                by: Some(_)
            }
        ),
        "{error}"
    );
    assert_eq!(test.connectors.seen(), []);
    let receipts = test.receipts().await;
    assert_eq!(
        closing(&receipts)[0].decision,
        relynt_ledger::Decision::Deny
    );
}

#[tokio::test]
async fn racing_votes_have_one_outcome_and_at_most_one_execution() {
    for _ in 0..20 {
        let (test, approval) = asked(true).await;
        let test = Arc::new(test);
        let votes: Vec<_> = [VoteKind::Approve, VoteKind::Deny, VoteKind::Approve]
            .into_iter()
            .map(|kind| {
                let test = Arc::clone(&test);
                tokio::spawn(async move { test.decide(vote(approval, kind)).await.is_ok() })
            })
            .collect();
        let mut taken = 0;
        for vote in votes {
            taken += usize::from(vote.await.unwrap());
        }
        assert_eq!(taken, 1);
        let approved = test.newest_approval().await.record.status == ApprovalStatus::Approved;
        assert_eq!(test.connectors.seen().len(), usize::from(approved));
        assert_eq!(closing(&test.receipts().await).len(), 1);
    }
}

#[tokio::test]
async fn a_vote_on_another_revision_is_refused_with_the_present_one() {
    let (test, approval) = asked(true).await;
    let other = DecideApproval {
        revision: Some(2),
        ..vote(approval, VoteKind::Approve)
    };
    let error = test.decide(other).await.unwrap_err();
    assert!(
        matches!(error, ResolveError::OtherRevision { current: 1 }),
        "{error}"
    );
    assert_eq!(
        test.newest_approval().await.record.status,
        ApprovalStatus::Pending
    );
}

#[tokio::test]
async fn late_click_after_expiry_changes_nothing() {
    let (test, approval) = asked(true).await;
    test.clock.advance(Duration::from_hours(1));
    let error = test
        .decide(vote(approval, VoteKind::Approve))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ResolveError::Ended {
                status: ApprovalStatus::Expired,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(test.connectors.seen(), []);
    let receipts = test.receipts().await;
    let last = closing(&receipts)[0];
    assert_eq!(last.decision, relynt_ledger::Decision::Deny);
    assert!(last.reason.contains("expired"), "{}", last.reason);
    assert_eq!(test.gateway.expire_due().await.unwrap(), 0);
}

#[tokio::test]
async fn the_sweep_ends_what_nobody_decided_and_not_a_moment_before() {
    let (test, _) = asked(true).await;
    test.clock.advance(Duration::from_millis(3_599_998));
    assert_eq!(test.gateway.expire_due().await.unwrap(), 0);
    test.clock.advance(Duration::from_millis(1));
    assert_eq!(test.gateway.expire_due().await.unwrap(), 1);
    let view = test.newest_approval().await;
    assert_eq!(
        (view.record.status, view.record.decided_by),
        (ApprovalStatus::Expired, None)
    );
    assert_eq!(test.gateway.expire_due().await.unwrap(), 0);
}

#[tokio::test]
async fn an_identical_request_joins_and_executes_once() {
    let (test, approval) = asked(true).await;
    let joined = test.call("k2", "ask", "{\"amount\":1e20}").await.unwrap();
    assert_eq!(joined.decision, Decision::PendingApproval);
    let other = test.call("k3", "ask", "{\"amount\":2}").await.unwrap();
    assert_eq!(other.decision, Decision::PendingApproval);
    let receipts = test.receipts().await;
    let of = |id: &str| {
        receipts
            .iter()
            .find(|receipt| receipt.receipt_id == id)
            .unwrap()
            .approval_id
            .clone()
    };
    assert_eq!(of(&joined.receipt_id), Some(approval.to_string()));
    assert_ne!(of(&other.receipt_id), Some(approval.to_string()));
    test.decide(vote(approval, VoteKind::Approve))
        .await
        .unwrap();
    assert_eq!(test.connectors.seen().len(), 1);
    // Asked again once it is decided: a new approval.
    let fresh = test.call("k4", "ask", "{\"amount\":1e20}").await.unwrap();
    let receipts = test.receipts().await;
    let fresh = receipts
        .iter()
        .find(|r| r.receipt_id == fresh.receipt_id)
        .unwrap();
    assert_ne!(fresh.approval_id, Some(approval.to_string()));
}

#[tokio::test]
async fn what_changed_since_cancels_and_executes_nothing() {
    let cases = [BlockedBy::Policy, BlockedBy::ConnectorChanged];
    for by in cases {
        let (test, approval) = asked(true).await;
        if by == BlockedBy::Policy {
            test.activate(r#"[{"action":"*","resource_pattern":"*","decision":"deny"}]"#)
                .await;
        } else {
            let owner = test.owner();
            let connector = test.gateway.connectors(&owner)[0].id;
            let body = TestGateway::json(r#"{"base_url":"https://b.example/"}"#);
            test.gateway
                .update_connector(&owner, connector, &body, "t")
                .await
                .unwrap();
        }
        let error = test
            .decide(vote(approval, VoteKind::Approve))
            .await
            .unwrap_err();
        assert!(
            matches!(error, ResolveError::Cancelled(why) if why == by),
            "{error}"
        );
        let view = test.newest_approval().await;
        assert_eq!(view.record.status, ApprovalStatus::Cancelled);
        assert_eq!(view.record.blocked_by, Some(by));
        assert_eq!(test.connectors.seen(), []);
        let receipts = test.receipts().await;
        assert_eq!(
            closing(&receipts)[0].decision,
            relynt_ledger::Decision::Error
        );
    }
}

#[tokio::test]
async fn a_new_connector_in_front_cancels_what_was_bound_to_none() {
    let (test, approval) = asked(false).await;
    test.connect("ask").await;
    let error = test
        .decide(vote(approval, VoteKind::Approve))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ResolveError::Cancelled(BlockedBy::ConnectorChanged)),
        "{error}"
    );
    assert_eq!(test.connectors.seen(), []);
}

#[tokio::test]
async fn disabling_the_agent_cancels_what_it_asked_for() {
    let (test, approval) = asked(true).await;
    test.gateway
        .disable_agent(&test.owner(), test.agent, "t")
        .await
        .unwrap();
    let view = test.newest_approval().await;
    assert_eq!(view.record.blocked_by, Some(BlockedBy::AgentDisabled));
    test.gateway
        .enable_agent(&test.owner(), test.agent, "t")
        .await
        .unwrap();
    let error = test
        .decide(vote(approval, VoteKind::Approve))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        ResolveError::Ended {
            status: ApprovalStatus::Cancelled,
            ..
        }
    ));
    let receipts = test.receipts().await;
    assert_eq!(
        closing(&receipts)[0].decision,
        relynt_ledger::Decision::Deny
    );
    assert_eq!(test.connectors.seen(), []);
}

#[tokio::test]
async fn a_vote_that_was_not_stored_leaves_it_pending() {
    let (test, approval) = asked(true).await;
    test.store.fail("record_resolution", Failure::Before);
    let error = test
        .decide(vote(approval, VoteKind::Approve))
        .await
        .unwrap_err();
    assert!(matches!(error, ResolveError::Unavailable(_)), "{error}");
    assert_eq!(test.connectors.seen(), []);
    test.decide(vote(approval, VoteKind::Approve))
        .await
        .unwrap();
    assert_eq!(test.connectors.seen().len(), 1);
}

#[tokio::test]
async fn an_approval_whose_execution_was_left_behind_ends_as_unknown() {
    let (test, approval) = asked(true).await;
    test.store.fail("record_resolution", Failure::After);
    test.decide(vote(approval, VoteKind::Approve))
        .await
        .unwrap_err();
    assert!(!test.newest_approval().await.is_final());
    let test = test.restart().await;
    let view = test.newest_approval().await;
    assert!(view.is_final());
    assert_eq!(
        view.execution.unwrap().status,
        relynt_domain::ExecutionStatus::Unknown
    );
    assert_eq!(test.connectors.seen(), []);
    let receipts = test.receipts().await;
    assert_eq!(receipts.len(), 2);
    assert_eq!(receipts[0].decision, relynt_ledger::Decision::Error);
    assert_eq!(
        receipts[0].execution.as_ref().unwrap().status,
        ExecutionStatus::Unknown
    );
}

#[tokio::test]
async fn who_waits_sees_the_end_together_with_the_outcome() {
    let (test, approval) = asked(true).await;
    let test = Arc::new(test);
    let go = Arc::new(tokio::sync::Notify::new());
    test.connectors.script(Behaviour::Hold(Arc::clone(&go)));
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let test = Arc::clone(&test);
            tokio::spawn(async move {
                let principal = Principal::Agent(test.caller());
                // A thousandth of it in this test: a minute and a half.
                let wait = Duration::from_hours(25);
                test.gateway
                    .approval(&principal, approval, wait)
                    .await
                    .unwrap()
            })
        })
        .collect();
    let voting = tokio::spawn({
        let test = Arc::clone(&test);
        async move { test.decide(vote(approval, VoteKind::Approve)).await }
    });
    while test.connectors.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    go.notify_one();
    voting.await.unwrap().unwrap();
    for waiting in waiting {
        let view = waiting.await.unwrap();
        assert_eq!(view.record.status, ApprovalStatus::Approved);
        assert_eq!(
            view.execution.unwrap().status,
            relynt_domain::ExecutionStatus::Succeeded
        );
        assert!(view.payload.is_none());
    }
}

#[tokio::test]
async fn a_thousand_who_wait_read_the_store_no_more_often_than_one() {
    let (test, approval) = asked(true).await;
    let test = Arc::new(test);
    let before = test.store.asked("find_approval");
    let waiting: Vec<_> = (0..1000)
        .map(|_| {
            let test = Arc::clone(&test);
            tokio::spawn(async move {
                let principal = Principal::Agent(test.caller());
                let wait = Duration::from_hours(25);
                test.gateway.approval(&principal, approval, wait).await
            })
        })
        .collect();
    // All of them wait before anybody decides: each has been polled once by then.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    test.decide(vote(approval, VoteKind::Deny)).await.unwrap();
    for waiting in waiting {
        let view = waiting.await.unwrap().unwrap();
        assert_eq!(view.record.status, ApprovalStatus::Denied);
    }
    // One when the first came, one by the vote, one when it was decided.
    let asked = test.store.asked("find_approval") - before;
    assert!(asked <= 4, "{asked}");
}

#[tokio::test]
async fn another_agents_approval_is_not_waited_for() {
    let (test, approval) = asked(true).await;
    let draft = relynt_gateway::AgentDraft {
        name: "Other".to_owned(),
        ..relynt_gateway::AgentDraft::default()
    };
    let other = test
        .gateway
        .create_agent(&test.owner(), draft, "t")
        .await
        .unwrap()
        .agent
        .id;
    let rotated = test
        .gateway
        .rotate(
            &test.owner(),
            other,
            relynt_gateway::Rotation::default(),
            "t",
        )
        .await
        .unwrap();
    let caller = test
        .gateway
        .authenticate_agent(&rotated.agent_secret)
        .unwrap();
    let principal = Principal::Agent(caller);
    for wait in [Duration::ZERO, Duration::from_hours(25)] {
        let read = test.gateway.approval(&principal, approval, wait).await;
        assert!(matches!(read, Err(relynt_gateway::ReadError::NotFound)));
    }
}
