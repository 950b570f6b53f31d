//! A connector's definition as text, its headers sealed.

use std::collections::BTreeMap;

use relynt_domain::{
    ConnectorDefinition, ConnectorId, ConnectorRecord, HeaderValues, OrganizationId, Timestamp,
};
use relynt_gateway::ports::StoreError;
use relynt_json::{Object, Value, write_canonical_str};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::keys::connector_headers;
use crate::seal::Key;

/// A connector as its row has it.
pub(crate) struct StoredConnector {
    pub(crate) id: ConnectorId,
    pub(crate) version: u32,
    pub(crate) name: String,
    pub(crate) definition: String,
    pub(crate) headers: Vec<u8>,
    pub(crate) created_at: Timestamp,
}

impl StoredConnector {
    /// The connector, its headers unsealed.
    pub(crate) fn open(
        self,
        organization: OrganizationId,
        key: &Key,
    ) -> Result<ConnectorRecord, StoreError> {
        let wrong = || StoreError::Corrupt(format!("connector `{}` cannot be read", self.id));
        let plain = key.unseal(&connector_headers(organization, &self.id), &self.headers)?;
        let definition = relynt_json::parse(self.definition.as_bytes()).map_err(|_| wrong())?;
        let text = |name: &str| {
            definition
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(wrong)
        };
        let number = |name: &str| {
            definition
                .get(name)
                .and_then(Value::as_number)
                .and_then(relynt_json::Number::as_u64)
                .and_then(|number| u32::try_from(number).ok())
                .ok_or_else(wrong)
        };
        Ok(ConnectorRecord {
            id: self.id,
            version: self.version,
            created_at: self.created_at,
            definition: ConnectorDefinition {
                position: number("position")?,
                action: text("action")?,
                resource_pattern: text("resource_pattern")?,
                base_url: text("base_url")?,
                headers: read_headers(&plain).ok_or_else(wrong)?,
                timeout_ms: number("timeout_ms")?,
                routes: definition.get("routes").cloned().ok_or_else(wrong)?,
                name: self.name,
            },
        })
    }
}

/// Names and values of the headers as canonical JSON, to be sealed.
pub(crate) fn headers_text(headers: &HeaderValues) -> Zeroizing<Vec<u8>> {
    // Room for all of it at once: a growing vector leaves copies behind.
    let room = headers
        .0
        .iter()
        .map(|(name, value)| 6 * (name.len() + value.expose_secret().len()) + 6);
    let mut text = Zeroizing::new(Vec::with_capacity(2 + room.sum::<usize>()));
    text.push(b'{');
    for (position, (name, value)) in headers.0.iter().enumerate() {
        if position > 0 {
            text.push(b',');
        }
        write_canonical_str(name, &mut text);
        text.push(b':');
        write_canonical_str(value.expose_secret(), &mut text);
    }
    text.push(b'}');
    text
}

fn read_headers(text: &[u8]) -> Option<HeaderValues> {
    let Value::Object(object) = relynt_json::parse(text).ok()? else {
        return None;
    };
    let values: Option<BTreeMap<_, _>> = object
        .iter()
        .map(|(name, value)| Some((name.to_owned(), SecretString::from(value.as_str()?))))
        .collect();
    values.map(HeaderValues)
}

/// A connector without its name, which has a column, and its headers, which are sealed.
pub(crate) fn definition_text(record: &ConnectorRecord) -> String {
    let definition = &record.definition;
    let object: Object = [
        ("action", Value::from(definition.action.as_str())),
        ("base_url", definition.base_url.as_str().into()),
        ("position", definition.position.into()),
        (
            "resource_pattern",
            definition.resource_pattern.as_str().into(),
        ),
        ("routes", definition.routes.clone()),
        ("timeout_ms", definition.timeout_ms.into()),
    ]
    .into_iter()
    .collect();
    Value::Object(object).to_canonical()
}
