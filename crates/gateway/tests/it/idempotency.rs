//! One key, one call.

use std::sync::Arc;

use relynt_domain::Decision;
use relynt_gateway::SubmitError;
use relynt_testkit::{Behaviour, Failure, TestGateway};
use tokio::sync::Notify;

use super::start;
use crate::RULES;

#[tokio::test]
async fn a_replay_is_the_same_answer_and_decides_nothing() {
    let test = start().await;
    test.activate(RULES).await;
    let first = test.call("k", "act", "{\"a\":1}").await.unwrap();
    assert_eq!((first.decision, first.replayed), (Decision::Allow, false));
    // A policy that would deny now changes nothing about what was decided.
    test.activate(r#"[{"action":"*","resource_pattern":"*","decision":"deny"}]"#)
        .await;
    let again = test.call("k", "act", "{\"a\":1.0}").await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.body, first.body);
    assert_eq!(test.receipts().await.len(), 1);
}

#[tokio::test]
async fn a_key_with_other_parameters_is_a_conflict_and_leaves_nothing() {
    let test = start().await;
    test.activate(RULES).await;
    test.call("k", "act", "{}").await.unwrap();
    for (action, payload) in [("act2", "{}"), ("act", "{\"a\":1}"), ("act", "null")] {
        let error = test.call("k", action, payload).await.unwrap_err();
        assert!(matches!(error, SubmitError::KeyReused), "{error}");
    }
    assert_eq!(test.receipts().await.len(), 1);
}

#[tokio::test]
async fn another_run_with_the_key_is_the_same_call() {
    let test = start().await;
    test.activate(RULES).await;
    let first = test.call("k", "act", "{}").await.unwrap();
    let mut intake = TestGateway::intake("k", "act", "crm:deal:1", "{}");
    intake.instance_id = relynt_domain::InstanceId::new("restarted").unwrap();
    let again = test.gateway.submit(test.caller(), intake).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.body, first.body);
}

#[tokio::test]
async fn many_calls_with_one_key_execute_once_and_get_one_answer() {
    let test = Arc::new(start().await);
    test.activate(RULES).await;
    test.connect("act").await;
    let calls = (0..100).map(|_| {
        let test = Arc::clone(&test);
        tokio::spawn(async move {
            loop {
                match test.call("k", "act", "{}").await {
                    // The clock of the tests runs a thousand times faster than the store.
                    Err(SubmitError::InProgress) => tokio::task::yield_now().await,
                    answered => return answered.unwrap().body,
                }
            }
        })
    });
    let mut bodies = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        bodies.push(call.await.unwrap());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    assert_eq!(test.connectors.seen().len(), 1);
    assert_eq!(test.receipts().await.len(), 1);
}

#[tokio::test]
async fn a_call_waits_for_the_first_with_its_key_and_then_gives_up() {
    let test = Arc::new(start().await);
    test.activate(RULES).await;
    test.connect("act").await;
    let go = Arc::new(Notify::new());
    test.connectors.script(Behaviour::Hold(Arc::clone(&go)));
    let first = tokio::spawn({
        let test = Arc::clone(&test);
        async move { test.call("k", "act", "{}").await }
    });
    while test.connectors.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    let error = test.call("k", "act", "{}").await.unwrap_err();
    assert!(matches!(error, SubmitError::InProgress), "{error}");
    go.notify_one();
    let first = first.await.unwrap().unwrap();
    let again = test.call("k", "act", "{}").await.unwrap();
    assert_eq!((again.replayed, again.body), (true, first.body));
    assert_eq!(test.connectors.seen().len(), 1);
}

#[tokio::test]
async fn a_decision_that_was_not_stored_leaves_the_key_free() {
    let test = start().await;
    test.activate(RULES).await;
    test.store.fail("record_decision", Failure::Before);
    let error = test.call("k", "act", "{}").await.unwrap_err();
    assert!(matches!(error, SubmitError::Unavailable(_)), "{error}");
    let call = test.call("k", "act", "{}").await.unwrap();
    assert!(!call.replayed);
    assert_eq!(test.receipts().await.len(), 1);
}

#[tokio::test]
async fn a_decision_whose_commit_was_not_heard_of_is_read_by_its_key() {
    let test = start().await;
    test.activate(RULES).await;
    test.store.fail("record_decision", Failure::After);
    let error = test.call("k", "act", "{}").await.unwrap_err();
    assert!(matches!(error, SubmitError::Unavailable(_)), "{error}");
    let call = test.call("k", "act", "{}").await.unwrap();
    assert!(call.replayed);
    assert_eq!(test.receipts().await.len(), 1);
}

#[tokio::test]
async fn a_used_key_is_answered_though_the_call_would_be_refused_now() {
    let test = start().await;
    test.activate(RULES).await;
    let intake = |key| TestGateway::intake(key, "act", "crm:..:1", "{}");
    let first = test
        .gateway
        .submit(test.caller(), intake("k"))
        .await
        .unwrap();
    // With this connector the resource does not fit its route any more.
    test.connect("act").await;
    let again = test
        .gateway
        .submit(test.caller(), intake("k"))
        .await
        .unwrap();
    assert_eq!((again.replayed, again.body), (true, first.body));
    let error = test
        .gateway
        .submit(test.caller(), intake("k2"))
        .await
        .unwrap_err();
    assert!(matches!(error, SubmitError::Invalid(_)), "{error}");
}
