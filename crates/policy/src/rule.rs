//! One rule, compiled, and how it applies.

use std::time::Duration;

use relynt_domain::{AgentId, RiskLevel, Verdict};

use crate::conditions::{Conditions, Fired};
use crate::facts::Facts;
use crate::pattern::Pattern;

/// One rule of a policy.
pub(crate) struct Rule {
    /// As given, or the position from 1.
    pub(crate) id: Box<str>,
    /// How reasons call it.
    pub(crate) label: Box<str>,
    pub(crate) action: Pattern,
    pub(crate) resource: Pattern,
    /// Whether what the index finds matches: a look at the patterns would fetch their texts from
    /// all over the memory for nothing.
    // INVARIANT: both patterns are their keys.
    pub(crate) matches_where_filed: bool,
    /// `None`: all agents.
    pub(crate) agents: Option<Agents>,
    pub(crate) decision: Decision,
    pub(crate) risk_level: Option<RiskLevel>,
    pub(crate) conditions: Conditions,
    /// `None`: the organization's default.
    pub(crate) approval_expires_in: Option<Duration>,
}

/// What a rule decides before its conditions strengthen it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Allow,
    Deny,
    RequireApproval,
}

/// Which agents a rule is for.
pub(crate) struct Agents {
    // INVARIANT: both ascending.
    pub(crate) ids: Box<[AgentId]>,
    pub(crate) tags: Box<[u32]>,
}

/// What became of a rule that matches a request by name.
pub(crate) enum Application {
    Applies(Verdict, Fired),
    Skipped(SkipReason),
}

/// Why a rule that matches by name did not apply.
#[derive(Clone, Copy)]
pub(crate) enum SkipReason {
    NoAgent,
    OtherAgents,
    NoConditionFired,
}

impl Rule {
    /// Whether action and resource match, of a request for which the index found the rule.
    pub(crate) fn matches_found(&self, action: &str, resource: &str) -> bool {
        self.matches_where_filed || self.action.matches(action) && self.resource.matches(resource)
    }

    /// Applies a rule whose action and resource match.
    pub(crate) fn apply(&self, facts: &Facts<'_>) -> Application {
        if let Some(skipped) = self
            .agents
            .as_ref()
            .and_then(|agents| agents.exclude(facts))
        {
            return Application::Skipped(skipped);
        }
        let fired = self.conditions.look(facts);
        let verdict = match self.decision {
            _ if fired.deny_fields => Verdict::Deny,
            Decision::Deny => Verdict::Deny,
            Decision::RequireApproval if self.conditions.can_ask() && !fired.asks() => {
                return Application::Skipped(SkipReason::NoConditionFired);
            }
            Decision::RequireApproval => Verdict::RequireApproval,
            Decision::Allow if fired.asks() => Verdict::RequireApproval,
            Decision::Allow => Verdict::Allow,
        };
        Application::Applies(verdict, fired)
    }
}

impl Agents {
    fn exclude(&self, facts: &Facts<'_>) -> Option<SkipReason> {
        let Some(id) = facts.agent_id() else {
            return Some(SkipReason::NoAgent);
        };
        let included = self.ids.binary_search(id).is_ok()
            || facts
                .tags()
                .iter()
                .any(|tag| self.tags.binary_search(tag).is_ok());
        (!included).then_some(SkipReason::OtherAgents)
    }
}

impl SkipReason {
    /// For a person who reads an explanation.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoAgent => "the rule names agents and the request is without one",
            Self::OtherAgents => "the rule is for other agents",
            Self::NoConditionFired => "the rule asks only if a condition fires, and none does",
        }
    }
}
