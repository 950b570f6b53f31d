//! Which settings there are, and where their texts come from

use std::collections::BTreeMap;

use secrecy::SecretString;
use toml::{Table, Value};

use super::{ConfigError, Source};

/// Every setting, as the file names it.
pub(super) const KNOWN: &[&str] = &[
    "listen",
    "public_url",
    "max_connections",
    "store.url",
    "master_key_file",
    "connector.allow",
    "metrics.listen",
    "log",
];

/// Settings that are documented and not there yet: refused, never ignored.
const NOT_YET: &[&str] = &[
    "trusted_proxies",
    "tls.cert_file",
    "tls.key_file",
    "slack.api_url",
];

/// Variables of clients and of the command line, which share the prefix.
const OF_CLIENTS: &[&str] = &[
    "RELYNT_API_BASE_URL",
    "RELYNT_AGENT_SECRET",
    "RELYNT_AGENT_ID",
    "RELYNT_ORG_ID",
    "RELYNT_ACCESS_TOKEN",
    "RELYNT_CONFIG",
];

/// The master key itself, for those who have secrets in variables.
const MASTER_KEY: &str = "RELYNT_MASTER_KEY";

/// What a setting is if nobody says anything.
pub(super) fn default(name: &str) -> Option<&'static str> {
    match name {
        "listen" => Some("127.0.0.1:8080"),
        "max_connections" => Some("16384"),
        "connector.allow" => Some(""),
        "metrics.listen" => Some("127.0.0.1:9464"),
        "log" => Some("info"),
        _ => None,
    }
}

/// The variable of a setting.
pub(super) fn variable(name: &str) -> String {
    format!("RELYNT_{}", name.replace('.', "_").to_ascii_uppercase())
}

/// What was set, each as its text.
pub(super) struct Settings {
    pub(super) values: BTreeMap<&'static str, (String, Source)>,
    pub(super) master_key: Option<SecretString>,
}

impl Settings {
    pub(super) fn read(
        file: Option<&str>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut settings = Self {
            values: BTreeMap::new(),
            master_key: None,
        };
        if let Some(text) = file {
            let table: Table = text.parse().map_err(|error: toml::de::Error| {
                let line = error
                    .span()
                    .and_then(|span| text.get(..span.start))
                    .map_or(1, |before| before.matches('\n').count() + 1);
                ConfigError::new(format!(
                    "the configuration file is not TOML (line {line}): {}",
                    error.message().lines().next().unwrap_or("unreadable")
                ))
            })?;
            settings.add_table("", &table)?;
        }
        for (name, value) in environment {
            if name.starts_with("RELYNT_") && !OF_CLIENTS.contains(&name.as_str()) {
                settings.add_variable(&name, value)?;
            }
        }
        let key_file = settings.values.get("master_key_file");
        if let (Some(_), Some((_, source))) = (&settings.master_key, key_file) {
            return Err(ConfigError::new(format!(
                "the master key is given twice: by the variable `{MASTER_KEY}` and by {source}"
            )));
        }
        Ok(settings)
    }

    fn add_table(&mut self, prefix: &str, table: &Table) -> Result<(), ConfigError> {
        for (key, value) in table {
            let name = format!("{prefix}{key}");
            let text = match value {
                Value::Table(inner) if is_table(&name) => {
                    self.add_table(&format!("{name}."), inner)?;
                    continue;
                }
                Value::String(text) => Some(text.clone()),
                Value::Integer(number) => Some(number.to_string()),
                Value::Array(items) => items
                    .iter()
                    .map(Value::as_str)
                    .collect::<Option<Vec<_>>>()
                    .map(|items| items.join(",")),
                _ => None,
            };
            let known = known(&name)?.ok_or_else(|| unknown("setting", &name, KNOWN))?;
            let text = text.ok_or_else(|| {
                ConfigError::new(format!(
                    "`{known}` in the configuration file must be a string"
                ))
            })?;
            self.values.insert(known, (text, Source::File(known)));
        }
        Ok(())
    }

    fn add_variable(&mut self, name: &str, value: String) -> Result<(), ConfigError> {
        if name == MASTER_KEY {
            self.master_key = Some(value.into());
            return Ok(());
        }
        let variables: Vec<String> = KNOWN.iter().map(|known| variable(known)).collect();
        if let Some(at) = variables.iter().position(|known| known == name)
            && let Some(known) = KNOWN.get(at)
        {
            self.values
                .insert(known, (value, Source::Variable(name.to_owned())));
            return Ok(());
        }
        if NOT_YET.iter().any(|setting| variable(setting) == name) {
            return Err(ConfigError::new(format!(
                "the variable `{name}` is not supported yet"
            )));
        }
        let names: Vec<&str> = variables.iter().map(String::as_str).collect();
        Err(unknown("variable of the server", name, &names))
    }
}

/// Whether settings lie in a table of this name.
fn is_table(name: &str) -> bool {
    KNOWN.iter().chain(NOT_YET).any(|known| {
        known
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

fn known(name: &str) -> Result<Option<&'static str>, ConfigError> {
    if NOT_YET.contains(&name) {
        return Err(ConfigError::new(format!("`{name}` is not supported yet")));
    }
    Ok(KNOWN.iter().find(|known| **known == name).copied())
}

fn unknown(kind: &str, name: &str, names: &[&str]) -> ConfigError {
    let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    ConfigError::new(match relynt_domain::nearest(&name, names) {
        Some(near) => format!("`{name}` is not a {kind}; did you mean `{near}`?"),
        None => format!("`{name}` is not a {kind}"),
    })
}
