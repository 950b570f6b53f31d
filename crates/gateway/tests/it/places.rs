//! The bound on decisions under way: who holds a place, and until when.

use std::sync::Arc;

use futures_util::FutureExt as _;
use relynt_domain::Decision;
use relynt_gateway::{Place, Places, SubmitError, Submitted};
use relynt_testkit::{Behaviour, Failure, TestGateway};
use tokio::sync::Notify;

use crate::RULES;

async fn executing() -> Arc<TestGateway> {
    let test = TestGateway::start().await;
    test.activate(RULES).await;
    test.connect("act").await;
    Arc::new(test)
}

async fn call(
    test: Arc<TestGateway>,
    key: &'static str,
    action: &'static str,
    place: Place,
) -> Result<Submitted, SubmitError> {
    let mut intake = TestGateway::intake(key, action, "crm:deal:1", "{}");
    intake.place = place;
    test.gateway.submit(test.caller(), intake).await
}

#[tokio::test]
async fn a_place_comes_back_after_a_success_and_after_an_error() {
    let (test, places) = (executing().await, Places::new(1));
    let done = call(Arc::clone(&test), "k1", "no", places.take().unwrap()).await;
    assert_eq!(done.unwrap().decision, Decision::Deny);
    test.store.fail("record_decision", Failure::Before);
    let failed = call(Arc::clone(&test), "k2", "no", places.take().unwrap()).await;
    assert!(matches!(failed, Err(SubmitError::Unavailable(_))));
    assert_eq!(places.taken(), 0);
}

#[tokio::test]
async fn a_place_comes_back_when_the_call_is_dropped_before_its_commit() {
    let (test, places) = (executing().await, Places::new(1));
    let call = call(Arc::clone(&test), "k", "no", places.take().unwrap());
    assert_eq!(places.taken(), 1);
    drop(call);
    assert_eq!(places.taken(), 0);
}

#[tokio::test]
async fn a_call_inside_a_connector_holds_no_place() {
    let (test, places) = (executing().await, Places::new(1));
    let go = Arc::new(Notify::new());
    test.connectors.script(Behaviour::Hold(Arc::clone(&go)));
    let place = places.take().unwrap();
    let running = tokio::spawn(call(Arc::clone(&test), "k", "act", place));
    while test.connectors.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(places.taken(), 0);
    go.notify_one();
    assert_eq!(running.await.unwrap().unwrap().decision, Decision::Allow);
}

#[tokio::test]
async fn a_call_that_waits_for_another_with_its_key_holds_no_place() {
    let (test, places) = (executing().await, Places::new(1));
    let go = Arc::new(Notify::new());
    test.connectors.script(Behaviour::Hold(Arc::clone(&go)));
    let first = tokio::spawn(call(Arc::clone(&test), "k", "act", Place::unbounded()));
    while test.connectors.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    let place = places.take().unwrap();
    let mut second = Box::pin(call(Arc::clone(&test), "k", "act", place));
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(places.taken(), 0);
    go.notify_one();
    let first = first.await.unwrap().unwrap();
    assert_eq!(second.await.unwrap().body, first.body);
}

#[tokio::test]
async fn a_call_that_waited_needs_a_place_to_be_decided_itself() {
    let (test, places) = (executing().await, Places::new(1));
    // The first is refused by its route after a look at the store, and leaves nothing behind.
    let refused = |key: &str, place| {
        let mut intake = TestGateway::intake(key, "act", "crm:..:1", "{}");
        intake.place = place;
        let test = Arc::clone(&test);
        Box::pin(async move { test.gateway.submit(test.caller(), intake).await })
    };
    let (mut first, key) = loop {
        let key = format!("k{}", test.store.asked("find_call"));
        let mut first = refused(&key, Place::unbounded());
        // The store may have answered already: then nobody could wait for this one.
        if first.as_mut().now_or_never().is_none() {
            break (first, key);
        }
    };
    let mut second = refused(&key, places.take().unwrap());
    assert!(second.as_mut().now_or_never().is_none());
    let taken = places.take().unwrap();
    assert!(matches!(first.as_mut().await, Err(SubmitError::Invalid(_))));
    drop(first);
    assert!(matches!(second.await, Err(SubmitError::TooMany)));
    drop(taken);
    assert_eq!(places.taken(), 0);
}
