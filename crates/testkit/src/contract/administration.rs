//! Organizations and what is configured in them.

use std::time::Duration;

use relynt_domain::{AgentId, ChangeNumber, Decision, OrganizationId, PolicyVersion};
use relynt_gateway::ports::{Change, Store, Touched};

use crate::sample::{Maker, Tenant};

/// Every organization with its name.
pub async fn organizations_are_listed(store: &dyn Store) {
    let tenant = Tenant::create(store, "organizations_are_listed").await;
    let rows = store.list_organizations().await.unwrap();
    let row = rows
        .iter()
        .find(|row| row.id == tenant.organization)
        .unwrap();
    assert_eq!(row.name, "Example");
}

/// One person has one id, however their address is written, and owns what they create.
pub async fn an_owner_is_found_by_their_address(store: &dyn Store) {
    let maker = Maker::named("an_owner_is_found_by_their_address");
    let mut owners = Vec::new();
    for (email, expected_new) in [
        ("Ada@Example.com", true),
        (" ada@example.COM ", false),
        ("eve@example.com", true),
    ] {
        let organization = maker.id(OrganizationId::new);
        let new = Tenant::new_organization(&maker, organization, email);
        let given = new.owner;
        let owner = store.record_organization(new).await.unwrap();
        assert_eq!(owner == given, expected_new, "{email}");
        let changes = store
            .load_changes(organization, ChangeNumber::default())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(changes.members[0].user, owner);
        assert_eq!(changes.tokens[0].user, owner);
        assert_eq!(changes.active.1.unwrap().created_by, owner);
        owners.push(owner);
    }
    assert_eq!(owners[0], owners[1]);
    assert_ne!(owners[0], owners[2]);
}

/// The id of an organization is taken once; the second attempt leaves nothing.
pub async fn an_organization_is_created_once(store: &dyn Store) {
    let tenant = Tenant::create(store, "an_organization_is_created_once").await;
    let again = Tenant::new_organization(&tenant.maker, tenant.organization, "other@example.com");
    let token = again.token.id;
    assert!(store.record_organization(again).await.is_err());
    let changes = store
        .load_changes(tenant.organization, ChangeNumber::default())
        .await
        .unwrap()
        .unwrap();
    assert!(changes.tokens.iter().all(|t| t.id != token));
    assert_eq!(changes.members.len(), 1);
}

/// From the start everything, later only what is newer, and nothing if nothing is.
pub async fn only_what_changed_is_loaded(store: &dyn Store) {
    let mut tenant = Tenant::create(store, "only_what_changed_is_loaded").await;
    let organization = tenant.organization;
    let load = async |since| {
        store
            .load_changes(organization, since)
            .await
            .unwrap()
            .unwrap()
    };

    let all = load(ChangeNumber::default()).await;
    assert_eq!(all.change, tenant.change);
    assert_eq!(all.organization.id, organization);
    assert_eq!(all.last_version, PolicyVersion(1));
    assert_eq!(all.active.0, PolicyVersion(1));
    assert_eq!(all.active.1.unwrap().rules, "[]");
    assert_eq!(all.agents.len(), 1);
    assert_eq!(all.agents[0].id, tenant.agent);
    assert_eq!(all.agents[0].tags.as_slice(), ["crm", "sales"]);
    assert_eq!(all.credentials.len(), 1);
    assert_eq!(all.members.len(), 1);
    assert_eq!(all.members[0].user, tenant.owner);
    assert_eq!(all.tokens.len(), 1);
    assert!(all.connectors.is_empty() && all.deleted_connectors.is_empty());

    let nothing = load(tenant.change).await;
    assert_eq!(nothing.change, tenant.change);
    assert_eq!(nothing.active.0, PolicyVersion(1));
    assert!(nothing.active.1.is_none() && nothing.agents.is_empty());
    assert!(nothing.credentials.is_empty() && nothing.members.is_empty());
    assert!(nothing.tokens.is_empty());

    let since = tenant.change;
    let second = tenant.maker.id(AgentId::new);
    tenant
        .change(store, Change::Agent(tenant.new_agent(second, "second")))
        .await;
    let later = load(since).await;
    assert_eq!(later.change, tenant.change);
    assert_eq!(later.agents.len(), 1);
    assert_eq!(later.agents[0].id, second);
    assert!(later.credentials.is_empty() && later.active.1.is_none());
}

/// An organization that is not there.
pub async fn an_unknown_organization_has_no_changes(store: &dyn Store) {
    let nobody = Maker::named("an_unknown_organization_has_no_changes").id(OrganizationId::new);
    assert!(
        store
            .load_changes(nobody, ChangeNumber::default())
            .await
            .unwrap()
            .is_none()
    );
}

/// Versions newest first, in parts, and one by its number.
pub async fn policies_are_listed_newest_first(store: &dyn Store) {
    let mut tenant = Tenant::create(store, "policies_are_listed_newest_first").await;
    for (version, rules) in [(2, "[1]"), (3, "[2]")] {
        let row = Tenant::new_policy(&tenant.maker, PolicyVersion(version), rules, tenant.owner);
        tenant.change(store, Change::Policy(row)).await;
    }
    let list = async |before: Option<u32>, limit| {
        let before = before.map(PolicyVersion);
        let rows = store
            .list_policies(tenant.organization, before, limit)
            .await
            .unwrap();
        rows.iter().map(|row| row.version.0).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 10).await, [3, 2, 1]);
    assert_eq!(list(None, 2).await, [3, 2]);
    assert_eq!(list(Some(2), 10).await, [1]);
    assert_eq!(list(Some(1), 10).await, [0; 0]);

    let find = |version| store.find_policy(tenant.organization, PolicyVersion(version));
    let row = find(3).await.unwrap().unwrap();
    assert_eq!(row.rules, "[2]");
    assert_eq!(row.note.as_deref(), Some("why"));
    assert_eq!(row.digest, relynt_ledger::sha256(b"[2]"));
    assert_eq!(row.created_by, tenant.owner);
    assert_eq!(row.activated_at, None);
    assert!(find(4).await.unwrap().is_none());
    let elsewhere = tenant.maker.id(OrganizationId::new);
    assert!(
        store
            .find_policy(elsewhere, PolicyVersion(1))
            .await
            .unwrap()
            .is_none()
    );
}

/// Uses are noted without a change: what was decided under the number still stands.
pub async fn what_was_used_is_noted(store: &dyn Store) {
    let tenant = Tenant::create(store, "what_was_used_is_noted").await;
    let load = async || {
        let since = ChangeNumber::default();
        store
            .load_changes(tenant.organization, since)
            .await
            .unwrap()
            .unwrap()
    };
    let token = load().await.tokens[0].id;
    let early = tenant.maker.now();
    let late = early.after(Duration::from_mins(1));
    let used = |at| {
        vec![
            Touched::Credential(tenant.organization, tenant.agent, tenant.credential, at),
            Touched::Token(tenant.organization, token, at),
        ]
    };
    store.record_touched(used(late)).await.unwrap();
    // Two nodes may tell in any order.
    store.record_touched(used(early)).await.unwrap();
    store.record_touched(Vec::new()).await.unwrap();
    let changes = load().await;
    assert_eq!(changes.change, tenant.change);
    assert_eq!(changes.credentials[0].last_used_at, Some(late));
    assert_eq!(changes.agents[0].last_seen_at, Some(late));
    assert_eq!(changes.tokens[0].last_used_at, Some(late));
}

/// A commit that does nothing else.
pub async fn a_store_says_that_it_can_be_written(store: &dyn Store) {
    store.check_writable().await.unwrap();
    store.check_writable().await.unwrap();
}

/// Commands and groups are counted; nothing waits once everything is answered.
pub async fn a_store_counts_what_it_commits(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_store_counts_what_it_commits").await;
    let before = store.gauges();
    tenant.record(store, &tenant.call(), Decision::Allow).await;
    let after = store.gauges();
    assert_eq!(after.commands - before.commands, 1);
    assert_eq!(after.groups - before.groups, 1);
    assert_eq!(after.queue_depth, 0);
}
