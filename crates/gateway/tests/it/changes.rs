//! No decision under old rules; credentials end when they are said to.

use std::time::Duration;

use relynt_domain::{Decision, Role, Scope, Scopes};
use relynt_gateway::{AdminError, AuthError, Rotation, SubmitError, TokenDraft};
use relynt_testkit::TestGateway;

use super::start;
use crate::RULES;

#[tokio::test]
async fn a_caller_from_before_a_change_is_decided_under_the_rules_after_it() {
    let test = start().await;
    test.activate(RULES).await;
    let before = test.caller();
    test.activate(r#"[{"action":"*","resource_pattern":"*","decision":"deny"}]"#)
        .await;
    let intake = TestGateway::intake("k", "act", "crm:deal:1", "{}");
    let call = test.gateway.submit(before, intake).await.unwrap();
    assert_eq!(call.decision, Decision::Deny);
    assert_eq!(test.receipts().await[0].policy_version, "v3");
}

#[tokio::test]
async fn a_call_that_is_under_way_when_its_credential_is_revoked_is_refused() {
    let test = start().await;
    test.activate(RULES).await;
    let before = test.caller();
    test.gateway
        .rotate(&test.owner(), test.agent, Rotation::default(), "t")
        .await
        .unwrap();
    let intake = TestGateway::intake("k", "act", "crm:deal:1", "{}");
    let error = test.gateway.submit(before, intake).await.unwrap_err();
    assert!(
        matches!(error, SubmitError::Auth(AuthError::Revoked)),
        "{error}"
    );
    assert_eq!(test.receipts().await.len(), 0);
}

#[tokio::test]
async fn a_call_that_is_under_way_when_its_agent_is_disabled_is_refused() {
    let test = start().await;
    test.activate(RULES).await;
    let before = test.caller();
    test.gateway
        .disable_agent(&test.owner(), test.agent, "t")
        .await
        .unwrap();
    let intake = TestGateway::intake("k", "act", "crm:deal:1", "{}");
    let error = test.gateway.submit(before, intake).await.unwrap_err();
    assert!(
        matches!(error, SubmitError::Auth(AuthError::Disabled)),
        "{error}"
    );
}

#[tokio::test]
async fn rotation_keeps_at_most_two_valid_and_the_old_one_no_longer_than_said() {
    let test = start().await;
    let rotate = async |overlap: Option<u64>| {
        let rotation = Rotation {
            overlap: overlap.map(Duration::from_secs),
            ..Rotation::default()
        };
        let rotated = test
            .gateway
            .rotate(&test.owner(), test.agent, rotation, "t")
            .await
            .unwrap();
        rotated.agent_secret.to_string()
    };
    let valid = |secret: &str| test.gateway.authenticate_agent(secret).map(|_| ());
    let first = test.agent_secret.clone();
    let second = rotate(Some(60)).await;
    assert_eq!((valid(&first), valid(&second)), (Ok(()), Ok(())));
    let third = rotate(Some(600)).await;
    assert_eq!(valid(&first), Err(AuthError::Revoked));
    assert_eq!((valid(&second), valid(&third)), (Ok(()), Ok(())));
    test.clock.advance(Duration::from_mins(10));
    assert_eq!(valid(&second), Err(AuthError::Revoked));
    assert_eq!(valid(&third), Ok(()));
    let fourth = rotate(None).await;
    assert_eq!(valid(&third), Err(AuthError::Revoked));
    assert_eq!(valid(&fourth), Ok(()));
}

#[tokio::test]
async fn an_expired_credential_opens_nothing() {
    let test = start().await;
    let rotation = Rotation {
        expires_at: Some(test.now().after(Duration::from_secs(10))),
        ..Rotation::default()
    };
    let rotated = test
        .gateway
        .rotate(&test.owner(), test.agent, rotation, "t")
        .await
        .unwrap();
    assert!(
        test.gateway
            .authenticate_agent(&rotated.agent_secret)
            .is_ok()
    );
    test.clock.advance(Duration::from_secs(10));
    let refused = test
        .gateway
        .authenticate_agent(&rotated.agent_secret)
        .map(|_| ());
    assert_eq!(refused, Err(AuthError::Expired));
}

#[tokio::test]
async fn an_agent_id_in_front_must_be_the_credentials_own() {
    let test = start().await;
    let own = format!("{}:{}", test.agent, test.agent_secret);
    assert!(test.gateway.authenticate_agent(&own).is_ok());
    let other = format!("{}:{}", test.organization, test.agent_secret);
    let refused = test.gateway.authenticate_agent(&other).map(|_| ());
    assert_eq!(refused, Err(AuthError::Unknown));
    let token = test
        .gateway
        .authenticate_agent(&test.access_token)
        .map(|_| ());
    assert_eq!(token, Err(AuthError::Malformed));
}

#[tokio::test]
async fn a_token_gives_no_more_than_it_was_given() {
    let test = start().await;
    let draft = |role, scopes: Option<Scopes>| TokenDraft {
        name: "script".to_owned(),
        role,
        scopes,
        expires_at: None,
    };
    let owner = test.owner();
    let viewer = test
        .gateway
        .create_token(&owner, draft(Role::Viewer, None), "t")
        .await
        .unwrap();
    let viewer = test.gateway.authenticate_person(&viewer.text).unwrap();
    let more = test
        .gateway
        .create_token(&viewer, draft(Role::Approver, None), "t")
        .await;
    assert!(matches!(
        more,
        Err(AdminError::Auth(AuthError::RoleTooLow(Role::Approver)))
    ));
    let wider = test
        .gateway
        .create_token(&viewer, draft(Role::Viewer, Some(Scopes::all())), "t")
        .await;
    assert!(matches!(
        wider,
        Err(AdminError::Auth(AuthError::ScopeMissing(
            Scope::ApprovalsDecide
        )))
    ));
    let change = test.gateway.disable_agent(&viewer, test.agent, "t").await;
    assert!(matches!(
        change,
        Err(AdminError::Auth(AuthError::RoleTooLow(Role::Admin)))
    ));
}

#[tokio::test]
async fn names_are_taken_once_even_by_two_at_a_time() {
    let test = std::sync::Arc::new(start().await);
    let makers: Vec<_> = (0..8)
        .map(|_| {
            let test = std::sync::Arc::clone(&test);
            tokio::spawn(async move {
                let draft = relynt_gateway::AgentDraft {
                    name: "Twin".to_owned(),
                    ..relynt_gateway::AgentDraft::default()
                };
                test.gateway
                    .create_agent(&test.owner(), draft, "t")
                    .await
                    .is_ok()
            })
        })
        .collect();
    let mut made = 0;
    for maker in makers {
        made += usize::from(maker.await.unwrap());
    }
    assert_eq!(made, 1);
}
