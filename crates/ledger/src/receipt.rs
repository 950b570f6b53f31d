//! The receipt, `relynt.receipt/1`.

mod write;

use relynt_json::{Object, Value};

use crate::fields::{Fields, FormatError};
use crate::key::{KeyId, SigningKey};
use crate::signed::{Recorded, SignError, Signed, SignedReceipt};
use crate::words::{
    Channel, Decision, Event, ExecutionDetail, ExecutionStatus, PerformedBy, PolicyVerdict,
    ResponseState, RiskLevel, Vote,
};

/// What a decision leaves behind, before it is signed: every field but `schema`, `key_id` and
/// `signature`.
///
/// Ids are lowercase UUIDs, times RFC 3339 in UTC with milliseconds and `Z`, hashes
/// `sha256:<hex>`; the caller has formatted them. Absent values are `None` and written as null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Why it was written.
    pub event: Event,
    /// Its id.
    pub receipt_id: String,
    /// The receipt that this one adds to.
    pub previous_receipt_id: Option<String>,
    /// When it was signed.
    pub created_at: String,
    /// The tenant.
    pub organization_id: String,
    /// The agent that asked.
    pub agent_id: String,
    /// The credential it asked with.
    pub credential_id: Option<String>,
    /// The run of the agent, as it calls itself.
    pub instance_id: String,
    /// What was asked.
    pub action: String,
    /// Of what.
    pub resource: String,
    /// What the policy said; none if it was not asked.
    pub verdict: Option<PolicyVerdict>,
    /// What came of it.
    pub decision: Decision,
    /// Which rule decided and why; names fields and limits, never other payload values.
    pub reason: String,
    /// How much is at stake.
    pub risk_level: RiskLevel,
    /// The policy's version, such as `v3`.
    pub policy_version: String,
    /// Over the canonical form of that version's rules.
    pub policy_digest: String,
    /// The rule that decided.
    pub rule_id: Option<String>,
    /// Who carries out an allowed action.
    pub performed_by: Option<PerformedBy>,
    /// Until when the agent may perform it itself.
    pub valid_until: Option<String>,
    /// Over the canonical request; see [`request_hash`](crate::request_hash).
    pub request_hash: String,
    /// Over the raw body that the target answered.
    pub response_hash: Option<String>,
    /// The connector that was called.
    pub connector: Option<ConnectorRef>,
    /// What it did.
    pub execution: Option<Execution>,
    /// The approval that this is part of.
    pub approval_id: Option<String>,
    /// The revision of the approval's request.
    pub revision: Option<u32>,
    /// Who voted; none where nobody could.
    pub approvers: Option<Vec<Approver>>,
    /// The time-boxed grant that answered in a person's place.
    pub grant_id: Option<String>,
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// Keyed hash of the effect.
    pub effect_hash: Option<String>,
    /// Over the facts that the verdict read beyond request and policy.
    pub facts_hash: Option<String>,
}

/// A connector at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorRef {
    /// Its id.
    pub id: String,
    /// Its version, from 1.
    pub version: u32,
}

/// What a connector did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// Its id.
    pub execution_id: String,
    /// What is known.
    pub status: ExecutionStatus,
    /// Why it did not succeed.
    pub detail: Option<ExecutionDetail>,
    /// How much of the response was read.
    pub response: ResponseState,
    /// The connector.
    pub connector_id: String,
    /// The connector's version, from 1.
    pub connector_version: u32,
    /// How many attempts were made.
    pub attempts: u32,
    /// The target's status, if it answered.
    pub http_status: Option<u16>,
    /// When the intent was recorded.
    pub started_at: String,
    /// When the outcome was known.
    pub finished_at: Option<String>,
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver {
    /// Who: `user:<uuid>`, `slack:U12345`.
    pub by: String,
    /// What they said.
    pub vote: Vote,
    /// When.
    pub at: String,
    /// How it came.
    pub channel: Channel,
    /// On which revision.
    pub revision: u32,
}

impl Receipt {
    /// The value of `schema`.
    pub const SCHEMA: &'static str = "relynt.receipt/1";

    /// The receipt as it is signed under a key: everything but `signature`.
    pub fn to_value(&self, key_id: &KeyId) -> Value {
        let mut object = self.to_object();
        object.insert("key_id", key_id.as_str());
        Value::Object(object)
    }

    /// The receipt as far as it is known, to be kept until what is missing is: neither `key_id`
    /// nor `signature`.
    pub fn to_draft(&self) -> Value {
        Value::Object(self.to_object())
    }

    /// Reads what [`to_draft`](Self::to_draft) wrote.
    ///
    /// # Errors
    /// A field is missing, unknown or of the wrong type.
    pub fn from_draft(draft: Value) -> Result<Self, FormatError> {
        let Value::Object(object) = draft else {
            return Err(FormatError::NotAnObject);
        };
        let mut fields = Fields::new("", object);
        let receipt = <Self as Recorded>::from_fields(&mut fields)?;
        fields.finish()?;
        Ok(receipt)
    }

    fn to_object(&self) -> Object {
        [
            ("schema", Self::SCHEMA.into()),
            ("event", self.event.as_str().into()),
            ("receipt_id", text(&self.receipt_id)),
            (
                "previous_receipt_id",
                maybe(self.previous_receipt_id.as_ref()),
            ),
            ("created_at", text(&self.created_at)),
            ("organization_id", text(&self.organization_id)),
            ("agent_id", text(&self.agent_id)),
            ("credential_id", maybe(self.credential_id.as_ref())),
            ("instance_id", text(&self.instance_id)),
            ("action", text(&self.action)),
            ("resource", text(&self.resource)),
            ("verdict", self.verdict.map(PolicyVerdict::as_str).into()),
            ("decision", self.decision.as_str().into()),
            ("reason", text(&self.reason)),
            ("risk_level", self.risk_level.as_str().into()),
            ("policy_version", text(&self.policy_version)),
            ("policy_digest", text(&self.policy_digest)),
            ("rule_id", maybe(self.rule_id.as_ref())),
            (
                "performed_by",
                self.performed_by.map(PerformedBy::as_str).into(),
            ),
            ("valid_until", maybe(self.valid_until.as_ref())),
            ("request_hash", text(&self.request_hash)),
            ("response_hash", maybe(self.response_hash.as_ref())),
            (
                "connector",
                self.connector.as_ref().map(ConnectorRef::to_value).into(),
            ),
            (
                "execution",
                self.execution.as_ref().map(Execution::to_value).into(),
            ),
            ("approval_id", maybe(self.approval_id.as_ref())),
            ("revision", self.revision.into()),
            (
                "approvers",
                self.approvers
                    .as_ref()
                    .map(|votes| votes.iter().map(Approver::to_value).collect::<Vec<_>>())
                    .into(),
            ),
            ("grant_id", maybe(self.grant_id.as_ref())),
            ("idempotency_key", maybe(self.idempotency_key.as_ref())),
            ("effect_hash", maybe(self.effect_hash.as_ref())),
            ("facts_hash", maybe(self.facts_hash.as_ref())),
        ]
        .into_iter()
        .collect()
    }

    /// The bytes that are signed: [`to_value`](Self::to_value) in canonical form.
    pub fn canonical_unsigned(&self, key_id: &KeyId) -> Vec<u8> {
        let mut out = Vec::with_capacity(2048);
        self.write_unsigned(key_id, &mut out);
        out
    }

    /// Signs it. What comes out is what is stored and served, byte for byte.
    ///
    /// # Errors
    /// Longer than [`RECORD_MAX`](crate::RECORD_MAX), or the signer failed: nothing may be
    /// answered.
    pub fn sign(self, key: &SigningKey) -> Result<SignedReceipt, SignError> {
        Signed::seal(self, key)
    }

    /// Reads a signed receipt: canonical, exactly the fields of the format, each of its type, words
    /// that are known. Says nothing about the signature; that is [`verify`](crate::verify).
    pub fn from_bytes(bytes: &[u8]) -> Result<SignedReceipt, FormatError> {
        Signed::read(bytes)
    }
}

impl Recorded for Receipt {
    fn schema(&self) -> &'static str {
        Self::SCHEMA
    }

    fn write_unsigned(&self, key_id: &KeyId, out: &mut Vec<u8>) -> usize {
        write::receipt(self, key_id, out)
    }

    fn from_fields(fields: &mut Fields) -> Result<Self, FormatError> {
        if fields.string("schema")? != Self::SCHEMA {
            return Err(FormatError::UnknownSchema);
        }
        Ok(Self {
            event: fields.word("event", Event::from_text)?,
            receipt_id: fields.string("receipt_id")?,
            previous_receipt_id: fields.optional_string("previous_receipt_id")?,
            created_at: fields.string("created_at")?,
            organization_id: fields.string("organization_id")?,
            agent_id: fields.string("agent_id")?,
            credential_id: fields.optional_string("credential_id")?,
            instance_id: fields.string("instance_id")?,
            action: fields.string("action")?,
            resource: fields.string("resource")?,
            verdict: fields.optional_word("verdict", PolicyVerdict::from_text)?,
            decision: fields.word("decision", Decision::from_text)?,
            reason: fields.string("reason")?,
            risk_level: fields.word("risk_level", RiskLevel::from_text)?,
            policy_version: fields.string("policy_version")?,
            policy_digest: fields.string("policy_digest")?,
            rule_id: fields.optional_string("rule_id")?,
            performed_by: fields.optional_word("performed_by", PerformedBy::from_text)?,
            valid_until: fields.optional_string("valid_until")?,
            request_hash: fields.string("request_hash")?,
            response_hash: fields.optional_string("response_hash")?,
            connector: match fields.optional_object("connector")? {
                Some(object) => Some(ConnectorRef::from_object(object)?),
                None => None,
            },
            execution: match fields.optional_object("execution")? {
                Some(object) => Some(Execution::from_object(object)?),
                None => None,
            },
            approval_id: fields.optional_string("approval_id")?,
            revision: fields.optional_number("revision")?,
            approvers: match fields.optional_array("approvers")? {
                Some(votes) => Some(
                    votes
                        .into_iter()
                        .map(Approver::from_value)
                        .collect::<Result<_, _>>()?,
                ),
                None => None,
            },
            grant_id: fields.optional_string("grant_id")?,
            idempotency_key: fields.optional_string("idempotency_key")?,
            effect_hash: fields.optional_string("effect_hash")?,
            facts_hash: fields.optional_string("facts_hash")?,
        })
    }
}

impl ConnectorRef {
    fn to_value(&self) -> Value {
        let object: Object = [("id", text(&self.id)), ("version", self.version.into())]
            .into_iter()
            .collect();
        object.into()
    }

    fn from_object(object: Object) -> Result<Self, FormatError> {
        let mut fields = Fields::new("connector.", object);
        let connector = Self {
            id: fields.string("id")?,
            version: fields.number("version")?,
        };
        fields.finish()?;
        Ok(connector)
    }
}

impl Execution {
    fn to_value(&self) -> Value {
        let object: Object = [
            ("execution_id", text(&self.execution_id)),
            ("status", self.status.as_str().into()),
            ("detail", self.detail.map(ExecutionDetail::as_str).into()),
            ("response", self.response.as_str().into()),
            ("connector_id", text(&self.connector_id)),
            ("connector_version", self.connector_version.into()),
            ("attempts", self.attempts.into()),
            ("http_status", self.http_status.into()),
            ("started_at", text(&self.started_at)),
            ("finished_at", maybe(self.finished_at.as_ref())),
        ]
        .into_iter()
        .collect();
        object.into()
    }

    fn from_object(object: Object) -> Result<Self, FormatError> {
        let mut fields = Fields::new("execution.", object);
        let execution = Self {
            execution_id: fields.string("execution_id")?,
            status: fields.word("status", ExecutionStatus::from_text)?,
            detail: fields.optional_word("detail", ExecutionDetail::from_text)?,
            response: fields.word("response", ResponseState::from_text)?,
            connector_id: fields.string("connector_id")?,
            connector_version: fields.number("connector_version")?,
            attempts: fields.number("attempts")?,
            http_status: fields.optional_number("http_status")?,
            started_at: fields.string("started_at")?,
            finished_at: fields.optional_string("finished_at")?,
        };
        fields.finish()?;
        Ok(execution)
    }
}

impl Approver {
    fn to_value(&self) -> Value {
        let object: Object = [
            ("by", text(&self.by)),
            ("vote", self.vote.as_str().into()),
            ("at", text(&self.at)),
            ("channel", self.channel.as_str().into()),
            ("revision", self.revision.into()),
        ]
        .into_iter()
        .collect();
        object.into()
    }

    fn from_value(value: Value) -> Result<Self, FormatError> {
        let Value::Object(object) = value else {
            return Err(FormatError::WrongType("approvers".to_owned()));
        };
        let mut fields = Fields::new("approvers.", object);
        let approver = Self {
            by: fields.string("by")?,
            vote: fields.word("vote", Vote::from_text)?,
            at: fields.string("at")?,
            channel: fields.word("channel", Channel::from_text)?,
            revision: fields.number("revision")?,
        };
        fields.finish()?;
        Ok(approver)
    }
}

fn text(value: &str) -> Value {
    value.into()
}

fn maybe(value: Option<&String>) -> Value {
    value.map(String::as_str).into()
}
