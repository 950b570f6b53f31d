//! Nothing secret and no payload is in the files in clear.

use std::path::Path;

use relynt_domain::{ConnectorId, Decision, ReceiptId};
use relynt_gateway::ports::{
    Answer, Approvals as _, Calls as _, Change, Decided, Ledger as _, Plan, StoreError,
    StoredCallState, StoredSigningKey,
};
use relynt_testkit::sample::Tenant;
use zeroize::Zeroizing;

use crate::support::{MASTER_KEY, beside, open, try_open};

const PAYLOAD: &str = "canary-payload-7f3a9b";
const FACTS: &str = "canary-facts-19c2d4";
const HEADER: &str = "canary-header-b81e55";
const RESPONSE: &str = "canary-response-c0ffee";
const ANSWER: &str = "canary-answer-5ca1ab1e";
const SEED: [u8; 32] = *b"canary-seed-0123456789abcdefghij";

/// Every file of the folder in one piece.
fn files(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    bytes
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn assert_hidden(folder: &Path) {
    let bytes = files(folder);
    assert!(
        holds(&bytes, b"update_deal"),
        "the search itself does not work"
    );
    let secrets: [&[u8]; 7] = [
        PAYLOAD.as_bytes(),
        FACTS.as_bytes(),
        HEADER.as_bytes(),
        RESPONSE.as_bytes(),
        ANSWER.as_bytes(),
        &SEED,
        &MASTER_KEY,
    ];
    for secret in secrets {
        let text = String::from_utf8_lossy(secret);
        assert!(!holds(&bytes, secret), "{text}");
        assert!(
            !holds(&bytes, hex(secret).as_bytes()),
            "{text} in hexadecimal"
        );
    }
}

#[tokio::test]
async fn canaries_are_not_in_the_files() {
    let (folder, store) = open();
    let mut tenant = Tenant::create(&*store, "canaries").await;
    let connector = tenant.new_connector("crm", HEADER);
    tenant.change(&*store, Change::Connector(connector)).await;
    let at = tenant.maker.now();
    let key = StoredSigningKey {
        seed: Zeroizing::new(SEED),
        not_before: at,
        not_after: None,
    };
    store.record_signing_key(key).await.unwrap();

    let payload = format!("{{\"note\":\"{PAYLOAD}\"}}");
    let call = tenant
        .maker
        .call_with(tenant.organization, tenant.agent, &payload);
    let mut call = std::sync::Arc::unwrap_or_clone(call);
    call.facts = format!("{{\"name\":\"{FACTS}\"}}").into();
    let call = std::sync::Arc::new(call);
    let intent = tenant
        .start(&*store, &call, tenant.maker.incarnation())
        .await;
    let mut closing = tenant.maker.success(tenant.organization, &intent);
    closing.tool_response = Some(format!("{{\"text\":\"{RESPONSE}\"}}"));
    closing.answer = Some(Answer {
        http_status: 200,
        format: 1,
        body: Some(ANSWER.as_bytes().to_vec()),
    });
    store.record_outcome(closing).await.unwrap();

    assert_hidden(folder.path());
    drop(store);
    assert_hidden(folder.path());

    // All of it is there for whoever has the key.
    let store = try_open(folder.path()).unwrap();
    let request = store
        .find_request(tenant.organization, intent.receipt_id)
        .await
        .unwrap()
        .unwrap();
    assert!(request.body.contains(PAYLOAD) && request.facts.contains(FACTS));
    let response = store
        .find_tool_response(tenant.organization, intent.id)
        .await
        .unwrap();
    assert!(response.unwrap().contains(RESPONSE));
    assert_eq!(*store.list_signing_keys().await.unwrap()[0].seed, SEED);
}

#[tokio::test]
async fn an_erased_call_keeps_its_receipt_and_status_alone() {
    let (folder, store) = open();
    let tenant = Tenant::create(&*store, "erased").await;
    let call = tenant.call();
    let intent = tenant
        .start(&*store, &call, tenant.maker.incarnation())
        .await;
    let running = tenant
        .start(&*store, &tenant.call(), tenant.maker.incarnation())
        .await;
    store
        .record_outcome(tenant.maker.success(tenant.organization, &intent))
        .await
        .unwrap();
    beside(folder.path())
        .execute_batch("UPDATE requests SET call_key = NULL")
        .unwrap();

    let organization = tenant.organization;
    assert!(
        store
            .find_request(organization, intent.receipt_id)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .find_tool_response(organization, intent.id)
            .await
            .unwrap()
            .is_none()
    );
    let stored = store
        .find_call(organization, tenant.agent, &call.key)
        .await
        .unwrap()
        .unwrap();
    match stored.state {
        StoredCallState::Answered {
            answer,
            receipt,
            erased,
        } => {
            assert_eq!((answer.http_status, answer.body, erased), (200, None, true));
            assert!(!receipt.is_empty());
        }
        StoredCallState::Running => panic!("the call was answered"),
    }
    // What comes back to a call that was erased while it ran is not kept either.
    store
        .record_outcome(tenant.maker.success(organization, &running))
        .await
        .unwrap();
    assert!(
        store
            .find_tool_response(organization, running.id)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn what_was_sealed_for_one_call_does_not_open_at_another() {
    let (folder, store) = open();
    let tenant = Tenant::create(&*store, "moved").await;
    let (one, two) = (tenant.call(), tenant.call());
    let first = tenant.record(&*store, &one, Decision::Allow).await.id;
    let second = tenant.record(&*store, &two, Decision::Allow).await.id;
    let connection = beside(folder.path());
    let set = |sql: &str, from: &ReceiptId, to: &ReceiptId| {
        connection
            .execute(sql, [from.as_bytes(), to.as_bytes()])
            .unwrap();
    };
    let body = "UPDATE requests SET body = (SELECT body FROM requests WHERE receipt = ?1)
        WHERE receipt = ?2";
    let key = "UPDATE requests SET call_key = (SELECT call_key FROM requests WHERE receipt = ?1)
        WHERE receipt = ?2";
    set(body, &first, &second);
    let read = store.find_request(tenant.organization, second).await;
    assert!(
        matches!(read, Err(StoreError::Corrupt(_))),
        "the body moved alone"
    );
    set(key, &first, &second);
    let read = store.find_request(tenant.organization, second).await;
    assert!(
        matches!(read, Err(StoreError::Corrupt(_))),
        "the body moved with its key"
    );
    assert!(
        store
            .find_request(tenant.organization, first)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn headers_of_another_connector_do_not_open() {
    use relynt_gateway::ports::Administration as _;
    let (folder, store) = open();
    let mut tenant = Tenant::create(&*store, "headers").await;
    let mut ids: Vec<ConnectorId> = Vec::new();
    for name in ["one", "two"] {
        let connector = tenant.new_connector(name, HEADER);
        ids.push(connector.id);
        tenant.change(&*store, Change::Connector(connector)).await;
    }
    beside(folder.path())
        .execute(
            "UPDATE connectors SET headers = (SELECT headers FROM connectors WHERE id = ?1)
             WHERE id = ?2",
            [ids[0].as_bytes(), ids[1].as_bytes()],
        )
        .unwrap();
    let since = relynt_domain::ChangeNumber::default();
    let loaded = store.load_changes(tenant.organization, since).await;
    assert!(matches!(loaded, Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn an_answer_that_is_kept_at_once_is_sealed_too() {
    let (folder, store) = open();
    let tenant = Tenant::create(&*store, "kept at once").await;
    for in_transaction in [false, true] {
        let call = tenant.call();
        let mut decided = tenant.maker.close(&call, Decision::Error);
        let Decided::Close { answer, .. } = &mut decided else {
            unreachable!()
        };
        answer.body = Some(ANSWER.as_bytes().to_vec());
        let plan = if in_transaction {
            Plan::InTransaction(std::sync::Arc::new(move |_| Ok(decided.clone())))
        } else {
            Plan::Ready(Box::new(decided))
        };
        store
            .record_decision(tenant.seen(), std::sync::Arc::clone(&call), plan)
            .await
            .unwrap();
        let stored = store
            .find_call(tenant.organization, tenant.agent, &call.key)
            .await
            .unwrap();
        match stored.unwrap().state {
            StoredCallState::Answered { answer, erased, .. } => {
                assert_eq!(answer.body.as_deref(), Some(ANSWER.as_bytes()));
                assert!(!erased);
            }
            StoredCallState::Running => panic!("the call was answered"),
        }
    }
    assert_hidden(folder.path());
}
