//! Connectors.

use relynt_domain::{ConnectorDefinition, ConnectorId, ConnectorRecord};
use relynt_json::{Object, Value};

use super::{Act, AdminError};
use crate::directory::Snapshot;
use crate::ports::Change;
use crate::{ConnectorView, Gateway, Person};

impl Gateway {
    /// Creates a connector from a body as sent.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn create_connector(
        &self,
        person: &Person,
        body: &Value,
        request_id: &str,
    ) -> Result<ConnectorView, AdminError> {
        let now = self.clock.now();
        let id = ConnectorId::new(now, self.random()?);
        let definition = self
            .connectors
            .check(person.organization(), body, None)
            .map_err(AdminError::Invalid)?;
        let act = Act {
            name: "connector.create",
            subject: id.to_string(),
            detail: detail(&definition),
            request_id,
        };
        let record = ConnectorRecord {
            id,
            version: 1,
            definition,
            created_at: now,
        };
        let snapshot = self
            .change(person, act, |snapshot| {
                check_name(snapshot, &record)?;
                self.check_callable(snapshot, &record)?;
                Ok(Change::Connector(record.clone()))
            })
            .await?;
        view(&snapshot, id)
    }

    /// Changes what a body names. A header whose value is the mask keeps its value; another origin
    /// drops every value that is not given anew.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn update_connector(
        &self,
        person: &Person,
        id: ConnectorId,
        body: &Value,
        request_id: &str,
    ) -> Result<ConnectorView, AdminError> {
        let changed = |snapshot: &Snapshot| -> Result<ConnectorRecord, AdminError> {
            let current = &snapshot
                .connector(id)
                .ok_or(AdminError::NotFound("connector"))?
                .record;
            let definition = self
                .connectors
                .check(snapshot.organization.id, body, Some(&current.definition))
                .map_err(AdminError::Invalid)?;
            let record = ConnectorRecord {
                id,
                version: current.version.saturating_add(1),
                definition,
                created_at: current.created_at,
            };
            check_name(snapshot, &record)?;
            self.check_callable(snapshot, &record)?;
            Ok(record)
        };
        let detail = detail(&changed(&self.person_again(person)?.snapshot)?.definition);
        let act = Act {
            name: "connector.update",
            subject: id.to_string(),
            detail,
            request_id,
        };
        let snapshot = self
            .change(person, act, |snapshot| {
                changed(snapshot).map(Change::Connector)
            })
            .await?;
        view(&snapshot, id)
    }

    /// Deletes a connector: what it would have performed goes to the next that matches, or to the
    /// agent.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn delete_connector(
        &self,
        person: &Person,
        id: ConnectorId,
        request_id: &str,
    ) -> Result<(), AdminError> {
        let at = self.clock.now();
        let act = Act {
            name: "connector.delete",
            subject: id.to_string(),
            detail: Object::new(),
            request_id,
        };
        self.change(person, act, |snapshot| {
            snapshot
                .connector(id)
                .ok_or(AdminError::NotFound("connector"))?;
            Ok(Change::DeleteConnector { connector: id, at })
        })
        .await?;
        Ok(())
    }

    fn check_callable(
        &self,
        snapshot: &Snapshot,
        record: &ConnectorRecord,
    ) -> Result<(), AdminError> {
        match self.connectors.compile(snapshot.organization.id, record) {
            Ok(_) => Ok(()),
            Err(why) => Err(AdminError::invalid("", why)),
        }
    }
}

fn view(snapshot: &Snapshot, id: ConnectorId) -> Result<ConnectorView, AdminError> {
    let entry = snapshot
        .connector(id)
        .ok_or(AdminError::NotFound("connector"))?;
    Ok(entry.record.clone())
}

fn check_name(snapshot: &Snapshot, record: &ConnectorRecord) -> Result<(), AdminError> {
    let name = &record.definition.name;
    let taken = snapshot
        .connectors
        .iter()
        .any(|other| other.record.definition.name == *name && other.record.id != record.id);
    if taken {
        return Err(AdminError::Conflict(format!(
            "there is a connector named `{name}` already"
        )));
    }
    Ok(())
}

fn detail(definition: &ConnectorDefinition) -> Object {
    let mut detail = Object::new();
    detail.insert("name", definition.name.as_str());
    detail.insert("action", definition.action.as_str());
    detail.insert("resource_pattern", definition.resource_pattern.as_str());
    detail.insert("base_url", definition.base_url.as_str());
    detail.insert(
        "headers",
        definition
            .headers
            .0
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(","),
    );
    detail
}
