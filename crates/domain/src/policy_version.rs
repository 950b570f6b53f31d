//! Numbers that only grow.

use std::fmt;
use std::str::FromStr;

/// A version of an organization's policy, written `v1`, `v2`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyVersion(pub u32);

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl FromStr for PolicyVersion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a policy version is written `v1`, `v2` and so on";
        let digits = text.strip_prefix('v').ok_or(wrong)?;
        let number: u32 = digits.parse().map_err(|_| wrong)?;
        // One version has one text: no sign, no leading zero.
        if number == 0 || number.to_string() != digits {
            Err(wrong)
        } else {
            Ok(Self(number))
        }
    }
}

/// How often an organization's rules of decision (agents, credentials, policy, connectors, people)
/// have changed: a decision commits only under the number that it was evaluated under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChangeNumber(pub i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_one_text() {
        assert_eq!("v12".parse::<PolicyVersion>().unwrap().to_string(), "v12");
        for bad in ["", "v", "v0", "v01", "v+1", "V1", "1", "v4294967296", "v1 "] {
            assert!(bad.parse::<PolicyVersion>().is_err(), "{bad}");
        }
    }
}
