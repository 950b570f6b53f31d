//! People, their roles and their tokens.

use crate::decision::words;
use crate::{Label, LookupId, Timestamp, TokenId, UserId};

words! {
    /// What a member of an organization may do; a later one may all that an earlier one may.
    Role {
        /// Read, simulate, verify.
        Viewer = "viewer",
        /// And decide approvals.
        Approver = "approver",
        /// And manage.
        Admin = "admin",
        /// Everything.
        Owner = "owner",
    }
    /// What a token may be used for, within its role.
    Scope {
        /// Reading.
        Read = "read",
        /// Changing things.
        Manage = "manage",
        /// Deciding approvals.
        ApprovalsDecide = "approvals:decide",
        /// Reading the transparency log.
        LogRead = "log:read",
    }
}

/// A set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// In the order in which they are listed.
    pub const EVERY: [Scope; 4] = [
        Scope::Read,
        Scope::Manage,
        Scope::ApprovalsDecide,
        Scope::LogRead,
    ];

    /// All four.
    pub fn all() -> Self {
        Self::EVERY.into_iter().collect()
    }

    /// What a token has if nothing was said: reading and managing, as the role allows.
    pub fn usual() -> Self {
        [Scope::Read, Scope::Manage].into_iter().collect()
    }

    /// Whether this scope is in it.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// The scopes in it, in their order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Self::EVERY
            .into_iter()
            .filter(move |scope| self.has(*scope))
    }
}

const fn bit(scope: Scope) -> u8 {
    match scope {
        Scope::Read => 1,
        Scope::Manage => 2,
        Scope::ApprovalsDecide => 4,
        Scope::LogRead => 8,
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | bit(scope)))
    }
}

/// A person in an organization.
#[derive(Debug, Clone)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// Since when.
    pub created_at: Timestamp,
}

/// A personal access token, as stored.
#[derive(Debug, Clone)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whose it is; it ends with their membership.
    pub user: UserId,
    /// For people.
    pub name: Label,
    /// The most it may be used as; never more than its owner's present role.
    pub role: Role,
    /// What it may be used for.
    pub scopes: Scopes,
    /// What it is found by.
    pub lookup: LookupId,
    /// Keyed SHA-256 of the secret part.
    pub secret_hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, at most 60 s behind.
    pub last_used_at: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// Whether it opens anything at this time.
    pub fn valid_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at) && self.revoked_at.is_none_or(|at| now < at)
    }
}
