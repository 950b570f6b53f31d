//! Ready means that a decision could be made now; every way not to be is shown.

use relynt_gateway::{AuthError, NotReady, SubmitError};
use relynt_testkit::{Failure, TestGateway};

use super::{empty, start};
use crate::RULES;

#[tokio::test]
async fn a_gateway_with_an_organization_and_a_store_is_ready() {
    let test = start().await;
    test.gateway.check_ready().await.unwrap();
}

#[tokio::test]
async fn a_store_that_takes_no_commit_is_not_ready() {
    let test = start().await;
    test.store.fail("check_writable", Failure::Before);
    let why = test.gateway.check_ready().await.unwrap_err();
    assert!(matches!(why, NotReady::Store(_)), "{why}");
    test.gateway.check_ready().await.unwrap();
}

#[tokio::test]
async fn a_gateway_without_an_organization_names_the_command() {
    let (test, _ground) = empty().await;
    let why = test.check_ready().await.unwrap_err();
    assert!(matches!(why, NotReady::NoOrganization), "{why}");
    assert!(why.to_string().contains("relynt organizations create"));
}

#[tokio::test]
async fn an_organization_whose_rules_cannot_be_read_lets_nobody_in_until_they_can() {
    let test = start().await;
    test.activate(RULES).await;
    let before = test.caller();
    test.store.fail("load_changes", Failure::Before);
    // The change is committed; what it changed cannot be read back.
    test.gateway
        .disable_agent(&test.owner(), test.agent, "t")
        .await
        .unwrap_err();
    let refused = test
        .gateway
        .authenticate_agent(&test.agent_secret)
        .map(|_| ());
    assert_eq!(refused, Err(AuthError::Unavailable));
    let why = test.gateway.check_ready().await.unwrap_err();
    assert!(matches!(why, NotReady::Policies), "{why}");
    // Who had got in before is stopped by the store.
    let intake = TestGateway::intake("k", "act", "crm:deal:1", "{}");
    let error = test.gateway.submit(before, intake).await.unwrap_err();
    assert!(
        matches!(error, SubmitError::Auth(AuthError::Disabled)),
        "{error}"
    );
    test.gateway.refresh_dirty().await.unwrap();
    test.gateway.check_ready().await.unwrap();
    let refused = test
        .gateway
        .authenticate_agent(&test.agent_secret)
        .map(|_| ());
    assert_eq!(refused, Err(AuthError::Disabled));
}
