//! A decision on its way into the store: stale, known, refused or new.

use std::sync::Arc;

use relynt_domain::ToolCall;
use relynt_gateway::ports::{Decide, DecideError, Decided, Entropy, Facts, Plan, Seen};
use relynt_ledger::Sha256;
use rusqlite::params;

use super::failure::{Failure, corrupt, refused};
use super::stored_call::RawCall;
use super::tx::Tx;
use super::write::{self, CarriesOut};
use crate::keys::CallKey;
use crate::rows;
use crate::sql;

/// A call's sealed request.
pub(super) struct SealedCall {
    pub(super) key: Arc<CallKey>,
    pub(super) wrapped: Vec<u8>,
    pub(super) body: Vec<u8>,
}
/// What can be worked out about a decision before it is stored.
pub(super) enum Prepared {
    Close {
        leaf: Sha256,
        answer: Option<Vec<u8>>,
    },
    Execute {
        draft: String,
    },
}

impl Prepared {
    pub(super) fn new(
        decided: &Decided,
        sealed: &SealedCall,
        entropy: &dyn Entropy,
    ) -> Result<Self, Failure> {
        Ok(match decided {
            Decided::Close {
                receipt, answer, ..
            } => Self::Close {
                leaf: receipt.signed.leaf_hash(),
                answer: answer
                    .body
                    .as_ref()
                    .map(|body| sealed.key.seal_answer(entropy, body))
                    .transpose()?,
            },
            Decided::Execute(new) => Self::Execute {
                draft: write::draft_of(new)?,
            },
        })
    }
}

/// A decision on its way into the store.
pub(super) struct Decision {
    pub(super) seen: Seen,
    pub(super) call: Arc<ToolCall>,
    pub(super) stored_key: Vec<u8>,
    pub(super) sealed: SealedCall,
    pub(super) plan: Arc<Plan>,
    pub(super) ready: Option<Prepared>,
    pub(super) entropy: Arc<dyn Entropy>,
}

pub(super) enum Outcome {
    /// The plan, as it was.
    Ready,
    New(Box<Decided>),
    Known(RawCall),
    Stale,
    Refused(DecideError),
}

impl Decision {
    pub(super) fn record(&self, tx: &Tx<'_>) -> Result<Outcome, Failure> {
        let organization = self.seen.organization;
        if write::change_number(tx, organization)? != Some(self.seen.change) {
            return Ok(Outcome::Stale);
        }
        match (&*self.plan, &self.ready) {
            (Plan::Ready(decided), Some(prepared)) => {
                if self.store(tx, decided, prepared)? {
                    Ok(Outcome::Ready)
                } else {
                    self.known(tx)?
                        .ok_or_else(|| corrupt("a claimed key has no call"))
                }
            }
            (Plan::Ready(_), None) => Err(refused("a ready decision was not prepared")),
            (Plan::InTransaction(decide), _) => self.decide(tx, decide),
        }
    }

    /// Looks first: what decides is not asked about a key that was used before, and nothing has
    /// to be undone if it refuses.
    fn decide(&self, tx: &Tx<'_>, decide: &Decide) -> Result<Outcome, Failure> {
        if let Some(known) = self.known(tx)? {
            return Ok(known);
        }
        let call = &self.call;
        let open_approval = tx.first_kept(
            sql::OPEN_APPROVAL,
            params![
                call.organization.as_bytes(),
                call.agent.as_bytes(),
                call.request_digest,
                call.received_at.unix_micros(),
            ],
            rows::open_approval,
        )?;
        let decided = match decide(&Facts { open_approval }) {
            Ok(decided) => decided,
            Err(error) => return Ok(Outcome::Refused(error)),
        };
        let prepared = Prepared::new(&decided, &self.sealed, &*self.entropy)?;
        if self.store(tx, &decided, &prepared)? {
            Ok(Outcome::New(Box::new(decided)))
        } else {
            Err(corrupt("a free key could not be claimed"))
        }
    }

    fn known(&self, tx: &Tx<'_>) -> Result<Option<Outcome>, Failure> {
        let call = &self.call;
        let raw = RawCall::find(tx, call.organization, call.agent, &self.stored_key)?;
        Ok(raw.map(Outcome::Known))
    }

    /// Claims the key and stores what was decided. False: the key was used before, and nothing
    /// was stored.
    fn store(&self, tx: &Tx<'_>, decided: &Decided, prepared: &Prepared) -> Result<bool, Failure> {
        let call = &self.call;
        let organization = call.organization;
        let (receipt_id, answer) = match decided {
            Decided::Close {
                receipt, answer, ..
            } => (receipt.id, Some(answer)),
            Decided::Execute(new) => (new.receipt_id, None),
        };
        let claimed = tx.execute_kept(
            sql::CLAIM_CALL,
            params![
                organization.as_bytes(),
                call.agent.as_bytes(),
                self.stored_key,
                call.request_digest,
                receipt_id.as_bytes(),
                answer.map(|answer| answer.http_status),
                answer.map(|answer| answer.format),
                answer.is_some_and(|answer| answer.body.is_some()),
            ],
        )?;
        if claimed == 0 {
            return Ok(false);
        }
        let sealed_answer = match prepared {
            Prepared::Close { answer, .. } => answer.as_deref(),
            Prepared::Execute { .. } => None,
        };
        tx.execute_kept(
            sql::INSERT_REQUEST,
            params![
                organization.as_bytes(),
                receipt_id.as_bytes(),
                call.agent.as_bytes(),
                self.stored_key,
                self.sealed.wrapped,
                self.sealed.body,
                sealed_answer,
            ],
        )?;
        match (decided, prepared) {
            (
                Decided::Close {
                    receipt, approval, ..
                },
                Prepared::Close { leaf, .. },
            ) => {
                write::receipt(tx, organization, receipt, leaf)?;
                if let Some(new) = approval {
                    write::approval(tx, organization, &new.record)?;
                }
            }
            (Decided::Execute(new), Prepared::Execute { draft }) => {
                let carries_out = CarriesOut {
                    request: receipt_id,
                    key: Some(&self.stored_key),
                };
                write::execution(tx, organization, new, draft, &carries_out)?;
            }
            _ => return Err(refused("a decision was not prepared as what it is")),
        }
        Ok(true)
    }
}
