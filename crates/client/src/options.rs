//! What a client is built from.

use std::fmt;
use std::time::Duration;

use crate::environment::Environment;

const DAY: Duration = Duration::from_hours(24);
const MOST_RETRIES: u32 = 100;
const DEFAULT_MAX_BODY: usize = 16 * 1024 * 1024;

/// Address, credential and behaviour of a client.
#[derive(Clone)]
pub struct Options {
    pub(crate) base_url: String,
    pub(crate) credential: String,
    pub(crate) timeout: Duration,
    pub(crate) max_retries: u32,
    pub(crate) instance_id: Option<String>,
    pub(crate) max_body: usize,
    pub(crate) user_agent: String,
    pub(crate) environment: Environment,
}

impl Options {
    /// A gateway's address and a credential; 30 s per attempt, 2 retries, an empty environment
    /// (no proxy, the system's certificate authorities).
    pub fn new(base_url: impl Into<String>, credential: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            credential: credential.into(),
            timeout: Duration::from_secs(30),
            max_retries: 2,
            instance_id: None,
            max_body: DEFAULT_MAX_BODY,
            user_agent: concat!("relynt-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
            environment: Environment::default(),
        }
    }

    /// `RELYNT_API_BASE_URL` and `RELYNT_AGENT_SECRET`, proxies and certificate authorities of
    /// the same environment.
    pub fn from_environment(environment: &Environment) -> Result<Self, OptionsError> {
        let named = |name: &'static str| {
            environment
                .get(name)
                .ok_or(OptionsError::MissingVariable { name })
        };
        let options = Self::new(named("RELYNT_API_BASE_URL")?, named("RELYNT_AGENT_SECRET")?);
        Ok(options.environment(environment.clone()))
    }

    /// The longest that one attempt may take, from connecting to the last byte of the answer;
    /// above 0, at most a day.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often a call is tried again after the first attempt; at most 100.
    #[must_use]
    pub fn max_retries(mut self, max_retries: u32) -> Self {
        self.max_retries = max_retries;
        self
    }

    /// What distinguishes this run of the agent from others; 1 to 256 characters. Default: a
    /// fresh UUID for the client.
    #[must_use]
    pub fn instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.instance_id = Some(instance_id.into());
        self
    }

    /// The longest body of an answer in bytes; default 16 MiB.
    #[must_use]
    pub fn max_body(mut self, max_body: usize) -> Self {
        self.max_body = max_body;
        self
    }

    /// The `User-Agent`; visible ASCII and blanks.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Where proxies and certificate authorities are looked up.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        if self.timeout.is_zero() || self.timeout > DAY {
            return Err(OptionsError::Timeout);
        }
        if self.max_retries > MOST_RETRIES {
            return Err(OptionsError::Retries);
        }
        let named = self.instance_id.as_deref();
        if named.is_some_and(|id| id.is_empty() || id.chars().count() > 256) {
            return Err(OptionsError::InstanceId);
        }
        let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        if !self.user_agent.bytes().all(printable) {
            return Err(OptionsError::UserAgent);
        }
        Ok(())
    }
}

/// Without the credential and the environment's values.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("timeout", &self.timeout)
            .field("max_retries", &self.max_retries)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// Why no client could be built. Never shows the credential, nor an address that may hold one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// Not an absolute `http` or `https` address of a host.
    #[error("base_url must be an absolute http:// or https:// URL with a host")]
    BaseUrl,
    /// More than scheme, host, port and path.
    #[error("base_url must not carry a user name, password, query or fragment")]
    BaseUrlExtras,
    /// Empty, too long, or not visible ASCII.
    #[error("agent_secret must be 1 to 4096 visible ASCII characters without blanks")]
    Credential,
    /// Zero or above a day.
    #[error("timeout_s must be above 0 and at most 86400 seconds")]
    Timeout,
    /// Above 100.
    #[error("max_retries must be from 0 to 100")]
    Retries,
    /// Empty or above 256 characters.
    #[error("instance_id must be 1 to 256 characters")]
    InstanceId,
    /// Not printable ASCII.
    #[error("the user agent must be printable ASCII")]
    UserAgent,
    /// A variable that is needed is not set.
    #[error("the environment variable {name} is not set")]
    MissingVariable {
        /// Its name.
        name: &'static str,
    },
    /// A proxy variable that cannot be used; its value may hold a password and is not shown.
    #[error("the environment variable {name} is not an http:// proxy address")]
    Proxy {
        /// Its name.
        name: &'static str,
    },
    /// No certificate authority could be read.
    #[error("no certificate authorities could be read from {from}")]
    Authorities {
        /// The variables or the system's store.
        from: &'static str,
    },
    /// The TLS library refused its configuration.
    #[error("TLS could not be set up")]
    Tls,
}
