//! Errors: RFC 9457 problem details

use serde::{Deserialize, Serialize};

use crate::{Execution, Json};

macro_rules! codes {
    ($( $(#[$meta:meta])* $variant:ident = $text:tt, $status:literal, $title:literal; )+) => {
        /// What went wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum ErrorCode {
            $( $(#[$meta])* #[serde(rename = $text)] $variant, )+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The code as the wire has it.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )+ }
            }

            /// The HTTP status that the code always comes with.
            pub const fn status(self) -> u16 {
                match self { $( Self::$variant => $status, )+ }
            }

            /// A short summary that is the same for every occurrence (RFC 9457 section 3.1.4).
            pub const fn title(self) -> &'static str {
                match self { $( Self::$variant => $title, )+ }
            }

            /// The problem type (RFC 9457 section 3.1.1): a page that explains the code.
            pub const fn type_uri(self) -> &'static str {
                match self {
                    $( Self::$variant => concat!(
                        "https://github.com/relynt/relynt/blob/main/docs/errors.md#", $text
                    ), )+
                }
            }
        }
    };
}

codes! {
    /// Body, header or query are not as described.
    BadRequest = "bad_request", 400, "The request is not as described";
    /// The credential is missing, malformed, unknown, revoked or expired.
    Unauthorized = "unauthorized", 401, "The credential is not accepted";
    /// The agent is disabled, the organization suspended, or the role too low.
    Forbidden = "forbidden", 403, "The caller may not do this";
    /// No such item for this caller.
    NotFound = "not_found", 404, "There is no such item";
    /// The path does not know the method.
    MethodNotAllowed = "method_not_allowed", 405, "The path does not know this method";
    /// The key was used with other parameters, or somebody else was first.
    Conflict = "conflict", 409, "The request conflicts with what is recorded";
    /// The first call with this key has not finished.
    RequestInProgress = "request_in_progress", 409, "The first call with this key has not finished";
    /// The body is too long.
    PayloadTooLarge = "payload_too_large", 413, "The body is too long";
    /// The body is not JSON, or is encoded.
    UnsupportedMediaType = "unsupported_media_type", 415, "The body is of a kind that is not read";
    /// The evaluation itself failed; nothing was executed.
    PolicyError = "policy_error", 422, "The policy could not be evaluated";
    /// Something is wrong inside the gateway.
    InternalError = "internal_error", 500, "Something went wrong in the gateway";
    /// Allowed, but the execution failed or its outcome is not known.
    ConnectorError = "connector_error", 502, "The action was allowed and its execution did not succeed";
    /// The gateway cannot answer now.
    Unavailable = "unavailable", 503, "The gateway cannot answer now";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The answer to everything that is not a success: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A page that explains the code.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schema(format = "uri"))]
    pub type_uri: String,
    /// A summary that is the same for every occurrence.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// What is wrong with this request. Never holds a payload value or a secret.
    pub detail: String,
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// The request's id, the same as in the header `X-Request-Id`.
    pub request_id: String,
    /// The fields that are wrong, if it is about fields.
    pub errors: Option<Vec<FieldError>>,
    /// The receipt that the call left.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub receipt_id: Option<String>,
    /// The execution that did not succeed.
    pub execution: Option<Execution>,
    /// What the target said, if it answered.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub tool_response: Option<Json>,
}

impl Problem {
    /// A problem with its code's type, title and status.
    pub fn new(code: ErrorCode, detail: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self {
            type_uri: code.type_uri().to_owned(),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            request_id: request_id.into(),
            errors: None,
            receipt_id: None,
            execution: None,
            tool_response: None,
        }
    }
}

/// One wrong field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// Where: a JSON Pointer (RFC 6901) into the body.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::{ErrorCode, Problem};

    #[test]
    fn a_problem_has_every_field_even_if_null() {
        let problem = Problem::new(ErrorCode::Conflict, "taken", "r1");
        assert_eq!(
            serde_json::to_string(&problem).unwrap(),
            concat!(
                r#"{"type":"https://github.com/relynt/relynt/blob/main/docs/errors.md#conflict","#,
                r#""title":"The request conflicts with what is recorded","status":409,"detail":"taken","#,
                r#""code":"conflict","request_id":"r1","errors":null,"receipt_id":null,"#,
                r#""execution":null,"tool_response":null}"#
            )
        );
    }

    #[test]
    fn codes_are_written_as_they_are_named() {
        for code in ErrorCode::ALL {
            assert_eq!(
                serde_json::to_string(code).unwrap(),
                format!("{:?}", code.as_str())
            );
            assert!((400..600).contains(&code.status()));
        }
    }
}
