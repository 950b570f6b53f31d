//! The sentences that say why.
//!
//! A reason is ``rule `ID` (POSITION) VERB``, or `rule POSITION VERB` for a rule without an id of
//! its own; the verb is `allows`, `denies` or `requires approval`. If conditions fired, a colon
//! and a sentence for each follow, in the order `deny_fields`, `max_amount_change`,
//! `require_approval_if_stage`, joined by `"; "`, each with its condition's key in parentheses.
//! Fields and limits are written as the policy writes them. Of the payload nothing is ever
//! repeated. Long lists are cut, so that a reason has at most
//! [`MAX_REASON_BYTES`](crate::MAX_REASON_BYTES).

use relynt_domain::Verdict;

use crate::conditions::{AmountFinding, Fired, StageFinding};
use crate::facts::Facts;
use crate::rule::Rule;
use crate::text::{cut, listed};

pub(crate) const NO_RULE: &str = "no rule applies: denied by default";
pub(crate) const NOT_AN_OBJECT: &str = "the payload is not an object";

/// Bytes of a list of names or stages within a reason.
const LIST_BYTES: usize = 240;
/// Characters of one of them.
const ITEM_CHARS: usize = 40;

/// How reasons call a rule.
pub(crate) fn label(given_id: Option<&str>, position: usize) -> String {
    match given_id {
        Some(id) => format!("rule `{id}` ({})", position + 1),
        None => format!("rule {}", position + 1),
    }
}

/// How reasons list the stages of a rule.
pub(crate) fn stages(stages: &[String]) -> String {
    let stages: Vec<String> = stages
        .iter()
        .map(|stage| cut(stage, ITEM_CHARS).into_owned())
        .collect();
    listed(&stages, LIST_BYTES)
}

/// Why a rule came to its verdict.
pub(crate) fn of_rule(rule: &Rule, verdict: Verdict, fired: &Fired, facts: &Facts<'_>) -> String {
    let verb = match verdict {
        Verdict::Allow => "allows",
        Verdict::Deny => "denies",
        Verdict::RequireApproval => "requires approval",
        Verdict::Error => "fails",
    };
    let mut reason = String::with_capacity(160);
    for part in [&*rule.label, " ", verb] {
        reason.push_str(part);
    }
    let mut separator = ": ";
    let mut add = |parts: &[&str]| {
        reason.push_str(separator);
        for part in parts {
            reason.push_str(part);
        }
        separator = "; ";
    };
    let conditions = &rule.conditions;
    if let Some(fields) = conditions
        .deny_fields
        .as_ref()
        .filter(|_| fired.deny_fields)
    {
        let names: Vec<String> = fields
            .present(facts)
            .map(|name| format!("`{}`", cut(name, ITEM_CHARS)))
            .collect();
        let what = if names.len() == 1 {
            "field "
        } else {
            "fields "
        };
        let names = listed(&names, LIST_BYTES);
        add(&["payload has the ", what, &names, " (deny_fields)"]);
    }
    if let (Some(limit), Some(finding)) = (&conditions.max_amount_change, fired.amount) {
        const KEY: &str = " (max_amount_change)";
        match finding {
            AmountFinding::SizeAbove => add(&["amount is above ", &limit.text, KEY]),
            AmountFinding::ChangeAbove => add(&[
                "amount differs from previous_amount by more than ",
                &limit.text,
                KEY,
            ]),
            AmountFinding::Unclear(what) => add(&[what, KEY]),
        }
    }
    if let (Some(stages), Some(finding)) = (&conditions.stages, fired.stage) {
        const KEY: &str = " (require_approval_if_stage)";
        match finding {
            StageFinding::Listed => add(&["stage is in [", &stages.text, "]", KEY]),
            StageFinding::Unclear(what) => add(&[what, KEY]),
        }
    }
    reason
}
