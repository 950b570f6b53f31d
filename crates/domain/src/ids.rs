//! Ids are types: what takes an [`AgentId`] cannot be given a [`ReceiptId`].

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The text is not a lowercase hyphenated UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a lowercase UUID")]
pub struct IdError;

fn parse(text: &str) -> Result<Uuid, IdError> {
    // The crate also reads upper case, braces and the bare form: one id has one text here.
    if text.len() != 36 || text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(IdError);
    }
    Uuid::try_parse(text).map_err(|_| IdError)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The id of these 16 bytes, as stored.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// A new version 7 UUID of this time and these random bytes (RFC 9562, section 5.7).
            pub fn new(at: crate::Timestamp, random: [u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(at.unix_millis(), &random).into_uuid())
            }

            /// The 16 bytes, as stored.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.0.as_hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text).map(Self)
            }
        }
    )*};
}

ids! {
    /// A tenant.
    OrganizationId;
    /// A non-human caller.
    AgentId;
    /// One credential of an agent.
    CredentialId;
    /// One personal access token.
    TokenId;
    /// A person, whatever organizations they are in.
    UserId;
    /// One configured endpoint.
    ConnectorId;
    /// One signed receipt.
    ReceiptId;
    /// One question to a person.
    ApprovalId;
    /// One attempt to carry out an allowed action.
    ExecutionId;
    /// One signed record of an administrative act.
    RecordId;
    /// One start of one gateway process: what an execution record names as its owner.
    Incarnation;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lowercase_hyphenated_form_is_an_id() {
        let text = "0192f0c1-2345-7abc-8def-0123456789ab";
        assert_eq!(text.parse::<AgentId>().unwrap().to_string(), text);
        for bad in [
            "",
            "0192F0C1-2345-7ABC-8DEF-0123456789AB",
            "0192f0c123457abc8def0123456789ab",
            "{0192f0c1-2345-7abc-8def-0123456789ab}",
            "0192f0c1-2345-7abc-8def-0123456789a",
            "0192f0c1-2345-7abc-8def-0123456789ag",
        ] {
            assert!(bad.parse::<AgentId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_new_id_is_a_version_7_uuid_of_its_time() {
        let at = crate::Timestamp::from_unix_millis(1_700_000_000_000);
        let id = ReceiptId::new(at, [0xff; 10]);
        assert!(id.to_string().starts_with("018bcfe5-6800-7fff-bfff-"));
    }
}
