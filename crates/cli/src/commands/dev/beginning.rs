//! What `relynt dev` starts with: an organization, an agent, a demo connector and a policy.
//!
//! Each step is made only if it is missing, and the credential last: whoever stops it in between
//! goes on from there.

use relynt_domain::{AgentId, ConnectorDefinition, OrganizationId, PolicyVersion};
use relynt_gateway::{AdminError, AgentDraft, Gateway, Person, Rotation};
use relynt_json::{Object, Value, parse};
use zeroize::Zeroizing;

use crate::commands::organizations::refused;
use crate::demo_target::DemoTarget;
use crate::failure::{Exit, Failure};
use crate::outside::now;

const ORGANIZATION: &str = "Development";
/// Nobody's: `localhost` is no mail domain (RFC 6761 section 6.3).
const OWNER: &str = "owner@relynt.localhost";
const AGENT: &str = "demo-agent";
const CONNECTOR: &str = "demo-crm";
/// What the records of these acts name as their request.
const REQUEST: &str = "relynt-dev";

const POLICY: &str = r#"[
    {
        "id": "closing-a-deal",
        "action": "update_deal",
        "resource_pattern": "crm:deal:*",
        "decision": "require_approval",
        "conditions": { "require_approval_if_stage": ["closed_won"] },
        "description": "closing a deal as won needs a person"
    },
    {
        "id": "updates",
        "action": "update_deal",
        "resource_pattern": "crm:deal:*",
        "decision": "allow",
        "conditions": { "max_amount_change": 100000 },
        "description": "other updates are allowed; large changes need a person"
    },
    {
        "id": "everything-else",
        "action": "*",
        "resource_pattern": "*",
        "decision": "deny",
        "description": "everything else is denied"
    }
]"#;

/// What there is now.
pub(super) struct Beginning {
    pub(super) organization: OrganizationId,
    pub(super) agent: AgentId,
    /// Only on the first start: it is shown once.
    pub(super) agent_secret: Option<Zeroizing<String>>,
    /// A fresh one of the Owner.
    pub(super) access_token: Zeroizing<String>,
    /// Plays the demo connector's target as long as this lives; none if the connector is gone.
    pub(super) _target: Option<DemoTarget>,
}

pub(super) async fn begin(gateway: &Gateway) -> Result<Beginning, Failure> {
    start(gateway).await.map_err(|error| match error {
        Stopped::Refused(error) => refused(&error),
        Stopped::Failed(failure) => failure,
    })
}

enum Stopped {
    Refused(AdminError),
    Failed(Failure),
}

impl From<AdminError> for Stopped {
    fn from(error: AdminError) -> Self {
        Self::Refused(error)
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

async fn start(gateway: &Gateway) -> Result<Beginning, Stopped> {
    let (organization, access_token) = if let Some(row) = gateway.organizations().first() {
        (
            row.id,
            gateway.issue_owner_token(row.id, "relynt dev").await?,
        )
    } else {
        let created = gateway.create_organization(ORGANIZATION, OWNER).await?;
        (created.organization, created.access_token)
    };
    let owner = authenticate(gateway, &access_token)?;
    let agent = if let Some(view) = gateway.agents(&owner, None, 1).first() {
        view.agent.id
    } else {
        let draft = AgentDraft {
            name: AGENT.to_owned(),
            description: Some("made by `relynt dev`".to_owned()),
            ..AgentDraft::default()
        };
        gateway.create_agent(&owner, draft, REQUEST).await?.agent.id
    };
    // What the agent's making changed is seen by whoever authenticates after it.
    let owner = authenticate(gateway, &access_token)?;
    let known = gateway
        .credentials(&owner, agent)
        .map_err(|error| unread(&error))?;
    let (target, agent_secret) = if known.is_empty() {
        let target = make_connector(gateway, &owner).await?;
        make_policy(gateway, &owner).await?;
        let rotated = gateway
            .rotate(&owner, agent, Rotation::default(), REQUEST)
            .await?;
        (target, Some(rotated.agent_secret))
    } else {
        let port = demo_connector(gateway, &owner);
        (port.map(start_target).transpose()?, None)
    };
    Ok(Beginning {
        organization,
        agent,
        agent_secret,
        access_token,
        _target: target,
    })
}

fn authenticate(gateway: &Gateway, token: &str) -> Result<Person, Stopped> {
    gateway
        .authenticate_person(token)
        .map_err(|error| Stopped::Refused(error.into()))
}

fn unread(error: &relynt_gateway::ReadError) -> Failure {
    Failure::new(Exit::Unavailable, error.to_string())
}

/// Starts the target, and has the connector name it; none where connectors may not reach it.
async fn make_connector(gateway: &Gateway, owner: &Person) -> Result<Option<DemoTarget>, Stopped> {
    if let Some(port) = demo_connector(gateway, owner) {
        return Ok(Some(start_target(port)?));
    }
    let target = start_target(0)?;
    let base_url = format!("http://{}", target.address());
    let body: Object = [
        ("name", CONNECTOR),
        ("action", "update_deal"),
        ("resource_pattern", "crm:deal:*"),
        ("base_url", base_url.as_str()),
    ]
    .into_iter()
    .collect();
    let body = Value::from(body);
    match gateway.create_connector(owner, &body, REQUEST).await {
        Ok(_) => Ok(Some(target)),
        Err(AdminError::Invalid(faults)) => {
            // Only `connector.allow` can make this definition a wrong one.
            let why = faults
                .first()
                .map(|fault| fault.detail.as_str())
                .unwrap_or_default();
            tracing::warn!("the demo connector was left out: {why}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn start_target(port: u16) -> Result<DemoTarget, Failure> {
    DemoTarget::start(port, now).map_err(|error| {
        let failure = Failure::file("start the demo connector's target on", port, &error);
        Failure::usage(format!(
            "{}; free the port, or change the connector `{CONNECTOR}`",
            failure.text
        ))
    })
}

/// The port that the demo connector's target was given, if the connector is still there.
fn demo_connector(gateway: &Gateway, owner: &Person) -> Option<u16> {
    let connectors = gateway.connectors(owner);
    let mut definitions = connectors.iter().map(|record| &record.definition);
    definitions.find_map(target_port)
}

fn target_port(definition: &ConnectorDefinition) -> Option<u16> {
    if definition.name != CONNECTOR {
        return None;
    }
    let address = definition.base_url.strip_prefix("http://127.0.0.1:")?;
    address.trim_end_matches('/').parse().ok()
}

async fn make_policy(gateway: &Gateway, owner: &Person) -> Result<(), Stopped> {
    let versions = gateway.policies(owner, None, 2).await;
    let versions = versions.map_err(|error| unread(&error))?;
    let version = match versions.first() {
        Some(newest) if newest.row.version > PolicyVersion(1) => {
            if versions
                .iter()
                .any(|version| version.active && version.row.version > PolicyVersion(1))
            {
                return Ok(());
            }
            newest.row.version
        }
        _ => {
            let rules = parse(POLICY.as_bytes())
                .map_err(|error| Failure::usage(format!("the demo policy: {error}")))?;
            let saved = gateway.create_policy(owner, &rules, Some("made by `relynt dev`"), REQUEST);
            saved.await?.row.version
        }
    };
    gateway
        .activate_policy(owner, version, None, true, REQUEST)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use relynt_json::parse;

    use super::POLICY;

    #[test]
    fn the_demo_policy_is_one() {
        let rules = parse(POLICY.as_bytes()).unwrap();
        relynt_policy::Policy::parse(&rules, &|_| false).unwrap();
    }
}
