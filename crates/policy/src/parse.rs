//! From JSON to rules: everything that is wrong is named, and nothing half-right is taken.

mod agents;
mod conditions;
mod fault;
mod read;
mod rule;

use std::collections::HashMap;

use relynt_domain::{AgentId, Fault};
use relynt_json::Value;

use self::fault::{At, Faults};
use self::read::Reader;
use crate::limits::MAX_RULES;
use crate::rule::Rule;
use crate::vocabulary::Vocabulary;

/// The rules of one policy, checked.
pub(crate) struct Rules {
    pub(crate) rules: Box<[Rule]>,
    pub(crate) vocabulary: Vocabulary,
}

/// Reads the list of rules, whole or not at all.
pub(crate) fn parse_rules(
    rules: &Value,
    agent_exists: &dyn Fn(&AgentId) -> bool,
) -> Result<Rules, Vec<Fault>> {
    let at = At::root("/rules");
    let mut reader = Reader {
        faults: Faults::default(),
        vocabulary: Vocabulary::default(),
        agent_exists,
    };
    let parsed = match rules.as_array() {
        None => {
            let detail = format!("must be a list of rules, not {}", rules.kind());
            reader.faults.add(at, detail);
            Vec::new()
        }
        Some(list) if list.len() > MAX_RULES => {
            let detail = format!("has {} rules; at most {MAX_RULES}", list.len());
            reader.faults.add(at, detail);
            Vec::new()
        }
        Some(list) => {
            let mut parsed = Vec::with_capacity(list.len());
            for (position, rule) in list.iter().enumerate() {
                if reader.faults.is_full() {
                    break;
                }
                parsed.extend(reader.rule(rule, position, at.index(position)));
            }
            check_ids_are_unique(list, at, &mut reader.faults);
            parsed
        }
    };
    reader.faults.none()?;
    Ok(Rules {
        rules: parsed.into_boxed_slice(),
        vocabulary: reader.vocabulary,
    })
}

/// A rule without an id is called by its position from 1, so no other rule may be called that.
fn check_ids_are_unique(list: &[Value], at: At<'_>, faults: &mut Faults) {
    let given = |rule: &Value| rule.get("id").map(|id| id.as_str().map(str::to_owned));
    let mut positions: HashMap<String, usize> = HashMap::new();
    for (position, rule) in list.iter().enumerate() {
        let Some(Some(id)) = given(rule) else {
            continue;
        };
        if let Some(first) = positions.get(&id) {
            let detail = format!("rule {} already has this id", first + 1);
            faults.add(at.index(position).key("id"), detail);
        } else {
            positions.insert(id, position);
        }
    }
    for (position, rule) in list.iter().enumerate() {
        let default_id = (position + 1).to_string();
        if let (None, Some(taken)) = (given(rule), positions.get(&default_id)) {
            let detail = format!("is the id of rule {default_id}, which has no other");
            faults.add(at.index(*taken).key("id"), detail);
        }
    }
}
