//! What a request says to the conditions, each thing found out once and only if a rule asks.

use std::cell::OnceCell;

use relynt_domain::AgentId;
use relynt_json::Value;

use crate::evaluate::{AgentFacts, Request};
use crate::magnitude::{Magnitude, read_amount};
use crate::text::{fold_name, fold_stage};
use crate::vocabulary::Vocabulary;

/// A request, as the rules of one policy look at it.
pub(crate) struct Facts<'a> {
    vocabulary: &'a Vocabulary,
    payload: Option<&'a Value>,
    agent: Option<AgentFacts<'a>>,
    tags: OnceCell<Box<[u32]>>,
    fields: OnceCell<Box<[u32]>>,
    top: OnceCell<TopLevel<'a>>,
    amount: OnceCell<Amount>,
    stage: OnceCell<Stage>,
}

/// What `max_amount_change` compares.
pub(crate) enum Amount {
    /// No `amount`.
    Absent,
    /// Something that no limit can be compared with; says what.
    Unclear(&'static str),
    Known {
        /// |`amount`|
        size: Magnitude,
        /// |`amount` − `previous_amount`|, if that is a number too and larger than the size.
        larger_change: Option<Magnitude>,
    },
}

/// What `require_approval_if_stage` compares.
pub(crate) enum Stage {
    /// No `stage`, or one that no rule names.
    Other,
    /// Something that is no stage; says what.
    Unclear(&'static str),
    /// The number of a stage that some rule names.
    Named(u32),
}

#[derive(Default)]
struct TopLevel<'a> {
    amount: Field<'a>,
    previous_amount: Field<'a>,
    stage: Field<'a>,
}

#[derive(Default)]
enum Field<'a> {
    #[default]
    Absent,
    Once(&'a Value),
    /// Two keys that compare equal: nobody knows which one the target would read.
    Repeated,
}

impl<'a> Facts<'a> {
    pub(crate) fn new(vocabulary: &'a Vocabulary, request: &Request<'a>) -> Self {
        Self {
            vocabulary,
            payload: request.payload,
            agent: request.agent,
            tags: OnceCell::new(),
            fields: OnceCell::new(),
            top: OnceCell::new(),
            amount: OnceCell::new(),
            stage: OnceCell::new(),
        }
    }

    /// The agent that asks. `None` for a person who tries a policy without naming one.
    pub(crate) fn agent_id(&self) -> Option<&AgentId> {
        self.agent.as_ref().map(|agent| &agent.id)
    }

    /// The numbers of those of the agent's tags that some rule names.
    pub(crate) fn tags(&self) -> &[u32] {
        self.tags.get_or_init(|| {
            let tags = self.agent.map_or(&[][..], |agent| agent.tags);
            let numbers = tags
                .iter()
                .filter_map(|tag| self.vocabulary.tags.number(tag));
            numbers.collect()
        })
    }

    /// The numbers of the forbidden fields that the payload has, ascending.
    pub(crate) fn fields(&self) -> &[u32] {
        self.fields.get_or_init(|| {
            self.payload
                .map(|payload| self.vocabulary.fields.present_in(payload))
                .unwrap_or_default()
        })
    }

    pub(crate) fn amount(&self) -> &Amount {
        self.amount.get_or_init(|| self.top().read_amount())
    }

    pub(crate) fn stage(&self) -> &Stage {
        self.stage.get_or_init(|| match self.top().stage {
            Field::Absent => Stage::Other,
            Field::Repeated => Stage::Unclear("stage is given more than once"),
            Field::Once(value) => match value.as_str() {
                None => Stage::Unclear("stage is not a string"),
                Some(stage) => self
                    .vocabulary
                    .stages
                    .number(&fold_stage(stage))
                    .map_or(Stage::Other, Stage::Named),
            },
        })
    }

    fn top(&self) -> &TopLevel<'a> {
        self.top.get_or_init(|| TopLevel::of(self.payload))
    }
}

impl<'a> TopLevel<'a> {
    fn of(payload: Option<&'a Value>) -> Self {
        let mut top = Self::default();
        let members = payload.and_then(Value::as_object);
        for (key, value) in members.into_iter().flat_map(relynt_json::Object::iter) {
            let field = match &*fold_name(key) {
                "amount" => &mut top.amount,
                "previous_amount" => &mut top.previous_amount,
                "stage" => &mut top.stage,
                _ => continue,
            };
            *field = match field {
                Field::Absent => Field::Once(value),
                _ => Field::Repeated,
            };
        }
        top
    }

    fn read_amount(&self) -> Amount {
        let previous = match self.previous_amount {
            Field::Repeated => {
                return Amount::Unclear("previous_amount is given more than once");
            }
            Field::Once(value) => read_amount(value),
            Field::Absent => None,
        };
        match self.amount {
            Field::Absent => Amount::Absent,
            Field::Repeated => Amount::Unclear("amount is given more than once"),
            Field::Once(value) => match read_amount(value) {
                None => Amount::Unclear("amount is not a number"),
                Some(amount) => {
                    // The agent says what was before, so it can only add a reason to ask.
                    let size = Magnitude::of(&amount);
                    let change = previous.map(|previous| Magnitude::of(&(&amount - &previous)));
                    Amount::Known {
                        larger_change: change.filter(|change| *change > size),
                        size,
                    }
                }
            },
        }
    }
}
