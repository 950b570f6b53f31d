//! Deals in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use relynt_domain::Timestamp;
use relynt_json::{Object, Value, parse};

/// A demo forgets its oldest rather than growing without limit.
const MOST: usize = 10_000;

/// A status and a JSON body.
pub(super) type Answer = (u16, String);

/// The deals, and the answers that were given by idempotency key.
pub(super) struct Crm {
    state: Mutex<State>,
    clock: fn() -> Timestamp,
}

#[derive(Default)]
struct State {
    deals: Recent<Object>,
    answers: Recent<Answer>,
}

impl Crm {
    pub(super) fn new(clock: fn() -> Timestamp) -> Self {
        Self {
            state: Mutex::default(),
            clock,
        }
    }

    /// Carries out an envelope, once per key.
    pub(super) fn act(&self, key: Option<&str>, body: &[u8]) -> Answer {
        let mut state = self.lock();
        if let Some(answer) = key.and_then(|key| state.answers.get(key)) {
            return answer.clone();
        }
        let answer = state.act(body, (self.clock)());
        if let Some(key) = key {
            state.answers.insert(key, answer.clone());
        }
        answer
    }

    /// Shows a deal.
    pub(super) fn show(&self, id: &str) -> Answer {
        match self.lock().deals.get(id) {
            Some(deal) => (200, object([("deal", Value::from(deal.clone()))])),
            None => refuse(404, "there is no such deal"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every step leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn act(&mut self, body: &[u8], now: Timestamp) -> Answer {
        let Ok(Value::Object(envelope)) = parse(body) else {
            return refuse(400, "the body is not a JSON object");
        };
        let text = |name: &str| {
            envelope
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let id = text("resource")
            .strip_prefix("crm:deal:")
            .unwrap_or_default();
        if id.is_empty() {
            return refuse(404, "the resource is not a deal");
        }
        if text("action") != "update_deal" {
            return refuse(422, "the only action is `update_deal`");
        }
        let mut deal = self.deals.get(id).cloned().unwrap_or_else(|| new_deal(id));
        let payload = envelope.get("payload").and_then(Value::as_object);
        for (name, value) in payload.into_iter().flat_map(Object::iter) {
            // What the agent says was there before is no field of a deal; the id is not its to set.
            if name != "id" && !name.starts_with("previous_") {
                deal.insert(name, value.clone());
            }
        }
        self.deals.insert(id, deal.clone());
        let members = [
            ("deal", Value::from(deal)),
            ("updated_at", now.to_string().into()),
        ];
        (200, object(members))
    }
}

fn new_deal(id: &str) -> Object {
    let name = format!("Deal {id}");
    [
        ("id", Value::from(id)),
        ("name", name.into()),
        ("amount", 50_000_u32.into()),
        ("stage", "negotiation".into()),
    ]
    .into_iter()
    .collect()
}

pub(super) fn refuse(status: u16, why: &str) -> Answer {
    (status, object([("error", Value::from(why))]))
}

fn object<const N: usize>(members: [(&str, Value); N]) -> String {
    let object: Object = members.into_iter().collect();
    object.to_canonical()
}

/// The most recently added values by key.
struct Recent<T> {
    values: BTreeMap<String, T>,
    order: VecDeque<String>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> Recent<T> {
    fn get(&self, key: &str) -> Option<&T> {
        self.values.get(key)
    }

    fn insert(&mut self, key: &str, value: T) {
        if self.values.insert(key.to_owned(), value).is_some() {
            return;
        }
        self.order.push_back(key.to_owned());
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Recent};

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut recent = Recent::default();
        for number in 0..=MOST {
            recent.insert(&number.to_string(), number);
        }
        recent.insert("5", 0);
        assert_eq!(recent.get("0"), None);
        assert_eq!(recent.get("1"), Some(&1));
        assert_eq!(recent.values.len(), MOST);
    }
}
