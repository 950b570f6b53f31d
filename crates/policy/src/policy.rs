//! One version of a policy, compiled.

use std::fmt;

use relynt_domain::{AgentId, Fault};
use relynt_json::Value;

use crate::index::RuleIndex;
use crate::parse::{Rules, parse_rules};
use crate::rule::Rule;
use crate::vocabulary::Vocabulary;

/// One version of a policy: checked, compiled into an index, immutable.
///
/// Evaluation is [`Policy::evaluate`] and [`Policy::explain`].
pub struct Policy {
    source: Value,
    canonical: String,
    pub(crate) rules: Box<[Rule]>,
    pub(crate) index: RuleIndex,
    pub(crate) vocabulary: Vocabulary,
}

impl Policy {
    /// Checks and compiles a list of rules: the JSON array as it was sent.
    ///
    /// `agent_exists` says whether an agent is one of the organization's: a rule may only name
    /// those.
    ///
    /// # Errors
    /// Every fault of every rule, up to [`MAX_FAULTS`](crate::MAX_FAULTS), with pointers that
    /// begin with `/rules`. A policy is taken whole or not at all.
    pub fn parse(
        rules: &Value,
        agent_exists: &dyn Fn(&AgentId) -> bool,
    ) -> Result<Self, Vec<Fault>> {
        let source = rules;
        let Rules { rules, vocabulary } = parse_rules(rules, agent_exists)?;
        Ok(Self {
            source: source.clone(),
            canonical: source.to_canonical(),
            index: RuleIndex::new(rules.iter().map(|rule| (&rule.action, &rule.resource))),
            rules,
            vocabulary,
        })
    }

    /// The rules as they were given, in canonical form (RFC 8785): what is stored, served and
    /// hashed.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The rules as they were given.
    pub fn rules_json(&self) -> &Value {
        &self.source
    }

    /// How many rules there are.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}
