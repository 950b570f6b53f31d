//! Evaluation: the first rule that applies decides.

use std::time::Duration;

use relynt_domain::{AgentId, RiskLevel, Verdict};
use relynt_json::Value;

use crate::facts::Facts;
use crate::policy::Policy;
use crate::reason;
use crate::rule::{Application, Rule, SkipReason};

/// What an agent asks for, as evaluation sees it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The operation. A `*` in it is a plain character.
    pub action: &'a str,
    /// The target. A `*` in it is a plain character.
    pub resource: &'a str,
    /// An object; `null` is the same as none. Anything else cannot be evaluated.
    pub payload: Option<&'a Value>,
    /// Who asks. `None` for a person who tries a policy without naming an agent: rules with
    /// `agents` are then skipped.
    pub agent: Option<AgentFacts<'a>>,
}

/// What evaluation knows of an agent.
#[derive(Clone, Copy)]
pub struct AgentFacts<'a> {
    /// Its id.
    pub id: AgentId,
    /// Its name. No rule reads it yet.
    pub name: &'a str,
    /// Its tags.
    pub tags: &'a [String],
}

/// What a policy says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// What is to be done. [`Verdict::Error`] if the request cannot be evaluated: nothing is
    /// executed then.
    pub verdict: Verdict,
    /// How bad it would be: as the rule says, else by the verdict.
    pub risk_level: RiskLevel,
    /// Which rule decided and why: names fields and limits, never values of the payload; at most
    /// [`MAX_REASON_BYTES`](crate::MAX_REASON_BYTES).
    pub reason: String,
    /// The position of the deciding rule, from 0. `None` if no rule applies.
    pub rule: Option<usize>,
    /// The id of the deciding rule: as given, or its position from 1.
    pub rule_id: Option<String>,
    /// How long an approval waits, if the verdict asks for one and the rule says. `None`: the
    /// organization's default.
    pub approval_expires_in: Option<Duration>,
}

/// An evaluation with the rules that matched by name and did not apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The same as [`Policy::evaluate`] answers.
    pub evaluation: Evaluation,
    /// In the order of the rules. Rules below the deciding one are not looked at.
    pub skipped: Vec<Skipped>,
}

/// A rule whose action and resource match and that did not apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its position, from 0.
    pub rule_index: usize,
    /// Its id: as given, or its position from 1.
    pub rule_id: String,
    /// Why it did not apply.
    pub reason: String,
}

impl Policy {
    /// What the policy says to a request.
    pub fn evaluate(&self, request: &Request<'_>) -> Evaluation {
        self.decide(request, |_, _, _| {})
    }

    /// What the policy says to a request, and which rules were skipped on the way.
    pub fn explain(&self, request: &Request<'_>) -> Explanation {
        let mut skipped = Vec::new();
        let evaluation = self.decide(request, |rule_index, rule, reason| {
            skipped.push(Skipped {
                rule_index,
                rule_id: rule.id.to_string(),
                reason: reason.as_str().to_owned(),
            });
        });
        Explanation {
            evaluation,
            skipped,
        }
    }

    fn decide(
        &self,
        request: &Request<'_>,
        mut skip: impl FnMut(usize, &Rule, SkipReason),
    ) -> Evaluation {
        if !matches!(request.payload, None | Some(Value::Null | Value::Object(_))) {
            return Evaluation::without_rule(Verdict::Error, reason::NOT_AN_OBJECT);
        }
        let facts = Facts::new(&self.vocabulary, request);
        for position in self.index.candidates(request.action, request.resource) {
            let Ok(position) = usize::try_from(position) else {
                break;
            };
            let Some(rule) = self.rules.get(position) else {
                break;
            };
            if !rule.matches_found(request.action, request.resource) {
                continue;
            }
            match rule.apply(&facts) {
                Application::Skipped(why) => skip(position, rule, why),
                Application::Applies(verdict, fired) => {
                    return Evaluation {
                        verdict,
                        risk_level: rule.risk_level.unwrap_or_else(|| default_risk(verdict)),
                        reason: reason::of_rule(rule, verdict, &fired, &facts),
                        rule: Some(position),
                        rule_id: Some(rule.id.to_string()),
                        approval_expires_in: rule
                            .approval_expires_in
                            .filter(|_| verdict == Verdict::RequireApproval),
                    };
                }
            }
        }
        Evaluation::without_rule(Verdict::Deny, reason::NO_RULE)
    }
}

impl Evaluation {
    fn without_rule(verdict: Verdict, reason: &str) -> Self {
        Self {
            verdict,
            risk_level: default_risk(verdict),
            reason: reason.to_owned(),
            rule: None,
            rule_id: None,
            approval_expires_in: None,
        }
    }
}

/// By the outcome, not by what the rule would have decided without its conditions.
const fn default_risk(verdict: Verdict) -> RiskLevel {
    match verdict {
        Verdict::Allow => RiskLevel::Low,
        Verdict::Deny | Verdict::Error => RiskLevel::Medium,
        Verdict::RequireApproval => RiskLevel::High,
    }
}
