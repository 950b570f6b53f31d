//! How a command ends.

use std::fmt::Display;
use std::io::{self, Write};

use crate::text::one_line;

/// The exit codes of `relynt`, as `docs/cli.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Done; valid; nothing wrong.
    Done,
    /// The answer is no: refused, not found, not valid, a check failed.
    No,
    /// The command line, a file or the environment is not as it should be.
    Usage,
    /// Verified, but nobody the user named vouches for the signer.
    Consistent,
    /// The gateway could not be reached or could not answer: try again.
    Unavailable,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Consistent => 3,
            Self::Unavailable => 4,
        }
    }
}

/// Why a command did not do what it should: an exit code, and one line that says what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self {
            exit,
            text: text.into(),
        }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(what: &str, path: impl Display, error: &io::Error) -> Self {
        Self::usage(format!("cannot {what} `{path}`: {}", reason(error)))
    }

    /// Says it on standard error.
    pub(crate) fn report(&self) -> Exit {
        if !self.text.is_empty() {
            // Nobody is left to be told if standard error is gone.
            let _ = writeln!(io::stderr(), "error: {}", one_line(&self.text));
        }
        self.exit
    }
}

/// What went wrong, as people say it: without Rust's `(os error 2)`.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "not permitted".to_owned(),
        io::ErrorKind::AddrInUse => "the port is in use".to_owned(),
        _ => {
            let text = error.to_string();
            let end = text.find(" (os error").unwrap_or(text.len());
            text.get(..end).unwrap_or_default().to_lowercase()
        }
    }
}

/// Writing to standard output failed. A reader that has seen enough (`| head`) is no failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Done, "");
        }
        Self::new(
            Exit::No,
            format!("cannot write the result: {}", reason(&error)),
        )
    }
}
