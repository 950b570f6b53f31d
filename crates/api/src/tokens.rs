//! Personal access tokens

use serde::{Deserialize, Serialize};

use crate::{Role, Scope};

/// A personal access token. Its text was shown once and is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub token_id: String,
    /// Its name.
    pub name: String,
    /// Its role; what counts is the lower of this and its owner's present one.
    pub role: Role,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub created_at: String,
    /// When it was last used; up to 60 s behind.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub last_used_at: Option<String>,
    /// When it ends by itself.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub expires_at: Option<String>,
}

/// Tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenList {
    /// The page.
    pub tokens: Vec<Token>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// Makes a token of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 128))]
    pub name: String,
    /// Its role; not above the caller's.
    pub role: Role,
    /// What it may be used for; `read` and, where the role may manage, `manage` if absent.
    pub scopes: Option<Vec<Scope>>,
    /// When it ends by itself.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub expires_at: Option<String>,
}

/// A new token with its text, shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShownToken {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub token_id: String,
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub created_at: String,
    /// When it was last used.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub last_used_at: Option<String>,
    /// When it ends by itself.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub expires_at: Option<String>,
    /// Its text: a secret.
    pub token: String,
}

impl std::fmt::Debug for ShownToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShownToken")
            .field("token_id", &self.token_id)
            .finish_non_exhaustive()
    }
}
