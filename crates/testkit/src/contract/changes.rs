//! What people change.

use std::sync::Arc;

use futures_util::future::join_all;
use relynt_domain::{
    AgentId, AgentStatus, ApprovalRecord, ApprovalStatus, BlockedBy, ChangeNumber, CredentialId,
    Decision, PolicyVersion, ReceiptId,
};
use relynt_gateway::ports::{
    Change, ChangeError, Changes, DecideError, NewReceipt, Recorded, Seen, Store, WithReceipt,
};
use relynt_ledger::Receipt;

use crate::sample::{Maker, Tenant};

async fn load(store: &dyn Store, tenant: &Tenant) -> Changes {
    store
        .load_changes(tenant.organization, ChangeNumber::default())
        .await
        .unwrap()
        .unwrap()
}

/// Makes final receipts with a maker of its own.
fn with_receipts(tenant: &Tenant, name: &str) -> WithReceipt {
    let maker = Maker::named(name);
    let organization = tenant.organization;
    Arc::new(
        move |record: &ApprovalRecord| -> Result<NewReceipt, DecideError> {
            Ok(maker.final_receipt(organization, record))
        },
    )
}

/// Under any other number a change is stale and nothing is stored, its record included.
pub async fn a_change_needs_the_number_that_was_seen(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_change_needs_the_number_that_was_seen").await;
    for number in [0, tenant.change.0 - 1, tenant.change.0 + 1] {
        let seen = Seen {
            change: ChangeNumber(number),
            ..tenant.seen()
        };
        let change = Change::EnableAgent(tenant.agent);
        let entry = tenant
            .maker
            .entry(tenant.organization, "agent.enable", "agent");
        let done = store.record_change(seen, change, entry).await;
        assert!(matches!(done, Err(ChangeError::Stale)), "{done:?}");
    }
    let next = tenant
        .try_change(store, Change::EnableAgent(tenant.agent))
        .await
        .unwrap();
    assert_eq!(next, ChangeNumber(tenant.change.0 + 1));
}

/// Many changes under one number: one is made.
pub async fn of_many_changes_at_once_one_is_made(store: &dyn Store) {
    let tenant = Tenant::create(store, "of_many_changes_at_once_one_is_made").await;
    let changes = (0..8).map(|number| {
        let agent = tenant.new_agent(tenant.maker.id(AgentId::new), &format!("agent {number}"));
        tenant.try_change(store, Change::Agent(agent))
    });
    let done = join_all(changes).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
    assert_eq!(load(store, &tenant).await.agents.len(), 2);
}

/// New texts of an agent leave its status and its birth as they are.
pub async fn an_agent_changes_its_texts_not_its_status(store: &dyn Store) {
    let mut tenant = Tenant::create(store, "an_agent_changes_its_texts_not_its_status").await;
    let before = load(store, &tenant).await.agents.remove(0);
    let cancel = with_receipts(&tenant, "an_agent_changes_its_texts: receipts");
    tenant
        .change(
            store,
            Change::DisableAgent {
                agent: tenant.agent,
                cancel,
            },
        )
        .await;
    let mut agent = tenant.new_agent(tenant.agent, "new name");
    agent.description = None;
    tenant.change(store, Change::Agent(agent)).await;
    let after = load(store, &tenant).await.agents.remove(0);
    assert_eq!(after.name.as_str(), "new name");
    assert_eq!(after.description, None);
    assert_eq!(after.status, AgentStatus::Disabled);
    assert_eq!(after.created_at, before.created_at);
    tenant
        .change(store, Change::EnableAgent(tenant.agent))
        .await;
    assert_eq!(
        load(store, &tenant).await.agents[0].status,
        AgentStatus::Active
    );
}

/// In one transaction: the agent is disabled, what it asked for is cancelled with a receipt each,
/// and what another agent asked for stays.
pub async fn disabling_an_agent_cancels_what_it_asked_for(store: &dyn Store) {
    let mut tenant = Tenant::create(store, "disabling_an_agent_cancels_what_it_asked_for").await;
    let mine = [
        tenant.ask(store, &tenant.call()).await,
        tenant.ask(store, &tenant.call()).await,
    ];
    let other_agent = tenant.maker.id(AgentId::new);
    let others = tenant
        .ask(store, &tenant.maker.call(tenant.organization, other_agent))
        .await;
    let cancel = with_receipts(&tenant, "disabling_an_agent: receipts");
    tenant
        .change(
            store,
            Change::DisableAgent {
                agent: tenant.agent,
                cancel,
            },
        )
        .await;
    for record in &mine {
        let ended = store
            .find_approval(tenant.organization, record.id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(ended.status, ApprovalStatus::Cancelled);
        assert_eq!(ended.blocked_by, Some(BlockedBy::AgentDisabled));
        assert!(ended.decided_at.is_some());
        let receipt = ended.final_receipt_id.unwrap();
        let receipt = store
            .find_receipt(tenant.organization, receipt)
            .await
            .unwrap()
            .unwrap();
        let receipt = Receipt::from_bytes(&receipt.bytes).unwrap();
        assert_eq!(receipt.record().approval_id, Some(record.id.to_string()));
    }
    let others = store
        .find_approval(tenant.organization, others.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(others.status, ApprovalStatus::Pending);
}

/// A receipt that cannot be signed stops the whole change.
pub async fn a_change_whose_receipts_cannot_be_made_is_not_made(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_change_whose_receipts_cannot_be_made_is_not_made").await;
    let record = tenant.ask(store, &tenant.call()).await;
    let cancel: WithReceipt = Arc::new(|_| Err(DecideError("no signer".to_owned())));
    let disable = Change::DisableAgent {
        agent: tenant.agent,
        cancel,
    };
    let done = tenant.try_change(store, disable).await;
    assert!(matches!(done, Err(ChangeError::Store(_))), "{done:?}");
    let changes = load(store, &tenant).await;
    assert_eq!(changes.change, tenant.change);
    assert_eq!(changes.agents[0].status, AgentStatus::Active);
    let record = store
        .find_approval(tenant.organization, record.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(record.status, ApprovalStatus::Pending);
}

/// Earlier credentials end when told; a later rotation never gives one more time; with
/// `cancel_pending` what was asked for ends too.
pub async fn a_rotation_revokes_and_never_brings_back(store: &dyn Store) {
    let mut tenant = Tenant::create(store, "a_rotation_revokes_and_never_brings_back").await;
    let record = tenant.ask(store, &tenant.call()).await;
    let now = tenant.maker.now();
    let later = now.after(std::time::Duration::from_hours(1));
    let first = tenant.credential;
    let second = Tenant::new_credential(&tenant.maker, tenant.agent);
    let third = Tenant::new_credential(&tenant.maker, tenant.agent);
    let (second_id, third_id) = (second.id, third.id);
    let revoked = async |tenant: &Tenant, id: CredentialId| {
        let credentials = load(store, tenant).await.credentials;
        credentials
            .into_iter()
            .find(|credential| credential.id == id)
            .unwrap()
            .revoked_at
    };

    let revoke = vec![(first, later)];
    let rotate = Change::Rotate {
        credential: second,
        revoke,
        cancel: None,
    };
    tenant.change(store, rotate).await;
    assert_eq!(revoked(&tenant, first).await, Some(later));
    let pending = store
        .find_approval(tenant.organization, record.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(pending.status, ApprovalStatus::Pending);

    let revoke = vec![(first, now), (second_id, later)];
    let cancel = Some(with_receipts(&tenant, "a_rotation_revokes: receipts"));
    tenant
        .change(
            store,
            Change::Rotate {
                credential: third,
                revoke,
                cancel,
            },
        )
        .await;
    assert_eq!(revoked(&tenant, first).await, Some(now));
    assert_eq!(revoked(&tenant, second_id).await, Some(later));
    assert_eq!(revoked(&tenant, third_id).await, None);
    let ended = store
        .find_approval(tenant.organization, record.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.status, ApprovalStatus::Cancelled);
    assert_eq!(ended.blocked_by, Some(BlockedBy::CredentialRotated));

    let again = Change::RevokeCredential {
        credential: first,
        at: later,
    };
    tenant.change(store, again).await;
    assert_eq!(revoked(&tenant, first).await, Some(now));
    tenant
        .change(
            store,
            Change::RevokeCredential {
                credential: third_id,
                at: now,
            },
        )
        .await;
    assert_eq!(revoked(&tenant, third_id).await, Some(now));
}

/// Headers come back as they were given; a version is stored once; what is deleted stays deleted.
pub async fn a_connector_keeps_its_headers_until_it_is_deleted(store: &dyn Store) {
    let name = "a_connector_keeps_its_headers_until_it_is_deleted";
    let mut tenant = Tenant::create(store, name).await;
    let mut record = tenant.new_connector("crm", "Bearer s3cr3t \"quoted\"");
    tenant
        .change(store, Change::Connector(record.clone()))
        .await;
    let stored = load(store, &tenant).await.connectors.remove(0);
    assert_eq!(stored.definition, record.definition);
    assert_eq!((stored.id, stored.version), (record.id, 1));
    assert_eq!(stored.created_at, record.created_at);

    let same_version = tenant
        .try_change(store, Change::Connector(record.clone()))
        .await;
    assert!(same_version.is_err());
    record.version = 2;
    record.definition.headers = relynt_domain::HeaderValues::default();
    "crm 2".clone_into(&mut record.definition.name);
    tenant
        .change(store, Change::Connector(record.clone()))
        .await;
    let stored = load(store, &tenant).await.connectors.remove(0);
    assert_eq!(stored.definition, record.definition);

    let since = tenant.change;
    let at = tenant.maker.now();
    tenant
        .change(
            store,
            Change::DeleteConnector {
                connector: record.id,
                at,
            },
        )
        .await;
    let changes = store
        .load_changes(tenant.organization, since)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(changes.deleted_connectors, [record.id]);
    assert!(changes.connectors.is_empty());
    let again = Change::DeleteConnector {
        connector: record.id,
        at,
    };
    assert!(tenant.try_change(store, again).await.is_err());
    record.version = 3;
    assert!(
        tenant
            .try_change(store, Change::Connector(record))
            .await
            .is_err()
    );
    // Its name is free again.
    let next = tenant.new_connector("crm 2", "another");
    tenant.change(store, Change::Connector(next)).await;
}

/// A token is added, and ends when it is revoked.
pub async fn tokens_come_and_go(store: &dyn Store) {
    let mut tenant = Tenant::create(store, "tokens_come_and_go").await;
    let token = Tenant::new_token(&tenant.maker, tenant.owner);
    tenant.change(store, Change::Token(token.clone())).await;
    let find = async |tenant: &Tenant| {
        let tokens = load(store, tenant).await.tokens;
        tokens.into_iter().find(|t| t.id == token.id).unwrap()
    };
    let stored = find(&tenant).await;
    assert_eq!(format!("{stored:?}"), format!("{token:?}"));
    let at = tenant.maker.now();
    tenant
        .change(
            store,
            Change::RevokeToken {
                token: token.id,
                at,
            },
        )
        .await;
    assert_eq!(find(&tenant).await.revoked_at, Some(at));
}

/// A version follows the last one; only one that exists is made active, an earlier one too.
pub async fn versions_are_numbered_without_gaps(store: &dyn Store) {
    let mut tenant = Tenant::create(store, "versions_are_numbered_without_gaps").await;
    let row = |tenant: &Tenant, version| {
        let rules = format!("[{version}]");
        Tenant::new_policy(&tenant.maker, PolicyVersion(version), &rules, tenant.owner)
    };
    for wrong in [1, 3] {
        let change = Change::Policy(row(&tenant, wrong));
        assert!(tenant.try_change(store, change).await.is_err(), "{wrong}");
    }
    let second = row(&tenant, 2);
    tenant.change(store, Change::Policy(second)).await;
    let changes = load(store, &tenant).await;
    assert_eq!(changes.last_version, PolicyVersion(2));
    assert_eq!(changes.active.0, PolicyVersion(1));

    let at = tenant.maker.now();
    for version in [2, 1] {
        let since = tenant.change;
        let version = PolicyVersion(version);
        tenant
            .change(store, Change::ActivatePolicy { version, at })
            .await;
        let changes = store
            .load_changes(tenant.organization, since)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(changes.active.0, version);
        let row = changes.active.1.unwrap();
        assert_eq!((row.version, row.activated_at), (version, Some(at)));
    }
    let unknown = Change::ActivatePolicy {
        version: PolicyVersion(3),
        at,
    };
    assert!(tenant.try_change(store, unknown).await.is_err());
    assert_eq!(load(store, &tenant).await.active.0, PolicyVersion(1));
}

/// No decision commits under rules that a committed change has replaced.
pub async fn a_decision_under_an_old_number_is_stale(store: &dyn Store) {
    let mut tenant = Tenant::create(store, "a_decision_under_an_old_number_is_stale").await;
    let seen = tenant.seen();
    let call = tenant.call();
    let plan = tenant.maker.closed(&call, Decision::Allow);
    tenant
        .change(store, Change::EnableAgent(tenant.agent))
        .await;
    let recorded = store
        .record_decision(seen, Arc::clone(&call), plan)
        .await
        .unwrap();
    assert!(matches!(recorded, Recorded::Stale), "{recorded:?}");
    let found = store
        .find_call(tenant.organization, tenant.agent, &call.key)
        .await
        .unwrap();
    assert!(found.is_none());
    tenant.record(store, &call, Decision::Allow).await;
}

/// What speaks of something that is not there, or takes a name twice, is an error and changes
/// nothing; the store goes on.
pub async fn an_impossible_change_is_an_error(store: &dyn Store) {
    let tenant = Tenant::create(store, "an_impossible_change_is_an_error").await;
    let maker = &tenant.maker;
    let at = maker.now();
    let nobody = maker.id(AgentId::new);
    let cancel = with_receipts(&tenant, "an_impossible_change: receipts");
    let changes = [
        Change::EnableAgent(nobody),
        Change::DisableAgent {
            agent: nobody,
            cancel,
        },
        Change::Agent(tenant.new_agent(nobody, "agent")),
        Change::RevokeCredential {
            credential: maker.id(CredentialId::new),
            at,
        },
        Change::Rotate {
            credential: Tenant::new_credential(maker, nobody),
            revoke: Vec::new(),
            cancel: None,
        },
        Change::Rotate {
            credential: Tenant::new_credential(maker, tenant.agent),
            revoke: vec![(maker.id(CredentialId::new), at)],
            cancel: None,
        },
        Change::DeleteConnector {
            connector: maker.id(relynt_domain::ConnectorId::new),
            at,
        },
        Change::Token(Tenant::new_token(maker, maker.user())),
        Change::RevokeToken {
            token: maker.id(relynt_domain::TokenId::new),
            at,
        },
    ];
    for change in changes {
        let name = format!("{change:?}");
        let done = tenant.try_change(store, change).await;
        assert!(
            matches!(done, Err(ChangeError::Store(_))),
            "{name}: {done:?}"
        );
    }
    let after = load(store, &tenant).await;
    assert_eq!(after.change, tenant.change);
    assert_eq!(
        (
            after.agents.len(),
            after.credentials.len(),
            after.tokens.len()
        ),
        (1, 1, 1)
    );
    let _: ReceiptId = tenant
        .record(store, &tenant.call(), Decision::Allow)
        .await
        .id;
}
