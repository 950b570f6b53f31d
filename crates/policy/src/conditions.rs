//! The conditions of a rule: each can strengthen its decision, none can weaken it.

use crate::facts::{Amount, Facts, Stage};
use crate::magnitude::Magnitude;

/// The conditions of one rule, compiled.
#[derive(Default)]
pub(crate) struct Conditions {
    pub(crate) deny_fields: Option<DenyFields>,
    pub(crate) max_amount_change: Option<AmountLimit>,
    pub(crate) stages: Option<Stages>,
}

/// `deny_fields`: names as they were written, and their numbers.
pub(crate) struct DenyFields(pub(crate) Box<[(Box<str>, u32)]>);

/// `max_amount_change`
pub(crate) struct AmountLimit {
    pub(crate) limit: Magnitude,
    /// As reasons name it.
    pub(crate) text: Box<str>,
}

/// `require_approval_if_stage`
pub(crate) struct Stages {
    // INVARIANT: ascending.
    pub(crate) numbers: Box<[u32]>,
    /// As reasons name them.
    pub(crate) text: Box<str>,
}

/// What fired.
#[derive(Default)]
pub(crate) struct Fired {
    pub(crate) deny_fields: bool,
    pub(crate) amount: Option<AmountFinding>,
    pub(crate) stage: Option<StageFinding>,
}

/// Why `max_amount_change` fired.
#[derive(Clone, Copy)]
pub(crate) enum AmountFinding {
    SizeAbove,
    ChangeAbove,
    Unclear(&'static str),
}

/// Why `require_approval_if_stage` fired.
#[derive(Clone, Copy)]
pub(crate) enum StageFinding {
    Listed,
    Unclear(&'static str),
}

impl Conditions {
    /// Whether there is a condition that can ask for approval.
    pub(crate) fn can_ask(&self) -> bool {
        self.max_amount_change.is_some() || self.stages.is_some()
    }

    /// Looks at every condition, also when the first one has decided: the reason names all.
    pub(crate) fn look(&self, facts: &Facts<'_>) -> Fired {
        Fired {
            deny_fields: self
                .deny_fields
                .as_ref()
                .is_some_and(|fields| fields.present(facts).next().is_some()),
            amount: self
                .max_amount_change
                .as_ref()
                .and_then(|limit| limit.look(facts.amount())),
            stage: self
                .stages
                .as_ref()
                .and_then(|stages| stages.look(facts.stage())),
        }
    }
}

impl Fired {
    /// Whether a condition fired that asks for approval.
    pub(crate) fn asks(&self) -> bool {
        self.amount.is_some() || self.stage.is_some()
    }
}

impl DenyFields {
    /// The names that the payload has, as the rule writes them, in its order.
    pub(crate) fn present<'a>(&'a self, facts: &'a Facts<'_>) -> impl Iterator<Item = &'a str> {
        let present = facts.fields();
        // Mostly there is none: then the rule's names need not be fetched.
        let names = if present.is_empty() { &[][..] } else { &self.0 };
        names
            .iter()
            .filter(|(_, number)| present.binary_search(number).is_ok())
            .map(|(name, _)| &**name)
    }
}

impl AmountLimit {
    fn look(&self, amount: &Amount) -> Option<AmountFinding> {
        match amount {
            Amount::Absent => None,
            Amount::Unclear(what) => Some(AmountFinding::Unclear(what)),
            Amount::Known {
                size,
                larger_change,
            } => {
                if *larger_change.as_ref().unwrap_or(size) <= self.limit {
                    None
                } else if *size > self.limit {
                    Some(AmountFinding::SizeAbove)
                } else {
                    Some(AmountFinding::ChangeAbove)
                }
            }
        }
    }
}

impl Stages {
    fn look(&self, stage: &Stage) -> Option<StageFinding> {
        match stage {
            Stage::Other => None,
            Stage::Unclear(what) => Some(StageFinding::Unclear(what)),
            Stage::Named(number) => self
                .numbers
                .binary_search(number)
                .is_ok()
                .then_some(StageFinding::Listed),
        }
    }
}
