//! A group of decisions as one transaction of three turns: look, claim, store.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use relynt_domain::{ChangeNumber, OrganizationId, ReceiptId, ToolCall};
use relynt_gateway::ports::{Answer, Decide, DecideError, Decided, Entropy, Facts, Seen};
use relynt_ledger::Sha256;
use tokio_postgres::Row;

use super::columns::{Claims, Stored};
use super::failure::{Failure, corrupt, refused};
use super::session::{Ask, Kind, Session};
use super::stored_call::RawCall;
use super::values::{Id, get, id};
use super::writer::Command;
use super::{rows, sql};
use crate::draft;
use crate::keys::CallKey;

/// A call's sealed request.
pub(super) struct SealedCall {
    pub(super) key: CallKey,
    pub(super) wrapped: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// What can be worked out about a decision before it is stored.
pub(super) enum Prepared {
    Close {
        leaf: Sha256,
        answer: Option<Vec<u8>>,
    },
    Execute {
        draft: String,
    },
}

impl Prepared {
    pub(super) fn new(
        decided: &Decided,
        sealed: &SealedCall,
        entropy: &dyn Entropy,
    ) -> Result<Self, Failure> {
        Ok(match decided {
            Decided::Close {
                receipt, answer, ..
            } => Self::Close {
                leaf: receipt.signed.leaf_hash(),
                answer: answer
                    .body
                    .as_ref()
                    .map(|body| sealed.key.seal_answer(entropy, body))
                    .transpose()?,
            },
            Decided::Execute(new) => Self::Execute {
                draft: draft::write(&new.draft).map_err(|error| refused(error.to_string()))?,
            },
        })
    }
}

/// What was decided, ready to be stored.
pub(super) struct Ready {
    pub(super) decided: Box<Decided>,
    pub(super) prepared: Prepared,
}

impl Ready {
    pub(super) fn receipt(&self) -> ReceiptId {
        match &*self.decided {
            Decided::Close { receipt, .. } => receipt.id,
            Decided::Execute(new) => new.receipt_id,
        }
    }

    pub(super) fn answer(&self) -> Option<&Answer> {
        match &*self.decided {
            Decided::Close { answer, .. } => Some(answer),
            Decided::Execute(_) => None,
        }
    }
}

/// A decision on its way into the store.
pub(super) struct Decision {
    pub(super) seen: Seen,
    pub(super) call: Arc<ToolCall>,
    pub(super) stored_key: Vec<u8>,
    pub(super) sealed: SealedCall,
    /// How it is decided, where that reads what is stored.
    pub(super) decide: Option<Decide>,
    /// What was decided: ahead of the transaction, or inside an earlier one of which it is not
    /// known whether it was committed.
    pub(super) ready: Option<Ready>,
}

pub(super) enum Outcome {
    New(Box<Decided>),
    Known(RawCall),
    Stale,
    Refused(DecideError),
}

/// How a decision stands in the course of the transaction.
enum Standing {
    /// It claims its key.
    Claims,
    /// Another one of this group claims the same key.
    Follows,
    /// It has to see what another one of this group does.
    Waits,
    Known(RawCall),
    Stale,
    Refused(DecideError),
}

type Key = (Id, Id, Vec<u8>);

impl Decision {
    fn key(&self) -> Key {
        let call = &self.call;
        (
            call.organization.as_bytes().into(),
            call.agent.as_bytes().into(),
            self.stored_key.clone(),
        )
    }

    /// The receipt that the call would have.
    fn receipt(&self) -> Option<ReceiptId> {
        self.ready.as_ref().map(Ready::receipt)
    }

    /// Asks what decides, unless it was asked before: the answer may have been stored.
    fn decide(
        &mut self,
        decide: &Decide,
        facts: &Facts,
        entropy: &dyn Entropy,
    ) -> Result<Option<DecideError>, Failure> {
        // What decides is not the store's code; its panic must not take the writer with it.
        let decided = catch_unwind(AssertUnwindSafe(|| decide(facts)))
            .map_err(|_| refused("a decision panicked"))?;
        match decided {
            Ok(decided) => {
                let prepared = Prepared::new(&decided, &self.sealed, entropy)?;
                self.ready = Some(Ready {
                    decided: Box::new(decided),
                    prepared,
                });
                Ok(None)
            }
            Err(error) => Ok(Some(error)),
        }
    }
}

/// Records a group. An outcome for each command, in order; none for one that must come again.
///
/// Commands are put into the order of their keys, so that two nodes never wait for each other.
pub(super) async fn record(
    session: &Session,
    commands: &mut [Command],
    entropy: &dyn Entropy,
) -> Result<Vec<Option<Outcome>>, Failure> {
    commands.sort_by_cached_key(|command| command.decision.key());
    let mut standings = look(session, commands, entropy).await?;
    merge(commands, &mut standings);
    let claimed = claim(session, commands, &standings).await?;
    store(session, commands, standings, &claimed).await
}

/// The first turn: which rules hold, and what those have to see who decide inside.
async fn look(
    session: &Session,
    commands: &mut [Command],
    entropy: &dyn Entropy,
) -> Result<Vec<Standing>, Failure> {
    let mut organizations: Vec<OrganizationId> = commands
        .iter()
        .map(|command| command.decision.seen.organization)
        .collect();
    organizations.dedup();
    let ids: Vec<Id> = organizations
        .iter()
        .map(|organization| organization.as_bytes().into())
        .collect();
    let mut met = HashSet::new();
    let inside: Vec<Option<Inside>> = commands
        .iter()
        .map(|command| Inside::new(&command.decision, &mut met))
        .collect();
    let mut asks = vec![Ask::new(sql::LOCK_NUMBERS, vec![&ids])];
    for inside in inside.iter().flatten() {
        asks.push(Ask::new(
            sql::LOCK_AGENT,
            vec![&inside.organization, &inside.agent],
        ));
        asks.push(Ask::new(
            sql::FIND_CALL,
            vec![&inside.organization, &inside.agent, &inside.key],
        ));
        asks.push(Ask::new(
            sql::OPEN_APPROVAL,
            vec![
                &inside.organization,
                &inside.agent,
                &inside.digest,
                &inside.at,
            ],
        ));
    }
    let mut answers = session
        .begin(Kind::Write, &organizations, asks)
        .await?
        .into_iter();
    let numbers = numbers(&answers.next().unwrap_or_default())?;
    let mut standings = Vec::with_capacity(commands.len());
    for (command, inside) in commands.iter_mut().zip(&inside) {
        let decision = &mut command.decision;
        let seen = &decision.seen;
        let holds = numbers.get(&seen.organization) == Some(&seen.change);
        let answers = match inside {
            Some(inside) if inside.waits => {
                answers.by_ref().take(3).for_each(drop);
                standings.push(Standing::Waits);
                continue;
            }
            Some(_) => Some((answers.nth(1), answers.next())),
            None => None,
        };
        standings.push(match (holds, answers) {
            (false, _) => Standing::Stale,
            (true, None) => Standing::Claims,
            (true, Some((known, open))) => match known.unwrap_or_default().first() {
                Some(known) => Standing::Known(RawCall::read(known)?),
                None => decided(decision, open.unwrap_or_default().first(), entropy)?,
            },
        });
    }
    Ok(standings)
}

fn numbers(rows: &[Row]) -> Result<HashMap<OrganizationId, ChangeNumber>, Failure> {
    rows.iter()
        .map(|row| {
            let number = ChangeNumber(get(row, 1)?);
            Ok((id(row, 0, OrganizationId::from_bytes)?, number))
        })
        .collect()
}

fn decided(
    decision: &mut Decision,
    open: Option<&Row>,
    entropy: &dyn Entropy,
) -> Result<Standing, Failure> {
    let facts = Facts {
        open_approval: open.map(rows::open_approval).transpose()?,
    };
    let decide = decision
        .decide
        .clone()
        .ok_or_else(|| refused("nothing decides"))?;
    Ok(match decision.decide(&decide, &facts, entropy)? {
        None => Standing::Claims,
        Some(error) => Standing::Refused(error),
    })
}

/// What a decision inside the transaction reads.
struct Inside {
    organization: Id,
    agent: Id,
    key: Vec<u8>,
    digest: Vec<u8>,
    at: i64,
    /// Another one of the group may open the approval that this one has to see.
    waits: bool,
}

impl Inside {
    fn new(decision: &Decision, met: &mut HashSet<(Id, Id, [u8; 32])>) -> Option<Self> {
        decision.decide.as_ref()?;
        let call = &decision.call;
        let (organization, agent, key) = decision.key();
        Some(Self {
            waits: !met.insert((organization, agent, call.request_digest)),
            organization,
            agent,
            key,
            digest: call.request_digest.to_vec(),
            at: call.received_at.unix_micros(),
        })
    }
}

/// Of those that claim the same key, the first one does.
fn merge(commands: &[Command], standings: &mut [Standing]) {
    let mut last: Option<Key> = None;
    for (command, standing) in commands.iter().zip(standings) {
        if matches!(standing, Standing::Claims) {
            let key = command.decision.key();
            if last.as_ref() == Some(&key) {
                *standing = Standing::Follows;
            } else {
                last = Some(key);
            }
        }
    }
}

/// The second turn: claims the keys; the receipts of those that were free.
async fn claim(
    session: &Session,
    commands: &[Command],
    standings: &[Standing],
) -> Result<HashSet<ReceiptId>, Failure> {
    let mut rows = Claims::default();
    for (command, standing) in commands.iter().zip(standings) {
        if matches!(standing, Standing::Claims) {
            rows.push(&command.decision)?;
        }
    }
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let claimed = session.ask(vec![rows.ask()]).await?;
    claimed
        .iter()
        .flatten()
        .map(|row| id(row, 0, ReceiptId::from_bytes))
        .collect()
}

/// The third turn: stores what belongs to the claimed keys, looks at the calls of the others, and
/// commits.
async fn store(
    session: &Session,
    commands: &mut [Command],
    standings: Vec<Standing>,
    claimed: &HashSet<ReceiptId>,
) -> Result<Vec<Option<Outcome>>, Failure> {
    let mut stored = Stored::default();
    let mut keys = Vec::new();
    for (command, standing) in commands.iter().zip(&standings) {
        let decision = &command.decision;
        match standing {
            Standing::Claims if decision.receipt().is_some_and(|id| claimed.contains(&id)) => {
                stored.push(decision)?;
            }
            Standing::Claims | Standing::Follows => keys.push(decision.key()),
            _ => {}
        }
    }
    let mut asks = stored.asks();
    let before = asks.len();
    for (organization, agent, key) in &keys {
        asks.push(Ask::new(sql::FIND_CALL, vec![organization, agent, key]));
    }
    let answers = session.commit(asks).await?;
    let mut known = answers.into_iter().skip(before);
    let mut find = || -> Result<RawCall, Failure> {
        match known.next().unwrap_or_default().first() {
            Some(row) => RawCall::read(row),
            None => Err(corrupt("a claimed key has no call")),
        }
    };
    let mut outcomes = Vec::with_capacity(commands.len());
    for (command, standing) in commands.iter_mut().zip(standings) {
        let decision = &mut command.decision;
        let receipt = decision.receipt();
        outcomes.push(match standing {
            Standing::Claims if receipt.is_some_and(|id| claimed.contains(&id)) => {
                Some(new(decision)?)
            }
            Standing::Claims | Standing::Follows => Some(known_or_new(decision, find()?)?),
            Standing::Known(raw) => Some(known_or_new(decision, raw)?),
            Standing::Stale => Some(Outcome::Stale),
            Standing::Refused(error) => Some(Outcome::Refused(error)),
            Standing::Waits => None,
        });
    }
    Ok(outcomes)
}

fn new(decision: &mut Decision) -> Result<Outcome, Failure> {
    let ready = decision.ready.take();
    let ready = ready.ok_or_else(|| refused("nothing was decided"))?;
    Ok(Outcome::New(ready.decided))
}

/// A call with the very receipt that was chosen here is this one: an earlier transaction with it
/// was committed although nobody was told.
fn known_or_new(decision: &mut Decision, raw: RawCall) -> Result<Outcome, Failure> {
    if decision.receipt() == Some(raw.receipt_id) {
        new(decision)
    } else {
        Ok(Outcome::Known(raw))
    }
}
