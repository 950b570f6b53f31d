//! The environment variables that a client looks at, as a value.

use std::collections::BTreeMap;
use std::fmt;

/// The variables as they were when a client was built; later changes have no effect on it.
#[derive(Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
}

impl Environment {
    /// Every variable that has a meaning for a client.
    pub const NAMES: [&str; 15] = [
        "RELYNT_API_BASE_URL",
        "RELYNT_AGENT_SECRET",
        "RELYNT_AGENT_ID",
        "RELYNT_ORG_ID",
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUEST_METHOD",
    ];

    /// Reads this process's variables: the one place of the crate that does.
    #[expect(
        clippy::disallowed_methods,
        reason = "the sanctioned place; everything else takes an `Environment`"
    )]
    pub fn of_process() -> Self {
        Self::NAMES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .collect()
    }

    /// The value of a variable; one that is set to nothing counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Self {
        Self {
            values: pairs.into_iter().collect(),
        }
    }
}

/// Names alone: values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}
