//! The public keys that receipts are verified with

use serde::{Deserialize, Serialize};

/// A JWK set (RFC 7517 section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeySet {
    /// The keys, old ones included.
    pub keys: Vec<Jwk>,
}

/// A public Ed25519 key as a JWK (RFC 8037 section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Jwk {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The public key, base64url without padding.
    pub x: String,
    /// The key id of receipts: RFC 7638 thumbprint.
    pub kid: String,
    /// `EdDSA`.
    pub alg: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub public_key_use: String,
    /// Since when it signs.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub not_before: Option<String>,
    /// Until when it signed.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub not_after: Option<String>,
}
