//! What a check found.

use serde_json::{Value, json};

use crate::text::one_line;

/// How well something is, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    Ok,
    Warn,
    Fail,
}

impl Health {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What was checked: a stable name.
    pub(crate) check: &'static str,
    pub(crate) health: Health,
    /// What was seen.
    pub(crate) detail: String,
    /// What to do about it.
    pub(crate) advice: Option<String>,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self {
            check,
            health: Health::Ok,
            detail: detail.into(),
            advice: None,
        }
    }

    pub(crate) fn warn(
        check: &'static str,
        detail: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            health: Health::Warn,
            advice: Some(advice.into()),
            ..Self::ok(check, detail)
        }
    }

    pub(crate) fn fail(
        check: &'static str,
        detail: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            health: Health::Fail,
            ..Self::warn(check, detail, advice)
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "check": self.check,
            "status": self.health.word(),
            "detail": self.detail,
            "advice": self.advice,
        })
    }

    pub(crate) fn to_line(&self) -> String {
        let advice = self.advice.as_deref().map(|advice| format!("; {advice}"));
        let text = format!("{}{}", self.detail, advice.unwrap_or_default());
        let health = self.health.word();
        format!("{health:4}  {:13}  {}", self.check, one_line(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::Finding;

    #[test]
    fn a_finding_is_one_line_with_its_advice() {
        let finding = Finding::fail("token", "it is\nrevoked", "make another");
        assert_eq!(
            finding.to_line(),
            "fail  token          it is revoked; make another"
        );
    }
}
