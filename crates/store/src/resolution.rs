//! Which ends of an approval can be meant, and whether they come in time.

use relynt_domain::{ApprovalRecord, ApprovalStatus};
use relynt_gateway::ports::{Resolution, StoreError, Then};

/// What cannot be meant.
pub(crate) fn check(resolution: &Resolution) -> Result<(), StoreError> {
    let executes = matches!(resolution.then, Then::Execute(_));
    match resolution.to {
        ApprovalStatus::Pending => Err(refused("`pending` is not an end")),
        ApprovalStatus::Approved => Ok(()),
        _ if executes => Err(refused("only an approved request is carried out")),
        _ => Ok(()),
    }
}

fn refused(what: &str) -> StoreError {
    StoreError::Database(what.to_owned())
}

/// A vote comes before the expiry, an expiry does not; what cancels asks for no time.
pub(crate) fn in_time(record: &ApprovalRecord, resolution: &Resolution) -> bool {
    match resolution.to {
        ApprovalStatus::Expired => resolution.at >= record.expires_at,
        ApprovalStatus::Approved | ApprovalStatus::Denied => resolution.at < record.expires_at,
        ApprovalStatus::Cancelled => resolution.vote.is_none() || resolution.at < record.expires_at,
        ApprovalStatus::Pending => false,
    }
}
