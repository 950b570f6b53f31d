//! The organization

use serde::{Deserialize, Serialize};

/// The tenant that the caller belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Organization {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub organization_id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub created_at: String,
}
