//! The form of a record: which bytes a value has, and which bytes are none.

use proptest::option;
use proptest::prelude::*;
use relynt_json::{Object, Value, parse};
use relynt_ledger::{
    AdminRecord, Approver, Channel, ConnectorRef, Decision, Event, Execution, ExecutionDetail,
    ExecutionStatus, FormatError, PerformedBy, PolicyVerdict, RECORD_MAX, Receipt, ResponseState,
    RiskLevel, SignError, Trust, Vote, verify,
};

use crate::samples;

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..12).prop_map(|text| text.into_iter().collect())
}

fn of<T: Copy + std::fmt::Debug + 'static>(words: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(words)
}

fn connector() -> impl Strategy<Value = ConnectorRef> {
    (text(), any::<u32>()).prop_map(|(id, version)| ConnectorRef { id, version })
}

fn execution() -> impl Strategy<Value = Execution> {
    let words = (
        of(ExecutionStatus::ALL),
        option::of(of(ExecutionDetail::ALL)),
        of(ResponseState::ALL),
    );
    let numbers = (any::<u32>(), any::<u32>(), option::of(any::<u16>()));
    let texts = (text(), text(), text(), option::of(text()));
    (words, numbers, texts).prop_map(|(words, numbers, texts)| Execution {
        execution_id: texts.0,
        status: words.0,
        detail: words.1,
        response: words.2,
        connector_id: texts.1,
        connector_version: numbers.0,
        attempts: numbers.1,
        http_status: numbers.2,
        started_at: texts.2,
        finished_at: texts.3,
    })
}

fn approver() -> impl Strategy<Value = Approver> {
    (
        text(),
        of(Vote::ALL),
        text(),
        of(Channel::ALL),
        any::<u32>(),
    )
        .prop_map(|(by, vote, at, channel, revision)| Approver {
            by,
            vote,
            at,
            channel,
            revision,
        })
}

fn receipt() -> impl Strategy<Value = Receipt> {
    let words = (
        of(Event::ALL),
        option::of(of(PolicyVerdict::ALL)),
        of(Decision::ALL),
        of(RiskLevel::ALL),
        option::of(of(PerformedBy::ALL)),
    );
    let texts = prop::collection::vec(text(), 10);
    let maybe = prop::collection::vec(option::of(text()), 11);
    let nested = (
        option::of(connector()),
        option::of(execution()),
        option::of(prop::collection::vec(approver(), 0..3)),
        option::of(any::<u32>()),
    );
    (words, texts, maybe, nested).prop_map(|(words, texts, maybe, nested)| {
        let mut texts = texts.into_iter();
        let mut text = || texts.next().unwrap();
        let mut maybe = maybe.into_iter();
        let mut maybe = || maybe.next().unwrap();
        Receipt {
            event: words.0,
            receipt_id: text(),
            previous_receipt_id: maybe(),
            created_at: text(),
            organization_id: text(),
            agent_id: text(),
            credential_id: maybe(),
            instance_id: text(),
            action: text(),
            resource: text(),
            verdict: words.1,
            decision: words.2,
            reason: text(),
            risk_level: words.3,
            policy_version: text(),
            policy_digest: text(),
            rule_id: maybe(),
            performed_by: words.4,
            valid_until: maybe(),
            request_hash: "sha256:x".to_owned(),
            response_hash: maybe(),
            connector: nested.0,
            execution: nested.1,
            approval_id: maybe(),
            revision: nested.3,
            approvers: nested.2,
            grant_id: maybe(),
            idempotency_key: maybe(),
            effect_hash: maybe(),
            facts_hash: maybe(),
        }
    })
}

fn admin() -> impl Strategy<Value = AdminRecord> {
    let detail = prop::collection::vec(
        (
            text(),
            prop_oneof![
                Just(Value::Null),
                any::<bool>().prop_map(Value::from),
                any::<i32>().prop_map(Value::from),
                text().prop_map(Value::from),
            ],
        ),
        0..5,
    );
    let texts = (text(), text(), text(), text(), text());
    (texts, option::of(text()), option::of(text()), detail).prop_map(
        |(texts, subject, request_id, detail)| AdminRecord {
            record_id: texts.0,
            created_at: texts.1,
            organization_id: texts.2,
            actor: texts.3,
            act: texts.4,
            subject,
            detail: detail.into_iter().collect(),
            request_id,
        },
    )
}

proptest! {
    #[test]
    fn the_quick_way_writes_what_the_general_way_writes(receipt in receipt()) {
        let key = samples::key();
        let quick = receipt.canonical_unsigned(key.id());
        let general = receipt.to_value(key.id());
        prop_assert_eq!(String::from_utf8(quick).unwrap(), general.to_canonical());

        let signed = receipt.clone().sign(&key).unwrap();
        let mut with_signature = general.as_object().unwrap().clone();
        with_signature.insert("signature", signed.signature().to_string());
        prop_assert!(signed.bytes() == with_signature.to_canonical().as_bytes());

        let read = Receipt::from_bytes(signed.bytes()).unwrap();
        prop_assert_eq!(read.record(), &receipt);
        prop_assert!(read == signed);
        prop_assert!(verify(signed.bytes(), &samples::keys(Trust::Named)).is_valid());
    }

    #[test]
    fn administrative_records_are_written_in_canonical_form(record in admin()) {
        let key = samples::key();
        let signed = record.clone().sign(&key).unwrap();
        let mut general = record.to_value(key.id()).as_object().unwrap().clone();
        prop_assert_eq!(record.canonical_unsigned(key.id()), general.to_canonical().into_bytes());
        general.insert("signature", signed.signature().to_string());
        prop_assert!(signed.bytes() == general.to_canonical().as_bytes());
        let read = AdminRecord::from_bytes(signed.bytes()).unwrap();
        prop_assert!(read == signed);
        prop_assert!(verify(signed.bytes(), &samples::keys(Trust::Named)).is_valid());
    }
}

#[test]
fn every_field_of_the_format_is_there_even_if_null() {
    let bytes = samples::denied()
        .sign(&samples::key())
        .unwrap()
        .into_bytes();
    let value = parse(&bytes).unwrap();
    let keys: Vec<&str> = value.as_object().unwrap().keys().collect();
    let mut documented = [
        "schema",
        "event",
        "receipt_id",
        "previous_receipt_id",
        "created_at",
        "organization_id",
        "agent_id",
        "credential_id",
        "instance_id",
        "action",
        "resource",
        "verdict",
        "decision",
        "reason",
        "risk_level",
        "policy_version",
        "policy_digest",
        "rule_id",
        "performed_by",
        "valid_until",
        "request_hash",
        "response_hash",
        "connector",
        "execution",
        "approval_id",
        "revision",
        "approvers",
        "grant_id",
        "idempotency_key",
        "effect_hash",
        "facts_hash",
        "key_id",
        "signature",
    ];
    documented.sort_unstable();
    assert_eq!(keys, documented);
}

#[test]
fn a_record_longer_than_32_kib_is_not_signed() {
    let key = samples::key();
    let fits = |padding: usize| Receipt {
        reason: "x".repeat(padding),
        ..samples::denied()
    };
    let empty = fits(0).sign(&key).unwrap().bytes().len();
    let signed = fits(RECORD_MAX - empty).sign(&key).unwrap();
    assert_eq!(signed.bytes().len(), RECORD_MAX);
    assert!(verify(signed.bytes(), &samples::keys(Trust::Named)).is_valid());
    assert_eq!(
        fits(RECORD_MAX - empty + 1).sign(&key),
        Err(SignError::TooLarge)
    );
    let blown_up = [signed.bytes(), b" "].concat();
    assert_eq!(Receipt::from_bytes(&blown_up), Err(FormatError::TooLarge));
}

#[test]
fn nothing_nested_goes_into_an_administrative_record() {
    let key = samples::key();
    for nested in [Value::Array(vec![]), Value::Object(Object::new())] {
        let mut record = samples::activated();
        record.detail.insert("more", nested.clone());
        assert_eq!(record.clone().sign(&key), Err(SignError::Nested));

        // Nor is it taken from somebody who signed it all the same.
        let text = record.canonical_unsigned(key.id());
        let mut object = parse(&text).unwrap().as_object().unwrap().clone();
        object.insert("signature", key.sign(&text).unwrap().to_string());
        let found = verify(
            object.to_canonical().as_bytes(),
            &samples::keys(Trust::Named),
        );
        assert_eq!(found.reason.unwrap(), "the field `detail` has another type");
    }
}

#[test]
fn words_have_one_text_each() {
    for event in Event::ALL {
        assert_eq!(event.as_str().parse(), Ok(*event));
    }
    assert!("Allow".parse::<Decision>().is_err());
    assert!("".parse::<Decision>().is_err());
    assert_eq!(Decision::PendingApproval.to_string(), "pending_approval");
}

#[test]
fn one_record_is_not_taken_for_the_other_kind() {
    let key = samples::key();
    let receipt = samples::denied().sign(&key).unwrap();
    let admin = samples::activated().sign(&key).unwrap();
    assert_eq!(
        AdminRecord::from_bytes(receipt.bytes()),
        Err(FormatError::UnknownSchema)
    );
    assert_eq!(
        Receipt::from_bytes(admin.bytes()),
        Err(FormatError::UnknownSchema)
    );
}
