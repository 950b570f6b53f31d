//! `relynt approvals` on a terminal: shows what waits, as it comes, and decides.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use relynt_api::{Decide, VoteKind};
use serde_json::Value;

use super::{DETAIL, decide, pending};
use crate::api::Api;
use crate::failure::{Exit, Failure};
use crate::output::{Output, cell};

/// How often the gateway is asked for news.
const EVERY: Duration = Duration::from_secs(1);

/// What waits, numbered in the order of its coming. A number is never given twice, so that what
/// is typed means what was read.
struct Inbox {
    shown: Vec<Shown>,
}

/// An approval as it was shown: the vote names the revision that was on the screen.
struct Shown {
    approval_id: String,
    revision: u32,
    open: bool,
}

/// What a person typed.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    Nothing,
    Quit,
    Vote(VoteKind, usize, Option<String>),
    Unknown,
}

pub(super) fn run(api: &Api, output: &mut Output) -> Result<Exit, Failure> {
    let lines = typed_lines();
    let mut inbox = Inbox { shown: Vec::new() };
    output.line("waiting for approvals; type `a 1` to approve, `d 1 why` to deny, `q` to leave")?;
    loop {
        inbox.refresh(api, output)?;
        let line = match lines.recv_timeout(EVERY) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(Exit::Done),
        };
        match read(&line) {
            Typed::Nothing => {}
            Typed::Quit => return Ok(Exit::Done),
            Typed::Unknown => output.line("type `a 1` to approve, `d 1` to deny, `q` to leave")?,
            Typed::Vote(kind, number, note) => inbox.vote(api, kind, number, note, output)?,
        }
    }
}

/// Reads standard input on a thread of its own: waiting for a person must not hold up the news.
fn typed_lines() -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn read(line: &str) -> Typed {
    let mut words = line.trim().splitn(3, char::is_whitespace);
    let verb = words.next().unwrap_or_default();
    let number = words.next().and_then(|word| word.parse::<usize>().ok());
    let note = words.next().map(|note| note.trim().to_owned());
    let note = note.filter(|note| !note.is_empty());
    match (verb, number) {
        ("", _) => Typed::Nothing,
        ("q" | "quit", None) => Typed::Quit,
        ("a" | "approve", Some(number)) => Typed::Vote(VoteKind::Approve, number, note),
        ("d" | "deny", Some(number)) => Typed::Vote(VoteKind::Deny, number, note),
        _ => Typed::Unknown,
    }
}

impl Inbox {
    /// Shows what is new, and says what is gone.
    fn refresh(&mut self, api: &Api, output: &mut Output) -> Result<(), Failure> {
        let page = match api.pages(pending(), "approvals", usize::MAX) {
            Ok(page) => page,
            // A gateway that restarts is worth waiting for; a refusal is not.
            Err(failure) if failure.exit == Exit::Unavailable => return Ok(()),
            Err(failure) => return Err(failure),
        };
        let mut waiting = Vec::new();
        // Newest first in the list, oldest first on the screen.
        for item in page.items.iter().rev() {
            let value: Value = serde_json::from_str(item.get()).map_err(|_| api.strange())?;
            let id = value.get("approval_id").and_then(Value::as_str);
            let revision = value.get("revision").and_then(Value::as_u64);
            let revision = revision.and_then(|revision| u32::try_from(revision).ok());
            let (id, revision) = id.zip(revision).ok_or_else(|| api.strange())?;
            waiting.push((id.to_owned(), revision));
            let known = self.shown.iter();
            let mut known = known.filter(|shown| shown.open && shown.approval_id == id);
            if !known.any(|shown| shown.revision == revision) {
                self.show(id, revision, &value, output)?;
            }
        }
        for (at, shown) in self.shown.iter_mut().enumerate() {
            let waits = waiting
                .iter()
                .any(|(id, revision)| *id == shown.approval_id && *revision == shown.revision);
            if shown.open && !waits {
                shown.open = false;
                output.line(&format!("[{}] no longer waits", at + 1))?;
            }
        }
        Ok(())
    }

    fn show(
        &mut self,
        id: &str,
        revision: u32,
        value: &Value,
        output: &mut Output,
    ) -> Result<(), Failure> {
        self.shown.push(Shown {
            approval_id: id.to_owned(),
            revision,
            open: true,
        });
        output.line("")?;
        output.line(&format!("[{}]", self.shown.len()))?;
        let pairs: Vec<(&str, String)> = DETAIL
            .iter()
            .filter(|(_, pointer)| value.pointer(pointer).is_some_and(|found| !found.is_null()))
            .map(|(title, pointer)| (*title, cell(value, pointer)))
            .collect();
        output.fields(&pairs)
    }

    fn vote(
        &mut self,
        api: &Api,
        kind: VoteKind,
        number: usize,
        note: Option<String>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let shown = number.checked_sub(1).and_then(|at| self.shown.get_mut(at));
        let Some(shown) = shown.filter(|shown| shown.open) else {
            return output.line(&format!("[{number}] does not wait"));
        };
        let decision = Decide {
            decision: kind,
            revision: Some(shown.revision),
            note,
        };
        match decide(api, &shown.approval_id, &decision) {
            Ok(text) => {
                shown.open = false;
                let value: Value = serde_json::from_str(&text).unwrap_or_default();
                let (status, execution) =
                    (cell(&value, "/status"), cell(&value, "/execution/status"));
                output.line(&format!("[{number}] {status}, execution {execution}"))
            }
            // Somebody was first, or the vote may not count: the person decides what to do next.
            Err(failure) => output.line(&format!("[{number}] {}", failure.text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use relynt_api::VoteKind;

    use super::{Typed, read};

    #[test]
    fn only_a_verb_and_a_number_vote() {
        assert_eq!(read("a 1"), Typed::Vote(VoteKind::Approve, 1, None));
        let denied = Typed::Vote(VoteKind::Deny, 2, Some("not this month".into()));
        assert_eq!(read(" deny 2  not this month "), denied);
        assert_eq!(read(""), Typed::Nothing);
        assert_eq!(read("q"), Typed::Quit);
        for line in ["a", "a one", "y", "1", "a -1", "approve all", "q 1"] {
            assert_eq!(read(line), Typed::Unknown, "{line}");
        }
    }
}
