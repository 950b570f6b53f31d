//! What can go wrong with a call.

use serde_json::Value;

use crate::answer::Answer;
use crate::broken::Broken;
use crate::conversation::Outcome;
use crate::ids::IdempotencyKey;
use crate::problem::Problem;

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// 401 or 403: the credential is not, or no longer, good for this.
    #[error("{0}")]
    Authentication(Box<Refusal>),
    /// Any other answer that is not a result.
    #[error("{0}")]
    Request(Box<Refusal>),
    /// Nobody decided within the time given; the approval stays open.
    #[error("approval `{approval_id}` was not decided in time")]
    ApprovalTimeout {
        /// The approval.
        approval_id: String,
        /// The last failure, if looking had failed.
        #[source]
        last: Option<Box<Error>>,
    },
    /// There was no usable HTTP answer. Whether the gateway acted is not known; the same key
    /// makes another try safe.
    #[error("{broken}")]
    Network {
        /// What broke.
        broken: Broken,
        /// The key of the call, if it had one.
        idempotency_key: Option<IdempotencyKey>,
    },
    /// An approval id must not be empty.
    #[error("approval_id must not be empty")]
    NoApprovalId,
}

/// An answer that says no, or that cannot be understood.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{status} {code}{}", detail.as_deref().map(|d| format!(": {d}")).unwrap_or_default())]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The gateway's code; `http_<status>` if the answer carried none, `invalid_answer` for a 200
    /// that is not what was asked for.
    pub code: String,
    /// The gateway's explanation.
    pub detail: Option<String>,
    /// The request's id in the gateway's log.
    pub request_id: Option<String>,
    /// The receipt that the call left, if it did.
    pub receipt_id: Option<String>,
    /// The body, if it was JSON.
    pub body: Option<Value>,
}

impl Error {
    /// The error for an answer whose status is not 200.
    pub(crate) fn refused(answer: &Answer) -> Self {
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let problem = match &body {
            Some(Value::Object(members)) => Problem::from_members(members),
            _ => Problem::default(),
        };
        let status = answer.status;
        let refusal = Box::new(Refusal {
            status,
            code: problem.code.unwrap_or_else(|| format!("http_{status}")),
            detail: problem.detail,
            request_id: problem.request_id.or_else(|| answer.request_id.clone()),
            receipt_id: problem.receipt_id,
            body,
        });
        match status {
            401 | 403 => Self::Authentication(refusal),
            _ => Self::Request(refusal),
        }
    }

    /// The error for a 200 that lacks what makes it a result.
    pub(crate) fn invalid(answer: &Answer, missing: &str) -> Self {
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
        Self::Request(Box::new(Refusal {
            status: answer.status,
            code: "invalid_answer".to_owned(),
            detail: Some(format!("the answer has no {missing}")),
            request_id: answer.request_id.clone(),
            receipt_id: None,
            body,
        }))
    }
}

impl Outcome {
    /// The answer to look into, or the error for there being none.
    pub(crate) fn into_answer(
        self,
        key: Option<&IdempotencyKey>,
        approval_id: &str,
    ) -> Result<Answer, Error> {
        match self {
            Self::Answer(answer) => Ok(answer),
            Self::Broken(broken) => Err(Error::Network {
                broken,
                idempotency_key: key.cloned(),
            }),
            Self::Deadline(last) => {
                let last = last.map(|last| match last.into_answer(key, approval_id) {
                    Ok(answer) => Box::new(Error::refused(&answer)),
                    Err(error) => Box::new(error),
                });
                Err(Error::ApprovalTimeout {
                    approval_id: approval_id.to_owned(),
                    last,
                })
            }
        }
    }
}
