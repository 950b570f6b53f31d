//! Sample data: organizations, calls, receipts and what becomes of them.

mod maker;
mod tenant;

pub use maker::{Maker, resolution};
pub use tenant::Tenant;
