//! What both transports of a client share: address, credential, way, trust.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::conversation::{ActionConversation, PollConversation};
use crate::credential::Credential;
use crate::ids::{IdempotencyKey, uuid7};
use crate::options::{Options, OptionsError};
use crate::proxy::Proxy;
use crate::request::Heads;
use crate::target::Target;
use crate::tls::Tls;

/// A checked and prepared configuration. Nothing of the environment is read after this is built.
pub struct Setup {
    pub(crate) target: Target,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) tls: Option<Tls>,
    pub(crate) credential: Credential,
    pub(crate) heads: Heads,
    pub(crate) timeout: Duration,
    pub(crate) max_body: usize,
    max_retries: u32,
    instance_id: String,
}

impl Setup {
    /// Checks the options and reads the certificate authorities.
    pub fn new(options: &Options) -> Result<Arc<Self>, OptionsError> {
        options.check()?;
        let target = Target::parse(&options.base_url)?;
        let credential = Credential::parse(&options.credential).ok_or(OptionsError::Credential)?;
        let proxy = Proxy::find(&target, &options.environment)?;
        let tls = if target.tls {
            Some(Tls::new(&target.host, &options.environment)?)
        } else {
            None
        };
        Ok(Arc::new(Self {
            heads: Heads::new(&target, proxy.as_ref(), &credential, &options.user_agent),
            target,
            proxy,
            tls,
            credential,
            timeout: options.timeout,
            max_body: options.max_body,
            max_retries: options.max_retries,
            instance_id: options.instance_id.clone().unwrap_or_else(uuid7),
        }))
    }

    /// The gateway's address without a trailing slash.
    pub fn base_url(&self) -> String {
        let scheme = if self.target.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.target.authority, self.target.prefix)
    }

    /// The instance id of calls that name none.
    pub fn instance_id(&self) -> &str {
        &self.instance_id
    }

    /// Whether the credential crosses a network unencrypted.
    pub fn is_exposed(&self) -> bool {
        !self.target.tls && !self.target.is_loopback()
    }

    /// A tool call with this JSON body.
    pub fn action(&self, body: &[u8], key: &IdempotencyKey) -> ActionConversation {
        let request = self.heads.tool_call(key, body);
        ActionConversation::new(request, self.timeout, self.max_retries)
    }

    /// Waiting up to `patience` for an approval.
    pub fn approval(self: &Arc<Self>, approval_id: &str, patience: Duration) -> PollConversation {
        PollConversation::new(Arc::clone(self), approval_id, patience)
    }
}

/// Without the credential.
impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("base_url", &self.base_url())
            .field("timeout", &self.timeout)
            .field("max_retries", &self.max_retries)
            .finish_non_exhaustive()
    }
}
