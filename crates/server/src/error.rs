//! Refusals, and the only place that knows which status an error of the gateway has
//!
//! No `match` here has a wildcard: a new variant of an error breaks the build until somebody has
//! decided what it means on the wire.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use relynt_api::{ErrorCode, FieldError, Problem};
use relynt_domain::Fault;
use relynt_gateway::{
    AdminError, AuthError, ReadError, ResolveError, SimulateError, SubmitError, ports::StoreError,
};

/// How many faults an answer names at most.
const MAX_FAULTS: usize = 100;

/// An answer that is not a success, before it is given the request's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What went wrong.
    pub(crate) code: ErrorCode,
    /// What is wrong with this request: no secrets, no payload values.
    pub(crate) detail: String,
    /// The fields that are wrong.
    pub(crate) faults: Vec<Fault>,
    /// When to come back, in seconds.
    pub(crate) retry_after_s: Option<u32>,
    /// Whether the connection is of no more use.
    pub(crate) close: bool,
}

impl Refusal {
    /// A refusal with this code.
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            faults: Vec::new(),
            retry_after_s: matches!(code, ErrorCode::Unavailable | ErrorCode::RequestInProgress)
                .then_some(1),
            close: false,
        }
    }

    /// 400.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, detail)
    }

    /// 400, naming the fields.
    pub(crate) fn faults(faults: Vec<Fault>) -> Self {
        let detail = match faults.as_slice() {
            [fault] => fault.detail.clone(),
            _ => format!("{} fields are not as described", faults.len()),
        };
        Self {
            faults,
            ..Self::bad_request(detail)
        }
    }

    /// 404: there is no such item for this caller.
    pub(crate) fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "there is no such item")
    }

    /// 500. What happened is for the log, not for the caller.
    pub(crate) fn internal() -> Self {
        Self::new(
            ErrorCode::InternalError,
            "something went wrong in the gateway; its log says more under this request id",
        )
    }

    /// The same, after which the connection is closed.
    pub(crate) fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// The problem for a request.
    pub(crate) fn problem(&self, request_id: &str) -> Problem {
        let mut problem = Problem::new(self.code, self.detail.as_str(), request_id);
        if !self.faults.is_empty() {
            problem.errors = Some(
                self.faults
                    .iter()
                    .take(MAX_FAULTS)
                    .map(|fault| FieldError {
                        pointer: fault.pointer.clone(),
                        detail: fault.detail.clone(),
                    })
                    .collect(),
            );
        }
        problem
    }

    /// The refusal that stands for a bare error of the router: no route, wrong method.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(ErrorCode::NotFound, "there is no such path"),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                ErrorCode::MethodNotAllowed,
                "the path does not know this method; the header `Allow` says which it knows",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::new(ErrorCode::PayloadTooLarge, "the body is too long")
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(
                ErrorCode::UnsupportedMediaType,
                "the body is of a kind that is not read",
            ),
            status if status.is_client_error() => {
                Self::bad_request("the request is not as described")
            }
            _ => Self::internal(),
        }
    }

    /// The whole answer.
    pub(crate) fn render(&self, request_id: &str) -> Response {
        let body = serde_json::to_vec(&self.problem(request_id)).unwrap_or_default();
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == ErrorCode::Unauthorized {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"relynt\""),
            );
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The media type of problems (RFC 9457 section 6.1).
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

/// Leaves the rendering to the envelope, which knows the request's id.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl Refusal {
    /// The refusal of a caller who is not let in.
    pub(crate) fn of_auth(error: AuthError) -> Self {
        let code = match error {
            AuthError::Missing
            | AuthError::Malformed
            | AuthError::Unknown
            | AuthError::Revoked
            | AuthError::Expired => ErrorCode::Unauthorized,
            AuthError::Disabled | AuthError::RoleTooLow(_) | AuthError::ScopeMissing(_) => {
                ErrorCode::Forbidden
            }
            AuthError::Unavailable => ErrorCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }

    /// 503: no place among the decisions under way. It happens often when it happens: the request's
    /// own line in the log and a metric say it, nothing else.
    pub(crate) fn too_many() -> Self {
        Self::new(
            ErrorCode::Unavailable,
            "too many decisions are under way; ask again, with the same key",
        )
    }

    /// 503. What exactly is down is for the log.
    fn unavailable(error: &dyn std::fmt::Display) -> Self {
        tracing::warn!("unavailable: {error}");
        Self::new(
            ErrorCode::Unavailable,
            "the gateway cannot take this now; ask again, with the same key if there is one",
        )
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        Self::of_auth(error)
    }
}

impl From<SubmitError> for Refusal {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Auth(error) => Self::of_auth(error),
            SubmitError::Invalid(faults) => Self::faults(faults),
            SubmitError::KeyReused => Self::new(ErrorCode::Conflict, error.to_string()),
            SubmitError::InProgress => Self::new(ErrorCode::RequestInProgress, error.to_string()),
            SubmitError::TooMany => Self::too_many(),
            SubmitError::Unavailable(_) => Self::unavailable(&error),
        }
    }
}

impl From<SimulateError> for Refusal {
    fn from(error: SimulateError) -> Self {
        match error {
            SimulateError::Invalid(faults) => Self::faults(faults),
            SimulateError::NotFound(_) => Self::new(ErrorCode::NotFound, error.to_string()),
            SimulateError::Store(error) => error.into(),
        }
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::not_found(),
            ReadError::Store(error) => error.into(),
        }
    }
}

impl From<ResolveError> for Refusal {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Auth(error) => Self::of_auth(error),
            ResolveError::NotFound => Self::not_found(),
            ResolveError::Ended { .. }
            | ResolveError::OtherRevision { .. }
            | ResolveError::Cancelled(_) => Self::new(ErrorCode::Conflict, error.to_string()),
            ResolveError::Unavailable(_) => Self::unavailable(&error),
        }
    }
}

impl From<AdminError> for Refusal {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Auth(error) => Self::of_auth(error),
            AdminError::Invalid(faults) => Self::faults(faults),
            AdminError::NotFound(_) => Self::new(ErrorCode::NotFound, error.to_string()),
            AdminError::Conflict(_) => Self::new(ErrorCode::Conflict, error.to_string()),
            AdminError::Unavailable(_) => Self::unavailable(&error),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded
            | StoreError::Closed
            | StoreError::Unwritable(_)
            | StoreError::Database(_) => Self::unavailable(&error),
            // Asking again does not help.
            StoreError::Corrupt(_) => {
                tracing::error!("{error}");
                Self::internal()
            }
        }
    }
}
