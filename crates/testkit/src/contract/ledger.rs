//! Receipts and signing keys.

use relynt_domain::{AgentId, Decision, InstanceId, OrganizationId, ReceiptId, RiskLevel};
use relynt_gateway::ports::{NewReceipt, Page, ReceiptFilter, Store, StoredSigningKey};
use relynt_ledger::Receipt;
use zeroize::Zeroizing;

use crate::sample::Tenant;

/// The ids of every receipt that matches, asked for in pages of `limit`.
async fn listed(
    store: &dyn Store,
    organization: OrganizationId,
    filter: &ReceiptFilter,
    limit: u32,
) -> Vec<ReceiptId> {
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after, limit };
        let page = store
            .list_receipts(organization, filter.clone(), page)
            .await
            .unwrap();
        assert!(page.receipts.len() <= limit as usize);
        for bytes in &page.receipts {
            let receipt = Receipt::from_bytes(bytes).unwrap();
            ids.push(receipt.record().receipt_id.parse().unwrap());
        }
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

async fn add(store: &dyn Store, tenant: &Tenant, receipt: Receipt) -> NewReceipt {
    let receipt = tenant.maker.sign(receipt);
    store
        .record_receipt(tenant.organization, receipt.clone())
        .await
        .unwrap();
    receipt
}

fn draft(tenant: &Tenant) -> Receipt {
    let call = tenant.call();
    tenant
        .maker
        .draft_of(&call, tenant.maker.id(ReceiptId::new), Decision::Allow)
}

/// Pages hang together whatever their size, even where many receipts have one time.
pub async fn receipts_are_listed_newest_first_in_pages(store: &dyn Store) {
    let tenant = Tenant::create(store, "receipts_are_listed_newest_first_in_pages").await;
    let same_time = tenant.maker.now();
    let mut receipts = Vec::new();
    for position in 0..7 {
        let mut receipt = draft(&tenant);
        if position % 2 == 0 {
            receipt.created_at = same_time.to_string();
        }
        let receipt = add(store, &tenant, receipt).await;
        receipts.push((receipt.created_at, receipt.id));
    }
    receipts.sort_unstable();
    receipts.reverse();
    let expected: Vec<_> = receipts.into_iter().map(|(_, id)| id).collect();
    let everything = ReceiptFilter::default();
    let of_agent = ReceiptFilter {
        agent: Some(tenant.agent),
        ..everything.clone()
    };
    for limit in [1, 2, 3, 7, 50] {
        for filter in [&everything, &of_agent] {
            assert_eq!(
                listed(store, tenant.organization, filter, limit).await,
                expected
            );
        }
    }
}

/// Every filter alone, and all of them together.
pub async fn receipts_are_filtered_by_every_field(store: &dyn Store) {
    let tenant = Tenant::create(store, "receipts_are_filtered_by_every_field").await;
    let usual = add(store, &tenant, draft(&tenant)).await;
    let other_agent = tenant.maker.id(AgentId::new);
    let approval = tenant.maker.id(relynt_domain::ApprovalId::new);
    let special = add(
        store,
        &tenant,
        Receipt {
            agent_id: other_agent.to_string(),
            instance_id: "run-2".to_owned(),
            action: "delete_deal".to_owned(),
            decision: relynt_ledger::Decision::Error,
            risk_level: relynt_ledger::RiskLevel::High,
            approval_id: Some(approval.to_string()),
            ..draft(&tenant)
        },
    )
    .await;
    let last = add(store, &tenant, draft(&tenant)).await;

    let all = ReceiptFilter::default();
    let instance = |text| Some(InstanceId::new(text).unwrap());
    let one = vec![special.id];
    let cases = [
        (all.clone(), vec![last.id, special.id, usual.id]),
        (
            ReceiptFilter {
                decision: Some(Decision::Error),
                ..all.clone()
            },
            one.clone(),
        ),
        (
            ReceiptFilter {
                risk_level: Some(RiskLevel::High),
                ..all.clone()
            },
            one.clone(),
        ),
        (
            ReceiptFilter {
                agent: Some(other_agent),
                ..all.clone()
            },
            one.clone(),
        ),
        (
            ReceiptFilter {
                instance_id: instance("run-2"),
                ..all.clone()
            },
            one.clone(),
        ),
        (
            ReceiptFilter {
                approval: Some(approval),
                ..all.clone()
            },
            one.clone(),
        ),
        (
            ReceiptFilter {
                action: Some("delete_deal".to_owned()),
                ..all.clone()
            },
            one.clone(),
        ),
        (
            ReceiptFilter {
                action: Some("delete".to_owned()),
                ..all.clone()
            },
            vec![],
        ),
        (
            ReceiptFilter {
                from: Some(last.created_at),
                ..all.clone()
            },
            vec![last.id],
        ),
        (
            ReceiptFilter {
                from: Some(special.created_at),
                ..all.clone()
            },
            vec![last.id, special.id],
        ),
        (
            ReceiptFilter {
                to: Some(special.created_at),
                ..all.clone()
            },
            vec![usual.id],
        ),
        (
            ReceiptFilter {
                decision: Some(Decision::Deny),
                ..all.clone()
            },
            vec![],
        ),
        (
            ReceiptFilter {
                decision: Some(Decision::Error),
                risk_level: Some(RiskLevel::High),
                agent: Some(other_agent),
                instance_id: instance("run-2"),
                approval: Some(approval),
                action: Some("delete_deal".to_owned()),
                from: Some(special.created_at),
                to: Some(last.created_at),
                search: Some("DELETE".to_owned()),
            },
            one,
        ),
        (
            ReceiptFilter {
                agent: Some(other_agent),
                instance_id: instance("run-1"),
                ..all.clone()
            },
            vec![],
        ),
        (
            ReceiptFilter {
                agent: Some(tenant.agent),
                approval: Some(approval),
                ..all
            },
            vec![],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(
            listed(store, tenant.organization, &filter, 2).await,
            expected,
            "{filter:?}"
        );
    }
}

/// A part of action, resource or id, in whatever case.
pub async fn a_search_ignores_case(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_search_ignores_case").await;
    let action = add(
        store,
        &tenant,
        Receipt {
            action: "Überweisung".to_owned(),
            ..draft(&tenant)
        },
    )
    .await;
    let resource = add(
        store,
        &tenant,
        Receipt {
            resource: "bank:100%_x".to_owned(),
            ..draft(&tenant)
        },
    )
    .await;
    let id = resource.id.to_string();
    for (text, expected) in [
        ("überweis", vec![action.id]),
        ("ÜBER", vec![action.id]),
        ("BANK:", vec![resource.id]),
        // No wildcards.
        ("100%_", vec![resource.id]),
        ("100__", vec![]),
        ("b_nk", vec![]),
        ("nothing of the kind", vec![]),
        (id.to_uppercase().as_str(), vec![resource.id]),
        ("", vec![resource.id, action.id]),
    ] {
        let filter = ReceiptFilter {
            search: Some(text.to_owned()),
            ..ReceiptFilter::default()
        };
        assert_eq!(
            listed(store, tenant.organization, &filter, 10).await,
            expected,
            "{text}"
        );
    }
}

/// Another organization's receipts are neither listed nor found, whatever is asked for.
pub async fn receipts_of_others_are_not_listed(store: &dyn Store) {
    let one = Tenant::create(store, "receipts_of_others_1").await;
    let two = Tenant::create(store, "receipts_of_others_2").await;
    let receipt = add(store, &one, draft(&one)).await;
    let filters = [
        ReceiptFilter::default(),
        ReceiptFilter {
            agent: Some(one.agent),
            ..ReceiptFilter::default()
        },
        ReceiptFilter {
            search: Some("deal".to_owned()),
            ..ReceiptFilter::default()
        },
    ];
    for filter in filters {
        assert_eq!(listed(store, two.organization, &filter, 10).await, []);
        assert_eq!(
            listed(store, one.organization, &filter, 10).await,
            [receipt.id]
        );
    }
    assert!(
        store
            .find_receipt(two.organization, receipt.id)
            .await
            .unwrap()
            .is_none()
    );
}

/// The signed bytes, and the columns beside them.
pub async fn a_receipt_reads_back_byte_for_byte(store: &dyn Store) {
    let tenant = Tenant::create(store, "a_receipt_reads_back_byte_for_byte").await;
    let receipt = add(store, &tenant, draft(&tenant)).await;
    let stored = store
        .find_receipt(tenant.organization, receipt.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.bytes, receipt.signed.bytes());
    assert_eq!(stored.id, receipt.id);
    assert_eq!(stored.created_at, receipt.created_at);
    assert_eq!(stored.agent, receipt.agent);
    assert_eq!(stored.instance_id, receipt.instance_id);
    assert_eq!(stored.approval, receipt.approval);
    assert_eq!(stored.action, receipt.action);
    assert_eq!(stored.resource, receipt.resource);
    assert_eq!(stored.decision, receipt.decision.as_str());
    assert_eq!(stored.risk_level, receipt.risk_level.as_str());
    let nothing = tenant.maker.id(ReceiptId::new);
    assert!(
        store
            .find_receipt(tenant.organization, nothing)
            .await
            .unwrap()
            .is_none()
    );
}

/// Every key there ever was, with the seed that was given.
pub async fn signing_keys_read_back_oldest_first(store: &dyn Store) {
    let maker = crate::sample::Maker::named("signing_keys_read_back_oldest_first");
    let old = StoredSigningKey {
        seed: Zeroizing::new(maker.bytes()),
        not_before: maker.now(),
        not_after: Some(maker.now()),
    };
    let new = StoredSigningKey {
        seed: Zeroizing::new(maker.bytes()),
        not_before: maker.now(),
        not_after: None,
    };
    store.record_signing_key(new.clone()).await.unwrap();
    store.record_signing_key(old.clone()).await.unwrap();
    let keys = store.list_signing_keys().await.unwrap();
    let place = |key: &StoredSigningKey| keys.iter().position(|k| k.seed == key.seed).unwrap();
    assert!(place(&old) < place(&new));
    let stored = &keys[place(&old)];
    assert_eq!(stored.not_before, old.not_before);
    assert_eq!(stored.not_after, old.not_after);
}

/// The same key is not added again.
pub async fn a_signing_key_is_added_once(store: &dyn Store) {
    let maker = crate::sample::Maker::named("a_signing_key_is_added_once");
    let key = StoredSigningKey {
        seed: Zeroizing::new(maker.bytes()),
        not_before: maker.now(),
        not_after: None,
    };
    store.record_signing_key(key.clone()).await.unwrap();
    let again = StoredSigningKey {
        not_before: maker.now(),
        ..key.clone()
    };
    assert!(store.record_signing_key(again).await.is_err());
    let keys = store.list_signing_keys().await.unwrap();
    assert_eq!(keys.iter().filter(|k| k.seed == key.seed).count(), 1);
}
