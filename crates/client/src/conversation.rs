//! The course of a call, without IO: what to send next, after which wait, and when it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::approval::is_open;
use crate::broken::Broken;
use crate::outside::Moment;
use crate::request::Request;
use crate::retry;
use crate::setup::Setup;

/// What a transport has to do next.
#[derive(Debug)]
pub enum Step {
    /// Wait, then send the conversation's request and give the attempt this long.
    Send {
        /// The wait before.
        after: Duration,
        /// The longest that the attempt may take.
        timeout: Duration,
    },
    /// Nothing: it is over.
    Finish(Outcome),
}

/// How a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer, whatever its status.
    Answer(Answer),
    /// Without one.
    Broken(Broken),
    /// The time to wait for an approval is over; with the last failure if the last look failed.
    Deadline(Option<Box<Outcome>>),
}

impl From<Result<Answer, Broken>> for Outcome {
    fn from(event: Result<Answer, Broken>) -> Self {
        match event {
            Ok(answer) => Self::Answer(answer),
            Err(broken) => Self::Broken(broken),
        }
    }
}

/// A call in progress; transports carry out its steps.
pub trait Conversation {
    /// The first step.
    fn begin(&mut self, moment: &Moment) -> Step;
    /// The step after an attempt.
    fn heard(&mut self, event: Result<Answer, Broken>, moment: &Moment) -> Step;
    /// The request that the last step wants sent.
    fn request(&self) -> &Request;
}

/// A tool call: the same bytes, the same key, for every attempt.
#[derive(Debug)]
pub struct ActionConversation {
    request: Request,
    timeout: Duration,
    retries_left: u32,
    failures: u32,
    waits_left: Duration,
}

impl ActionConversation {
    pub(crate) fn new(request: Request, timeout: Duration, max_retries: u32) -> Self {
        Self {
            request,
            timeout,
            retries_left: max_retries,
            failures: 0,
            waits_left: retry::WAITS,
        }
    }
}

impl Conversation for ActionConversation {
    fn begin(&mut self, _: &Moment) -> Step {
        Step::Send {
            after: Duration::ZERO,
            timeout: self.timeout,
        }
    }

    fn heard(&mut self, event: Result<Answer, Broken>, moment: &Moment) -> Step {
        if self.retries_left == 0 || !is_passing(&event) {
            return Step::Finish(event.into());
        }
        let asked = asked(&event, moment);
        if asked.is_some_and(|asked| asked > self.waits_left) {
            return Step::Finish(event.into());
        }
        let after = retry::wait(self.failures, asked, moment.chance).min(self.waits_left);
        self.waits_left -= after;
        self.retries_left -= 1;
        self.failures += 1;
        Step::Send {
            after,
            timeout: self.timeout,
        }
    }

    fn request(&self) -> &Request {
        &self.request
    }
}

const LONGEST_POLL: Duration = Duration::from_secs(25);
/// Between looks where the gateway does not hold the answer as asked.
const PACE: Duration = Duration::from_millis(200);
/// For an answer that left in time and is still on its way at the deadline.
const GRACE: Duration = Duration::from_millis(500);
/// Longer waits are as good as this, and time can be added without overflow.
const LONGEST_WAIT: Duration = Duration::from_hours(24 * 366);

/// Waiting for an approval: long-polls until it is final or the time is up.
pub struct PollConversation {
    setup: Arc<Setup>,
    approval_id: String,
    request: Request,
    patience: Duration,
    deadline: Option<Instant>,
    sent: Option<Instant>,
    failures: u32,
}

impl PollConversation {
    pub(crate) fn new(setup: Arc<Setup>, approval_id: &str, patience: Duration) -> Self {
        Self {
            request: setup.heads.approval(approval_id, 0),
            approval_id: approval_id.to_owned(),
            setup,
            patience: patience.min(LONGEST_WAIT),
            deadline: None,
            sent: None,
            failures: 0,
        }
    }

    fn remaining(&self, moment: &Moment) -> Duration {
        self.deadline.map_or(Duration::ZERO, |end| {
            end.saturating_duration_since(moment.at)
        })
    }

    fn send(&mut self, after: Duration, moment: &Moment) -> Step {
        let remaining = self.remaining(moment).saturating_sub(after);
        let wait = remaining.min(LONGEST_POLL);
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or_default();
        self.request = self.setup.heads.approval(&self.approval_id, wait_ms);
        self.sent = moment.at.checked_add(after);
        let timeout = if self.patience.is_zero() {
            self.setup.timeout
        } else {
            (wait + self.setup.timeout).min(remaining + GRACE)
        };
        Step::Send { after, timeout }
    }
}

impl Conversation for PollConversation {
    fn begin(&mut self, moment: &Moment) -> Step {
        self.deadline = moment.at.checked_add(self.patience);
        self.send(Duration::ZERO, moment)
    }

    fn heard(&mut self, event: Result<Answer, Broken>, moment: &Moment) -> Step {
        let open = matches!(&event, Ok(answer) if answer.status == 200 && is_open(&answer.body));
        if !open && !is_passing(&event) {
            return Step::Finish(event.into());
        }
        let remaining = self.remaining(moment);
        if open {
            if remaining.is_zero() {
                return Step::Finish(Outcome::Deadline(None));
            }
            self.failures = 0;
            let since = self
                .sent
                .map(|sent| moment.at.saturating_duration_since(sent));
            let pause = PACE.saturating_sub(since.unwrap_or_default());
            return self.send(pause.min(remaining), moment);
        }
        if self.patience.is_zero() {
            // The one look failed: say why, rather than that nobody decided.
            return Step::Finish(event.into());
        }
        let asked = asked(&event, moment);
        if remaining.is_zero() || asked.is_some_and(|asked| asked > remaining) {
            return Step::Finish(Outcome::Deadline(Some(Box::new(event.into()))));
        }
        let after = retry::wait(self.failures, asked, moment.chance).min(remaining);
        self.failures = self.failures.saturating_add(1);
        self.send(after, moment)
    }

    fn request(&self) -> &Request {
        &self.request
    }
}

fn is_passing(event: &Result<Answer, Broken>) -> bool {
    match event {
        Ok(answer) => retry::is_transient(answer),
        Err(broken) => !broken.is_permanent(),
    }
}

fn asked(event: &Result<Answer, Broken>, moment: &Moment) -> Option<Duration> {
    event.as_ref().ok()?.retry_after(moment.wall)
}

#[cfg(test)]
mod tests;
