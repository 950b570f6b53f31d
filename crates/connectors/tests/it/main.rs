//! Connectors as the gateway sees them.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod definitions;
mod routes;
mod slots;

use std::sync::Arc;
use std::time::Duration;

use relynt_connectors::{HttpConnectors, Options};
use relynt_domain::{
    ConnectorDefinition, ConnectorId, ConnectorRecord, Fault, OrganizationId, Timestamp,
};
use relynt_egress::{AddressRules, Egress, Roots};
use relynt_gateway::ports::{Clock, Connector, Connectors as _};
use relynt_json::Value;

const ORGANIZATION: OrganizationId = OrganizationId::from_bytes([1; 16]);

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(0)
    }

    fn uptime(&self) -> Duration {
        Duration::ZERO
    }
}

fn connectors_with(allow: &str, options: Options) -> HttpConnectors {
    let rules = AddressRules::parse(allow)
        .unwrap()
        .with_own_listeners(["127.0.0.1:7000".parse().unwrap()]);
    let egress = Egress::new(rules, Roots::only([]).unwrap()).unwrap();
    HttpConnectors::new(egress, Arc::new(Still), options)
}

fn connectors() -> HttpConnectors {
    connectors_with("", Options::default())
}

fn json(text: &str) -> Value {
    relynt_json::parse(text.as_bytes()).unwrap()
}

/// The fields of a definition that is right, with some set or (null) taken out.
fn body(changes: &str) -> Value {
    let mut body = json(
        r#"{"name":"CRM","action":"*","resource_pattern":"crm:*","base_url":"https://crm.example.com/api"}"#,
    );
    let fields = body.as_object_mut().unwrap();
    for (name, value) in json(changes).as_object().unwrap() {
        match value {
            Value::Null => {
                fields.remove(name);
            }
            value => {
                fields.insert(name, value.clone());
            }
        }
    }
    body
}

fn check(changes: &str) -> Result<ConnectorDefinition, Vec<Fault>> {
    connectors().check(ORGANIZATION, &body(changes), None)
}

fn record(definition: ConnectorDefinition) -> ConnectorRecord {
    ConnectorRecord {
        id: ConnectorId::from_bytes([2; 16]),
        version: 1,
        definition,
        created_at: Timestamp::from_unix_millis(0),
    }
}

fn compile(changes: &str) -> Arc<dyn Connector> {
    let definition = check(changes).unwrap();
    connectors()
        .compile(ORGANIZATION, &record(definition))
        .unwrap()
}
