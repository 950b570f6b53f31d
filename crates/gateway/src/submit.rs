//! A call: decide, record, perhaps execute, answer.

use std::sync::Arc;
use std::time::Duration;

use relynt_domain::{Decision, Fault, IdempotencyKey, InstanceId, ToolCall, ToolCallDraft};
use relynt_json::Value;
use relynt_ledger::Receipt;

use crate::execute::Carriage;
use crate::places::Place;
use crate::plan::Target;
use crate::ports::{
    Answer, Decided, EntropyError, NewReceipt, Recorded, Seen, Stage, StoreError, StoredCall,
    StoredCallState,
};
use crate::request::hashes_of;
use crate::running::Entered;
use crate::{AuthError, Caller, Gateway};

/// How long a call waits for another with the same key.
const WAIT_FOR_FIRST: Duration = Duration::from_secs(10);
/// How often a call that another process has under way is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often, so that it is as long as the wait for a first call in this process.
const LOOKS: u32 = 50;
/// How often a decision is made again because rules changed meanwhile.
const STALE_TRIES: u32 = 3;

/// A call as it came in.
#[derive(Debug)]
pub struct Intake {
    /// The body.
    pub draft: ToolCallDraft,
    /// The run.
    pub instance_id: InstanceId,
    /// What makes a retry the same call.
    pub key: IdempotencyKey,
    /// The id of this request.
    pub request_id: String,
    /// The caller's W3C `traceparent`, if valid.
    pub traceparent: Option<String>,
    /// Its place among the decisions under way: given back once the first commit has answered, and
    /// while the call waits for another with its key.
    pub place: Place,
}

/// An answered call.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// The HTTP status: 200, 422 or 502.
    pub http_status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// Whether it was answered before, and nothing was done now.
    pub replayed: bool,
    /// What came of it, for logs and metrics.
    pub decision: Decision,
    /// The receipt, for logs.
    pub receipt_id: String,
}

/// A call was not answered; nothing was executed for it, and its key is free, unless it says
/// otherwise.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The caller may not (any more).
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The request does not fit the route of its action.
    #[error("the request does not fit the connector's route")]
    Invalid(Vec<Fault>),
    /// The key was used with other parameters.
    #[error("the idempotency key was used before with another action, resource or payload")]
    KeyReused,
    /// The first call with this key has not finished.
    #[error("the first call with this idempotency key has not finished")]
    InProgress,
    /// Too many decisions are under way. Nothing was done.
    #[error("too many decisions are under way")]
    TooMany,
    /// The store, the signer or the connector cannot take it now. It may have been done all the
    /// same: the same key tells.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for SubmitError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<EntropyError> for SubmitError {
    fn from(error: EntropyError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Gateway {
    /// Decides a call, executes it where a connector does, and answers it.
    ///
    /// Must not be dropped half-way: whoever serves requests runs it as a task of its own, so that
    /// a caller who leaves ends nothing.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn submit(
        &self,
        caller: Caller,
        mut intake: Intake,
    ) -> Result<Submitted, SubmitError> {
        let waiting_since = self.clock.uptime();
        loop {
            match self.running.enter(caller.agent, intake.key.stored()) {
                Entered::First(_guard) => {
                    if !intake.place.take_again() {
                        return Err(SubmitError::TooMany);
                    }
                    return self.decide(caller, intake).await;
                }
                Entered::Full => return Err(SubmitError::InProgress),
                Entered::Later(mut later) => {
                    intake.place.leave();
                    let waited = self.clock.uptime().saturating_sub(waiting_since);
                    let left = WAIT_FOR_FIRST.saturating_sub(waited);
                    self.within(left, later.ended())
                        .await
                        .ok_or(SubmitError::InProgress)?;
                    let call = self.call_of(&caller, &intake)?;
                    if let Some(known) = self.find_call(&call).await? {
                        return self.replay(&call, known).await;
                    }
                    // The first left nothing behind: the next one tries.
                }
            }
        }
    }

    async fn decide(
        &self,
        mut caller: Caller,
        mut intake: Intake,
    ) -> Result<Submitted, SubmitError> {
        for _ in 0..STALE_TRIES {
            let began = self.clock.uptime();
            let call = Arc::new(self.call_of(&caller, &intake)?);
            let planned = match self.plan(&caller.snapshot, &call) {
                Ok(planned) => planned,
                // A key that was used before is answered from its record, whatever is wrong now.
                Err(refusal) => {
                    intake.place.leave();
                    return match self.find_call(&call).await? {
                        Some(known) => self.replay(&call, known).await,
                        None => Err(refusal),
                    };
                }
            };
            let seen = Seen {
                organization: call.organization,
                change: caller.snapshot.change,
            };
            let planned_at = self.timed(Stage::Evaluate, began);
            let recorded = self
                .store
                .record_decision(seen, Arc::clone(&call), planned.plan)
                .await?;
            self.timed(Stage::Commit, planned_at);
            if !matches!(recorded, Recorded::Stale) {
                intake.place.leave();
            }
            match recorded {
                // From here on the decision is durable: a crash leaves a closed call, or an intent
                // that recovery closes as unknown.
                Recorded::New(decided) => {
                    return self
                        .finish(call, *decided, planned.target, planned.body)
                        .await;
                }
                Recorded::Known(known) => return self.replay(&call, known).await,
                Recorded::Refused(error) => {
                    return Err(SubmitError::Unavailable(error.to_string()));
                }
                Recorded::Stale => {
                    self.reload(call.organization).await?;
                    caller = self.again(&caller)?;
                }
            }
        }
        Err(SubmitError::Unavailable(
            "the rules keep changing".to_owned(),
        ))
    }

    fn call_of(&self, caller: &Caller, intake: &Intake) -> Result<ToolCall, SubmitError> {
        let agent = caller
            .snapshot
            .agent(caller.agent)
            .ok_or(AuthError::Unknown)?;
        let draft = &intake.draft;
        let payload_canonical = draft
            .payload
            .as_ref()
            .map_or_else(|| "null".to_owned(), Value::to_canonical);
        let hashes = hashes_of(
            &draft.action,
            &draft.resource,
            &intake.instance_id,
            &payload_canonical,
        );
        Ok(ToolCall {
            organization: caller.snapshot.organization.id,
            agent: caller.agent,
            credential: caller.credential,
            key: intake.key.clone(),
            action: draft.action.clone(),
            resource: draft.resource.clone(),
            instance_id: intake.instance_id.clone(),
            payload: draft.payload.clone(),
            payload_canonical,
            request_hash: hashes.request_hash,
            request_digest: hashes.request_digest,
            facts: Arc::clone(&agent.facts),
            facts_hash: agent.facts_hash,
            received_at: self.clock.now(),
            request_id: intake.request_id.clone(),
            traceparent: intake.traceparent.clone(),
        })
    }

    async fn finish(
        &self,
        call: Arc<ToolCall>,
        decided: Decided,
        target: Option<Target>,
        body: Option<Vec<u8>>,
    ) -> Result<Submitted, SubmitError> {
        match decided {
            Decided::Close {
                receipt, answer, ..
            } => {
                let body = body.unwrap_or_else(|| {
                    let receipt = receipt.signed.record();
                    self.body_of(receipt, &answer, false, &call.request_id)
                });
                Ok(submitted(&receipt, &answer, body))
            }
            Decided::Execute(intent) => {
                let Some(Target {
                    connector,
                    slot,
                    budget,
                }) = target
                else {
                    // The intent of a plan without a target cannot be; recovery would close it.
                    return Err(SubmitError::Unavailable(
                        "the execution has no target".to_owned(),
                    ));
                };
                let organization = call.organization;
                let carriage = Carriage {
                    call: Arc::clone(&call),
                    connector,
                    slot,
                    budget,
                };
                let settled = self.carry_out(organization, *intent, carriage).await;
                match settled {
                    Ok(submitted) => Ok(submitted),
                    // Closed by recovery meanwhile, or not recorded yet: the record answers.
                    Err(_) => match self.find_call(&call).await? {
                        Some(known) => self.replay(&call, known).await,
                        None => Err(SubmitError::Unavailable(
                            "the outcome could not be recorded".to_owned(),
                        )),
                    },
                }
            }
        }
    }

    async fn find_call(&self, call: &ToolCall) -> Result<Option<StoredCall>, StoreError> {
        self.store
            .find_call(call.organization, call.agent, &call.key)
            .await
    }

    /// Answers a call whose key was used before: as it was answered then, or not at all.
    async fn replay(&self, call: &ToolCall, known: StoredCall) -> Result<Submitted, SubmitError> {
        let mut known = known;
        for _ in 0..=LOOKS {
            if known.request_digest != call.request_digest {
                return Err(SubmitError::KeyReused);
            }
            match known.state {
                StoredCallState::Answered {
                    answer,
                    receipt,
                    erased,
                } => {
                    return self.replayed(&answer, &receipt, erased, &call.request_id);
                }
                StoredCallState::Running => {
                    self.timer.sleep(LOOK_AGAIN).await;
                    known = self.find_call(call).await?.ok_or(SubmitError::InProgress)?;
                }
            }
        }
        Err(SubmitError::InProgress)
    }

    fn replayed(
        &self,
        answer: &Answer,
        receipt: &[u8],
        erased: bool,
        request_id: &str,
    ) -> Result<Submitted, SubmitError> {
        let signed = Receipt::from_bytes(receipt).map_err(|_| {
            SubmitError::Unavailable("the stored receipt cannot be read".to_owned())
        })?;
        let receipt = signed.record();
        Ok(Submitted {
            http_status: answer.http_status,
            body: self.body_of(receipt, answer, erased, request_id),
            replayed: true,
            decision: Decision::from_word(receipt.decision.as_str()).unwrap_or(Decision::Error),
            receipt_id: receipt.receipt_id.clone(),
        })
    }
}

/// What a call is answered that was answered for the first time.
pub(crate) fn submitted(receipt: &NewReceipt, answer: &Answer, body: Vec<u8>) -> Submitted {
    Submitted {
        http_status: answer.http_status,
        body,
        replayed: false,
        decision: receipt.decision,
        receipt_id: receipt.id.to_string(),
    }
}
