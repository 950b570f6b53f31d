//! The conditions of a rule.

use std::collections::HashSet;

use relynt_json::{Decimal, Value};

use super::fault::At;
use super::read::{Keys, Reader, Refused};
use crate::conditions::{AmountLimit, Conditions, DenyFields, Stages};
use crate::limits::MAX_LIST_ITEM_CHARS;
use crate::magnitude::Magnitude;
use crate::reason;
use crate::text::fold_stage;

const DENY_FIELDS: &str = "deny_fields";
const MAX_AMOUNT_CHANGE: &str = "max_amount_change";
const STAGE: &str = "require_approval_if_stage";

const KEYS: Keys = Keys {
    known: &[DENY_FIELDS, MAX_AMOUNT_CHANGE, STAGE],
    later: &["limit"],
};

impl Reader<'_> {
    pub(crate) fn conditions(&mut self, value: &Value, at: At<'_>) -> Result<Conditions, Refused> {
        let object = self.object(value, at)?;
        let keys = self.keys(object, &KEYS, at);
        let deny_fields = self.optional(object, DENY_FIELDS, at, Self::deny_fields);
        let amount = self.optional(object, MAX_AMOUNT_CHANGE, at, Self::amount_limit);
        let stages = self.optional(object, STAGE, at, Self::stages);
        keys?;
        Ok(Conditions {
            deny_fields: deny_fields?,
            max_amount_change: amount?,
            stages: stages?,
        })
    }

    fn deny_fields(&mut self, value: &Value, at: At<'_>) -> Result<DenyFields, Refused> {
        let mut seen = HashSet::new();
        let mut names = self.lines(
            value,
            MAX_LIST_ITEM_CHARS,
            at,
            |reader, name, at| match reader.vocabulary.fields.add(name) {
                Ok(number) => Ok((name.into(), number)),
                Err(fault) => reader.refuse(at, fault),
            },
        )?;
        // Two spellings of one name are one name in a reason.
        names.retain(|(_, number)| seen.insert(*number));
        Ok(DenyFields(names.into_boxed_slice()))
    }

    fn amount_limit(&mut self, value: &Value, at: At<'_>) -> Result<AmountLimit, Refused> {
        let Some(number) = value.as_number() else {
            return self.refuse(at, format!("must be a number, not {}", value.kind()));
        };
        let limit = Decimal::from(number);
        if limit.is_negative() {
            return self.refuse(at, "must not be negative");
        }
        Ok(AmountLimit {
            limit: Magnitude::of(&limit),
            text: number.as_str().into(),
        })
    }

    fn stages(&mut self, value: &Value, at: At<'_>) -> Result<Stages, Refused> {
        let mut texts = Vec::new();
        let mut numbers = self.lines(value, MAX_LIST_ITEM_CHARS, at, |reader, stage, _| {
            texts.push(stage.to_owned());
            Ok(reader.vocabulary.stages.add(&fold_stage(stage)))
        })?;
        numbers.sort_unstable();
        Ok(Stages {
            numbers: numbers.into_boxed_slice(),
            text: reason::stages(&texts).into(),
        })
    }
}
