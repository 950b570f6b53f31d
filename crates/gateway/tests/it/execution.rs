//! At most once, and honest about it.

use relynt_domain::Decision;
use relynt_gateway::SubmitError;
use relynt_ledger::{ExecutionDetail, ExecutionStatus, PerformedBy};
use relynt_testkit::{Behaviour, Failure, TestGateway};

use super::start;
use crate::RULES;

async fn executing() -> TestGateway {
    let test = start().await;
    test.activate(RULES).await;
    test.connect("act").await;
    test
}

#[tokio::test]
async fn an_allowed_action_is_carried_out_and_its_answer_kept() {
    let test = executing().await;
    let call = test.call("k", "act", "{\"a\":1e20}").await.unwrap();
    assert_eq!((call.http_status, call.decision), (200, Decision::Allow));
    assert!(
        String::from_utf8(call.body.clone())
            .unwrap()
            .contains(r#"{"ok":true}"#)
    );
    let seen = test.connectors.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].payload, r#"{"a":100000000000000000000}"#);
    assert_eq!(seen[0].receipt_id, call.receipt_id);
    let receipts = test.receipts().await;
    assert_eq!(receipts[0].performed_by, Some(PerformedBy::Gateway));
    assert_eq!(
        receipts[0].execution.as_ref().unwrap().status,
        ExecutionStatus::Succeeded
    );
    let again = test.call("k", "act", "{\"a\":1e20}").await.unwrap();
    assert_eq!((again.replayed, again.body), (true, call.body));
    assert_eq!(test.connectors.seen().len(), 1);
}

#[tokio::test]
async fn what_did_not_succeed_is_an_error_and_is_remembered() {
    for (behaviour, status) in [
        (Behaviour::Refuse, ExecutionStatus::Failed),
        (Behaviour::Break, ExecutionStatus::Unknown),
    ] {
        let test = executing().await;
        test.connectors.script(behaviour);
        let call = test.call("k", "act", "{}").await.unwrap();
        assert_eq!((call.http_status, call.decision), (502, Decision::Error));
        let again = test.call("k", "act", "{}").await.unwrap();
        assert_eq!((again.replayed, again.body), (true, call.body));
        assert_eq!(test.connectors.seen().len(), 1);
        let receipts = test.receipts().await;
        assert_eq!(receipts.len(), 1);
        assert_eq!(receipts[0].execution.as_ref().unwrap().status, status);
    }
}

#[tokio::test]
async fn nothing_is_sent_when_the_intent_was_not_stored() {
    let test = executing().await;
    test.store.fail("record_decision", Failure::Before);
    test.call("k", "act", "{}").await.unwrap_err();
    assert_eq!(test.connectors.seen(), []);
    // The commit that was not heard of: the intent is there and nobody may send for it.
    test.store.fail("record_decision", Failure::After);
    test.call("k", "act", "{}").await.unwrap_err();
    let error = test.call("k", "act", "{}").await.unwrap_err();
    assert!(matches!(error, SubmitError::InProgress), "{error}");
    assert_eq!(test.connectors.seen(), []);
    let test = test.restart().await;
    let call = test.call("k", "act", "{}").await.unwrap();
    assert_eq!((call.http_status, call.replayed), (502, true));
    assert_eq!(test.connectors.seen(), []);
}

#[tokio::test]
async fn an_outcome_survives_a_store_that_fails_for_a_while() {
    let test = executing().await;
    for _ in 0..3 {
        test.store.fail("record_outcome", Failure::Before);
    }
    let call = test.call("k", "act", "{}").await.unwrap();
    assert_eq!((call.http_status, call.replayed), (200, false));
    test.store.fail("record_outcome", Failure::After);
    let call = test.call("k2", "act", "{}").await.unwrap();
    assert_eq!(call.http_status, 200);
    assert_eq!(test.connectors.seen().len(), 2);
    // No receipt tells of a late outcome: the second recording was the first one again.
    assert_eq!(test.receipts().await.len(), 2);
}

#[tokio::test]
async fn what_a_dead_process_left_behind_is_unknown_and_never_sent_again() {
    let test = executing().await;
    for _ in 0..8 {
        test.store.fail("record_outcome", Failure::Before);
    }
    let error = test.call("k", "act", "{}").await.unwrap_err();
    assert!(
        matches!(error, SubmitError::Unavailable(_) | SubmitError::InProgress),
        "{error}"
    );
    let test = test.restart().await;
    let call = test.call("k", "act", "{}").await.unwrap();
    assert_eq!(
        (call.http_status, call.replayed, call.decision),
        (502, true, Decision::Error)
    );
    assert_eq!(test.connectors.seen().len(), 1);
    let receipts = test.receipts().await;
    assert_eq!(receipts.len(), 1);
    let execution = receipts[0].execution.clone().unwrap();
    assert_eq!(execution.status, ExecutionStatus::Unknown);
    assert_eq!(execution.detail, Some(ExecutionDetail::LeftBehind));
}

#[tokio::test]
async fn a_task_that_dies_is_closed_after_its_deadline_and_not_before() {
    let test = executing().await;
    test.connectors.script(Behaviour::Panic);
    let (gateway, caller) = (std::sync::Arc::clone(&test.gateway), test.caller());
    let intake = TestGateway::intake("k", "act", "crm:deal:1", "{}");
    let died = tokio::spawn(async move { gateway.submit(caller, intake).await }).await;
    assert!(died.unwrap_err().is_panic());
    test.clock.advance(std::time::Duration::from_secs(15));
    assert_eq!(test.gateway.recover(false).await.unwrap(), 0);
    test.clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(test.gateway.recover(false).await.unwrap(), 1);
    let call = test.call("k", "act", "{}").await.unwrap();
    assert_eq!((call.http_status, call.replayed), (502, true));
    assert_eq!(test.connectors.seen().len(), 1);
}

#[tokio::test]
async fn a_true_outcome_after_the_closing_is_one_more_receipt() {
    let test = std::sync::Arc::new(executing().await);
    let go = std::sync::Arc::new(tokio::sync::Notify::new());
    test.connectors
        .script(Behaviour::Hold(std::sync::Arc::clone(&go)));
    let running = tokio::spawn({
        let test = std::sync::Arc::clone(&test);
        async move { test.call("k", "act", "{}").await }
    });
    while test.connectors.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    test.clock.advance(std::time::Duration::from_mins(1));
    assert_eq!(test.gateway.recover(false).await.unwrap(), 1);
    go.notify_one();
    let call = running.await.unwrap().unwrap();
    assert_eq!((call.http_status, call.replayed), (502, true));
    let receipts = test.receipts().await;
    assert_eq!(receipts.len(), 2);
    assert_eq!(receipts[0].event, relynt_ledger::Event::LateOutcome);
    assert_eq!(
        receipts[0].previous_receipt_id.as_deref(),
        Some(call.receipt_id.as_str())
    );
    assert_eq!(
        receipts[0].execution.as_ref().unwrap().status,
        ExecutionStatus::Succeeded
    );
    assert_eq!(
        receipts[1].execution.as_ref().unwrap().status,
        ExecutionStatus::Unknown
    );
}

#[tokio::test]
async fn without_a_free_slot_nothing_is_recorded() {
    let test = executing().await;
    let full = test.connectors.fill();
    let error = test.call("k", "act", "{}").await.unwrap_err();
    assert!(matches!(error, SubmitError::Unavailable(_)), "{error}");
    assert_eq!(test.receipts().await.len(), 0);
    drop(full);
    assert_eq!(test.call("k", "act", "{}").await.unwrap().http_status, 200);
}

#[tokio::test]
async fn a_denied_action_reaches_no_target() {
    let test = start().await;
    test.activate(RULES).await;
    test.connect("steal").await;
    let call = test.call("k", "steal", "{}").await.unwrap();
    assert_eq!(call.decision, Decision::Deny);
    assert_eq!(test.connectors.seen(), []);
}
