//! Configuration: a TOML file and `RELYNT_…` variables, strictly
//!
//! A variable is named like its setting, in capitals, dots as `_`, and wins over the file. What is
//! unknown, missing, malformed or weak stops the start with one line that says what to do.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use url::Url;
use zeroize::Zeroizing;

mod key;
mod settings;

pub use key::{MasterKey, MasterKeyError, MasterKeySource};

/// The configuration cannot be used. One line: what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Where records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `sqlite:FOLDER`: the embedded store, a folder that one process at a time uses.
    Sqlite(PathBuf),
    /// `postgresql://LOGIN:PASSWORD@HOST/DATABASE`: a database.
    Postgres(DatabaseUrl),
}

/// The address of a database, which may hold a password: shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Zeroizing<String>);

impl DatabaseUrl {
    /// An address that was given.
    pub const fn new(url: Zeroizing<String>) -> Self {
        Self(url)
    }

    /// The address, for whoever connects.
    pub fn expose(&self) -> Zeroizing<String> {
        self.0.clone()
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl")
    }
}

/// What a gateway runs with. Every value is checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `listen`: where the API is served. Default `127.0.0.1:8080`; port 0 is any free one.
    pub listen: SocketAddr,
    /// `public_url`: how clients reach it; none only where a default said so: then it follows from
    /// the listener.
    pub public_url: Option<Url>,
    /// `max_connections`: connections at once. Default 16384.
    pub max_connections: usize,
    /// `store.url`.
    pub store: StoreUrl,
    /// `master_key_file`, or the key itself in the variable `RELYNT_MASTER_KEY`.
    pub master_key: MasterKeySource,
    /// `connector.allow`: what connectors may reach besides public addresses, as written. Default
    /// none.
    pub connector_allow: String,
    /// `metrics.listen`: where `/metrics` is served. Default `127.0.0.1:9464`.
    pub metrics_listen: SocketAddr,
    /// `log`: a filter such as `info` or `relynt=debug`. Default `info`.
    pub log: String,
}

impl Config {
    /// Reads a file's text and the environment. `defaults` stand in for what neither says: by
    /// them, `dev` needs no configuration; an empty default of `public_url` takes it from the
    /// listener.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(
        file: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
        defaults: &[(&str, &str)],
    ) -> Result<Self, ConfigError> {
        let settings = settings::Settings::read(file, environment)?;
        let default = |name: &str| {
            defaults
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| *value)
        };
        let read = Reader {
            settings: &settings.values,
            default: &default,
        };
        let public_url = match read.text("public_url")? {
            (text, Source::Default) if text.is_empty() => None,
            (text, source) => Some(public_url(&text, &source)?),
        };
        Ok(Self {
            listen: read.parsed("listen", "an address and port such as `127.0.0.1:8080`")?,
            public_url,
            max_connections: read
                .parsed::<u32>("max_connections", "a number from 1 to 1000000")
                .and_then(|number| match number {
                    1..=1_000_000 => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
                    _ => Err(read.wrong("max_connections", "a number from 1 to 1000000")),
                })?,
            store: read.store()?,
            master_key: match settings.master_key {
                Some(key) => MasterKeySource::Given(key),
                None => MasterKeySource::File(PathBuf::from(read.given("master_key_file")?)),
            },
            connector_allow: read.text("connector.allow")?.0,
            metrics_listen: read.parsed(
                "metrics.listen",
                "an address and port such as `127.0.0.1:9464`",
            )?,
            log: read.given("log")?,
        })
    }

    /// The variables that the server knows, with what they set: for documentation.
    pub fn settings() -> impl Iterator<Item = (&'static str, String)> {
        settings::KNOWN
            .iter()
            .map(|name| (*name, settings::variable(name)))
    }
}

/// Where a value came from, as an error names it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    File(&'static str),
    Variable(String),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => write!(f, "`{name}`"),
            Self::Variable(name) => write!(f, "the variable `{name}`"),
            Self::Default => f.write_str("a default"),
        }
    }
}

struct Reader<'a> {
    settings: &'a BTreeMap<&'static str, (String, Source)>,
    default: &'a dyn Fn(&str) -> Option<&'a str>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Result<(String, Source), ConfigError> {
        if let Some(set) = self.settings.get(name) {
            return Ok(set.clone());
        }
        (self.default)(name)
            .or_else(|| settings::default(name))
            .map(|text| (text.to_owned(), Source::Default))
            .ok_or_else(|| {
                ConfigError::new(format!(
                    "`{name}` is missing: set it in the configuration file or as the variable `{}`",
                    settings::variable(name)
                ))
            })
    }

    fn given(&self, name: &str) -> Result<String, ConfigError> {
        let (text, source) = self.text(name)?;
        if text.is_empty() {
            return Err(ConfigError::new(format!("{source} must not be empty")));
        }
        Ok(text)
    }

    fn parsed<T: FromStr>(&self, name: &str, should_be: &str) -> Result<T, ConfigError> {
        self.text(name)?
            .0
            .parse()
            .map_err(|_| self.wrong(name, should_be))
    }

    fn wrong(&self, name: &str, should_be: &str) -> ConfigError {
        match self.text(name) {
            Ok((text, source)) => {
                ConfigError::new(format!("{source} is `{text}` and must be {should_be}"))
            }
            Err(missing) => missing,
        }
    }

    fn store(&self) -> Result<StoreUrl, ConfigError> {
        let (text, source) = self.text("store.url")?;
        if ["postgresql://", "postgres://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
        {
            return Ok(StoreUrl::Postgres(DatabaseUrl::new(Zeroizing::new(text))));
        }
        let path = text.strip_prefix("sqlite:").map(|path| {
            // `sqlite:///x` is the absolute `/x`, as other tools write it.
            path.strip_prefix("//").unwrap_or(path)
        });
        match path {
            Some(path) if !path.is_empty() && !path.contains('\0') => {
                Ok(StoreUrl::Sqlite(Path::new(path).to_owned()))
            }
            // The address of a database may hold a password: it is not repeated.
            _ => Err(ConfigError::new(format!(
                "{source} must be `sqlite:FOLDER`, such as `sqlite:/var/lib/relynt`, or \
                 `postgresql://LOGIN:PASSWORD@HOST/DATABASE`"
            ))),
        }
    }
}

/// An address that clients use: https, or http where nobody can listen.
fn public_url(text: &str, source: &Source) -> Result<Url, ConfigError> {
    let wrong = |why: &str| ConfigError::new(format!("{source} is `{text}` and {why}"));
    // Whoever puts a password into it does not want it repeated.
    let url = Url::parse(text).map_err(|_| {
        ConfigError::new(format!(
            "{source} must be an address such as `https://relynt.example.com`"
        ))
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ConfigError::new(format!(
            "{source} must not hold a user or a password"
        )));
    }
    if url.query().is_some() || url.fragment().is_some() || url.path() != "/" {
        return Err(wrong("must be scheme, host and port alone"));
    }
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(wrong("must have a host")),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(wrong(
            "must be `https`: credentials would cross the network in clear",
        )),
        _ => Err(wrong("must be `https`")),
    }
}
