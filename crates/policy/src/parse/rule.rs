//! One rule.

use std::time::Duration;

use relynt_domain::RiskLevel;
use relynt_json::Value;

use super::fault::At;
use super::read::{Keys, Reader, Refused};
use crate::duration::parse_duration;
use crate::limits::{MAX_DESCRIPTION_CHARS, MAX_EXPIRES_IN, MAX_ID_CHARS, MIN_EXPIRES_IN};
use crate::pattern::Pattern;
use crate::reason;
use crate::rule::{Decision, Rule};
use crate::text::longer_than;

const KEYS: Keys = Keys {
    known: &[
        "id",
        "action",
        "resource_pattern",
        "agents",
        "decision",
        "risk_level",
        "conditions",
        "approval",
        "description",
    ],
    later: &["when", "editable", "grants", "effect_key"],
};

const APPROVAL_KEYS: Keys = Keys {
    known: &["expires_in"],
    later: &["approvers", "quorum", "separation", "channels", "escalate"],
};

const DECISIONS: [(&str, Decision); 3] = [
    ("allow", Decision::Allow),
    ("deny", Decision::Deny),
    ("require_approval", Decision::RequireApproval),
];

const RISK_LEVELS: [(&str, RiskLevel); 3] = [
    (RiskLevel::Low.as_str(), RiskLevel::Low),
    (RiskLevel::Medium.as_str(), RiskLevel::Medium),
    (RiskLevel::High.as_str(), RiskLevel::High),
];

impl Reader<'_> {
    /// Reads a rule; `None` if there is a fault.
    pub(crate) fn rule(&mut self, value: &Value, position: usize, at: At<'_>) -> Option<Rule> {
        self.read_rule(value, position, at).ok()
    }

    fn read_rule(&mut self, value: &Value, position: usize, at: At<'_>) -> Result<Rule, Refused> {
        let object = self.object(value, at)?;
        let keys = self.keys(object, &KEYS, at);
        // Every member is read before the first refusal returns: all faults are named at once.
        let id = self.optional(object, "id", at, Self::id);
        let action = self.required(object, "action", at, Self::pattern);
        let resource = self.required(object, "resource_pattern", at, Self::pattern);
        let agents = self.optional(object, "agents", at, Self::agents);
        let decision = self.required(object, "decision", at, |reader, value, at| {
            reader.word(value, &DECISIONS, at)
        });
        let risk_level = self.optional(object, "risk_level", at, |reader, value, at| {
            reader.word(value, &RISK_LEVELS, at)
        });
        let conditions = self.optional(object, "conditions", at, Self::conditions);
        let expires_in = self.optional(object, "approval", at, Self::approval);
        let description = self.optional(object, "description", at, Self::description);
        let (decision, conditions) = (decision?, conditions?.unwrap_or_default());

        if decision == Decision::Deny && (conditions.can_ask() || conditions.deny_fields.is_some())
        {
            return self.refuse(
                at.key("conditions"),
                "a rule that denies may not carry conditions: there is nothing to strengthen, and \
                 it would deny without them too",
            );
        }
        let asks = decision == Decision::RequireApproval
            || decision == Decision::Allow && conditions.can_ask();
        if object.contains_key("approval") && !asks {
            return self.refuse(at.key("approval"), "the rule can never end in an approval");
        }
        keys?;
        description?;
        let (id, action, resource) = (id?, action?, resource?);
        Ok(Rule {
            label: reason::label(id.as_deref(), position).into(),
            id: id.unwrap_or_else(|| (position + 1).to_string().into()),
            matches_where_filed: action.is_its_key() && resource.is_its_key(),
            action,
            resource,
            agents: agents?,
            decision,
            risk_level: risk_level?,
            conditions,
            approval_expires_in: expires_in?.flatten(),
        })
    }

    fn id(&mut self, value: &Value, at: At<'_>) -> Result<Box<str>, Refused> {
        let id = self.line(value, MAX_ID_CHARS, at)?;
        if id.contains('`') {
            return self.refuse(
                at,
                "must not have a backtick: reasons quote the id with them",
            );
        }
        Ok(id.into())
    }

    fn pattern(&mut self, value: &Value, at: At<'_>) -> Result<Pattern, Refused> {
        let text = self.string(value, at)?;
        match Pattern::parse(text) {
            Ok(pattern) => Ok(pattern),
            Err(error) => self.refuse(at, error.to_string()),
        }
    }

    /// Lines are allowed here: nothing repeats a description in one line.
    fn description(&mut self, value: &Value, at: At<'_>) -> Result<(), Refused> {
        if longer_than(self.string(value, at)?, MAX_DESCRIPTION_CHARS) {
            return self.refuse(
                at,
                format!("has more than {MAX_DESCRIPTION_CHARS} characters"),
            );
        }
        Ok(())
    }

    fn approval(&mut self, value: &Value, at: At<'_>) -> Result<Option<Duration>, Refused> {
        let object = self.object(value, at)?;
        let keys = self.keys(object, &APPROVAL_KEYS, at);
        let expires_in = self.optional(object, "expires_in", at, Self::expires_in);
        keys?;
        expires_in
    }

    fn expires_in(&mut self, value: &Value, at: At<'_>) -> Result<Duration, Refused> {
        let Some(duration) = parse_duration(self.string(value, at)?) else {
            return self.refuse(
                at,
                "must be a duration: digits without a leading zero and `s`, `m`, `h` or `d`, \
                 such as `90s` or `1h`",
            );
        };
        if duration < MIN_EXPIRES_IN || duration > MAX_EXPIRES_IN {
            return self.refuse(at, "must be from `1m` to `7d`");
        }
        Ok(duration)
    }
}
