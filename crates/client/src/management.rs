//! Plain calls of the management API, for the command line.

use std::sync::Arc;
use std::time::Duration;

use crate::blocking::Transport;
use crate::broken::Broken;
use crate::options::{Options, OptionsError};
use crate::setup::Setup;

/// What the server answered, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body; problem details where the status is not 2xx.
    pub body: Vec<u8>,
    /// `Date` as it stood: the server's clock (RFC 9110 section 6.6.1).
    pub date: Option<String>,
}

/// A person's or a script's way to the management API, with a personal access token.
///
/// ```no_run
/// use relynt_client::{Management, Options};
///
/// let management = Management::new(&Options::new("http://127.0.0.1:8080", "rlp_…"))?;
/// let reply = management.request("GET", "/v1/approvals?status=pending", None)?;
/// println!("{} {}", reply.status, String::from_utf8_lossy(&reply.body));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Management {
    setup: Arc<Setup>,
    transport: Transport,
}

impl Management {
    /// Checks the options, whose credential is the access token; connects to nothing yet.
    pub fn new(options: &Options) -> Result<Self, OptionsError> {
        let setup = Setup::new(options)?;
        Ok(Self {
            transport: Transport::new(Arc::clone(&setup)),
            setup,
        })
    }

    /// Whether the token crosses a network unencrypted; the caller should warn.
    pub fn is_exposed(&self) -> bool {
        self.setup.is_exposed()
    }

    /// One request, never repeated: what changes something has no idempotency key here.
    /// `path_and_query` begins with `/v1` and is already percent-encoded.
    pub fn request(
        &self,
        method: &str,
        path_and_query: &str,
        json: Option<&[u8]>,
    ) -> Result<Reply, Broken> {
        self.request_within(method, path_and_query, json, self.setup.timeout)
    }

    /// As [`Self::request`] with a time of its own, for long-polls.
    pub fn request_within(
        &self,
        method: &str,
        path_and_query: &str,
        json: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<Reply, Broken> {
        let request = self.setup.heads.any(method, path_and_query, json);
        let request = request.ok_or_else(Broken::unspeakable)?;
        let answer = self.transport.once(&request, timeout, method != "GET")?;
        Ok(Reply {
            status: answer.status,
            body: answer.body,
            date: answer.date,
        })
    }
}
