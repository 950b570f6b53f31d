//! The world outside, read in one place: environment, clock, terminal.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal};
use std::time::{SystemTime, UNIX_EPOCH};

use relynt_domain::Timestamp;

/// The process's environment and terminals, as they were when it started.
pub(crate) struct Outside {
    /// Variables whose name begins with `RELYNT_`, and `NO_COLOR`.
    variables: BTreeMap<String, String>,
    /// Standard output is a terminal.
    pub(crate) output_is_terminal: bool,
    /// Standard input and output are terminals: there is somebody to ask.
    pub(crate) is_interactive: bool,
}

impl Outside {
    pub(crate) fn of_process() -> Self {
        // A value that is no UTF-8 is taken as it can be read: none that means anything here has
        // such bytes, so that it is refused where it is used.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok()?;
                let known = name.starts_with("RELYNT_") || name == "NO_COLOR";
                known.then(|| (name, value.to_string_lossy().into_owned()))
            })
            .collect();
        let output_is_terminal = io::stdout().is_terminal();
        Self {
            variables,
            output_is_terminal,
            is_interactive: output_is_terminal && io::stdin().is_terminal(),
        }
    }

    /// A variable; one that is set to nothing counts as not set.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// Every `RELYNT_…` variable, as the server's configuration reads them.
    pub(crate) fn relynt_variables(&self) -> impl Iterator<Item = (String, String)> {
        let named = self.variables.iter();
        named
            .filter(|(name, _)| name.starts_with("RELYNT_"))
            .map(|(name, value)| (name.clone(), value.clone()))
    }

    /// Whether output may have colours.
    pub(crate) fn has_colour(&self) -> bool {
        self.output_is_terminal && self.variable("NO_COLOR").is_none()
    }
}

/// Names alone: values may be secrets.
impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// The time by this machine's clock.
#[allow(clippy::disallowed_methods, reason = "the sanctioned place")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Timestamp::from_unix_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
